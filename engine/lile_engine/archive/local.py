"""The archive in one folder on this computer, opened for reading."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from lile_engine.archive import database as db
from lile_engine.archive import history
from lile_engine.archive.exact import best, exact_search
from lile_engine.archive.filesystem import folder_bytes
from lile_engine.archive.filters import from_here, inside, passing_captions, passing_slides
from lile_engine.archive.guarding import guarded
from lile_engine.archive.index import EF_SEARCH, HnswIndex, IndexFile, Piece
from lile_engine.archive.lock import WriterLock, current_writer
from lile_engine.archive.removal import Removal, choose
from lile_engine.archive.rows import (
    ArchiveStatus,
    ArchiveSummary,
    Bools,
    CaptionRow,
    Floats,
    GridSpec,
    Ids,
    Kind,
    Neighbours,
    RunRecord,
    SearchFilter,
    SlideRow,
    TileRow,
)
from lile_engine.archive.runs import Run
from lile_engine.archive.schema import check_version, schema_version
from lile_engine.archive.segments import Segments, load_segments
from lile_engine.archive.store import read_records, read_scattered, token_path, vector_path
from lile_engine.archive.tokens import token_bytes, unpack_tokens
from lile_engine.errors import ArchiveError

EXACT_BELOW = 20_000  # so few vectors are compared one by one: faster than a widened search, and exact
_WIDEN_BELOW = 20_000  # a search widened beyond this many candidates costs more than comparing all
_SAVE_FOR_OTHERS = 5_000  # a reader that had to add so many to the index saves it, if nobody writes
_CHUNK = 16_384
_SQL_CHUNK = 500


class LocalArchive:
    """See `lile_engine.archive.interface.Archive`; made by `open_archive`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._closed = False
        self._group: int | None = None
        self._release: Callable[[], None]
        self._db, self._release = self._connect()
        try:
            check_version(self._db, str(folder))
            self._space, self.model, self.model_path = db.active_space(self._db)
            group = db.get_meta(self._db, "group")
            self._group = int(group) if group else None
        except BaseException:
            self._release()
            raise
        self._generation = -1
        self._data_version = -1
        # What is read anew when the generation changes.
        self._summary: ArchiveSummary | None = None
        self._slides: list[SlideRow] | None = None
        self._slides_by: dict[str, SlideRow | None] | None = None
        self._segments: dict[Kind, Segments] = {}
        self._indexes: dict[Kind, HnswIndex] = {}
        self._synced: dict[Kind, Segments] = {}  # the segments that each index holds
        self._record = token_bytes(self.model.token_width)

    def _connect(self) -> tuple[sqlite3.Connection, Callable[[], None]]:
        reading = db.ReadConnection(self.folder)
        return reading.connection, reading.close

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes it; a second call does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._release()

    # ---- what there is ---------------------------------------------------------------------------------------------

    @guarded
    def status(self) -> ArchiveStatus:
        """How much is in it, which model, and whether somebody writes."""
        self._refresh()
        count = self._count
        described = IndexFile.read(self.folder / db.INDEX / f"tile-{self._space}.json")
        other = self._db.execute("SELECT model_id FROM spaces WHERE active = 0").fetchone()
        return ArchiveStatus(
            path=str(self.folder),
            slides=count("SELECT COUNT(*) FROM slides"),
            slides_complete=count("SELECT COUNT(DISTINCT slide_id) FROM grids"),
            tiles=count("SELECT COALESCE(SUM(tiles), 0) FROM slides"),
            captions=count("SELECT COUNT(*) FROM captions"),
            cases=count('SELECT COUNT(DISTINCT COALESCE("case", name)) FROM slides'),
            model=self.model,
            model_path=self.model_path,
            generation=self._generation,
            index_generation=described.generation if described else None,
            mpps=tuple(row[0] for row in self._db.execute("SELECT DISTINCT mpp FROM grids ORDER BY mpp")),
            bytes=folder_bytes(self.folder),
            writer=current_writer(self.folder),
            schema=schema_version(self._db),
            reembedding=other[0] if other else None,
        )

    @guarded
    def summary(self) -> ArchiveSummary:
        """What every question needs to know of it."""
        self._refresh()
        if self._summary is None:
            slides = self.slides()
            mpps = self._db.execute("SELECT DISTINCT mpp FROM grids ORDER BY mpp").fetchall()
            self._summary = ArchiveSummary(
                str(self.folder), self._generation, len(slides), sum(slide.tiles for slide in slides),
                self._count("SELECT COUNT(*) FROM captions"), tuple(row[0] for row in mpps),
            )  # fmt: skip
        return self._summary

    @guarded
    def slides(self) -> list[SlideRow]:
        """All slides, in the order they came."""
        self._refresh()
        if self._slides is None:
            complete = {row[0] for row in self._db.execute("SELECT DISTINCT slide_id FROM grids")}
            rows = self._db.execute(f"SELECT {db.SLIDE_COLUMNS} FROM slides ORDER BY id").fetchall()
            planned = db.plans(self._db)
            self._slides = [db.slide_row(row, row[0] in complete, planned.get(row[0], 0)) for row in rows]
        return list(self._slides)

    @guarded
    def find_slide(self, name: str) -> SlideRow | None:
        """The slide of that identity, path (also one from here) or, if only one has it, name."""
        self._refresh()
        if self._slides_by is None:
            slides = self.slides()
            self._slides_by = {}
            for slide in slides:
                # None stands for a name that several have.
                self._slides_by[slide.name] = None if slide.name in self._slides_by else slide
            self._slides_by.update({slide.path: slide for slide in slides})
            self._slides_by.update({slide.identity: slide for slide in slides})
        return self._slides_by.get(os.path.abspath(name)) or self._slides_by.get(name)

    @guarded
    def slide_by_identity(self, identity: str) -> SlideRow | None:
        """The slide of that identity, its account of tiles aside: quick also where much is being written."""
        return db.slide_by_identity(self._db, identity)

    def slide_matches(self, search_filter: SearchFilter) -> list[SlideRow]:
        """The slides that pass the filter (its region aside)."""
        return passing_slides(self.slides(), from_here(search_filter))

    @guarded
    def known_tiles(self, identity: str, mpp: float, px: int) -> dict[tuple[int, int, int], int]:
        """Tiles of a slide at this mpp and input size: (x, y, size) in level-0 px -> tile id."""
        slide = self._db.execute("SELECT id, mpp FROM slides WHERE identity = ?", (identity,)).fetchone()
        if slide is None:
            return {}
        side = round(mpp * px / slide[1]) if slide[1] else None
        return {
            (x, y, size): tile
            for tile, x, y, size in self._db.execute(
                "SELECT id, x, y, size FROM tiles WHERE slide_id = ? AND mpp = ?", (slide[0], mpp)
            )
            if side is None or abs(size - side) <= 1
        }

    @guarded
    def finished(self, identity: str, spec: GridSpec) -> bool:
        """Whether the slide was once indexed to the end with this grid."""
        found = self._db.execute(
            "SELECT 1 FROM grids JOIN slides ON slides.id = slide_id WHERE identity = ? AND grids.mpp = ? AND px = ?"
            " AND overlap = ? AND min_tissue = ?",
            (identity, spec.mpp, spec.px, spec.overlap, spec.min_tissue),
        )
        return found.fetchone() is not None

    @guarded
    def grids_of_slide(self, slide_id: int) -> list[tuple[float, int, float]]:
        """(mpp, px, overlap) of every grid the slide was indexed to the end with."""
        return self._db.execute("SELECT mpp, px, overlap FROM grids WHERE slide_id = ?", (slide_id,)).fetchall()

    @guarded
    def tiles_of_slide(self, slide_id: int, mpp: float | None = None) -> tuple[Ids, Ids, Ids]:
        """(ids int64 [n], xy int64 [n, 2], size int64 [n]) of a slide, at one mpp if given."""
        rows = self._db.execute(
            "SELECT id, x, y, size FROM tiles WHERE slide_id = ? AND (?2 IS NULL OR mpp = ?2) ORDER BY id",
            (slide_id, mpp),
        ).fetchall()
        table = np.array(rows, np.int64).reshape(-1, 4)
        return table[:, 0], table[:, 1:3], table[:, 3]

    @guarded
    def tiles(self, ids: Sequence[int] | Ids) -> list[TileRow]:
        """Rows in the order asked; ids that are gone are left out."""
        found = {
            row[0]: row for row in self._select("SELECT id, slide_id, x, y, size, mpp FROM tiles WHERE id IN", ids)
        }
        slides = {
            row[0]: db.slide_row(row)
            for row in self._select(
                f"SELECT {db.SLIDE_COLUMNS} FROM slides WHERE id IN", sorted({row[1] for row in found.values()})
            )
        }
        # A slide may have gone since its tiles were read.
        rows = (found[int(tile)] for tile in ids if int(tile) in found and found[int(tile)][1] in slides)
        return [TileRow(tile, slides[slide], x, y, size, mpp) for tile, slide, x, y, size, mpp in rows]

    @guarded
    def captions(self, ids: Sequence[int] | Ids) -> list[CaptionRow]:
        """Rows in the order asked; ids that are gone are left out."""
        rows = self._select(f"SELECT {db.CAPTION_COLUMNS} FROM captions WHERE id IN", ids)
        found = {row[0]: db.caption_row(row) for row in rows}
        return [found[int(caption)] for caption in ids if int(caption) in found]

    @guarded
    def all_captions(self) -> list[CaptionRow]:
        """Every caption, in the order they came."""
        rows = self._db.execute(f"SELECT {db.CAPTION_COLUMNS} FROM captions ORDER BY id").fetchall()
        return [db.caption_row(row) for row in rows]

    @guarded
    def runs(self, last: int) -> list[RunRecord]:
        """The reports of the last runs, newest first."""
        return db.run_records(self._db, last)

    @guarded
    def removal(self, *, slide: str | None = None, case: str | None = None) -> Removal:
        """What removing a slide (identity, name or path) or a case would take, and by which names it is known
        elsewhere."""
        rows = [*self.slides(), *history.former_slides(self._db)]
        removal = choose(rows, slide, case, history.paths_of(self._db))
        found = self._select('SELECT id, slide, "case" FROM captions WHERE slide IN', removal.names | removal.bare)
        captions = {row[0] for row in found if removal.takes_caption(row[1], row[2])}
        if case is not None:
            captions |= {row[0] for row in self._db.execute('SELECT id FROM captions WHERE "case" = ?', (case,))}
        return replace(removal, captions=tuple(sorted(captions)))

    # ---- vectors and tokens ----------------------------------------------------------------------------------------

    @guarded
    def tile_vectors(self, ids: Sequence[int] | Ids) -> Floats:
        """Vectors float32 [n, d]; raises `ArchiveError` for an id that is gone."""
        self._refresh()
        return self._vectors("tile", np.asarray(ids, np.int64))

    @guarded
    def caption_vectors(self, ids: Sequence[int] | Ids) -> Floats:
        """Vectors float32 [n, d]; raises `ArchiveError` for an id that is gone."""
        self._refresh()
        return self._vectors("caption", np.asarray(ids, np.int64))

    @guarded
    def tile_tokens(self, ids: Sequence[int] | Ids) -> Floats:
        """Image tokens float32 [n, N, w]."""
        self._refresh()
        stores, slots = self._places("tile", np.asarray(ids, np.int64))
        tokens, size = self.model.image_tokens, self._record
        data = np.empty((len(stores), tokens * size), np.uint8)
        for store in np.unique(stores).tolist():
            at = stores == store
            data[at] = read_scattered(token_path(self._vectors_dir, store), tokens * size, slots[at])
        return unpack_tokens(data.reshape(-1, tokens, size))[0]

    @guarded
    def caption_tokens(self, ids: Sequence[int] | Ids) -> tuple[Floats, Bools]:
        """Text tokens float32 [n, M, w] and their mask bool [n, M]."""
        self._refresh()
        wanted = np.asarray(ids, np.int64)
        self._places("caption", wanted)
        places = {
            row[0]: row[1:]
            for row in self._select(
                "SELECT caption_id, first_token, tokens, store_id FROM caption_tokens JOIN stores"
                f" ON stores.id = store_id WHERE space_id = {self._space} AND caption_id IN",
                wanted,
            )
        }
        for caption in wanted.tolist():
            if caption not in places:  # a writer took it out since
                raise self._gone("caption", caption)
        longest = max((places[int(caption)][1] for caption in wanted), default=0)
        data = np.zeros((len(wanted), longest, self._record), np.uint8)
        for row, caption in enumerate(wanted.tolist()):
            first, count, store = places[caption]
            data[row, :count] = read_records(token_path(self._vectors_dir, store), self._record, first, count)
        return unpack_tokens(data)

    # ---- search ----------------------------------------------------------------------------------------------------

    @guarded
    def search_tiles(self, vector: Floats, k: int, search_filter: SearchFilter | None = None) -> Neighbours:
        """The k tiles nearest to a unit vector: exact where the filter leaves few, else by a widened HNSW search."""
        self._refresh()
        vector = self._checked(vector)
        if search_filter is None or search_filter.empty:
            return self._nearest("tile", vector, k)
        search_filter = from_here(search_filter)
        slides = self.slide_matches(search_filter)
        segments = self._segments["tile"]  # of the same moment as the slides, or a later one
        chosen = np.array([slide.id for slide in slides], np.int64)
        if search_filter.region is not None:
            ids = [self._tiles_in_region(slide.id, search_filter) for slide in slides]
            return self._exact_ids("tile", vector, k, np.concatenate([np.zeros(0, np.int64), *ids]))
        total = int(segments.count[np.isin(segments.slide, chosen)].sum())
        if total == segments.total():
            return self._nearest("tile", vector, k)
        if total > EXACT_BELOW:
            found = self._widened("tile", vector, k, total, lambda ids: np.isin(segments.slides_of(ids), chosen))
            if found is not None:
                return found
        return exact_search(self._pieces(segments.pieces(chosen)), vector, k)

    @guarded
    def search_captions(self, vector: Floats, k: int, search_filter: SearchFilter | None = None) -> Neighbours:
        """The k captions nearest to a unit vector."""
        self._refresh()
        vector = self._checked(vector)
        if search_filter is None or search_filter.empty:
            return self._nearest("caption", vector, k)
        allowed = passing_captions(self._db, self.slides(), from_here(search_filter))
        if len(allowed) > EXACT_BELOW:
            found = self._widened("caption", vector, k, len(allowed), lambda ids: np.isin(ids, allowed))
            if found is not None:
                return found
        return self._exact_ids("caption", vector, k, allowed)

    def _nearest(self, kind: Kind, vector: Floats, k: int, ef: int = EF_SEARCH) -> Neighbours:
        try:
            ids, scores = self._index(kind).search(vector, k, ef)
        except RuntimeError:  # hnswlib found fewer than k: its graph has come apart
            return exact_search(self._pieces(self._segments[kind].pieces()), vector, k)
        return Neighbours(ids, scores, exact=False, compared=len(ids))

    def _widened(
        self, kind: Kind, vector: Floats, k: int, passing: int, passes: Callable[[Ids], Bools]
    ) -> Neighbours | None:
        """Asks the index for so many that k pass; None where that would cost more than comparing all that pass."""
        total = self._segments[kind].total()
        want = min(total, int(1.5 * k * total / passing) + 16)
        while want <= max(_WIDEN_BELOW, passing // 20):
            found = self._nearest(kind, vector, want, 2 * EF_SEARCH)
            good = np.flatnonzero(passes(found.ids))[:k]
            if len(good) == k or want == total:
                return Neighbours(found.ids[good], found.scores[good], exact=False, compared=want)
            want = min(total, want * 4)
        return None

    def _exact_ids(self, kind: Kind, vector: Floats, k: int, ids: Ids) -> Neighbours:
        self._refresh()
        ids = ids[self._segments[kind].locate(ids)[2]]  # the rest came or went since they were read
        scores = self._vectors(kind, ids) @ vector
        order = best(scores, k)
        return Neighbours(ids[order], scores[order], exact=True, compared=len(ids))

    def _tiles_in_region(self, slide_id: int, wanted: SearchFilter) -> Ids:
        ids, xy, size = self.tiles_of_slide(slide_id)
        if wanted.region is None:
            return ids
        return ids[inside(wanted.region[1], xy + size[:, None] / 2)]

    # ---- inside ----------------------------------------------------------------------------------------------------

    @property
    def _vectors_dir(self) -> Path:
        return self.folder / db.VECTORS

    def _count(self, sql: str) -> int:
        return int(self._db.execute(sql).fetchone()[0])

    def _select(self, sql: str, ids: Iterable[int | str] | Ids) -> Iterator[tuple[Any, ...]]:
        """``sql`` ends in IN; the values are put behind it in portions."""
        values = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
        for start in range(0, len(values), _SQL_CHUNK):
            part = values[start : start + _SQL_CHUNK]
            yield from self._db.execute(f"{sql} ({','.join('?' * len(part))})", part)

    def _refresh(self) -> None:
        """Takes note of what another process committed since the last call."""
        version = self._count("PRAGMA data_version")
        if version == self._data_version:
            return
        generation = int(db.get_meta(self._db, "generation", "0"))
        if generation != self._generation:
            if db.active_space(self._db)[0] != self._space:
                raise ArchiveError(f"The archive {self.folder} was switched to another model; open it again.")
            self._segments = {kind: load_segments(self._db, self._space, kind) for kind in ("tile", "caption")}
            self._summary, self._slides, self._slides_by = None, None, None
        self._generation, self._data_version = generation, version

    def _moved_on(self) -> bool:
        """Takes note of what was committed since; False if nothing was."""
        before = self._generation
        self._refresh()
        return self._generation != before

    def _index(self, kind: Kind) -> HnswIndex:
        """The search index in memory, with exactly what is committed."""
        index = self._indexes.get(kind)
        if index is None:
            index = HnswIndex(self.folder / db.INDEX, f"{kind}-{self._space}", self.model.width)
            index.load()
            self._indexes[kind] = index
        if self._synced.get(kind) is not self._segments[kind]:
            wanted = self._segments[kind].runs()
            behind = index.behind(wanted)
            if behind > _SAVE_FOR_OTHERS:  # more than a question may wait for; a writer may have done it already
                saved = index.behind_on_disk(wanted)
                if saved is not None and saved < behind:
                    index.load()
            index.sync(wanted, partial(self._read_runs, kind))
            self._synced[kind] = self._segments[kind]
            if index.changed > _SAVE_FOR_OTHERS:
                self._save_for_others(index)
        return index

    def _save_for_others(self, index: HnswIndex) -> None:
        """Spares the next reader the work; if that cannot be, nothing is lost."""
        with contextlib.suppress(ArchiveError, OSError):
            lock = WriterLock(self.folder, self._group)
            try:
                # A writer may have come and gone meanwhile: what it erased must not come back, nor a newer index go.
                same = int(db.get_meta(self._db, "generation", "0")) == self._generation
                if same and not index.holds_deleted:
                    index.save(self._generation, self._group)
            finally:
                lock.release()
        index.changed = 0

    def _read_runs(self, kind: Kind, runs: list[Run]) -> Iterator[Piece]:
        """Ids and vectors of runs of ids, in portions."""
        wanted = np.array(runs, np.int64).reshape(-1, 2)
        for store, slot, first, count in self._segments[kind].pieces():
            for start, stop in wanted[(wanted[:, 0] < first + count) & (wanted[:, 1] > first)].tolist():
                low, high = max(start, first), min(stop, first + count)
                yield from self._pieces([(store, slot + low - first, low, high - low)])

    def _pieces(self, pieces: Iterable[tuple[int, int, int, int]]) -> Iterator[Piece]:
        """Ids and vectors of (store, first_slot, first_id, count), at most `_CHUNK` at a time."""
        for store, slot, first, count in pieces:
            for start in range(0, count, _CHUNK):
                size = min(_CHUNK, count - start)
                path = vector_path(self._vectors_dir, store)
                data = read_records(path, self.model.width * 4, slot + start, size)
                yield np.arange(first + start, first + start + size), data.view("<f4")

    def _places(self, kind: Kind, ids: Ids) -> tuple[Ids, Ids]:
        stores, slots, alive = self._segments[kind].locate(ids)
        if not alive.all():
            raise self._gone(kind, int(ids[~alive][0]))
        return stores, slots

    def _gone(self, kind: Kind, number: int) -> ArchiveError:
        return ArchiveError(f"The {kind} {number} is no longer in the archive {self.folder}.")

    def _vectors(self, kind: Kind, ids: Ids) -> Floats:
        stores, slots = self._places(kind, ids)
        data = np.empty((len(ids), self.model.width * 4), np.uint8)
        for store in np.unique(stores).tolist():
            at = stores == store
            data[at] = read_scattered(vector_path(self._vectors_dir, store), self.model.width * 4, slots[at])
        return data.view("<f4").astype(np.float32, copy=False)

    def _checked(self, vector: Floats) -> Floats:
        vector = np.ascontiguousarray(vector, np.float32).reshape(-1)
        if len(vector) != self.model.width:
            raise ArchiveError(
                f"The archive {self.folder} holds vectors of {self.model.name} ({self.model.width} numbers); "
                f"a vector of {len(vector)} is another model's."
            )
        if not np.vdot(vector, vector) < np.inf:  # nan too
            raise ArchiveError("The question's vector holds numbers that are not finite; nothing is near to it.")
        return vector
