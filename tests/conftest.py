"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real slides and tiles, which is no part of the repository; skips where it is missing."""
    folder = Path(os.environ.get("LILE_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "slides").is_dir():
        pytest.skip(f"no real slides at {folder} (set LILE_REAL_DATA)")
    return folder


@pytest.fixture
def lile_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private, empty user folder, also for child processes."""
    home = tmp_path / "home"
    monkeypatch.setenv("LILE_HOME", str(home))
    return home
