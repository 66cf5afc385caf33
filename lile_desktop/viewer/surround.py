"""What is seen where no slide is: the grey around it, its empty place, a sentence in the middle of the view."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter

from lile_desktop.viewer.scale_bar import INK, MARGIN, paint_plate, text_font

LIGHT = QColor(0xC9, 0xC9, 0xCB)
DARK = QColor(0x1D, 0x1D, 0x1F)
DARK_SLIDE = 70  # mean lightness of 255 below which a slide counts as dark (fluorescence)
EMPTY_SLIDE = QColor(0xE4, 0xE4, 0xE5)  # where nothing of the slide has come yet
MESSAGE_PX, MOST_MESSAGE_WIDTH = 13, 560.0


def is_dark(overview: QImage) -> bool:
    """Whether a slide is dark, from a small picture of it."""
    one = overview.scaled(1, 1, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation)
    return one.pixelColor(0, 0).lightness() < DARK_SLIDE


def paint_message(painter: QPainter, width: float, height: float, font: QFont, message: str) -> None:
    """A sentence on a plate in the middle of a view of this size (logical pixels)."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    font = text_font(font)
    font.setPixelSize(MESSAGE_PX)
    painter.setFont(font)
    room = QRectF(0, 0, min(width - 4 * MARGIN, MOST_MESSAGE_WIDTH), height)
    flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
    text = painter.boundingRect(room, flags, message)
    text.moveCenter(QPointF(width / 2, height / 2))
    paint_plate(painter, text.adjusted(-16, -12, 16, 12))
    painter.setPen(INK)
    painter.drawText(text, flags, message)
    painter.restore()
