"""The area inside outlines that may cross themselves and each other: what an odd number of them surrounds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lile_engine.later import later

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Indices = npt.NDArray[np.int64]
else:
    np = later("numpy")

Ring = Sequence[tuple[float, float]]
_MOST_AT_ONCE = 1_000_000  # pairs of edges, or edges in slabs, looked at in one step; 100 MB
_MOST_WORK = 10_000_000  # of either in all, some seconds; a tangle beyond is measured along evenly spaced lines
_LINES = 8192


def even_odd_area(rings: Sequence[Ring]) -> float:
    """The area, in the square of the corners' unit, that an odd number of ``rings`` surrounds; rings need not repeat
    their first corner.

    Between two neighbouring heights of corners and crossings no edges cross, so that what lies inside is a row of
    trapezoids: their widths at half height times their height are exact. One ring that neither crosses nor touches
    itself has the area of the shoelace formula. Only a tangle of thousands of long edges is approximated (to about one
    part in a thousand).
    """
    rings = [ring for ring in rings if len(ring) >= 3]
    if not rings:
        return 0.0
    if len(rings) == 1 and (len(rings[0]) == 3 or _is_convex(rings[0])):
        return _shoelace(rings[0])
    # Relative to a corner: differences of large coordinates lose digits.
    corners = [np.asarray(ring, np.float64) - np.asarray(rings[0][0], np.float64) for ring in rings]
    starts = np.concatenate(corners)
    ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in corners])
    following = np.concatenate([np.roll(np.arange(len(ring)), -1) for ring in corners])
    following += np.repeat(np.cumsum([0, *map(len, corners[:-1])]), [len(ring) for ring in corners])
    touching, crossings = _crossings(starts, ends, following)
    if len(rings) == 1 and not touching:
        return _shoelace(rings[0])
    return _slab_area(starts, ends, crossings)


def _is_convex(ring: Ring) -> bool:
    """Whether all turns go one way, and around only once."""
    sides = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(ring, (*ring[1:], ring[0]), strict=True)]
    turns = [a[0] * b[1] - a[1] * b[0] for a, b in zip(sides, (*sides[1:], sides[0]), strict=True)]
    if min(turns) < 0 < max(turns) or (0, 0) in sides:
        return False
    rightward = [dx > 0 or (dx == 0 and dy > 0) for dx, dy in sides]
    return sum(a != b for a, b in zip(rightward, (*rightward[1:], rightward[0]), strict=True)) == 2


def _shoelace(ring: Ring) -> float:
    x_ref, y_ref = ring[0]
    shifted = [(x - x_ref, y - y_ref) for x, y in ring]
    pairs = zip(shifted, (*shifted[1:], shifted[0]), strict=True)
    return abs(math.fsum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)) / 2


def _crossings(starts: Floats, ends: Floats, following: Indices) -> tuple[bool, Floats]:
    """Whether any edges that are not neighbours touch, and the heights at which edges cross (none in a tangle)."""
    touching, heights = False, [np.empty(0)]
    pairs, total = _near_pairs(starts, ends)
    if total > _MOST_WORK:
        return True, np.empty(0)
    for one, other in pairs:
        apart = (following[one] != other) & (following[other] != one)
        one, other = one[apart], other[apart]
        a, b, c, d = starts[one], ends[one], starts[other], ends[other]
        beside_c, beside_d = _side(a, b, c), _side(a, b, d)
        beside_a, beside_b = _side(c, d, a), _side(c, d, b)
        meet = (beside_c * beside_d <= 0) & (beside_a * beside_b <= 0)
        touching = touching or bool(meet.any())
        cross = meet & (beside_a != beside_b)
        share = beside_a[cross] / (beside_a[cross] - beside_b[cross])
        heights.append(a[cross, 1] + share * (b[cross, 1] - a[cross, 1]))
    return touching, np.concatenate(heights)


def _side(a: Floats, b: Floats, point: Floats) -> Floats:
    """-1, 0 or 1: on which side of the lines from ``a`` to ``b`` [n, 2] each ``point`` [n, 2] lies, times its distance
    from the line times the line's length."""
    return (b[:, 0] - a[:, 0]) * (point[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (point[:, 0] - a[:, 0])


def _near_pairs(starts: Floats, ends: Floats) -> tuple[Iterator[tuple[Indices, Indices]], int]:
    """Pairs of edges whose upright boxes meet, each once, some at a time; and how many have to be looked at."""
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    plans = []
    for axis in (0, 1):
        order = np.argsort(low[:, axis], kind="stable")
        counts = np.searchsorted(low[order, axis], high[order, axis], "right") - np.arange(len(order)) - 1
        plans.append((int(counts.sum()), axis, order, counts))
    total, axis, order, counts = min(plans, key=lambda plan: plan[0])  # the axis along which fewer edges overlap

    def pairs() -> Iterator[tuple[Indices, Indices]]:
        across = 1 - axis
        for first, last in _portions(counts):
            some = counts[first:last]
            one = np.repeat(np.arange(first, last), some)
            other = one + 1 + np.arange(len(one)) - np.repeat(np.cumsum(some) - some, some)
            one, other = order[one], order[other]
            meet = (low[one, across] <= high[other, across]) & (low[other, across] <= high[one, across])
            yield one[meet], other[meet]

    return pairs(), total


def _slab_area(starts: Floats, ends: Floats, crossings: Floats) -> float:
    heights = np.unique(np.concatenate([starts[:, 1], crossings]))
    low, high = np.minimum(starts[:, 1], ends[:, 1]), np.maximum(starts[:, 1], ends[:, 1])
    if _edges_in_slabs(heights, low, high)[2].sum() > _MOST_WORK:
        heights = np.linspace(heights[0], heights[-1], _LINES + 1)
    begin, end, crossed = _edges_in_slabs(heights, low, high)
    area = 0.0
    for first, last in _portions(crossed):
        top = np.maximum(begin, first)
        counts = np.maximum(np.minimum(end, last) - top, 0)
        edges = np.repeat(np.arange(len(counts)), counts)
        slab = top[edges] + np.arange(len(edges)) - np.repeat(np.cumsum(counts) - counts, counts)
        middle = (heights[slab] + heights[slab + 1]) / 2
        (x0, y0), (x1, y1) = starts[edges].T, ends[edges].T
        x = x0 + (middle - y0) / (y1 - y0) * (x1 - x0)
        order = np.lexsort((x, slab))  # every slab has an even number of edges: from the odd to the even ones is inside
        left, right = order[::2], order[1::2]
        area += float(np.sum((x[right] - x[left]) * (heights[slab[left] + 1] - heights[slab[left]])))
    return area


def _edges_in_slabs(heights: Floats, low: Floats, high: Floats) -> tuple[Indices, Indices, Indices]:
    """The first slab whose middle an edge from ``low`` to ``high`` crosses and the first that it does not any more, for
    each edge; and for each slab the number of edges."""
    middles = (heights[:-1] + heights[1:]) / 2
    begin, end = np.searchsorted(middles, low), np.searchsorted(middles, high)
    slabs = len(middles) + 1
    crossed = np.cumsum(np.bincount(begin, minlength=slabs) - np.bincount(end, minlength=slabs))
    return begin, end, crossed[:-1]


def _portions(counts: Indices) -> Iterator[tuple[int, int]]:
    """Ranges of the index in which ``counts`` add up to little enough for one step (or of one index)."""
    total = np.cumsum(counts)
    first = 0
    while first < len(counts):
        before = total[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(total, before + _MOST_AT_ONCE, "right")))
        yield first, last
        first = last
