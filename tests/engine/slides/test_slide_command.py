"""``lile slide info`` as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

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


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_a_name_with_the_end_of_a_line_keeps_to_its_line(
    jpeg_slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "two\nlines.tif"
    path.write_bytes(jpeg_slide.read_bytes())
    assert main(["slide", "info", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "two lines.tif: generic-tiff, generic-tiff"


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


@pytest.mark.skipif(sys.platform != "linux", reason="only here may a name be any bytes")
def test_a_name_that_is_no_text_is_spelled_out(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/bad\xff.png"
    Image.new("RGB", (40, 30)).save(tmp_path / "good.png")
    os.rename(tmp_path / "good.png", path)
    for strict in ("utf-8:strict", "utf-8:surrogateescape"):  # a UTF-8 locale, and LANG=C
        told = subprocess.run(
            [sys.executable, "-m", "lile_engine", "slide", "info", path, "--json"], capture_output=True, check=True,
            env={**os.environ, "PYTHONIOENCODING": strict},
        )  # fmt: skip
        assert json.loads(told.stdout.decode("utf-8"))["name"] == "bad\\udcff.png"


def test_folders_and_links_to_themselves_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["slide", "info", "."]) == 1
    assert capsys.readouterr().err == f"lile: {tmp_path} is a folder, not a slide; name a file in it.\n"
    (tmp_path / "loop.svs").symlink_to("loop.svs")
    assert main(["slide", "info", "loop.svs"]) == 1
    assert "loop.svs is a link that leads back to itself" in capsys.readouterr().err
    (tmp_path / "x.svs").touch()
    assert main(["slide", "info", "x.svs", "--mpp", "200"]) == 1
    assert "give 0.02 to 100." in capsys.readouterr().err
