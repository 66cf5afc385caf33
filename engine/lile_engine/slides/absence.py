"""Told apart from damage: a slide that was closed, and a file that is not there any more."""

from __future__ import annotations

from pathlib import Path

from lile_engine.errors import SlideError


class SlideClosedError(SlideError):
    """Somebody closed the slide; every further read of it fails alike."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path.name} has been closed; open it again.")


class SlideGoneError(SlideError):
    """The file of an open slide has been moved or deleted, or its drive is not connected; it may come back."""


def raise_if_gone(path: Path, cause: BaseException | None = None) -> None:
    """Raises SlideGoneError where the file cannot be found or reached now."""
    try:
        path.stat()
    except OSError as error:
        raise SlideGoneError(f"{path.name} has gone while it was read; is the drive connected?") from cause or error
