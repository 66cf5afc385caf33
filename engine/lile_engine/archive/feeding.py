"""Keeps a writer's search index up to date in a thread of its own.

What waits for the disk (a commit, a saved index) and what computes (the graph) then overlap. The index is derived: a
step that fails here is made up for when the index is next brought up to date, and told then if it fails again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from lile_engine.archive.index import HnswIndex, Piece
from lile_engine.archive.rows import Floats, Ids

_AT_ONCE = 4096  # vectors added in one go: each go makes the two threads wait for each other a little
_WAITING = 64  # batches that wait at most: an index slower than the disk slows the writer, and memory stays bounded


class IndexFeeder:
    """Does one step after the other, in the order they were asked for. Used by one thread at a time."""

    def __init__(self) -> None:
        self._computing: ThreadPoolExecutor | None = None
        self._waiting_for_disk: ThreadPoolExecutor | None = None
        self._steps: deque[Future[None]] = deque()
        self._batches: deque[tuple[HnswIndex, Ids, Floats]] = deque()  # each has a step, but one step may take several
        self._finishing: Future[None] | None = None  # the save that waits for the disk
        self.saved: set[HnswIndex] = set()  # the indexes it has saved since this was last emptied

    def add(self, index: HnswIndex, ids: Ids, vectors: Floats) -> None:
        """Adds committed vectors [n, d]; ``ids`` [n] follow on each other."""
        self._batches.append((index, ids, vectors))
        self._do(self._add_some)

    def _add_some(self) -> None:
        taken: list[Piece] = []
        number, first = 0, self._batches[0][0] if self._batches else None
        while self._batches and number < _AT_ONCE and self._batches[0][0] is first:
            _, ids, vectors = self._batches.popleft()
            taken.append((ids, vectors))
            number += len(ids)
        if first is not None:
            first.add(taken)

    def save(self, index: HnswIndex, generation: int, group: int | None) -> None:
        """Saves the index as it is after all that was asked for before; it grows on while the disk takes it."""

        def save() -> None:
            if self._finishing is not None:
                wait([self._finishing])  # an older save must not end after a newer one
            if self._waiting_for_disk is None:
                self._waiting_for_disk = ThreadPoolExecutor(1, "lile-index-disk")
            finish = index.begin_save(generation, group)

            def note() -> None:
                finish()
                self.saved.add(index)

            self._finishing = self._waiting_for_disk.submit(note)

        self._do(save)

    def _do(self, step: Callable[[], None]) -> None:
        if self._computing is None:
            self._computing = ThreadPoolExecutor(1, "lile-index")
        while len(self._steps) >= _WAITING:
            self._await_first()
        self._steps.append(self._computing.submit(step))

    def catch_up(self) -> None:
        """Returns when the indexes hold all that was added; a save may still be waiting for the disk."""
        while self._steps:
            self._await_first()

    def settle(self) -> None:
        """Returns when all that was asked for is done."""
        self.catch_up()
        if self._finishing is not None:
            wait([self._finishing])
            self._finishing = None

    def _await_first(self) -> None:
        wait([self._steps.popleft()])

    def close(self) -> None:
        """Finishes and ends the threads."""
        self.settle()
        for thread in (self._computing, self._waiting_for_disk):
            if thread is not None:
                thread.shutdown()
        self._computing, self._waiting_for_disk = None, None
