"""The scale bar and the corner text: round numbers, microns where the slide knows them, pixels where not."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter

from lile_desktop.text import tr
from lile_desktop.viewer.view_state import ViewState, magnification
from lile_engine.slides import SlideInfo

BAR_PX = 160.0  # the bar is at most this wide
MARGIN = 16.0
CORNER_HEIGHT = 40.0
PLATE = QColor(20, 20, 22, 224)  # the ground under text on the picture: regions and points do not show through it
INK = QColor(245, 245, 245)


@dataclass(frozen=True)
class ScaleBar:
    """``width`` in logical screen pixels, and what stands over it."""

    width: float
    label: str


def round_down(value: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above ``value`` (> 0)."""
    power = 10.0 ** math.floor(math.log10(value))
    for factor in (5.0, 2.0, 1.0):
        if factor * power <= value * (1 + 1e-9):
            return factor * power
    return power


def length_text(microns: float) -> str:
    """A length for people: "250 nm", "100 um", "2 mm" (with the micro sign)."""
    if microns >= 1000:
        return f"{microns / 1000:.4g} mm"
    return f"{microns:.4g} µm" if microns >= 1 else f"{microns * 1000:.4g} nm"


def size_of(width: float, height: float) -> str:
    """Width times height in microns, both in the unit of the larger one."""
    if max(width, height) >= 1000:
        return f"{width / 1000:.3g} × {height / 1000:.3g} mm"
    return f"{width:.4g} × {height:.4g} µm"


def area_text(square_microns: float) -> str:
    """An area for people, in square microns or square millimetres."""
    if square_microns >= 1e5:
        return f"{square_microns / 1e6:.4g} mm²"
    if square_microns >= 1000:
        return f"{float(f'{square_microns:.4g}'):,.0f} µm²"
    return f"{square_microns:.4g} µm²"


def scale_bar(scale: float, mpp: float | None, longest: float = BAR_PX) -> ScaleBar:
    """The bar for ``scale`` screen px per level-0 px; without mpp it counts slide pixels."""
    unit = mpp if mpp else 1.0
    length = round_down(longest / scale * unit)
    label = length_text(length) if mpp else f"{length:.4g} px"
    return ScaleBar(length / unit * scale, label)


def magnification_text(view: ViewState, info: SlideInfo) -> str:
    """ "12.5x" (with the times sign) where the slide knows its magnification, else per cent of its own pixels."""
    power = magnification(view, info)
    if power is None:
        return f"{view.scale * 100:.3g} %"
    return f"{power:.3g}×"


def place_text(x: float, y: float, mpp: float | None) -> str:
    """A level-0 point in microns, or in pixels where mpp is not known."""
    if mpp:
        return f"{x * mpp:,.1f}, {y * mpp:,.1f} µm"
    return f"{x:,.0f}, {y:,.0f} px"


def status_text(view: ViewState, info: SlideInfo, cursor: tuple[float, float] | None) -> str:
    """The corner text: magnification, position under the cursor, mpp."""
    parts = [magnification_text(view, info)]
    if cursor is not None:
        parts.append(place_text(*cursor, info.mpp))
    parts.append(tr("{0:.4g} µm/px").format(info.mpp) if info.mpp else tr("µm/px unknown"))
    if view.rotation:
        parts.append(f"{view.rotation:.4g}°")
    if view.mirrored:
        parts.append("mirrored")
    return "   ".join(parts)


def text_font(base: QFont) -> QFont:
    """The font of text on the picture, with figures that do not jump."""
    font = QFont(base)
    font.setPixelSize(12)
    font.setFeature(QFont.Tag("tnum"), 1)
    return font


def paint_plate(painter: QPainter, rect: QRectF) -> None:
    """The quiet dark ground under text on the picture."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(PLATE)
    painter.drawRoundedRect(rect, 4, 4)


def paint_corner(painter: QPainter, view: ViewState, info: SlideInfo, cursor: tuple[float, float] | None) -> None:
    """Scale bar and status text in the lower left corner; the painter is in logical screen pixels."""
    bar = scale_bar(view.scale, info.mpp)
    font = text_font(painter.font())
    metrics = QFontMetricsF(font)
    bar_width = max(bar.width, metrics.horizontalAdvance(bar.label))
    room = view.width - 2 * MARGIN - bar_width - 48
    # Where not all of it has room, the position goes first; a narrow canvas shows the bar alone.
    texts = (status_text(view, info, cursor), status_text(view, info, None))
    text = next((one for one in texts if metrics.horizontalAdvance(one) <= room), "")
    wide = bar_width + 24 + (metrics.horizontalAdvance(text) + 24 if text else 0)
    plate = QRectF(MARGIN, view.height - MARGIN - CORNER_HEIGHT, wide, CORNER_HEIGHT)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    paint_plate(painter, plate)
    painter.setFont(font)
    painter.setPen(INK)
    x, y = plate.left() + 12, plate.bottom() - 12
    painter.drawText(QPointF(x, y - 8), bar.label)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.fillRect(QRectF(x, y - 1, bar.width, 2), INK)
    painter.fillRect(QRectF(x, y - 4, 1, 5), INK)
    painter.fillRect(QRectF(x + bar.width - 1, y - 4, 1, 5), INK)
    if text:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(INK)
        painter.drawText(QPointF(x + bar_width + 24, plate.center().y() + metrics.capHeight() / 2), text)
    painter.restore()
