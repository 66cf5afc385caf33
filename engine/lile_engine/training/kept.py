"""Rows of numbers kept in files: computed once, read by any later training, and never past the end of the disk.

The files are mapped into memory. Writing into a hole of such a file when the disk is full would end the process, so
room is asked for first, in portions, and what is missing is told. Each row carries the stamp of the file that it was
computed from: where that has changed, the row is computed again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lile_engine.errors import DataError
from lile_engine.paths import private_dir

_PORTION = 16 * 2**20  # bytes that are asked for at once
_MARGIN = 2**20  # left free where room cannot be asked for, only looked at

Halfs = NDArray[np.float16]


class KeptRows:
    """Float16 rows by (index, view) in ``folder``: ``NAME.f16``, ``NAME.done`` (which are there), ``NAME.seen``
    (the stamps, uint64). Raises `DataError` where they cannot be made or the disk is full."""

    def __init__(self, folder: Path, name: str, stamps: Sequence[int], views: int, width: int) -> None:
        self._folder, self._asked = folder, set[int]()
        shape = (len(stamps), views, width)
        try:
            private_dir(folder)
            self._file = folder / f"{name}.f16"
            self._rows = _open_map(self._file, np.float16, shape, whole=False)
            self._done = _open_map(folder / f"{name}.done", np.uint8, shape[:2], whole=True)
            seen = _open_map(folder / f"{name}.seen", np.uint64, shape[:1], whole=True)
        except (OSError, ValueError) as error:
            raise _no_room(folder, error) from error
        now = np.array(stamps, np.uint64)
        changed = seen != now
        self._done[changed] = 0  # before the stamps: a kill in between only computes them again
        seen[changed] = now[changed]

    def get(self, index: int, view: int) -> Halfs | None:
        """A row [width], None where it is still to be computed."""
        return np.asarray(self._rows[index, view]) if self._done[index, view] else None

    def put(self, index: int, view: int, row: Halfs) -> None:
        """Keeps a row."""
        size = self._rows.shape[2] * self._rows.itemsize
        start = (index * self._rows.shape[1] + view) * size
        for portion in range(start // _PORTION, (start + size - 1) // _PORTION + 1):
            self._ask_for(portion)
        self._rows[index, view] = row
        self._done[index, view] = 1  # after the row: a kill in between only computes it again

    def _ask_for(self, portion: int) -> None:
        if portion in self._asked:
            return
        start = portion * _PORTION
        try:
            with self._file.open("r+b") as file:
                _reserve(file.fileno(), self._file, start, min(_PORTION, self._rows.nbytes - start))
        except OSError as error:
            raise _no_room(self._folder, error) from error
        self._asked.add(portion)


def file_stamp(path: Path) -> int:
    """64 bits that change with size or time of a file, never 0; of a missing one always the same."""
    try:
        found = path.stat()
        told = f"{found.st_size} {found.st_mtime_ns}"
    except OSError:
        told = "missing"
    return int.from_bytes(hashlib.sha256(told.encode()).digest()[:8], "little") or 1


def _open_map(path: Path, kind: Any, shape: tuple[int, ...], *, whole: bool) -> NDArray[Any]:
    """A file-backed array of zeros, kept when it exists in the right size; ``whole`` takes all its room at once, else
    it is sparse until it is written."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    if not path.is_file() or path.stat().st_size != size:
        with path.open("wb") as file:
            path.chmod(0o600)
            file.truncate(size)
    if whole:
        with path.open("r+b") as file:
            _reserve(file.fileno(), path, 0, size)
    return np.memmap(path, dtype=kind, mode="r+", shape=shape)


def _reserve(handle: int, path: Path, start: int, size: int) -> None:
    """Takes room for a part of a file; what is written there stays. Raises OSError where there is none."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, start, size)
    elif shutil.disk_usage(path.parent).free < size + _MARGIN:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _no_room(folder: Path, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or str(error)
    return DataError(f"Features cannot be kept in {folder} ({reason}); make room there or name another [data] cache.")
