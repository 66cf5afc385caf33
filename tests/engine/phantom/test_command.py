"""``lile phantom`` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lile_engine.cli import main


def test_draws_and_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "s.tif"
    arguments = ["phantom", str(out), "--size", "512x300", "--seed", "2", "--mpp", "1", "--tissues", "blood, mucin"]
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["width"], result["height"], result["mpp"], result["seed"]) == (512, 300, 1.0, 2)
    assert out.is_file()
    assert Path(result["truth"]).is_file()


def test_progress_ends_with_the_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["phantom", str(tmp_path / "s.tif"), "--size", "300", "--progress", "jsonl"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0]["event"] == "progress"
    assert events[-1]["event"] == "result"


def test_unknown_tissue_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["phantom", str(tmp_path / "s.tif"), "--size", "300", "--tissues", "liver"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_bad_size_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["phantom", str(tmp_path / "s.tif"), "--size", "big"])
    assert stop.value.code == 2
