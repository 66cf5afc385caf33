"""Where the vector of an id lies. All segments of one kind in one space, as arrays sorted by id."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lile_engine.archive.rows import Bools, Ids
from lile_engine.archive.runs import Run, merge


@dataclass(frozen=True)
class Segments:
    """int64 arrays [s], sorted by ``first_id``: ids first_id.. lie in ``store`` at slots first_slot.."""

    first_id: Ids
    count: Ids
    store: Ids
    first_slot: Ids
    slide: Ids

    def locate(self, ids: Ids) -> tuple[Ids, Ids, Bools]:
        """(store [n], slot [n], alive [n]) of ids; store and slot mean nothing where not alive."""
        if not len(self.first_id):
            nothing = np.zeros(len(ids), np.int64)
            return nothing, nothing, np.zeros(len(ids), np.bool_)
        at = np.maximum(np.searchsorted(self.first_id, ids, side="right") - 1, 0)
        offset = ids - self.first_id[at]
        alive = (offset >= 0) & (offset < self.count[at])
        return self.store[at], self.first_slot[at] + offset, alive

    def slides_of(self, ids: Ids) -> Ids:
        """The slide of each id (int64 [n], 0 for none); every id must be alive."""
        return self.slide[np.searchsorted(self.first_id, ids, side="right") - 1]

    def runs(self) -> list[Run]:
        """All ids."""
        return merge(zip(self.first_id.tolist(), (self.first_id + self.count).tolist(), strict=True))

    def total(self) -> int:
        """How many ids there are."""
        return int(self.count.sum())

    def pieces(self, slides: Ids | None = None) -> Iterator[tuple[int, int, int, int]]:
        """(store, first_slot, first_id, count) of longest runs within stores, of some slides or of all."""
        chosen = np.arange(len(self.store)) if slides is None else np.flatnonzero(np.isin(self.slide, slides))
        order = chosen[np.lexsort((self.first_slot[chosen], self.store[chosen]))]
        current: tuple[int, int, int, int] | None = None
        rows = np.stack([self.store[order], self.first_slot[order], self.first_id[order], self.count[order]], axis=1)
        for store, slot, first, count in rows.tolist():
            if current and (store, slot, first) == (current[0], current[1] + current[3], current[2] + current[3]):
                current = (*current[:3], current[3] + count)
                continue
            if current:
                yield current
            current = (store, slot, first, count)
        if current:
            yield current


def load_segments(connection: sqlite3.Connection, space: int, kind: str) -> Segments:
    """Reads the segments of ``kind`` ("tile" or "caption") in a space."""
    rows = connection.execute(
        "SELECT first_id, count, store_id, first_slot, COALESCE(slide_id, 0) FROM segments JOIN stores"
        " ON stores.id = store_id WHERE space_id = ? AND kind = ? ORDER BY first_id",
        (space, kind),
    ).fetchall()
    table = np.array(rows, np.int64).reshape(-1, 5)
    return Segments(*(np.ascontiguousarray(column) for column in table.T))
