"""A saved picture says what it must not be used for, also where it is seen without the program."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter

from lile_desktop.text import tr

PAPER, INK = QColor("#ffffff"), QColor("#303034")
PADDING = 8.0


def captioned(picture: QImage) -> QImage:
    """The picture with a line below: it is for research only. The slide's name, which may tell a case, stays out."""
    ratio = picture.devicePixelRatio()
    width, height = picture.width() / ratio, picture.height() / ratio
    out = QImage(QSize(1, 1), QImage.Format.Format_RGB32)
    out.setDevicePixelRatio(ratio)
    painter = QPainter(out)
    line = QFontMetricsF(painter.font()).height() + 2 * PADDING
    painter.end()
    out = QImage(QSize(picture.width(), picture.height() + round(line * ratio)), QImage.Format.Format_RGB32)
    out.setDevicePixelRatio(ratio)
    out.fill(PAPER)
    painter = QPainter(out)
    painter.drawImage(QRectF(0, 0, width, height), picture)
    painter.setPen(INK)
    use = tr("LILE Desktop, research use only")
    room = QRectF(PADDING, height, width - 2 * PADDING, line)
    painter.drawText(room, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, use)
    painter.end()
    return out
