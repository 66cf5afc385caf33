"""The local archive opened for writing."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np

from lile_engine.archive import database as db
from lile_engine.archive import history
from lile_engine.archive.appending import SegmentWriter, caption_key, check_shapes, space_model
from lile_engine.archive.feeding import IndexFeeder
from lile_engine.archive.filesystem import refuse_network_share, remove_tree
from lile_engine.archive.guarding import guarded
from lile_engine.archive.index import HnswIndex
from lile_engine.archive.local import LocalArchive
from lile_engine.archive.lock import WriterLock
from lile_engine.archive.removal import NOTHING, Removal, drop_reports
from lile_engine.archive.rows import (
    Bools,
    CaptionRow,
    Floats,
    GridSpec,
    Ids,
    Kind,
    RunSlide,
    SlideRow,
    Square,
)
from lile_engine.archive.runs import count, merge, subtract
from lile_engine.archive.schema import migrate
from lile_engine.archive.segments import load_segments
from lile_engine.archive.sweeping import sweep
from lile_engine.archive.tokens import token_bytes
from lile_engine.errors import ArchiveError
from lile_engine.model.protocol import ModelIdentity
from lile_engine.paths import archive_group

SLIDE_FILES = "slides"  # a folder per slide, named by identity, for what belongs to it (regions); goes with the slide
# After a kill so many new vectors, or this share of all, must at most be added to the index again.
_SAVE_EVERY, _SAVE_SHARE = 50_000, 0.2
_EDITABLE = {"case", "organ", "stain", "tags", "path"}


class WritableLocalArchive(LocalArchive):
    """See `lile_engine.archive.interface.WritableArchive`; made by ``open_archive(folder, write=True)``."""

    def __init__(self, folder: Path) -> None:
        self._known: tuple[int, set[tuple[int, int, int]]] = (0, set())
        self._unsaved = 0
        self._feeder = IndexFeeder()
        super().__init__(folder)
        self._stores = SegmentWriter(self._db, self._vectors_dir, self._group)
        try:
            self._sweep()
            self._was_erasing = bool(db.get_meta(self._db, "erase"))
            if self._was_erasing:
                with contextlib.suppress(db.StillRead):  # writing can go on; the next that opens it tries again
                    self._finish_erasing()
        except BaseException:
            self._release()
            raise

    def _connect(self) -> tuple[sqlite3.Connection, Callable[[], None]]:
        path = db.database_path(self.folder)
        refuse_network_share(self.folder)
        group = archive_group(self.folder)
        lock = WriterLock(self.folder, group)
        try:
            connection = db.connect_to_write(path, group)
            migrate(connection, str(self.folder))
        except BaseException:
            lock.release()
            raise

        def release() -> None:
            try:
                connection.close()
            finally:
                lock.release()

        return connection, release

    def close(self) -> None:
        """Saves the search index and closes; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            try:
                self.save_index()
            finally:
                self._feeder.close()
                self._stores.close()
                super().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        with contextlib.suppress(ArchiveError):  # the first error is the one to tell
            self.close()

    # ---- slides ----------------------------------------------------------------------------------------------------

    @guarded
    def add_slide(self, row: SlideRow) -> int:
        """Adds a slide, or updates the path, name and given metadata of the one with the same identity.

        What was known of it when it went with ``remove(erase=False)`` is taken up again.
        """
        if (known := history.unchanged(self._db, row)) is not None:
            return known  # a commit waits for the disk, and every reader would look at everything again
        with self._transaction():
            self._db.execute(
                'INSERT INTO slides (identity, path, name, width, height, mpp, "case", organ, stain, tags)'
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (identity) DO UPDATE SET"
                " path = excluded.path, name = excluded.name, mpp = COALESCE(excluded.mpp, mpp),"
                ' "case" = COALESCE(excluded."case", "case"), organ = COALESCE(excluded.organ, organ),'
                " stain = COALESCE(excluded.stain, stain),"
                " tags = CASE WHEN excluded.tags = '[]' THEN tags ELSE excluded.tags END",
                (row.identity, row.path, row.name, row.width, row.height, row.mpp, row.case, row.organ, row.stain,
                 json.dumps(row.tags)),
            )  # fmt: skip
            history.take_up(self._db, row.identity)
            slide_id = int(self._db.execute("SELECT id FROM slides WHERE identity = ?", (row.identity,)).fetchone()[0])
            history.note_path(self._db, slide_id, row.path)
        return slide_id

    @guarded
    def note_path(self, slide_id: int, path: str) -> None:
        """The same content lies at ``path`` too."""
        with self._transaction():
            history.note_path(self._db, slide_id, path)

    @guarded
    def paths_of(self, identity: str) -> set[str]:
        """Every path that the slide was seen at."""
        return history.paths_of(self._db).get(identity, set())

    @guarded
    def content_of(self, slide_id: int) -> tuple[str, int] | None:
        """(digest, mtime_ns) of the slide's whole file as `set_content` told, None where nothing was told."""
        return history.content_of(self._db, slide_id)

    @guarded
    def set_content(self, slide_id: int, digest: str, mtime_ns: int) -> None:
        """Keeps the digest of the slide's whole file, and when that was last changed."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO contents VALUES (?, ?, ?)", (slide_id, digest, mtime_ns))

    @guarded
    def update_slide(self, slide_id: int, fields: Mapping[str, str | tuple[str, ...] | None]) -> None:
        """Sets ``case``, ``organ``, ``stain``, ``tags`` or ``path`` of a slide."""
        unknown = set(fields) - _EDITABLE
        if unknown:
            raise ArchiveError(f"A slide has no {sorted(unknown)[0]} that can be set; choose from {sorted(_EDITABLE)}.")
        with self._transaction():
            for name, value in fields.items():
                stored = json.dumps(value or ()) if name == "tags" else value
                self._db.execute(f'UPDATE slides SET "{name}" = ? WHERE id = ?', (stored, slide_id))
                if name == "path":
                    history.note_path(self._db, slide_id, str(value))

    @guarded
    def plan_slide(self, slide_id: int, tiles: int) -> None:
        """So many tiles the slide is to have."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO plans VALUES (?, ?)", (slide_id, tiles))

    @guarded
    def add_tiles(self, slide_id: int, tiles: Sequence[Square], mpp: float, vectors: Floats, tokens: Floats) -> Ids:
        """Adds tiles with vectors [n, d] and tokens [n, N, w]; when it returns they are safe on disk.

        Returns the new ids; tiles that are there already (same x, y, size) are passed over.
        """
        check_shapes(self.folder, self.model, vectors, tokens, len(tiles), image=True)
        if "tile" not in self._indexes:
            self._refresh()
            self._index("tile")
        known = self._known_places(slide_id)
        fresh = {(tile.x, tile.y, tile.size): at for at, tile in enumerate(tiles)}
        places = {place: at for place, at in fresh.items() if place not in known}
        if not places:
            return np.zeros(0, np.int64)
        if len(places) < len(tiles):
            chosen = np.array(list(places.values()), np.int64)
            vectors, tokens = vectors[chosen], tokens[chosen]
        with self._transaction():
            ids = db.new_ids(self._db, "tile", len(places))
            self._db.executemany(
                "INSERT INTO tiles VALUES (?, ?, ?, ?, ?, ?)",
                [(tile, slide_id, *place, mpp) for tile, place in zip(ids.tolist(), places, strict=True)],
            )
            self._db.execute("UPDATE slides SET tiles = tiles + ? WHERE id = ?", (len(places), slide_id))
            self._stores.append(self._space, "tile", slide_id, ids, vectors, tokens, None)
        self._feeder.add(self._indexes["tile"], ids, np.array(vectors, np.float32))
        known.update(places)
        self._unsaved += len(places)
        return ids

    @guarded
    def finish_slide(self, slide_id: int, spec: GridSpec | None = None, failed: int = 0) -> None:
        """All tiles that were planned for the slide, with this grid, are there, but ``failed`` that cannot be read."""
        if spec is not None:
            with self._transaction():
                self._db.execute(
                    "INSERT OR REPLACE INTO grids (slide_id, mpp, px, overlap, min_tissue, failed)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (slide_id, spec.mpp, spec.px, spec.overlap, spec.min_tissue, failed),
                )
        if self._unsaved >= _SAVE_EVERY:
            self._refresh()
            if self._unsaved >= _SAVE_SHARE * self._segments["tile"].total():
                self._feeder.save(self._indexes["tile"], self._generation, self._group)
                self._unsaved = 0

    @guarded
    def failed_tiles(self, identity: str, spec: GridSpec) -> int:
        """How many tiles of a finished grid could not be read when it was last tried."""
        return history.failed_tiles(self._db, identity, spec)

    # ---- captions --------------------------------------------------------------------------------------------------

    @guarded
    def add_captions(self, rows: Sequence[CaptionRow], vectors: Floats, tokens: Floats, mask: Bools) -> Ids:
        """Adds captions; one with the same text and place is merged (its tags joined). Returns the new ids."""
        check_shapes(self.folder, self.model, vectors, tokens, len(rows), image=False)
        fresh: dict[str, int] = {}
        merged: list[CaptionRow] = []
        keys = [caption_key(row) for row in rows]
        known = {row[0] for row in self._select("SELECT key FROM captions WHERE key IN", keys)}
        for at, (key, row) in enumerate(zip(keys, rows, strict=True)):
            if key in known or key in fresh:
                merged.append(row)
            else:
                fresh[key] = at
        ids = np.zeros(0, np.int64)
        with self._transaction():
            if fresh:
                chosen = np.array(list(fresh.values()), np.int64)
                ids = db.new_ids(self._db, "caption", len(fresh))
                self._db.executemany(
                    "INSERT INTO captions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [
                        (caption, row.text, row.source, row.case, json.dumps(row.tags), row.slide, row.x, row.y,
                         row.size, key)
                        for caption, (key, row) in zip(
                            ids.tolist(), ((key, rows[at]) for key, at in fresh.items()), strict=True
                        )
                    ],
                )  # fmt: skip
                self._stores.append(self._space, "caption", None, ids, vectors[chosen], tokens[chosen], mask[chosen])
            for row in merged:
                self._join_tags(row)
        return ids

    def _join_tags(self, row: CaptionRow) -> None:
        key = caption_key(row)
        tags, case = self._db.execute('SELECT tags, "case" FROM captions WHERE key = ?', (key,)).fetchone()
        joined = list(dict.fromkeys([*json.loads(tags), *row.tags]))
        self._db.execute(
            'UPDATE captions SET tags = ?, "case" = ? WHERE key = ?', (json.dumps(joined), case or row.case, key)
        )

    @guarded
    def remove_captions(self, ids: Sequence[int] | Ids) -> None:
        """Removes captions with their vectors and tokens."""
        self._remove(NOTHING, [int(caption) for caption in ids], erase=True)

    # ---- removing --------------------------------------------------------------------------------------------------

    @guarded
    def remove(self, *, slide: str | None = None, case: str | None = None, erase: bool = True) -> tuple[SlideRow, ...]:
        """Removes a slide (identity, name or path), or all of a case; returns the slides that went.

        ``erase``: captions and whatever else belongs to them go too, and nothing of it is left on disk when it
        returns. Without it only the tiles go, as before indexing a slide anew: from every answer at once, and their
        room in the search index is given back later, which is quicker; case, organ, stain and tags are kept for when
        the slide comes again.
        """
        removal = self.removal(slide=slide, case=case)
        if not erase:
            here = {row.identity for row in self.slides()}
            stay = tuple(row for row in removal.slides if row.identity in here)
            removal = replace(removal, slides=stay, captions=())
        if not removal.slides and not removal.captions:
            if self._was_erasing:  # an earlier call was interrupted after the rows had gone
                self._finish_erasing()
                return ()
            what = f"slide {slide}" if slide is not None else f"case {case}"
            raise ArchiveError(f"There is no {what} in the archive {self.folder}; `lile archive status` lists them.")
        self._remove(removal, list(removal.captions), erase)
        return removal.slides

    def _remove(self, removal: Removal, captions: list[int], erase: bool) -> None:
        self._feeder.settle()
        self._stores.close()
        for row in removal.slides if erase else ():  # first: where that fails, the command can be run again
            remove_tree(self.folder / SLIDE_FILES / row.identity)
        with self._transaction():
            for (space,) in self._db.execute("SELECT id FROM spaces").fetchall() if captions else []:
                self._stores.drop_captions(space, set(captions))
            for start in range(0, len(captions), 500):
                part = captions[start : start + 500]
                self._db.execute(f"DELETE FROM captions WHERE id IN ({','.join('?' * len(part))})", part)
            if erase and removal.slides:
                drop_reports(self._db, removal, {row.path for row in self.slides()})
            for row in removal.slides:
                self._db.execute("DELETE FROM run_slides WHERE slide_id = ?", (row.id,))
                if row.path in removal.places:
                    self._db.execute("DELETE FROM run_slides WHERE path = ?", (row.path,))
                self._db.execute("DELETE FROM slides WHERE id = ?", (row.id,))
                if erase:
                    history.forget(self._db, row.identity)
                else:
                    history.keep(self._db, row)
            if erase:
                db.set_meta(self._db, "erase", "1")
        self._known = (0, set())
        self._sweep()
        if erase:
            self._was_erasing = True
            self._finish_erasing()
            self._was_erasing = False

    def _finish_erasing(self) -> None:
        """Builds the indexes anew and empties the log of the database, so that no trace of what was removed stays.

        The flag ``erase`` stays until that is done: "1", then "log" when only the log is left to be emptied.
        """
        if db.get_meta(self._db, "erase") == "1":
            self.rebuild_index(everything=False)
            db.set_meta(self._db, "erase", "log")
        db.empty_log(self._db)
        self._db.execute("DELETE FROM meta WHERE key = 'erase'")

    # ---- another model ---------------------------------------------------------------------------------------------

    @guarded
    def begin_reembedding(self, identity: ModelIdentity, model_path: str | None) -> None:
        """Prepares for the vectors of another model beside those in use; goes on where an earlier run stopped."""
        if identity.id == self.model.id:
            raise ArchiveError(f"The archive {self.folder} already holds the vectors of {identity.name}.")
        with self._transaction():
            self._db.execute("DELETE FROM spaces WHERE active = 0 AND model_id != ?", (identity.id,))
            if self._db.execute("SELECT 1 FROM spaces WHERE active = 0").fetchone() is None:
                self._db.execute(
                    "INSERT INTO spaces (model_id, model, model_path, active) VALUES (?, ?, ?, 0)",
                    (identity.id, db.model_json(identity), model_path),
                )
        self._sweep()

    @guarded
    def missing_vectors(self, kind: Kind, *, in_use: bool = False) -> Ids:
        """Ids of tiles or captions that lack a vector: the other model's while re-embedding (unless those ``in_use``
        are meant), else this model's."""
        there = load_segments(self._db, self._filled_space(in_use), kind).runs()
        rows = self._db.execute(f"SELECT id FROM {kind}s ORDER BY id").fetchall()
        here = merge((row[0], row[0] + 1) for row in rows)
        return np.concatenate([np.arange(*run) for run in subtract(here, there)] or [np.zeros(0, np.int64)])

    @guarded
    def put_vectors(
        self, kind: Kind, ids: Ids, vectors: Floats, tokens: Floats, mask: Bools | None = None, *, in_use: bool = False
    ) -> None:
        """Stores vectors for tiles (of one slide) or captions that lack them, as `missing_vectors` names them."""
        space = self._filled_space(in_use)
        model = space_model(self._db, space)
        check_shapes(self.folder, model, vectors, tokens, len(ids), image=kind == "tile")
        slide = None
        if kind == "tile":
            slide = self._db.execute("SELECT slide_id FROM tiles WHERE id = ?", (int(ids[0]),)).fetchone()[0]
        with self._transaction():
            self._stores.append(space, kind, slide, ids, vectors, tokens, mask)

    @guarded
    def finish_reembedding(self) -> None:
        """Switches to the other model's vectors; raises `ArchiveError` while any is missing."""
        space = self._other_space()
        if space is None:
            raise ArchiveError(f"The archive {self.folder} is not being re-embedded.")
        missing = sum(len(self.missing_vectors(kind)) for kind in ("tile", "caption"))
        if missing:
            raise ArchiveError(
                f"{missing} vectors of the new model are still missing in the archive {self.folder}; "
                "run `lile archive reembed` again, with all its slides in reach."
            )
        self._feeder.settle()
        self._stores.close()
        with self._transaction():
            self._db.execute("DELETE FROM spaces WHERE active = 1")
            self._db.execute("UPDATE spaces SET active = 1 WHERE id = ?", (space,))
        self._space, self.model, self.model_path = db.active_space(self._db)
        self._record = token_bytes(self.model.token_width)
        self._indexes.clear()
        self._synced.clear()
        self._data_version = self._generation = -1
        self._sweep()
        self._unsaved = 1
        self.save_index()

    # ---- the rest --------------------------------------------------------------------------------------------------

    @guarded
    def add_run(self, kind: str, started: str, seconds: float, slides: Sequence[RunSlide]) -> None:
        """Keeps the report of a run."""
        with self._transaction():
            run = self._db.execute(
                "INSERT INTO runs (kind, started, seconds) VALUES (?, ?, ?)", (kind, started, seconds)
            ).lastrowid
            self._db.executemany(
                "INSERT INTO run_slides VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(run, s.slide_id, s.path, s.state, s.tiles, s.seconds, s.message) for s in slides],
            )

    @guarded
    def save_index(self) -> None:
        """Brings the search index on disk up to date (it is also done on closing)."""
        self._feeder.settle()
        self._refresh()
        for kind in ("tile", "caption"):
            index = self._index(kind)
            if index.changed or (index.description_path.exists() and not count(self._segments[kind].runs())):
                index.save(self._generation, self._group)
                self._feeder.saved.add(index)
            if index in self._feeder.saved:
                db.set_meta(self._db, f"index_{index.description_path.stem}", str(self._generation))
        self._feeder.saved.clear()
        self._unsaved = 0

    @guarded
    def rebuild_index(self, *, everything: bool = True) -> None:
        """Builds the search indexes anew from the vectors; else only one that holds more than they are."""
        self._feeder.settle()
        self._refresh()
        for kind in ("tile", "caption"):
            index = HnswIndex(self.folder / db.INDEX, f"{kind}-{self._space}", self.model.width)
            known = self._indexes.get(kind, index)
            if not everything and not known.holds_more(self._segments[kind].runs()):
                continue
            index.rebuild(self._segments[kind].runs(), partial(self._read_runs, kind))
            index.save(self._generation, self._group)
            self._indexes[kind], self._synced[kind] = index, self._segments[kind]

    def _index(self, kind: Kind) -> HnswIndex:
        self._feeder.catch_up()
        return super()._index(kind)

    def _save_for_others(self, index: HnswIndex) -> None:
        """The writer saves when it closes."""

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing; the generation goes up by one."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            generation = int(db.get_meta(self._db, "generation", "0")) + 1
            db.set_meta(self._db, "generation", str(generation))
            self._db.execute("COMMIT")
        except BaseException:
            self._stores.close()
            self._known = (0, set())
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._data_version = -1  # SQLite counts only other connections' commits

    def _sweep(self) -> None:
        sweep(self._db, self.folder, self._group)

    def _moved_on(self) -> bool:
        """Nobody else writes."""
        return False

    def _known_places(self, slide_id: int) -> set[tuple[int, int, int]]:
        if self._known[0] != slide_id:
            rows = self._db.execute("SELECT x, y, size FROM tiles WHERE slide_id = ?", (slide_id,))
            self._known = (slide_id, set(rows))
        return self._known[1]

    def _filled_space(self, in_use: bool) -> int:
        return self._space if in_use else self._other_space() or self._space

    def _other_space(self) -> int | None:
        """The space that is being filled by another model, if any."""
        row = self._db.execute("SELECT id FROM spaces WHERE active = 0").fetchone()
        return int(row[0]) if row else None
