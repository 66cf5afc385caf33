"""``lile doctor``: what it says on stdout, and the one line on stderr when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lile_engine.cli import main


def test_what_is_wrong_is_named_on_stderr(tmp_path: Path, lile_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--model", str(tmp_path / "none"), "--json"]) == 1
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert report["healthy"] is False
    (model,) = [f for f in report["findings"] if f["name"] == "model"]
    assert model["verdict"] == "problem"
    assert "none" in model["detail"]
    assert told.err == "lile: something is wrong with: model; the report says what to do.\n"
