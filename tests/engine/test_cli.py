"""What holds for every command: one line on stderr, the exit code, purity of --json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lile_engine.cli import main


@pytest.mark.parametrize("name", ["missing.svs", "empty.svs", "text.svs"])
def test_bad_input_is_one_line_and_exit_1(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.svs").touch()
    (tmp_path / "text.svs").write_text("not a slide")
    assert main(["slide", "info", str(tmp_path / name), "--json"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert name in told.err


def test_bad_usage_is_exit_2() -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["slide", "inform", "x"])
    assert stopped.value.code == 2


def test_what_nobody_thought_of_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RecursionError("too deep\nand more")

    monkeypatch.setattr("lile_engine.slides.open_slide", broken)
    assert main(["slide", "info", "x.svs"]) == 1
    told = capsys.readouterr()
    assert told.err == "lile: RecursionError: too deep and more (run `lile --debug slide ...` for details).\n"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("seed = -1", "[run] seed"),
        ("threads = -4", "[run] threads is -4"),
        ("save_minutes = nan", "[run] save_minutes"),
    ],
)
def test_a_training_that_cannot_be_is_refused(
    line: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "train.toml"
    config.write_text(f'output = "out"\n[data]\ntrain = ["pairs"]\n[run]\n{line}\n')
    assert main(["train", str(config)]) == 1
    assert problem in capsys.readouterr().err


def test_a_training_never_replaces_a_folder_that_is_no_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "thesis" / "chapter.txt"
    kept.parent.mkdir()
    kept.write_text("years of work")
    config = tmp_path / "train.toml"
    config.write_text('output = "thesis"\n[data]\ntrain = ["pairs"]\n')
    assert main(["train", str(config)]) == 1
    assert "holds something else than a model" in capsys.readouterr().err
    assert kept.read_text() == "years of work"


def test_a_broken_character_costs_its_line_only(tmp_path: Path) -> None:
    from lile_engine.retrieval.captions import read_captions

    file = tmp_path / "c.jsonl"
    file.write_text('{"text": "fat"}\n{"text": "half \\ud800"}\n' + json.dumps({"text": "gland"}) + "\n")
    rows = list(read_captions(file))
    assert [type(row).__name__ for row in rows] == ["CaptionRow", "BadRow", "CaptionRow"]
