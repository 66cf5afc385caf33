"""Paints regions: outlines while there are few, dots and a picture made beside the GUI thread when there are many."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPolygonF

from lile_desktop.viewer.annotations import UNCLASSED, Annotation, AnnotationStore
from lile_desktop.viewer.tile_painter import view_transform
from lile_desktop.viewer.tools.base import stroke
from lile_desktop.viewer.view_state import Rect, ViewState, to_slide, visible_rect

HANDLE_PX = 3.5
POINT_PX = 4.0


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
    """Keeps the paths of what was painted lately."""

    def __init__(self, store: AnnotationStore) -> None:
        self._store = store
        self._paths: dict[int, tuple[Annotation, QPainterPath]] = {}

    def path_of(self, annotation: Annotation) -> QPainterPath:
        kept = self._paths.get(annotation.id)
        if kept is not None and kept[0] is annotation:
            return kept[1]
        path = path_of(annotation)
        if len(self._paths) > 4000:
            self._paths.clear()
        self._paths[annotation.id] = (annotation, path)
        return path

    def paint(self, painter: QPainter, view: ViewState, accent: QColor) -> None:
        """Paint what is in view; the painter is in logical screen pixels."""
        chosen = set(self._store.selection)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for annotation in self._store.within(visible_rect(view)):
            if annotation.id not in chosen:
                self.paint_one(painter, view, annotation, accent, selected=False)
        for annotation in self._store.selected():
            self.paint_one(painter, view, annotation, accent, selected=True)
        painter.restore()

    def pick(self, view: ViewState, sx: float, sy: float, slack: float) -> Annotation | None:
        """The smallest annotation whose inside or outline lies within ``slack`` screen pixels of a point."""
        x, y = to_slide(view, sx, sy)
        reach = slack / view.scale
        spot = Rect(x - reach, y - reach, 2 * reach, 2 * reach)
        near = QPainterPath()
        near.addRect(QRectF(spot.x, spot.y, spot.w, spot.h))
        hits = [a for a in self._store.within(spot) if self._touches(a, x, y, reach, near)]
        return min(hits, key=lambda a: a.bounds.w * a.bounds.h) if hits else None

    def _touches(self, annotation: Annotation, x: float, y: float, reach: float, near: QPainterPath) -> bool:
        if annotation.kind == "points":
            return any(abs(px - x) <= reach and abs(py - y) <= reach for px, py in annotation.region.exterior)
        path = self.path_of(annotation)
        return path.intersects(near) or (annotation.kind == "region" and path.contains(QPointF(x, y)))

    def paint_one(
        self, painter: QPainter, view: ViewState, annotation: Annotation, accent: QColor, *, selected: bool
    ) -> None:
        color = accent if selected else QColor(*(annotation.color or UNCLASSED))
        if annotation.kind == "points":
            paint_points(painter, view, annotation, color)
            return
        path = self.path_of(annotation)
        painter.save()
        painter.setTransform(view_transform(view), True)
        if selected and annotation.kind == "region":
            painter.fillPath(path, QColor(color.red(), color.green(), color.blue(), 28))
        for halo in (True, False):
            pen_color = QColor(255, 255, 255, 150) if halo and color.lightness() < 90 else color
            stroke(painter, pen_color, 2.25 if selected else 1.75, halo=halo and color.lightness() >= 90)
            if halo and color.lightness() < 90:
                pen = painter.pen()
                pen.setWidthF(pen.widthF() + 2)
                painter.setPen(pen)
            painter.drawPath(path)
        painter.restore()


def paint_points(painter: QPainter, view: ViewState, annotation: Annotation, color: QColor) -> None:
    """Each point as a small disc with a light rim."""
    transform = view_transform(view)
    painter.setBrush(color)
    stroke(painter, QColor(255, 255, 255, 220), 1.25, halo=False)
    for x, y in annotation.region.exterior:
        painter.drawEllipse(transform.map(QPointF(x, y)), POINT_PX, POINT_PX)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def paint_handles(painter: QPainter, view: ViewState, annotation: Annotation, accent: QColor) -> None:
    """The corners of a selected region, for reshaping."""
    transform = view_transform(view)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(255, 255, 255))
    stroke(painter, accent, 1.25, halo=False)
    for x, y in annotation.region.exterior:
        at = transform.map(QPointF(x, y))
        painter.drawRect(QRectF(at.x() - HANDLE_PX, at.y() - HANDLE_PX, 2 * HANDLE_PX, 2 * HANDLE_PX))
    painter.setBrush(Qt.BrushStyle.NoBrush)
