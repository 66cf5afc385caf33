"""Marks the region that the answer in view is about: a dashed outline with a word on it, selected or not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter

from lile_desktop.viewer.scale_bar import INK, paint_plate, text_font
from lile_desktop.viewer.screen_outline import closed_ring, pieces_in_view
from lile_desktop.viewer.strokes import stroke
from lile_desktop.viewer.tile_painter import view_transform
from lile_desktop.viewer.view_state import ViewState
from lile_engine.slides import Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DASH = (5.0, 3.0)
WIDTH = 2.25
LABEL_PX = 20.0


@dataclass(frozen=True)
class AskedMark:
    """The region of a question and the words that stand on its outline."""

    region: Region
    label: str

    @cached_property
    def rings(self) -> tuple[NDArray[np.float64], ...]:
        """The outlines [n, 2] in level-0 pixels, closed."""
        return tuple(closed_ring(ring) for ring in (self.region.exterior, *self.region.holes))

    @cached_property
    def bounds(self) -> QRectF:
        """The rectangle around it in level-0 pixels."""
        (left, top), (right, bottom) = self.rings[0].min(axis=0), self.rings[0].max(axis=0)
        return QRectF(QPointF(left, top), QPointF(right, bottom))


def paint_asked(painter: QPainter, view: ViewState, mark: AskedMark, accent: QColor) -> None:
    """The outline, dashed, and the label above its upper left corner, kept inside the view while the region is in it.
    The painter is in logical screen pixels."""
    on_screen = view_transform(view).mapRect(mark.bounds)
    if not on_screen.intersects(QRectF(0, 0, view.width, view.height)):
        return
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pieces = [piece for ring in mark.rings for piece in pieces_in_view(ring, view)]
    stroke(painter, accent, WIDTH, halo=True)
    for piece in pieces:
        painter.drawPolyline(piece)
    stroke(painter, accent, WIDTH, halo=False)
    pen = painter.pen()
    pen.setDashPattern(DASH)
    painter.setPen(pen)
    for piece in pieces:
        painter.drawPolyline(piece)
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
