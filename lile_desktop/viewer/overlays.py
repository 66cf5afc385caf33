"""What lies over a slide that is no region: rasters (heat maps, attention, masks), boxes of tiles, their legend."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen

from lile_desktop.viewer.colormaps import colormap
from lile_desktop.viewer.scale_bar import CORNER_HEIGHT, INK, MARGIN, paint_plate, text_font
from lile_desktop.viewer.tile_painter import view_transform
from lile_desktop.viewer.view_state import ViewState, to_slide, visible_rect
from lile_engine.later import later

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = later("numpy")

LEGEND_WIDTH = 160.0
NOTE_HEIGHT = 16.0
LEGEND_BESIDE_PX = 704  # a view as wide as this has room for it beside scale bar and position
LEAST_GRID_PX = 10.0  # tiles smaller than this on the screen get no grid
DIM = QColor(24, 24, 26, 200)


@dataclass(frozen=True, eq=False)
class RasterOverlay:
    """Values over a part of a slide.

    ``values`` float32 [h, w], nan where nothing is painted; x, y, w, h the level-0 rectangle they cover;
    ``low`` and ``high`` the values at the ends of the colour map, None for the smallest and largest there are;
    ``fade`` lets low values show less (attention), else all values have the same opacity (heat maps);
    ``legend`` is False where the colours stand for nothing but "here"; ``note`` is a line that it bears; ``words`` say
    what the ends of the colours mean while these are where they came, else numbers with ``unit`` stand there.
    """

    values: npt.NDArray[np.float32]
    x: float
    y: float
    w: float
    h: float
    colormap: str = "viridis"
    opacity: float = 0.5
    low: float | None = None
    high: float | None = None
    title: str = ""
    fade: bool = False
    smooth: bool = True
    legend: bool = True
    note: str = ""
    words: tuple[str, str] = ("", "")
    unit: str = ""

    def end_texts(self) -> tuple[str, str]:
        """What stands at the ends of the legend: words, else numbers."""
        low, high = (f"{value:.2f}{self.unit}" for value in self.range())
        return self.words[0] or low, self.words[1] or high

    def whole(self) -> tuple[float, float]:
        """(low, high) of values and colours together: what the ends of the colour map can be moved over."""
        low, high = self.range()
        if self.fade:
            return low, high
        least, most = replace(self, low=None, high=None).range()
        return min(low, least), max(high, most)

    def ends(self) -> tuple[float, float]:
        """Where the colours begin and end, as shares 0 to 1 of `whole`."""
        (low, high), (first, last) = self.range(), self.whole()
        span = last - first
        return ((low - first) / span, (high - first) / span) if span > 0 else (0.0, 1.0)

    def range(self) -> tuple[float, float]:
        """(low, high) in force; (0, 1) where there is no finite value."""
        finite = self.values[np.isfinite(self.values)]
        if finite.size == 0:
            return (0.0 if self.low is None else self.low, 1.0 if self.high is None else self.high)
        low = float(finite.min()) if self.low is None else self.low
        high = float(finite.max()) if self.high is None else self.high
        return low, high

    def value_at(self, x: float, y: float) -> float | None:
        """The value at a level-0 point, None outside and where there is none."""
        h, w = self.values.shape
        col, row = int((x - self.x) / self.w * w), int((y - self.y) / self.h * h)
        if not (self.x <= x < self.x + self.w and self.y <= y < self.y + self.h):
            return None
        value = float(self.values[min(row, h - 1), min(col, w - 1)])
        return value if np.isfinite(value) else None


@dataclass(frozen=True)
class TileBox:
    """A square to show on the slide, such as a hit: level-0 x, y, size; ``label`` stands on it when selected."""

    x: float
    y: float
    size: float
    label: str = ""
    selected: bool = False
    id: int = -1


def overlay_image(overlay: RasterOverlay) -> QImage:
    """The raster as premultiplied ARGB, opacity included."""
    low, high = overlay.range()
    span = high - low
    unit = (overlay.values - low) / span if span > 0 else np.where(np.isfinite(overlay.values), 1.0, np.nan)
    there = np.isfinite(unit)
    unit = np.clip(np.where(there, unit, 0.0), 0.0, 1.0)
    rgb = colormap(overlay.colormap)[np.rint(unit * 255).astype(np.uint8)].astype(np.float32)
    alpha = np.where(there, overlay.opacity * (unit if overlay.fade else 1.0), 0.0)[..., None].astype(np.float32)
    bgra = np.concatenate([rgb[..., ::-1] * alpha, 255 * alpha], axis=2)
    pixels = np.ascontiguousarray(np.rint(bgra).astype(np.uint8))
    h, w = pixels.shape[:2]
    return QImage(pixels.data, w, h, 4 * w, QImage.Format.Format_ARGB32_Premultiplied).copy()


class OverlayStack:
    """The raster overlays of a view by name, in the order they were added, with their pictures kept ready."""

    def __init__(self) -> None:
        self._overlays: dict[str, RasterOverlay] = {}
        self._images: dict[str, QImage] = {}
        self._hidden: set[str] = set()
        self._full: dict[str, tuple[float, float]] = {}  # the range of an overlay before it was narrowed

    def names(self) -> tuple[str, ...]:
        return tuple(self._overlays)

    def get(self, name: str) -> RasterOverlay | None:
        return self._overlays.get(name)

    def set(self, name: str, overlay: RasterOverlay | None) -> None:
        self._images.pop(name, None)
        before = self._overlays.get(name)
        if before is None or overlay is None or overlay.values is not before.values:
            self._full.pop(name, None)
        if overlay is None:
            self._overlays.pop(name, None)
        else:
            self._overlays[name] = overlay

    def adjust(self, name: str, **changes: object) -> None:
        """Other values of fields of `RasterOverlay` for an overlay that is there."""
        overlay = self._overlays.get(name)
        if overlay is not None:
            self.set(name, replace(overlay, **changes))  # type: ignore[arg-type]

    def set_range(self, name: str, low: float, high: float) -> None:
        """The ends of the colour map as shares 0 to 1 of what they could be moved over when it
        came (`RasterOverlay.whole`)."""
        overlay = self._overlays.get(name)
        if overlay is not None:
            first, last = self._full.setdefault(name, overlay.whole())
            ends = first + low * (last - first), first + high * (last - first)
            self.adjust(name, low=ends[0], high=ends[1], words=("", ""))

    def set_visible(self, name: str, visible: bool) -> None:
        if visible:
            self._hidden.discard(name)
        else:
            self._hidden.add(name)

    def is_visible(self, name: str) -> bool:
        return name in self._overlays and name not in self._hidden

    def visible(self) -> list[RasterOverlay]:
        return [overlay for name, overlay in self._overlays.items() if name not in self._hidden]

    def clear(self) -> None:
        self._overlays.clear()
        self._images.clear()

    def paint(self, painter: QPainter, view: ViewState) -> None:
        """Paint what is visible; the painter is in logical screen pixels."""
        for name, overlay in self._overlays.items():
            if name in self._hidden:
                continue
            if name not in self._images:
                self._images[name] = overlay_image(overlay)
            painter.save()
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, overlay.smooth)
            painter.setTransform(view_transform(view), True)
            image = self._images[name]
            painter.drawImage(QRectF(overlay.x, overlay.y, overlay.w, overlay.h), image, QRectF(image.rect()))
            painter.restore()


def paint_grid(painter: QPainter, view: ViewState, step: float, width: int, height: int, color: QColor) -> None:
    """The borders of tiles of ``step`` level-0 px, anchored at 0, 0; nothing where they would lie too close."""
    if step * view.scale < LEAST_GRID_PX:
        return
    rect = visible_rect(view)
    first_x, last_x = max(math.floor(rect.x / step), 0), min(math.ceil((rect.x + rect.w) / step), int(width / step))
    first_y, last_y = max(math.floor(rect.y / step), 0), min(math.ceil((rect.y + rect.h) / step), int(height / step))
    top, bottom = max(rect.y, 0.0), min(rect.y + rect.h, float(height))
    left, right = max(rect.x, 0.0), min(rect.x + rect.w, float(width))
    lines = [QLineF(n * step, top, n * step, bottom) for n in range(first_x, last_x + 1)]
    lines += [QLineF(left, n * step, right, n * step) for n in range(first_y, last_y + 1)]
    painter.save()
    painter.setTransform(view_transform(view), True)
    pen = QPen(QColor(color.red(), color.green(), color.blue(), 120), 1)
    pen.setCosmetic(True)
    painter.setPen(pen)
    painter.drawLines(lines)
    painter.restore()


def paint_legend(painter: QPainter, view: ViewState, overlay: RasterOverlay) -> None:
    """Colour bar with its range and title in the lower right corner; in a narrow view above the scale bar."""
    font = text_font(painter.font())
    metrics = QFontMetricsF(font)
    bottom = view.height - MARGIN - (CORNER_HEIGHT + 8 if view.width < LEGEND_BESIDE_PX else 0)
    low_text, high_text = overlay.end_texts()
    beside = metrics.horizontalAdvance(f"{low_text}   {high_text}")
    width = max(LEGEND_WIDTH, metrics.horizontalAdvance(overlay.note), beside)
    height = 56 + (NOTE_HEIGHT if overlay.note else 0)
    plate = QRectF(view.width - MARGIN - width - 24, bottom - height, width + 24, height)
    bar = QRectF(plate.left() + 12, plate.top() + 26, width, 8)
    table = colormap(overlay.colormap)
    gradient = QImage(256, 1, QImage.Format.Format_RGB32)
    for i in range(256):
        gradient.setPixelColor(i, 0, QColor(*(int(v) for v in table[i])))
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    paint_plate(painter, plate)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(bar, gradient)
    painter.setFont(font)
    painter.setPen(INK)
    title = metrics.elidedText(overlay.title, Qt.TextElideMode.ElideRight, width)
    painter.drawText(QPointF(bar.left(), bar.top() - 7), title)
    painter.drawText(QPointF(bar.left(), bar.bottom() + 14), low_text)
    painter.drawText(QPointF(bar.right() - metrics.horizontalAdvance(high_text), bar.bottom() + 14), high_text)
    painter.drawText(QPointF(bar.left(), bar.bottom() + 14 + NOTE_HEIGHT), overlay.note)
    painter.restore()


def paint_boxes(painter: QPainter, view: ViewState, boxes: Iterable[TileBox], accent: QColor) -> None:
    """Outlines of tiles; the selected one is stronger and carries its label. Painter in logical screen pixels."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    transform = view_transform(view)
    for box in sorted(boxes, key=lambda b: b.selected):
        corners = [QPointF(box.x + dx * box.size, box.y + dy * box.size) for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))]
        polygon = [transform.map(corner) for corner in corners]
        painter.setPen(QPen(DIM, 4.0 if box.selected else 3.0))
        painter.drawPolygon(polygon)
        painter.setPen(QPen(accent if box.selected else INK, 2.0 if box.selected else 1.25))
        painter.drawPolygon(polygon)
        if box.selected and box.label:
            _paint_label(painter, min(polygon, key=lambda p: (p.y(), p.x())), box.label)
    painter.restore()


def _paint_label(painter: QPainter, at: QPointF, text: str) -> None:
    font = text_font(painter.font())
    width = QFontMetricsF(font).horizontalAdvance(text)
    plate = QRectF(at.x() - 1, at.y() - 24, width + 16, 20)
    paint_plate(painter, plate)
    painter.setFont(font)
    painter.setPen(INK)
    painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def box_at(view: ViewState, boxes: Iterable[TileBox], sx: float, sy: float) -> TileBox | None:
    """The smallest box under a screen point."""
    x, y = to_slide(view, sx, sy)
    hit = [b for b in boxes if b.x <= x < b.x + b.size and b.y <= y < b.y + b.size]
    return min(hit, key=lambda b: (not b.selected, b.size)) if hit else None
