"""What an annotation is called and what it measures: rectangle, line, points; area, length, number. Pure."""

from __future__ import annotations

import math

from lile_desktop.text import tr
from lile_desktop.viewer.annotations import Annotation
from lile_desktop.viewer.scale_bar import area_text, length_text
from lile_engine.slides import Region

ROUND_CORNERS = 24  # an outline of at least so many points may be an ellipse
NEAR = 0.02  # how far from the box's ellipse its points may lie, as a share of the radius


def kind_text(annotation: Annotation) -> str:
    """The type for people: "Rectangle", "Ellipse", "Region", "Line", "Points"."""
    if annotation.kind == "points":
        return tr("Points")
    if annotation.kind == "line":
        return tr("Line") if len(annotation.region.exterior) <= 2 and not annotation.more else tr("Polyline")
    if not annotation.more and not annotation.region.holes:
        if is_rectangle(annotation.region):
            return tr("Rectangle")
        if is_ellipse(annotation.region):
            return tr("Ellipse")
    return tr("Region")


def region_title(annotation: Annotation) -> str:
    """What a region is called: its name, else its type and its number, which it keeps."""
    return annotation.name or f"{kind_text(annotation)} {annotation.number}"


def measure_text(annotation: Annotation, mpp: float | None) -> str:
    """Area of a region, length of a line, number of points; in pixels where ``mpp`` is not known."""
    if annotation.kind == "points":
        count = sum(len(part.exterior) for part in annotation.parts)
        return tr("1 point") if count == 1 else tr("{0} points").format(count)
    if annotation.kind == "line":
        length = length_px(annotation)
        return rounded_length(length * mpp) if mpp else f"{length:,.0f} px"
    area = sum(part.area_px() for part in annotation.parts)
    return area_text(area * mpp * mpp) if mpp else f"{area:,.0f} px²"


def length_px(annotation: Annotation) -> float:
    """The length of an open line in level-0 pixels, all parts together."""
    return sum(
        math.dist(a, b) for part in annotation.parts for a, b in zip(part.exterior, part.exterior[1:], strict=False)
    )


def rounded_length(microns: float) -> str:
    """A length that was measured by hand: whole microns from 100 on, as nobody's hand is finer."""
    return length_text(round(microns) if 100 <= microns < 1000 else microns)


def is_rectangle(region: Region) -> bool:
    """Whether it is an upright rectangle."""
    ring = _open_ring(region)
    xs, ys = {x for x, _ in ring}, {y for _, y in ring}
    return len(ring) == 4 and len(xs) == len(ys) == 2 and len(set(ring)) == 4


def is_ellipse(region: Region) -> bool:
    """Whether all of its many points lie on the ellipse in its bounds."""
    ring = _open_ring(region)
    x, y, w, h = region.bounds
    if len(ring) < ROUND_CORNERS or w <= 0 or h <= 0:
        return False
    return all(
        abs(math.hypot((px - x - w / 2) / (w / 2), (py - y - h / 2) / (h / 2)) - 1) <= NEAR for px, py in ring
    )  # fmt: skip


def _open_ring(region: Region) -> tuple[tuple[float, float], ...]:
    ring = region.exterior
    return ring[:-1] if len(ring) > 1 and ring[0] == ring[-1] else ring
