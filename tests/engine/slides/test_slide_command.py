"""``lile slide info`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lile_engine.cli import main


def test_json_holds_what_others_rely_on(jpeg_slide: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["slide", "info", str(jpeg_slide), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info["width"], info["height"], info["format"], info["vendor"]) == (903, 701, "generic-tiff", "generic-tiff")
    assert [level["width"] for level in info["levels"]] == [903, 451, 225]
    assert info["mpp"] == pytest.approx(0.25)
    assert info["associated"] == []


def test_words_for_a_person_and_the_users_mpp(jpeg_slide: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["slide", "info", str(jpeg_slide), "--mpp", "0.5"]) == 0
    text = capsys.readouterr().out
    assert "0.5 um per pixel, about 20x" in text
    assert "903x701 (1/1)" in text


@pytest.mark.parametrize("content", [None, b"", b"no slide at all"])
def test_what_is_no_slide_is_one_line_and_exit_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    path = tmp_path / "bad.svs"
    if content is not None:
        path.write_bytes(content)
    assert main(["slide", "info", str(path), "--json"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1
    assert "bad.svs" in output.err


def test_what_is_wrong_with_a_file_that_opens_is_told(
    tmp_path: Path, jpeg_slide: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.svs"
    path.write_bytes(jpeg_slide.read_bytes()[:-3000])
    assert main(["slide", "info", str(path)]) == 0
    assert "note        cut.svs is damaged or incomplete" in capsys.readouterr().out
    assert main(["slide", "info", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["note"].startswith("cut.svs is damaged or incomplete")
