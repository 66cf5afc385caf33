"""Handles of a region and what dragging one does to it. Pure."""

from __future__ import annotations

from dataclasses import replace

from lile_engine.slides import Region

Point = tuple[float, float]
MOST_CORNERS = 64  # an outline with more points is stretched as a whole instead of point by point


def is_rectangle(region: Region) -> bool:
    """Whether it is an upright rectangle without holes."""
    if len(region.exterior) != 4 or region.holes:
        return False
    xs, ys = {p[0] for p in region.exterior}, {p[1] for p in region.exterior}
    (a, b, c, d) = region.exterior
    return len(xs) == 2 and len(ys) == 2 and a[0] != c[0] and a[1] != c[1] and b[0] != d[0] and b[1] != d[1]


def _box(region: Region) -> list[Point]:
    x, y, w, h = region.bounds
    return [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]


def handles(region: Region) -> list[Point]:
    """The points to take hold of: its corners, or those of its bounds where it has very many."""
    if is_rectangle(region) or len(region.exterior) > MOST_CORNERS:
        return _box(region)
    return list(region.exterior)


def reshaped(region: Region, number: int, x: float, y: float) -> Region:
    """The region with handle ``number`` dragged to (x, y); a handle of the bounds stretches all of it."""
    if not is_rectangle(region) and len(region.exterior) <= MOST_CORNERS:
        corners = list(region.exterior)
        corners[number] = (x, y)
        return replace(region, exterior=tuple(corners))
    box = _box(region)
    (px, py), (ox, oy) = box[number], box[(number + 2) % 4]
    if px == ox or py == oy or x == ox or y == oy:
        return region
    fx, fy = (x - ox) / (px - ox), (y - oy) / (py - oy)

    def stretch(ring: tuple[Point, ...]) -> tuple[Point, ...]:
        return tuple((ox + (qx - ox) * fx, oy + (qy - oy) * fy) for qx, qy in ring)

    if is_rectangle(region):
        return Region.rectangle(min(ox, x), min(oy, y), abs(x - ox), abs(y - oy))
    return Region(stretch(region.exterior), tuple(stretch(hole) for hole in region.holes))
