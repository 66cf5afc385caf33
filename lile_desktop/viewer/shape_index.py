"""Where 100,000 shapes lie: bounds, outlines and colours in flat arrays, asked by rectangle in well under a
millisecond. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from lile_desktop.viewer.view_state import Rect
from lile_engine.later import later

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = later("numpy")

Floats: TypeAlias = "npt.NDArray[np.float32]"


@dataclass(frozen=True)
class Shape:
    """A shape to keep: its outlines (level-0 points), closed or open, and the colour of its class."""

    number: int
    rings: tuple[tuple[tuple[float, float], ...], ...]
    color: tuple[int, int, int] | None = None
    closed: bool = True


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

    def put(self, shape: Shape) -> None:
        """Add a shape or give it other outlines or another colour."""
        slot = self._slots.get(shape.number)
        if slot is None:
            self.extend([shape])
        else:
            self._fill([slot], [shape])

    def extend(self, shapes: Sequence[Shape]) -> None:
        """Add many new shapes at once."""
        first = self._count
        self._count += len(shapes)
        self._bounds = _roomy(self._bounds, first, self._count)
        self._numbers = _roomy(self._numbers, first, self._count)
        self._colors = _roomy(self._colors, first, self._count)
        self._spans = _roomy(self._spans, first, self._count)
        self._slots.update((shape.number, first + i) for i, shape in enumerate(shapes))
        self._fill(range(first, self._count), shapes)

    def _fill(self, slots: Sequence[int], shapes: Sequence[Shape]) -> None:
        if not shapes:
            return
        rings = [ring for shape in shapes for ring in shape.rings]
        lengths = np.fromiter((len(ring) for ring in rings), np.int64, len(rings))
        flat = chain.from_iterable(chain.from_iterable(rings))
        starts = np.fromiter(flat, np.float32, 2 * int(lengths.sum())).reshape(-1, 2)
        following = np.arange(1, len(starts) + 1)
        ends_at = np.cumsum(lengths)
        closed = np.fromiter((shape.closed for shape in shapes for _ in shape.rings), np.bool_, len(rings))
        some = lengths > 0
        # the last point of a ring leads back to its first; that of an open line only to itself
        following[ends_at[some] - 1] = np.where(closed, ends_at - lengths, ends_at - 1)[some]
        first, total = self._edges_used, len(starts)
        self._edges = _roomy(self._edges, first, first + total)
        self._edges[first : first + total, :2] = starts
        self._edges[first : first + total, 2:] = starts[following]
        self._edges_used += total
        rings_of = np.fromiter((len(shape.rings) for shape in shapes), np.int64, len(shapes))
        ring_ends = np.concatenate([[0], ends_at])[np.concatenate([[0], np.cumsum(rings_of)])]
        counts = np.diff(ring_ends)
        at = np.asarray(slots)
        self._spans[at, 0], self._spans[at, 1] = first + ring_ends[:-1], counts
        self._numbers[at] = [shape.number for shape in shapes]
        self._colors[at] = [_argb(shape.color) for shape in shapes]
        self._bounds[at] = np.nan
        there = counts > 0
        if there.any():
            begin = ring_ends[:-1][there]
            low, high = np.minimum.reduceat(starts, begin), np.maximum.reduceat(starts, begin)
            self._bounds[at[there]] = np.concatenate([low, high], axis=1)

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
        """What there is now, for another thread to draw; edges are only ever added behind it."""
        copied = ShapeIndex()
        copied._count, copied._edges_used = self._count, self._edges_used
        copied._bounds, copied._numbers = self._bounds.copy(), self._numbers.copy()
        copied._colors, copied._spans, copied._edges = self._colors.copy(), self._spans.copy(), self._edges
        return copied

    @staticmethod
    def _places(spans: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        counts = spans[:, 1]
        within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        places: npt.NDArray[np.int64] = np.repeat(spans[:, 0], counts) + within
        return places

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
        self._bounds, self._numbers, self._colors, self._edges = bounds, numbers, colors, edges
        self._spans = np.stack([np.cumsum(counts) - counts, counts], axis=1)
        self._edges_used = len(edges)


def _roomy(array: npt.NDArray[Any], used: int, needed: int) -> npt.NDArray[Any]:
    """The array, or a larger one that begins with what is used of it."""
    if needed <= len(array):
        return array
    larger = np.empty((max(2 * len(array), needed), *array.shape[1:]), array.dtype)
    larger[:used] = array[:used]
    return larger


def _argb(color: tuple[int, int, int] | None) -> int:
    return 0 if color is None else 0xFF000000 | color[0] << 16 | color[1] << 8 | color[2]
