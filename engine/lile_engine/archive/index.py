"""The HNSW index of one kind of vectors: derived from the stores, so it may be lost at any time.

On disk it is ``NAME-GENERATION.hnsw`` with ``NAME.json`` beside it, which says which ids are in it and what its bytes
look like; the JSON is replaced last, so it always points at a whole file. In memory it is brought up to date by
comparing the ids it has with the ids there are.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hnswlib
import numpy as np

from lile_engine.archive.filesystem import sync_dir, write_atomic
from lile_engine.archive.rows import Floats, Ids
from lile_engine.archive.runs import Run, count, merge, subtract
from lile_engine.paths import open_private

M = 16
EF_CONSTRUCTION = 200
EF_SEARCH = 96
_DEAD_SHARE = 0.25  # above this share of deleted vectors the index is built anew, which gives their room back
_ROOM = 1.1  # growing in steps of a tenth keeps memory close to what is used
_SAMPLES, _SAMPLE_BYTES = 64, 1 << 16

Piece = tuple[Ids, Floats]


@dataclass(frozen=True)
class IndexFile:
    """The JSON beside an index file."""

    file: str
    generation: int
    live: tuple[Run, ...]
    dead: tuple[Run, ...]
    dim: int
    size: int
    mtime_ns: int
    crc: int
    sample_crc: int

    def to_json(self) -> bytes:
        return json.dumps(self.__dict__).encode()

    @staticmethod
    def read(path: Path) -> IndexFile | None:
        """The description, or None if it is missing or makes no sense."""
        try:
            raw: dict[str, Any] = json.loads(path.read_bytes())
            raw["live"] = tuple((int(a), int(b)) for a, b in raw["live"])
            raw["dead"] = tuple((int(a), int(b)) for a, b in raw["dead"])
            return IndexFile(**raw)
        except (OSError, ValueError, TypeError, KeyError):
            return None


class HnswIndex:
    """Nearest neighbours by inner product over unit vectors of ``dim``. Calls may come from several threads."""

    def __init__(self, folder: Path, name: str, dim: int, threads: int | None = None) -> None:
        self._folder, self._name, self._dim = folder, name, dim
        self._threads = threads or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self._lock = threading.RLock()
        self._index: Any = None
        self._live: list[Run] = []
        self._number = 0  # of live vectors
        self._dead: list[Run] = []
        self.changed = 0  # vectors added or deleted since it was loaded or saved

    @property
    def description_path(self) -> Path:
        return self._folder / f"{self._name}.json"

    def load(self) -> bool:
        """Takes what is on disk. False where that cannot be taken: not whole, then what it held stays; or hnswlib
        does not read it, then it holds nothing."""
        with self._lock:
            described = IndexFile.read(self.description_path)
            if described is None or described.dim != self._dim or not file_is_whole(self._folder, described):
                return False
            self._reset()  # first: two of them would take twice the memory
            index = hnswlib.Index(space="ip", dim=self._dim)
            total = count(described.live) + count(described.dead)
            try:
                index.load_index(str(self._folder / described.file), max_elements=total)
            except RuntimeError:
                return False
            if index.get_current_count() != total:
                return False
            index.set_ef(EF_SEARCH)
            index.set_num_threads(self._threads)
            self._index, self._dead = index, list(described.dead)
            self._set_live(list(described.live))
            return True

    def behind(self, wanted: list[Run]) -> int:
        """How many vectors `sync` would have to add."""
        with self._lock:
            return _work(self._live, self._dead, wanted)

    def behind_on_disk(self, wanted: list[Run]) -> int | None:
        """The same of what is on disk, by its description; None without one."""
        described = IndexFile.read(self.description_path)
        return None if described is None else _work(list(described.live), list(described.dead), wanted)

    @property
    def holds_deleted(self) -> bool:
        """Whether vectors that were deleted are still in its memory, and would go to the disk with it."""
        return bool(self._dead)

    def holds_more(self, wanted: list[Run]) -> bool:
        """Whether memory or disk may hold vectors other than ``wanted``, deleted ones too."""
        with self._lock:
            described = IndexFile.read(self.description_path)
            known = (*described.live, *described.dead) if described is not None else ()
            named = {described.file} if described is not None else set()
            others = {path.name for path in self._folder.glob(f"{self._name}-*.hnsw*")} - named
            return bool(others or subtract(merge([*self._live, *self._dead, *known]), wanted))

    def sync(self, wanted: list[Run], read: Callable[[list[Run]], Iterator[Piece]]) -> None:
        """Makes exactly ``wanted`` findable; ``read`` yields ids and vectors of the runs it is given."""
        with self._lock:
            gone = subtract(self._live, wanted)
            dead = merge([*self._dead, *gone])
            if _too_many(dead, self._live, self._dead):
                self.changed += count(dead)
                self._reset(keep_changed=True)
                gone = []
            for start, stop in gone:
                for label in range(start, stop):
                    self._index.mark_deleted(label)
            if gone:
                self._dead = dead
                self._set_live(subtract(self._live, gone))
                self.changed += count(gone)
            self._include(subtract(wanted, self._live), read)

    def add(self, pieces: Sequence[Piece]) -> None:
        """Makes new vectors findable; within a piece the ids follow on each other."""
        runs = merge(run for ids, _ in pieces for run in _runs_of(ids))
        ids, vectors = (np.concatenate(column) for column in zip(*pieces, strict=True))
        with self._lock:
            self._include(runs, lambda _: iter([(ids, vectors)]))

    def _include(self, new: list[Run], read: Callable[[list[Run]], Iterator[Piece]]) -> None:
        if not new:
            return
        self._reserve(self._number + count(self._dead) + count(new))
        for ids, vectors in read(new):
            self._index.add_items(vectors, ids)
            # Piece by piece: reading the next may fail, and what is in the graph must be known to be there.
            self._set_live(merge([*self._live, *_runs_of(ids)]))
            self.changed += len(ids)

    def rebuild(self, wanted: list[Run], read: Callable[[list[Run]], Iterator[Piece]]) -> None:
        """Builds it anew, so that nothing of a deleted vector is left."""
        with self._lock:
            self._reset()
            self.changed = 1
            self.sync(wanted, read)

    def search(self, vector: Floats, k: int, ef: int = EF_SEARCH) -> tuple[Ids, Floats]:
        """Ids int64 [k'] and inner products float32 [k'], best first; k' = min(k, vectors). ``ef`` is how many
        candidates the search keeps, at least half as many again as k."""
        with self._lock:
            k = min(k, self._number)
            if k == 0:
                return np.zeros(0, np.int64), np.zeros(0, np.float32)
            self._index.set_ef(max(ef, k + k // 2))
            labels, distances = self._index.knn_query(vector, k=k, num_threads=1)
            return labels[0].view(np.int64), 1.0 - distances[0]

    def save(self, generation: int, group: int | None = None) -> None:
        """Writes it under a temporary name, renames it, then points the JSON at it."""
        self.begin_save(generation, group)()

    def begin_save(self, generation: int, group: int | None = None) -> Callable[[], None]:
        """The part of `save` that needs the index: the rest, which mostly waits for the disk, is done by the function
        returned, while the index may go on growing. One save at a time."""
        with self._lock:
            if self._index is None:
                return lambda: self._forget_files(keep=None)
            target = self._folder / f"{self._name}-{generation}.hnsw"
            temporary = target.with_name(target.name + ".tmp")
            os.close(open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, group))
            try:
                self._index.save_index(str(temporary))
                if temporary.stat().st_size != self._index.index_file_size():
                    raise OSError(28, "No space left on device")  # hnswlib does not tell when a write fails
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            live, dead, changed = tuple(self._live), tuple(self._dead), self.changed

        def finish() -> None:
            try:
                handle = os.open(temporary, os.O_RDWR)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
                full, sample = _checksums(temporary)
                stat = temporary.stat()
                os.replace(temporary, target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            sync_dir(self._folder)
            described = IndexFile(
                target.name, generation, live, dead, self._dim, stat.st_size, stat.st_mtime_ns, full, sample
            )
            write_atomic(self.description_path, described.to_json(), group)
            self._forget_files(keep=target.name)
            with self._lock:
                self.changed = max(0, self.changed - changed)

        return finish

    def _forget_files(self, keep: str | None) -> None:
        """Removes older index files and half-written ones; one that a reader on Windows holds open stays a while."""
        if keep is None:
            self.description_path.unlink(missing_ok=True)
        for path in self._folder.glob(f"{self._name}-*.hnsw*"):
            if path.name != keep:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _reset(self, keep_changed: bool = False) -> None:
        self._index, self._dead = None, []
        self._set_live([])
        if not keep_changed:
            self.changed = 0

    def _set_live(self, live: list[Run]) -> None:
        self._live, self._number = live, count(live)

    def _reserve(self, total: int) -> None:
        if self._index is None:
            self._index = hnswlib.Index(space="ip", dim=self._dim)
            self._index.init_index(max_elements=total, ef_construction=EF_CONSTRUCTION, M=M, random_seed=7)
            self._index.set_ef(EF_SEARCH)
            self._index.set_num_threads(self._threads)
        elif total > self._index.get_max_elements():
            self._index.resize_index(max(total, int(self._index.get_max_elements() * _ROOM)))


def _runs_of(ids: Ids) -> list[Run]:
    """Sorted ids as runs."""
    cuts = [0, *(np.flatnonzero(np.diff(ids) != 1) + 1).tolist(), len(ids)]
    return [(int(ids[start]), int(ids[stop - 1]) + 1) for start, stop in itertools.pairwise(cuts)]


def _too_many(dead: list[Run], live: list[Run], dead_so_far: list[Run]) -> bool:
    return bool(dead) and count(dead) > _DEAD_SHARE * (count(live) + count(dead_so_far))


def _work(live: list[Run], dead: list[Run], wanted: list[Run]) -> int:
    """How many vectors must be added to make an index of ``live`` and ``dead`` one of ``wanted``."""
    if _too_many(merge([*dead, *subtract(live, wanted)]), live, dead):
        return count(wanted)
    return count(subtract(wanted, live))


def file_is_whole(folder: Path, described: IndexFile, thorough: bool = False) -> bool:
    """Whether the index file is the one described. A file that was touched since is read whole, another in samples."""
    path = folder / described.file
    try:
        stat = path.stat()
        if stat.st_size != described.size:
            return False
        if thorough or stat.st_mtime_ns != described.mtime_ns:
            return _checksums(path)[0] == described.crc
        return _sample_checksum(path, stat.st_size) == described.sample_crc
    except OSError:
        return False


def _checksums(path: Path) -> tuple[int, int]:
    full = 0
    with open(path, "rb", buffering=0) as stream:
        while block := stream.read(1 << 24):
            full = zlib.crc32(block, full)
    return full, _sample_checksum(path, path.stat().st_size)


def _sample_checksum(path: Path, size: int) -> int:
    value = 0
    with open(path, "rb", buffering=0) as stream:
        for offset in np.linspace(0, max(size - _SAMPLE_BYTES, 0), _SAMPLES).astype(np.int64).tolist():
            stream.seek(offset)
            value = zlib.crc32(stream.read(_SAMPLE_BYTES), value)
    return value
