"""An archive opened to be mended: what `check` asks of it beside writing."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from lile_engine.archive.guarding import guarded
from lile_engine.archive.runs import Run, merge, subtract
from lile_engine.archive.segments import Segments, load_segments
from lile_engine.archive.writer import WritableLocalArchive


class MendableArchive(WritableLocalArchive):
    """A writer that may also drop what is damaged."""

    @property
    def connection(self) -> sqlite3.Connection:
        """The database, for looking it over."""
        return self._db

    def abandon(self) -> None:
        """Closes without saving the index."""
        with self._lock:
            self._feeder.close()
            self._stores.close()
            super(WritableLocalArchive, self).close()

    @guarded
    def drop_segments(self, bad: Sequence[tuple[int, int]]) -> None:
        """Forgets damaged batches, (store, first slot) each: tiles go with them, captions keep their words."""
        self._stores.close()
        with self._transaction():
            for store, slot in bad:
                where = (store, slot)
                kind, first, number = self._db.execute(
                    "SELECT kind, first_id, count FROM segments JOIN stores ON stores.id = store_id"
                    " WHERE store_id = ? AND first_slot = ?",
                    where,
                ).fetchone()
                self._db.execute("DELETE FROM segments WHERE store_id = ? AND first_slot = ?", where)
                if kind == "caption":
                    self._db.execute(
                        "DELETE FROM caption_tokens WHERE store_id = ? AND caption_id >= ? AND caption_id < ?",
                        (store, first, first + number),
                    )

    @guarded
    def mend_rows(self) -> None:
        """Removes tiles without vectors, and vectors without tiles or captions; slides that lost tiles count as
        unfinished, so that indexing them again brings the tiles back."""
        with self._transaction():
            for kind in ("tile", "caption"):
                rows = self._db.execute(f"SELECT id FROM {kind}s ORDER BY id").fetchall()
                there = merge((row[0], row[0] + 1) for row in rows)
                segments = load_segments(self._db, self._space, kind)
                self._cut_segments(segments, subtract(segments.runs(), there))
                if kind == "tile":
                    for start, stop in subtract(there, load_segments(self._db, self._space, kind).runs()):
                        self._db.execute(
                            "DELETE FROM grids WHERE slide_id IN (SELECT slide_id FROM tiles WHERE id >= ? AND id < ?)",
                            (start, stop),
                        )
                        self._db.execute("DELETE FROM tiles WHERE id >= ? AND id < ?", (start, stop))
            self._db.execute("UPDATE slides SET tiles = (SELECT COUNT(*) FROM tiles WHERE slide_id = slides.id)")

    def _cut_segments(self, segments: Segments, orphans: list[Run]) -> None:
        """Takes ids without rows out of the segments; a segment cut in two would need new checksums, so all of it
        goes when any of it is an orphan, and its tiles with it."""
        for start, stop in orphans:
            touched = (segments.first_id < stop) & (segments.first_id + segments.count > start)
            for store, slot in zip(
                segments.store[touched].tolist(), segments.first_slot[touched].tolist(), strict=True
            ):
                self._db.execute("DELETE FROM segments WHERE store_id = ? AND first_slot = ?", (store, slot))
