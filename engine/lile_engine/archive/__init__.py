"""The archive: slides, tiles and captions with their vectors, on disk, never lost.

``create_archive`` makes one, ``open_archive`` opens it. What comes back is an `Archive` (or `WritableArchive`), which
is all the rest of the program knows of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, overload

from lile_engine.archive.interface import Archive, WritableArchive
from lile_engine.archive.rows import (
    ArchiveStatus,
    CaptionRow,
    Neighbours,
    RunSlide,
    SearchFilter,
    SlideRow,
    TileRow,
)
from lile_engine.model.protocol import ModelIdentity

__all__ = [
    "Archive",
    "ArchiveStatus",
    "CaptionRow",
    "Neighbours",
    "RunSlide",
    "SearchFilter",
    "SlideRow",
    "TileRow",
    "WritableArchive",
    "create_archive",
    "open_archive",
]


def create_archive(
    folder: Path | str, identity: ModelIdentity, model_path: str | None = None, *, group: str | None = None
) -> None:
    """Makes an empty archive for the vectors of one model; only its owner can read it, or with ``group`` that group.

    ``model_path`` is where the model lies, None for the bundled one. Raises `ArchiveError` where something is there
    already, or the place is a network share.
    """
    from lile_engine.archive.create import create_local_archive

    create_local_archive(Path(folder), identity, model_path, group)


@overload
def open_archive(folder: Path | str, *, write: Literal[False] = False) -> Archive: ...
@overload
def open_archive(folder: Path | str, *, write: Literal[True]) -> WritableArchive: ...


def open_archive(folder: Path | str, *, write: bool = False) -> Archive | WritableArchive:
    """Opens the archive in ``folder``.

    Raises `ArchiveError` where there is none or it cannot be used, `ArchiveLockedError` when ``write`` is asked and
    another process writes. Any number of readers may stay open meanwhile; they see what is committed.
    """
    from lile_engine.archive.filesystem import clear_errors
    from lile_engine.archive.local import LocalArchive
    from lile_engine.archive.writer import WritableLocalArchive

    with clear_errors(str(folder)):
        return WritableLocalArchive(Path(folder)) if write else LocalArchive(Path(folder))
