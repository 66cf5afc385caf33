"""A sample of `benchmarks/fuzz_slides.py`: damaged files neither crash nor hang nor eat the memory."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "fuzz_slides.py"


@pytest.fixture(scope="module")
def fuzz_slides() -> ModuleType:
    specification = importlib.util.spec_from_file_location("fuzz_slides", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["fuzz_slides"] = module  # its child process finds its function by this name ...
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("files", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_damaged_files(fuzz_slides: ModuleType, monkeypatch: pytest.MonkeyPatch, files: int) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))  # ... and the file in this folder
    figures = fuzz_slides.run(files, seed=11, real=None, keep=None, with_bombs=files > 100)
    assert figures["failed"] == 0
    assert figures["growth_mb"] <= 512
