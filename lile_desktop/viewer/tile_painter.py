"""Paints the tiles of a view: sharp ones where they are there, coarser or finer ones in their place until then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QImage, QPainter, QRegion, QTransform

from lile_desktop.viewer.mosaic import Cells, ImageOf, Mosaic, Mosaics, rectangles
from lile_desktop.viewer.pyramid import Pyramid, TileKey
from lile_desktop.viewer.view_state import Rect, ViewState, to_screen, visible_rect

NEARLY_ONE = 0.002  # a level this close to one pixel a pixel is copied as it is, which is sharp and quick


@dataclass(frozen=True)
class PaintReport:
    """What a frame lacked: ``missing`` target tiles; ``bare`` of them had nothing at all to stand in; ``pending``
    ones are there and will be shown by the next frames."""

    missing: int = 0
    bare: int = 0
    pending: tuple[TileKey, ...] = ()


def view_transform(view: ViewState) -> QTransform:
    """Level-0 pixels to logical screen pixels."""
    transform = QTransform()
    transform.translate(view.width / 2, view.height / 2)
    transform.rotate(view.rotation)
    transform.scale(-view.scale if view.mirrored else view.scale, view.scale)
    transform.translate(-view.cx, -view.cy)
    return transform


def tiles_for_view(pyramid: Pyramid, view: ViewState, device_ratio: float) -> list[TileKey]:
    """The tiles a view shows when sharp, the most central first."""
    level = pyramid.level_for(view.scale * device_ratio)
    return central_first(pyramid, view, list(pyramid.tiles(level, visible_rect(view))))


def central_first(pyramid: Pyramid, view: ViewState, keys: list[TileKey]) -> list[TileKey]:
    """Tiles in order of their distance from the middle of the view."""

    def distance(key: TileKey) -> float:
        x, y = pyramid.tile_rect(key).center
        return (x - view.cx) ** 2 + (y - view.cy) ** 2

    return sorted(keys, key=distance)


def wanted_tiles(
    pyramid: Pyramid, view: ViewState, device_ratio: float, has: Callable[[TileKey], bool]
) -> list[TileKey]:
    """All a view would like to have, best first: the coarsest, something middling where only the coarsest is there,
    what is seen, then the neighbours, the next coarser and the next finer level around the middle."""
    seen_rect = visible_rect(view)
    target = pyramid.level_for(view.scale * device_ratio)
    seen = central_first(pyramid, view, list(pyramid.tiles(target, seen_rect)))
    wanted = list(pyramid.tiles(pyramid.coarsest, seen_rect))
    middling = target + 2
    if middling < pyramid.coarsest and any(
        not any(has(pyramid.ancestor(key, level)) for level in range(target, middling + 1)) for key in seen
    ):
        wanted += central_first(pyramid, view, list(pyramid.tiles(middling, seen_rect)))
    wanted += seen
    margin = 512 * pyramid.levels[target].downsample
    wanted += central_first(pyramid, view, list(pyramid.tiles(target, seen_rect.expanded(margin))))
    if target < pyramid.coarsest:
        wanted += central_first(pyramid, view, list(pyramid.tiles(target + 1, seen_rect)))
    if target > 0:
        middle = Rect(view.cx - seen_rect.w / 4, view.cy - seen_rect.h / 4, seen_rect.w / 2, seen_rect.h / 2)
        wanted += central_first(pyramid, view, list(pyramid.tiles(target - 1, middle)))
    return wanted


def paint_tiles(
    painter: QPainter,
    pyramid: Pyramid,
    view: ViewState,
    device_ratio: float,
    image_of: ImageOf,
    mosaics: Mosaics | None = None,
    *,
    smooth: bool = True,
    draw: bool = True,
) -> PaintReport:
    """Paint the slide; the painter is in logical screen pixels. What lies beyond the slide stays as it is.

    With ``draw`` False nothing is painted, it is only told what a frame would lack.
    """
    target = pyramid.level_for(view.scale * device_ratio)
    cells = Cells(*pyramid.tile_range(target, visible_rect(view)))
    columns, rows = cells.col1 - cells.col0 + 1, cells.row1 - cells.row0 + 1
    if columns < 1 or rows < 1:
        return PaintReport()
    mosaic = mosaics.of(pyramid.slide, target, columns, rows) if mosaics is not None else None
    seen = central_first(pyramid, view, list(pyramid.tiles(target, visible_rect(view))))
    there = {key: image for key in seen if (image := image_of(key)) is not None}
    if mosaic is None or mosaics is None or mosaic.take(there.items(), mosaics.copy_s):
        pending: tuple[TileKey, ...] = ()
    else:
        pending = tuple(key for key in there if not mosaic.shows(key, there[key]))
    sharp = {key for key in seen if (key in there if mosaic is None else mosaic.holds(key))}
    lacking = [key for key in seen if key not in sharp]  # something else has to stand in
    drawer = _Drawer(painter, pyramid, view, device_ratio, image_of, mosaics)
    stand_ins, bare = _stand_ins(pyramid, lacking, drawer.has)
    report = PaintReport(sum(key not in there for key in lacking), bare, pending)
    if not draw:
        return report
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
    if stand_ins:
        painter.save()
        if view.upright:
            region = QRegion()
            for part in rectangles((key.col, key.row) for key in lacking):
                region += _snapped(view, _cells_rect(pyramid, target, part), device_ratio).toAlignedRect()
            painter.setClipRegion(region, Qt.ClipOperation.IntersectClip)
        for level, keys in stand_ins:
            drawer.draw(level, keys)
        painter.restore()
    drawer.draw(target, list(sharp))
    painter.restore()
    return report


def _stand_ins(
    pyramid: Pyramid, missing: list[TileKey], has: Callable[[TileKey], bool]
) -> tuple[list[tuple[int, list[TileKey]]], int]:
    """By level: the nearest coarser tile of each missing one, coarsest first, then, where that is not the next level,
    finer ones that lie in it; and how many of the missing ones have nothing coarser."""
    found: dict[int, dict[TileKey, None]] = {}
    bare = 0
    for key in missing:
        for level in range(key.level + 1, pyramid.coarsest + 1):
            ancestor = pyramid.ancestor(key, level)
            if has(ancestor):
                found.setdefault(level, {})[ancestor] = None
                break
        else:
            level = pyramid.coarsest + 1
            bare += 1
        # Half as sharp is good enough for the moment, and one draw where four finer tiles would take more.
        if key.level > 0 and level > key.level + 1:
            for child in pyramid.tiles(key.level - 1, pyramid.tile_rect(key)):
                if has(child):
                    found.setdefault(child.level, {})[child] = None
    return [(level, list(found[level])) for level in sorted(found, reverse=True)], bare


def _cells_rect(pyramid: Pyramid, level: int, cells: Cells) -> Rect:
    """The level-0 rectangle of a rectangle of tiles."""
    first = pyramid.tile_rect(TileKey(pyramid.slide, level, cells.col0, cells.row0))
    last = pyramid.tile_rect(TileKey(pyramid.slide, level, cells.col1, cells.row1))
    return Rect(first.x, first.y, last.x + last.w - first.x, last.y + last.h - first.y)


class _Drawer:
    """Draws tiles of a level, from the mosaic that holds them or one by one."""

    def __init__(
        self,
        painter: QPainter,
        pyramid: Pyramid,
        view: ViewState,
        device_ratio: float,
        image_of: ImageOf,
        mosaics: Mosaics | None,
    ) -> None:
        self._painter, self._pyramid, self._mosaics = painter, pyramid, mosaics
        self._view, self._ratio, self._image_of = view, device_ratio, image_of

    def has(self, key: TileKey) -> bool:
        """Whether there is anything to draw of a tile."""
        return (self._mosaics is not None and self._mosaics.holding(key) is not None) or bool(self._image_of(key))

    def draw(self, level: int, keys: list[TileKey]) -> None:
        """Draw tiles of one level."""
        held: dict[Mosaic, list[tuple[int, int]]] = {}
        for key in keys:
            mosaic = self._mosaics.holding(key) if self._mosaics is not None else None
            if mosaic is not None:
                held.setdefault(mosaic, []).append((key.col, key.row))
            elif (image := self._image_of(key)) is not None:
                self._put(self._pyramid.tile_rect(key), image, image.rect())
        for mosaic, cells in held.items():
            for part in rectangles(cells):
                for piece in mosaic.pieces(self._pyramid, part):
                    self._put(_cells_rect(self._pyramid, level, piece.cells), mosaic.image, piece.source)

    def _put(self, rect: Rect, image: QImage, source: QRect) -> None:
        painter, view = self._painter, self._view
        if view.upright:
            box = _snapped(view, rect, self._ratio)
            across = box.width() * self._ratio / source.width()
            if abs(across - 1) > NEARLY_ONE:
                # Pixels of the slide lie where they lie, whichever tiles are drawn together.
                x, y = to_screen(view, rect.x, rect.y)
                box = QRectF(x, y, rect.w * view.scale, rect.h * view.scale)
            painter.drawImage(box, image, QRectF(source))
            return
        painter.save()
        painter.setTransform(view_transform(view), True)
        bleed = 0.1 / view.scale  # neighbours overlap by a fifth of a pixel: no seam shows, and it is too little to see
        box = QRectF(rect.x - bleed, rect.y - bleed, rect.w + 2 * bleed, rect.h + 2 * bleed)
        painter.drawImage(box, image, QRectF(source))
        painter.restore()


def _snapped(view: ViewState, rect: Rect, device_ratio: float) -> QRectF:
    """A level-0 rectangle on the screen with its edges on device pixels, so that neighbours meet without a seam."""
    scale = view.scale * device_ratio
    left = round((rect.x - view.cx) * scale + view.width * device_ratio / 2)
    top = round((rect.y - view.cy) * scale + view.height * device_ratio / 2)
    right = round((rect.x + rect.w - view.cx) * scale + view.width * device_ratio / 2)
    bottom = round((rect.y + rect.h - view.cy) * scale + view.height * device_ratio / 2)
    return QRectF(left / device_ratio, top / device_ratio, (right - left) / device_ratio, (bottom - top) / device_ratio)
