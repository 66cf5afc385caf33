"""Regions joined, cut and traced: outlines to regions and back by way of Qt's painter paths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainterPath, QPainterPathStroker, QPolygonF

from lile_engine.later import later
from lile_engine.slides import Region

if TYPE_CHECKING:
    import numpy as np
else:
    np = later("numpy")

Point = tuple[float, float]
_BRUSH_UNITS = 100.0
LEAST_AREA = 1.0  # square level-0 px; smaller crumbs of a cut are dropped


def path_of_regions(regions: Iterable[Region]) -> QPainterPath:
    """One path around all parts; holes are holes."""
    whole = QPainterPath()
    for region in regions:
        path = QPainterPath()
        path.setFillRule(Qt.FillRule.OddEvenFill)
        for ring in (region.exterior, *region.holes):
            path.addPolygon(QPolygonF([QPointF(x, y) for x, y in ring]))
            path.closeSubpath()
        whole = whole.united(path) if not whole.isEmpty() else path
    return whole


def regions_of_path(path: QPainterPath, tolerance: float = 0.25) -> tuple[Region, ...]:
    """The regions that a path encloses, each with its holes; points that do not matter by ``tolerance`` left out."""
    rings = []
    for polygon in path.simplified().toSubpathPolygons():
        points = [(p.x(), p.y()) for p in polygon.toList()]
        if len(points) > 1 and points[0] == points[-1]:
            points.pop()
        points = thinned(points, tolerance, closed=True)
        if len(points) >= 3 and Region(tuple(points)).area_px() >= LEAST_AREA:
            rings.append(tuple(points))
    rings.sort(key=lambda ring: -Region(ring).area_px())
    outlines: list[tuple[Region, list[tuple[Point, ...]]]] = []
    for ring in rings:
        inside = [entry for entry in outlines if _holds(entry[0], ring)]
        in_holes = sum(_holds(Region(hole), ring) for entry in inside for hole in entry[1])
        if inside and len(inside) > in_holes:
            inside[-1][1].append(ring)  # the smallest outline around it: rings come from large to small
        else:
            outlines.append((Region(ring), []))
    return tuple(Region(outline.exterior, tuple(holes)) for outline, holes in outlines)


def _holds(outer: Region, ring: Sequence[Point]) -> bool:
    """Whether a ring that does not cross ``outer`` lies in it: most of a few of its points do."""
    some = ring[:: max(len(ring) // 5, 1)]
    return sum(outer.contains(x, y) for x, y in some) * 2 > len(some)


def united(regions: Iterable[Region]) -> tuple[Region, ...]:
    """All that lies in any of the regions."""
    return regions_of_path(path_of_regions(regions))


def without(regions: Iterable[Region], gone: Iterable[Region]) -> tuple[Region, ...]:
    """What is left of ``regions`` when ``gone`` is cut away."""
    return regions_of_path(path_of_regions(regions).subtracted(path_of_regions(gone)))


def overlaps(path: QPainterPath, regions: Iterable[Region]) -> bool:
    """Whether any of the regions shares an area with what ``path`` encloses; a border alone is none."""
    return any(
        path.intersects(own.boundingRect()) and bool(regions_of_path(path.intersected(own)))
        for own in (path_of_regions([region]) for region in regions)
    )


def stroke_region(points: Sequence[Point], radius: float) -> tuple[Region, ...]:
    """What a round brush of this radius (level-0 px) covers along a line."""
    # Qt breaks curves into lines as if units were screen pixels: brushes of any size are drawn at one size
    (ox, oy), unit = points[0], radius / _BRUSH_UNITS
    line = thinned([((x - ox) / unit, (y - oy) / unit) for x, y in points], _BRUSH_UNITS / 20, closed=False)
    path = QPainterPath(QPointF(*line[0]))
    for x, y in line[1:]:
        path.lineTo(x, y)
    stroke = QPainterPath()
    if len(set(line)) > 1:
        stroker = QPainterPathStroker()
        stroker.setWidth(2 * _BRUSH_UNITS)
        stroker.setCapStyle(Qt.PenCapStyle.RoundCap)
        stroker.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        stroke = stroker.createStroke(path)
        stroke.setFillRule(Qt.FillRule.WindingFill)
    else:
        stroke.addEllipse(QPointF(*line[0]), _BRUSH_UNITS, _BRUSH_UNITS)
    return tuple(_placed(region, ox, oy, unit) for region in regions_of_path(stroke, _BRUSH_UNITS / 100))


def _placed(region: Region, ox: float, oy: float, unit: float) -> Region:
    def place(ring: tuple[Point, ...]) -> tuple[Point, ...]:
        return tuple((ox + x * unit, oy + y * unit) for x, y in ring)

    return Region(place(region.exterior), tuple(place(hole) for hole in region.holes))


def thinned(points: list[Point], tolerance: float, *, closed: bool) -> list[Point]:
    """The line without the points that lie within ``tolerance`` of it (Ramer, Douglas and Peucker)."""
    if len(points) < 4 or tolerance <= 0:
        return points
    array = np.asarray(points, np.float64)
    keep = np.zeros(len(array), bool)
    keep[[0, -1]] = True
    stack = [(0, len(array) - 1)]
    if closed:  # a ring has no ends: begin with the point farthest from the first
        far = int(np.argmax(np.hypot(*(array - array[0]).T)))
        keep[far] = True
        stack = [(0, far), (far, len(array) - 1)]
    while stack:
        first, last = stack.pop()
        if last - first < 2:
            continue
        along = array[last] - array[first]
        between = array[first + 1 : last] - array[first]
        length = float(np.hypot(*along))
        cross = np.abs(along[0] * between[:, 1] - along[1] * between[:, 0])
        distance = cross / length if length > 0 else np.hypot(*between.T)
        worst = int(np.argmax(distance))
        if distance[worst] > tolerance:
            middle = first + 1 + worst
            keep[middle] = True
            stack += [(first, middle), (middle, last)]
    return [points[i] for i in np.flatnonzero(keep)]
