"""A region of a slide: a polygon with holes, in level-0 pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lile_engine.errors import SlideError
from lile_engine.later import later
from lile_engine.slides.outline_area import even_odd_area

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = later("numpy")

Point = tuple[float, float]
_ELLIPSE_POINTS = 128  # the area of the polygon is then within 0.05 % of the ellipse's


@dataclass(frozen=True)
class Region:
    """Corners in level-0 pixels, without repeating the first; inside is what an odd number of outlines surrounds.

    SlideError without any corner, and for one that is not finite.
    """

    exterior: tuple[Point, ...]
    holes: tuple[tuple[Point, ...], ...] = ()

    def __post_init__(self) -> None:
        if not self.exterior:
            raise SlideError("A region needs at least one corner; draw it again or check its file.")
        if not all(math.isfinite(value) for ring in (self.exterior, *self.holes) for point in ring for value in point):
            raise SlideError("A region has a corner that is not a number; draw it again or check its file.")

    @classmethod
    def rectangle(cls, x: float, y: float, w: float, h: float) -> Region:
        """The rectangle with corner x, y; negative w or h reach to the left or up."""
        left, right, top, bottom = min(x, x + w), max(x, x + w), min(y, y + h), max(y, y + h)
        return cls(((left, top), (right, top), (right, bottom), (left, bottom)))

    @classmethod
    def ellipse(cls, x: float, y: float, w: float, h: float) -> Region:
        """The ellipse inscribed in a rectangle, as a polygon of 128 corners."""
        cx, cy = x + w / 2, y + h / 2
        turns = [2 * math.pi * n / _ELLIPSE_POINTS for n in range(_ELLIPSE_POINTS)]
        return cls(tuple((cx + w / 2 * math.cos(t), cy + h / 2 * math.sin(t)) for t in turns))

    @classmethod
    def polygon(cls, exterior: Iterable[Sequence[float]], holes: Iterable[Iterable[Sequence[float]]] = ()) -> Region:
        """A polygon from corners; a repeated last corner is left out. ValueError for fewer than three."""
        outline = _open_ring(exterior)
        if len(outline) < 3:
            raise ValueError("A polygon needs at least three corners.")
        return cls(outline, tuple(ring for ring in map(_open_ring, holes) if len(ring) >= 3))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """x, y, w, h of the smallest upright rectangle around it."""
        xs, ys = [p[0] for p in self.exterior], [p[1] for p in self.exterior]
        return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)

    def area_px(self) -> float:
        """Area in square level-0 pixels of all that lies inside, whichever way the outlines cross."""
        return even_odd_area((self.exterior, *self.holes))

    def perimeter_px(self) -> float:
        """Length of all outlines in level-0 pixels."""
        return sum(_ring_length(ring) for ring in (self.exterior, *self.holes))

    def area_um2(self, mpp: float) -> float:
        """Area in square microns."""
        return self.area_px() * mpp * mpp

    def perimeter_um(self, mpp: float) -> float:
        """Length of all outlines in microns."""
        return self.perimeter_px() * mpp

    def contains(self, x: float, y: float) -> bool:
        """Whether a point lies inside, by the even-odd rule."""
        inside = False
        for ring in (self.exterior, *self.holes):
            for (x0, y0), (x1, y1) in zip(ring, ring[1:] + ring[:1], strict=True):
                if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                    inside = not inside
        return inside

    def moved(self, dx: float, dy: float) -> Region:
        """The same shape elsewhere."""

        def shift(ring: tuple[Point, ...]) -> tuple[Point, ...]:
            return tuple((x + dx, y + dy) for x, y in ring)

        return Region(shift(self.exterior), tuple(shift(hole) for hole in self.holes))

    def mask(self, x: float, y: float, w: float, h: float, out_w: int, out_h: int) -> npt.NDArray[np.bool_]:
        """bool [out_h, out_w] over the rectangle x, y, w, h (level-0 pixels): which cell centres lie inside."""
        flips = np.zeros((out_h, out_w + 1), np.uint8)
        for ring in (self.exterior, *self.holes):
            points = (np.asarray(ring, np.float64) - (x, y)) * (out_w / w, out_h / h)
            _count_crossings(points, flips)
        return np.bitwise_xor.accumulate(flips, axis=1)[:, :out_w].view(np.bool_)


def _count_crossings(points: npt.NDArray[np.float64], flips: npt.NDArray[np.uint8]) -> None:
    """For every row centre and every edge that crosses it, flips the first cell whose centre lies right of it."""
    x0, y0 = points[:, 0], points[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    height, last = flips.shape[0], flips.shape[1] - 1
    # Row r is crossed if its centre r + 1/2 lies in [low, high): half open, so that a corner counts once.
    low = np.clip(np.ceil(np.minimum(y0, y1) - 0.5), 0, height).astype(np.int64)
    high = np.clip(np.ceil(np.maximum(y0, y1) - 0.5), 0, height).astype(np.int64)
    counts = high - low
    edges = np.repeat(np.arange(len(counts)), counts)
    rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + low[edges]
    span = y1[edges] - y0[edges]
    crossing = x0[edges] + (rows + 0.5 - y0[edges]) * (x1[edges] - x0[edges]) / span
    cols = np.clip(np.ceil(crossing - 0.5), 0, last).astype(np.int64)
    np.bitwise_xor.at(flips, (rows, cols), 1)


def _open_ring(points: Iterable[Sequence[float]]) -> tuple[Point, ...]:
    ring = tuple((float(p[0]), float(p[1])) for p in points)
    return ring[:-1] if len(ring) > 1 and ring[0] == ring[-1] else ring


def _ring_length(ring: tuple[Point, ...]) -> float:
    return sum(math.dist(a, b) for a, b in zip(ring, ring[1:] + ring[:1], strict=True))
