"""Where 100,000 shapes lie: bounds, outlines and colours in flat arrays, asked by rectangle in well under a
millisecond. No Qt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lile_desktop.viewer.view_state import Rect

Floats = npt.NDArray[np.float32]


class ShapeIndex:
    """Shapes by number. Slots are reused only by `compact`, so that their order is the order of adding."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._slots: dict[int, int] = {}
        self._count = 0
        self._edges_used = 0
        self._bounds = np.empty((64, 4), np.float32)  # x0, y0, x1, y1; nan where the slot is free
        self._numbers = np.empty(64, np.int64)
        self._colors = np.empty(64, np.uint32)  # 0xAARRGGBB, 0 where the shape has no class
        self._spans = np.empty((64, 2), np.int64)  # first edge and number of edges
        self._edges = np.empty((1024, 4), np.float32)

    def __len__(self) -> int:
        return len(self._slots)

    def put(
        self,
        number: int,
        rings: Sequence[Sequence[tuple[float, float]]],
        color: tuple[int, int, int] | None,
        *,
        closed: bool = True,
    ) -> None:
        """Add a shape or give it other outlines (level-0 points) or another colour."""
        outlines = [np.asarray(ring, np.float32).reshape(-1, 2) for ring in rings]
        starts = np.concatenate(outlines) if outlines else np.empty((0, 2), np.float32)
        ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in outlines]) if outlines else starts
        if not closed:  # an open line: its last edge has no length
            ends = ends.copy()
            last = np.cumsum([len(ring) for ring in outlines]) - 1
            ends[last] = starts[last]
        slot = self._slots.get(number)
        if slot is None:
            slot = self._count
            self._count += 1
            self._slots[number] = slot
            self._reserve_slots()
        self._reserve_edges(len(starts))
        first = self._edges_used
        self._edges[first : first + len(starts), :2] = starts
        self._edges[first : first + len(starts), 2:] = ends
        self._edges_used += len(starts)
        self._bounds[slot] = (*starts.min(axis=0), *starts.max(axis=0)) if len(starts) else np.nan
        self._numbers[slot] = number
        self._colors[slot] = 0 if color is None else 0xFF000000 | color[0] << 16 | color[1] << 8 | color[2]
        self._spans[slot] = first, len(starts)

    def remove(self, number: int) -> None:
        slot = self._slots.pop(number, None)
        if slot is not None:
            self._bounds[slot] = np.nan
            if self._count > 256 and len(self._slots) < self._count // 2:
                self._compact()

    def slots_in(self, rect: Rect) -> npt.NDArray[np.int64]:
        """Slots of the shapes whose bounds touch a level-0 rectangle, in the order of adding."""
        b = self._bounds[: self._count]
        hit = (b[:, 0] <= rect.x + rect.w) & (b[:, 2] >= rect.x) & (b[:, 1] <= rect.y + rect.h) & (b[:, 3] >= rect.y)
        return np.flatnonzero(hit).astype(np.int64)

    def query(self, rect: Rect) -> npt.NDArray[np.int64]:
        """Numbers of the shapes whose bounds touch a level-0 rectangle, in the order of adding."""
        numbers: npt.NDArray[np.int64] = self._numbers[self.slots_in(rect)]
        return numbers

    def numbers(self, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        picked: npt.NDArray[np.int64] = self._numbers[slots]
        return picked

    def bounds(self, slots: npt.NDArray[np.int64]) -> Floats:
        """float32 [n, 4]: x0, y0, x1, y1."""
        picked: Floats = self._bounds[slots]
        return picked

    def colors(self, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
        """uint32 [n], 0xAARRGGBB; 0 where the shape has no class."""
        picked: npt.NDArray[np.uint32] = self._colors[slots]
        return picked

    def edge_counts(self, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """How many edges each of these shapes has."""
        counts: npt.NDArray[np.int64] = self._spans[slots, 1]
        return counts

    def edges(self, slots: npt.NDArray[np.int64]) -> tuple[Floats, npt.NDArray[np.int64]]:
        """All edges of these shapes, float32 [m, 4] (x0, y0, x1, y1), and for each its row in ``slots``."""
        picked: Floats = self._edges[self._places(self._spans[slots])]
        return picked, np.repeat(np.arange(len(slots)), self._spans[slots, 1])

    def snapshot(self) -> ShapeIndex:
        """A copy that does not change any more, for another thread."""
        copied = ShapeIndex()
        copied._slots = dict(self._slots)
        copied._count, copied._edges_used = self._count, self._edges_used
        copied._bounds, copied._numbers = self._bounds.copy(), self._numbers.copy()
        copied._colors, copied._spans, copied._edges = self._colors.copy(), self._spans.copy(), self._edges.copy()
        return copied

    @staticmethod
    def _places(spans: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        counts = spans[:, 1]
        within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        places: npt.NDArray[np.int64] = np.repeat(spans[:, 0], counts) + within
        return places

    def _reserve_slots(self) -> None:
        if self._count > len(self._numbers):
            more = 2 * len(self._numbers)
            self._bounds = np.resize(self._bounds, (more, 4))
            self._numbers = np.resize(self._numbers, more)
            self._colors = np.resize(self._colors, more)
            self._spans = np.resize(self._spans, (more, 2))

    def _reserve_edges(self, count: int) -> None:
        needed = self._edges_used + count
        if needed > len(self._edges):
            self._edges = np.resize(self._edges, (max(2 * len(self._edges), needed), 4))

    def _compact(self) -> None:
        """Close the gaps of removed shapes and of outlines that were given anew."""
        alive = sorted(self._slots.items(), key=lambda pair: pair[1])
        slots = np.array([slot for _, slot in alive], np.int64)
        spans = self._spans[slots]
        counts = spans[:, 1]
        edges = self._edges[self._places(spans)]
        bounds, numbers, colors = self._bounds[slots], self._numbers[slots], self._colors[slots]
        self._count = len(alive)
        self._slots = {number: slot for slot, (number, _) in enumerate(alive)}
        room = max(64, 2 * self._count)
        self._bounds, self._numbers = np.resize(bounds, (room, 4)), np.resize(numbers, room)
        self._colors = np.resize(colors, room)
        self._spans = np.resize(np.stack([np.cumsum(counts) - counts, counts], axis=1), (room, 2))
        self._edges_used = len(edges)
        self._edges = np.resize(edges, (max(1024, 2 * len(edges)), 4))
