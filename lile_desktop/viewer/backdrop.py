"""What lies under all layers: surround and tiles, painted once and kept.

A pan moves what is there and paints only the strips that come into view; a tile that arrives repaints its own place;
a move of the mouse paints nothing at all. Only another scale, angle or size paints everything anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize
from PySide6.QtGui import QImage, QPainter, QRegion

from lile_desktop.viewer.mosaic import ImageOf, Mosaics
from lile_desktop.viewer.pyramid import Pyramid
from lile_desktop.viewer.tile_cache import TileCache
from lile_desktop.viewer.tile_painter import PaintReport, paint_tiles, view_transform
from lile_desktop.viewer.view_state import Rect, ViewState, panned, to_screen

# Seconds. Where whole smooth frames take longer, those of a zoom under way are painted fast.
SLOW_FRAME = 0.003
FORGET = 0.8  # a slow frame is forgotten as quicker ones follow
BANDS = 3  # a fast frame at rest is painted smoothly in so many frames, from top to bottom
MOST_DIRTY = 40  # places to be painted anew; more of them, and the whole frame is


def on_pixels(view: ViewState, ratio: float) -> tuple[ViewState, tuple[int, int]]:
    """The view moved by less than a device pixel, so that the slide's corner lies on one; and which one.

    Views of one scale and angle then differ by whole pixels, however they were panned.
    """
    sx, sy = to_screen(view, 0.0, 0.0)
    corner = round(sx * ratio), round(sy * ratio)
    return panned(view, corner[0] / ratio - sx, corner[1] / ratio - sy), corner


class Backdrop:
    """Keeps the last frame of tiles. `invalidate` and `mark` say what of it does not hold any more."""

    def __init__(self, cache: TileCache) -> None:
        self._mosaics = Mosaics(cache)
        self._frame = QImage()
        self._spare = QImage()
        self._view: ViewState | None = None  # of the frame, None where nothing of it can be used
        self._corner = (0, 0)
        self._ratio = 1.0
        self._dirty: list[Rect] = []
        self._smooth_s = 0.0  # how long whole smooth frames take
        self._fast = False  # the frame was painted fast
        self._bands = 0  # of it that have been painted smoothly since

    @property
    def rough(self) -> bool:
        """Whether the frame was painted fast and deserves to be painted again once the picture rests."""
        return self._fast

    def invalidate(self) -> None:
        """Nothing of the frame holds any more: other colours, another slide."""
        self._view = None

    def forget(self) -> None:
        """Another slide: let go of everything."""
        self._view = None
        self._mosaics.clear()

    def mark(self, rect: Rect) -> None:
        """Something within a level-0 rectangle looks otherwise now (a tile has come)."""
        self._dirty.append(rect)

    def paint(
        self,
        painter: QPainter,
        pyramid: Pyramid,
        view: ViewState,
        ratio: float,
        image_of: ImageOf,
        ground: Callable[[QPainter, ViewState], None],
        *,
        moving: bool = False,
    ) -> PaintReport:
        """Bring the frame up to date and paint it; both painters are in logical screen pixels. ``ground`` paints what
        lies under the tiles. ``moving``: a zoom is under way, speed goes before smoothness."""
        view, corner = on_pixels(view, ratio)
        whole = QRegion(0, 0, view.width, view.height)
        region = self._reuse(view, corner, ratio)
        bands = 1
        # The last frame of a zoom is painted fast like those before it, and smoothly, in bands, by the next ones.
        fast = (moving or (self._fast and region is None)) and self._smooth_s > SLOW_FRAME
        if region is None:
            region = whole
            self._renew(view, ratio)
            self._fast = fast
            self._bands = 0
        elif self._fast and not fast:
            region += self._next_band(view, moved=corner != self._corner)
            bands = BANDS
        self._dirty.clear()
        began = time.perf_counter()
        inside = QPainter(self._frame)
        inside.scale(ratio, ratio)
        if region != whole:
            inside.setClipRegion(region)
        if not region.isEmpty():
            ground(inside, view)
        self._mosaics.hurry = moving
        report = paint_tiles(
            inside, pyramid, view, ratio, image_of, self._mosaics, smooth=not fast, draw=not region.isEmpty()
        )
        inside.end()
        if bands > 1 or (region == whole and not fast):
            self._smooth_s = max(bands * (time.perf_counter() - began), FORGET * self._smooth_s)
        for key in report.pending:
            self._dirty.append(pyramid.tile_rect(key))
        self._view, self._corner, self._ratio = view, corner, ratio
        self._frame.setDevicePixelRatio(ratio)
        painter.drawImage(QPointF(0, 0), self._frame)
        self._frame.setDevicePixelRatio(1.0)
        return report

    def _next_band(self, view: ViewState, *, moved: bool) -> QRect:
        """What of a fast frame is painted smoothly now; it begins again where the frame has ``moved``."""
        at = 0 if moved else self._bands
        top, bottom = view.height * at // BANDS, view.height * (at + 1) // BANDS
        self._bands = at + 1
        self._fast = self._bands < BANDS
        return QRect(0, top, view.width, bottom - top)

    def _renew(self, view: ViewState, ratio: float) -> None:
        size = QSize(round(view.width * ratio), round(view.height * ratio))
        if self._frame.size() != size:
            self._frame = QImage(size, QImage.Format.Format_RGB32)
            self._spare = QImage(size, QImage.Format.Format_RGB32)

    def _reuse(self, view: ViewState, corner: tuple[int, int], ratio: float) -> QRegion | None:
        """Move the frame to where the view is now; what has to be painted, None where nothing can be used."""
        before = self._view
        if before is None or ratio != self._ratio or len(self._dirty) > MOST_DIRTY:
            return None
        if replace(before, cx=view.cx, cy=view.cy) != view:
            return None
        dx, dy = corner[0] - self._corner[0], corner[1] - self._corner[1]
        width, height = self._frame.width(), self._frame.height()
        if abs(dx) >= width or abs(dy) >= height:
            return None
        region = QRegion()
        if dx or dy:
            self._frame, self._spare = self._spare, self._frame
            shift = QPainter(self._frame)
            shift.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
            shift.drawImage(QPoint(dx, dy), self._spare)
            shift.end()
            for strip in (
                QRect(0, 0, dx, height) if dx > 0 else QRect(width + dx, 0, -dx, height),
                QRect(0, 0, width, dy) if dy > 0 else QRect(0, height + dy, width, -dy),
            ):
                if not strip.isEmpty():
                    region += _logical(strip, ratio)
        transform = view_transform(view)
        for rect in self._dirty:
            box = transform.mapRect(QRectF(rect.x, rect.y, rect.w, rect.h))
            region += box.toAlignedRect().adjusted(-1, -1, 1, 1)
        return region & QRect(0, 0, view.width, view.height)


def _logical(rect: QRect, ratio: float) -> QRect:
    """Logical pixels that cover a rectangle of device pixels."""
    return QRectF(rect.x() / ratio, rect.y() / ratio, rect.width() / ratio, rect.height() / ratio).toAlignedRect()
