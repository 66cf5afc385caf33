"""Microns per pixel that the user said of slides without any, by identity, kept in the user's folder."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from lile_engine.paths import home_dir, private_dir

_NAME = "slide_mpp.json"


def remember(identity: str, mpp: float) -> None:
    """Keeps ``mpp`` for a slide; threads and programs that do so at once lose nothing of each other's. OSError."""
    with _alone() as path:
        _write(path, {**_read(path), identity: mpp})


def forget(identity: str) -> None:
    """Forgets what was said of a slide. OSError."""
    with _alone() as path:
        known = _read(path)
        if known.pop(identity, None) is not None:
            _write(path, known)


def recall(identity: str) -> float | None:
    """What was said of a slide, or None."""
    return _read(home_dir() / _NAME).get(identity)


def _read(path: Path) -> dict[str, float]:
    try:
        return {str(identity): float(mpp) for identity, mpp in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write(path: Path, known: dict[str, float]) -> None:
    draft = path.with_suffix(".tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(known, file)
    draft.replace(path)


@contextlib.contextmanager
def _alone() -> Iterator[Path]:
    """The file, while no other thread or program changes it."""
    folder = private_dir(home_dir())
    handle = os.open(folder / "slide_mpp.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait_for(handle)
        yield folder / _NAME
    finally:
        os.close(handle)  # which lets the lock go


if sys.platform == "win32":
    import msvcrt

    def _wait_for(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # up to ten seconds, then OSError

else:
    import fcntl

    def _wait_for(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)
