"""The two append-only files of a store: ``N.vec`` (float32 vectors) and ``N.tok`` (packed tokens).

Fixed-size records, nothing else: how many of them count and what their checksums are stands in the database, which
is written after them. What lies behind the last counted record was left by a killed writer and is cut off by the next.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lile_engine.archive.filesystem import sync_dir
from lile_engine.archive.rows import Floats, Ids
from lile_engine.errors import ArchiveError
from lile_engine.paths import open_private

Records = NDArray[np.uint8]


@dataclass(frozen=True)
class Written:
    """Where an appended batch begins, in slots and tokens, and the checksums (CRC-32) of its bytes."""

    first_slot: int
    first_token: int
    vector_crc: int
    token_crc: int


def vector_path(folder: Path, store: int) -> Path:
    """Where the vectors of a store lie."""
    return folder / f"{store}.vec"


def token_path(folder: Path, store: int) -> Path:
    """Where the tokens of a store lie."""
    return folder / f"{store}.tok"


class StoreAppender:
    """Appends to one store. ``slots`` and ``tokens`` are what the database counts so far."""

    def __init__(
        self, folder: Path, store: int, width: int, record: int, slots: int, tokens: int, group: int | None = None
    ) -> None:
        self.store, self.slots, self.tokens = store, slots, tokens
        self._width, self._record = width, record
        flags = os.O_RDWR | os.O_CREAT
        self._vectors = open_private(vector_path(folder, store), flags, group)
        self._tokens = open_private(token_path(folder, store), flags, group)
        try:
            _cut(self._vectors, slots * width * 4, vector_path(folder, store))
            _cut(self._tokens, tokens * record, token_path(folder, store))
            sync_dir(folder)
        except BaseException:
            self.close()
            raise

    def append(self, vectors: Floats, tokens: Records) -> Written:
        """Writes vectors [n, d] and token records [m, w + 2] behind what is there.

        They are safe after `flush` and count once the database says so. If that fails, throw the appender away.
        """
        vector_bytes = np.ascontiguousarray(vectors, "<f4").tobytes()
        token_bytes = np.ascontiguousarray(tokens).tobytes()
        written = Written(self.slots, self.tokens, zlib.crc32(vector_bytes), zlib.crc32(token_bytes))
        _write_at(self._vectors, self.slots * self._width * 4, vector_bytes)
        _write_at(self._tokens, self.tokens * self._record, token_bytes)
        self.slots += len(vectors)
        self.tokens += len(tokens)
        return written

    def flush(self) -> None:
        """Waits until the disk has it."""
        os.fsync(self._vectors)
        os.fsync(self._tokens)

    def close(self) -> None:
        os.close(self._vectors)
        os.close(self._tokens)


def _cut(handle: int, counted: int, path: Path) -> None:
    size = os.fstat(handle).st_size
    if size < counted:
        raise ArchiveError(
            f"The file {path} is shorter than it was ({size} of {counted} bytes); "
            "run `lile archive check --repair` on the archive."
        )
    if size > counted:
        os.ftruncate(handle, counted)


def _write_at(handle: int, offset: int, data: bytes) -> None:
    os.lseek(handle, offset, os.SEEK_SET)
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def read_records(path: Path, record: int, first: int, count: int) -> Records:
    """``count`` records of ``record`` bytes from number ``first``: uint8 [count, record]."""
    data = np.empty((count, record), np.uint8)
    with open(path, "rb", buffering=0) as stream:
        stream.seek(first * record)
        _fill(stream.readinto, data, path)
    return data


def read_scattered(path: Path, record: int, slots: Ids) -> Records:
    """The records at ``slots``, in that order; neighbours on disk are read in one go."""
    data = np.empty((len(slots), record), np.uint8)
    if not len(slots):
        return data
    order = np.argsort(slots, kind="stable")
    breaks = np.flatnonzero(np.diff(slots[order]) != 1) + 1
    with open(path, "rb", buffering=0) as stream:
        for group in np.split(order, breaks):
            block = np.empty((len(group), record), np.uint8)
            stream.seek(int(slots[group[0]]) * record)
            _fill(stream.readinto, block, path)
            data[group] = block
    return data


def _fill(readinto: Callable[[memoryview], int | None], data: Records, path: Path) -> None:
    view = data.reshape(-1).data
    while view:
        got = readinto(view)
        if not got:
            raise ArchiveError(
                f"The file {path} ends too early; run `lile archive check --repair` on the archive to mend it."
            )
        view = view[got:]
