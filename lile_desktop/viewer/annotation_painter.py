"""Paints regions: outlines while there are few, a picture of them made beside the GUI thread when there are many."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from PySide6.QtCore import QObject, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPolygonF

from lile_desktop.viewer.annotations import UNCLASSED, Annotation, AnnotationStore
from lile_desktop.viewer.measures import length_px, measure_text
from lile_desktop.viewer.shape_raster import ShapeRaster
from lile_desktop.viewer.strokes import paint_note, stroke
from lile_desktop.viewer.tile_painter import view_transform
from lile_desktop.viewer.view_state import Rect, ViewState, to_screen, to_slide, visible_rect

HANDLE_PX = 3.5
POINT_PX = 4.0
MOST_OUTLINES = 250  # more regions in view than this are painted as a picture
MOST_LENGTHS = 30  # more lines in view than this show their length only when selected
LEAST_LENGTH_PX = 24.0
MOST_PATHS = 4000  # kept ready


def path_of(annotation: Annotation) -> QPainterPath:
    """The outlines in level-0 pixels; holes are holes (odd-even fill), lines stay open."""
    path = QPainterPath()
    path.setFillRule(Qt.FillRule.OddEvenFill)
    for part in annotation.parts:
        for ring in (part.exterior, *part.holes):
            path.addPolygon(QPolygonF([QPointF(x, y) for x, y in ring]))
            if annotation.kind != "line":
                path.closeSubpath()
    return path


class AnnotationPainter:
    """Paints the annotations of a store; ``raster.ready`` tells when a frame is worth painting again."""

    def __init__(self, store: AnnotationStore, parent: QObject) -> None:
        self._store = store
        self._paths: dict[int, tuple[Annotation, QPainterPath]] = {}
        self.raster = ShapeRaster(parent)

    def path_of(self, annotation: Annotation) -> QPainterPath:
        kept = self._paths.get(annotation.id)
        if kept is not None and kept[0] is annotation:
            return kept[1]
        path = path_of(annotation)
        if len(self._paths) > MOST_PATHS:
            self._paths.clear()
        self._paths[annotation.id] = (annotation, path)
        return path

    def paint(self, painter: QPainter, view: ViewState, accent: QColor, mpp: float | None = None) -> None:
        """Paint what is in view, open lines with their length (``mpp`` of level 0); the painter is in logical screen
        pixels."""
        if not len(self._store):
            return
        chosen = set(self._store.selection)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        numbers = self._store.index.query(visible_rect(view))
        if len(numbers) > MOST_OUTLINES:
            self.raster.paint(painter, view, self._store.index, self._store.revision)
        else:
            for number in numbers.tolist():
                annotation = self._store.get(number)
                if annotation is not None and number not in chosen:
                    paint_outline(painter, view, annotation, accent, path=self.path_of(annotation))
        for annotation in self._store.selected()[:MOST_OUTLINES]:
            paint_outline(painter, view, annotation, accent, selected=True, path=self.path_of(annotation))
        lines = [one for one in map(self._store.get, numbers[:MOST_OUTLINES].tolist()) if one and one.kind == "line"]
        for line in lines if len(lines) <= MOST_LENGTHS else [one for one in lines if one.id in chosen]:
            paint_length(painter, view, line, mpp)
        painter.restore()

    def pick(self, view: ViewState, sx: float, sy: float, slack: float) -> Annotation | None:
        """The smallest annotation whose inside or outline lies within ``slack`` screen pixels of a point."""
        x, y = to_slide(view, sx, sy)
        reach = slack / view.scale
        spot = Rect(x - reach, y - reach, 2 * reach, 2 * reach)
        near = QPainterPath()
        near.addRect(QRectF(spot.x, spot.y, spot.w, spot.h))
        candidates = sorted(self._store.within(spot), key=lambda a: a.bounds.w * a.bounds.h)
        return next((a for a in candidates if self._touches(a, x, y, reach, near)), None)

    def _touches(self, annotation: Annotation, x: float, y: float, reach: float, near: QPainterPath) -> bool:
        if annotation.kind == "points":
            return any(abs(px - x) <= reach and abs(py - y) <= reach for px, py in annotation.region.exterior)
        path = self.path_of(annotation)
        return path.intersects(near) if annotation.kind == "region" else crosses(annotation, x, y, reach)


def crosses(annotation: Annotation, x: float, y: float, reach: float) -> bool:
    """Whether an open line passes within ``reach`` of a point."""
    for part in annotation.parts:
        for (ax, ay), (bx, by) in zip(part.exterior, part.exterior[1:], strict=False):
            dx, dy = bx - ax, by - ay
            length = dx * dx + dy * dy
            t = min(max(((x - ax) * dx + (y - ay) * dy) / length, 0.0), 1.0) if length else 0.0
            if (ax + t * dx - x) ** 2 + (ay + t * dy - y) ** 2 <= reach * reach:
                return True
    return False


def paint_outline(
    painter: QPainter,
    view: ViewState,
    annotation: Annotation,
    accent: QColor,
    *,
    selected: bool = False,
    path: QPainterPath | None = None,
) -> None:
    """One annotation in the colour of its class; a selected one in the accent colour."""
    color = accent if selected else QColor(*(annotation.color or UNCLASSED))
    if annotation.kind == "points":
        paint_points(painter, view, annotation, color)
        return
    path = path or path_of(annotation)
    painter.save()
    painter.setTransform(view_transform(view), True)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for halo in (True, False):
        stroke(painter, color, 2.25 if selected else 1.75, halo=halo)
        painter.drawPath(path)
    painter.restore()


def paint_length(painter: QPainter, view: ViewState, line: Annotation, mpp: float | None) -> None:
    """The length of an open line at its middle; of one that is seen as a speck only, none."""
    x, y = middle_of(line.region.exterior)
    if length_px(line) * view.scale >= LEAST_LENGTH_PX:
        paint_note(painter, QPointF(*to_screen(view, x, y)), measure_text(line, mpp), view)


def middle_of(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The point half-way along an open line."""
    left = sum(math.dist(a, b) for a, b in itertools.pairwise(points)) / 2
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        step = math.hypot(bx - ax, by - ay)
        if step >= left and step > 0:
            return ax + (bx - ax) * left / step, ay + (by - ay) * left / step
        left -= step
    return points[-1]


def paint_points(painter: QPainter, view: ViewState, annotation: Annotation, color: QColor) -> None:
    """Each point as a small disc with a light rim."""
    transform = view_transform(view)
    painter.setBrush(color)
    stroke(painter, QColor(255, 255, 255, 220), 1.25, halo=False)
    for x, y in annotation.region.exterior:
        painter.drawEllipse(transform.map(QPointF(x, y)), POINT_PX, POINT_PX)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def paint_handles(painter: QPainter, view: ViewState, points: Sequence[tuple[float, float]], accent: QColor) -> None:
    """Little squares to take hold of."""
    transform = view_transform(view)
    painter.setBrush(QColor(255, 255, 255))
    stroke(painter, accent, 1.25, halo=False)
    for x, y in points:
        at = transform.map(QPointF(x, y))
        painter.drawRect(QRectF(at.x() - HANDLE_PX, at.y() - HANDLE_PX, 2 * HANDLE_PX, 2 * HANDLE_PX))
    painter.setBrush(Qt.BrushStyle.NoBrush)
