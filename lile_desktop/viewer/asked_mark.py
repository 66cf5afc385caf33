"""Marks the region that the answer in view is about: a dashed outline with a word on it, selected or not."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter

from lile_desktop.viewer.annotation_painter import path_of
from lile_desktop.viewer.annotations import Annotation
from lile_desktop.viewer.scale_bar import INK, paint_plate, text_font
from lile_desktop.viewer.strokes import stroke
from lile_desktop.viewer.tile_painter import view_transform
from lile_desktop.viewer.view_state import ViewState
from lile_engine.slides import Region

DASH = (5.0, 3.0)
WIDTH = 2.25
LABEL_PX = 20.0


@dataclass(frozen=True)
class AskedMark:
    """The region of a question and the words that stand on its outline."""

    region: Region
    label: str


def paint_asked(painter: QPainter, view: ViewState, mark: AskedMark, accent: QColor) -> None:
    """The outline, dashed, and the label above its upper left corner, kept inside the view while the region is in it.
    The painter is in logical screen pixels."""
    path = path_of(Annotation(0, mark.region))
    on_screen = view_transform(view).map(path).boundingRect()
    if not on_screen.intersects(QRectF(0, 0, view.width, view.height)):
        return
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.save()
    painter.setTransform(view_transform(view), True)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    stroke(painter, accent, WIDTH, halo=True)
    painter.drawPath(path)
    stroke(painter, accent, WIDTH, halo=False)
    pen = painter.pen()
    pen.setDashPattern(DASH)
    painter.setPen(pen)
    painter.drawPath(path)
    painter.restore()
    font = text_font(painter.font())
    width = QFontMetricsF(font).horizontalAdvance(mark.label) + 16
    left = min(max(on_screen.left(), 4.0), view.width - width - 4)
    top = min(max(on_screen.top() - LABEL_PX - 4, 4.0), view.height - LABEL_PX - 4)
    plate = QRectF(QPointF(left, top), QPointF(left + width, top + LABEL_PX))
    paint_plate(painter, plate)
    painter.setFont(font)
    painter.setPen(INK)
    painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, mark.label)
    painter.restore()
