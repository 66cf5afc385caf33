"""Lines and short notes over tissue, readable on light and on dark."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from lile_desktop.viewer.scale_bar import INK, paint_plate, text_font
from lile_desktop.viewer.view_state import ViewState

DARK_HALO = QColor(20, 20, 22, 150)
LIGHT_HALO = QColor(255, 255, 255, 170)
DARK = 90  # lightness below which a line gets a light halo


def stroke(painter: QPainter, color: QColor, width: float = 1.75, *, halo: bool) -> None:
    """Set the pen of an outline, ``width`` logical pixels wide: draw it first with its halo, then in colour."""
    rim = LIGHT_HALO if color.lightness() < DARK else DARK_HALO
    pen = QPen(rim if halo else color, (width + 2 if halo else width) * painter.device().devicePixelRatioF())
    pen.setCosmetic(True)  # which counts in pixels of the device
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)


def paint_note(painter: QPainter, at: QPointF, text: str, view: ViewState) -> None:
    """A short text on a plate beside a screen point, kept inside the view."""
    font = text_font(painter.font())
    width = QFontMetricsF(font).horizontalAdvance(text) + 16
    x = min(max(at.x() + 12, 4.0), view.width - width - 4)
    y = min(max(at.y() + 12, 4.0), view.height - 28.0)
    plate = QRectF(x, y, width, 24)
    painter.save()
    paint_plate(painter, plate)
    painter.setFont(font)
    painter.setPen(INK)
    painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)
    painter.restore()
