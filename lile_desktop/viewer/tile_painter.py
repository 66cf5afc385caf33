"""Paints the tiles of a view: sharp ones where they are there, coarser or finer ones in their place until then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage, QPainter, QRegion, QTransform

from lile_desktop.viewer.pyramid import Pyramid, TileKey
from lile_desktop.viewer.view_state import Rect, ViewState, visible_rect

ImageOf = Callable[[TileKey], QImage | None]  # a tile as it is to be shown, or None where it is not there


@dataclass(frozen=True)
class PaintReport:
    """What a frame lacked: ``missing`` target tiles; ``bare`` of them had nothing at all to stand in."""

    missing: int = 0
    bare: int = 0


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
    painter: QPainter, pyramid: Pyramid, view: ViewState, device_ratio: float, image_of: ImageOf
) -> PaintReport:
    """Paint the slide; the painter is in logical screen pixels. What lies beyond the slide stays as it is."""
    target = pyramid.level_for(view.scale * device_ratio)
    sharp: list[tuple[TileKey, QImage]] = []
    missing: list[TileKey] = []
    for key in pyramid.tiles(target, visible_rect(view)):
        image = image_of(key)
        if image is None:
            missing.append(key)
        else:
            sharp.append((key, image))
    stand_ins, bare = _stand_ins(pyramid, missing, image_of)

    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, True)
    if view.upright:
        draw = _upright_drawer(painter, pyramid, view, device_ratio)
    else:
        draw = _turned_drawer(painter, pyramid, view)
    if stand_ins:
        painter.save()
        if view.upright:
            region = QRegion()
            for key in missing:
                region += _snapped(view, pyramid.tile_rect(key), device_ratio).toAlignedRect()
            painter.setClipRegion(region)
        for key, image in stand_ins:
            draw(key, image)
        painter.restore()
    for key, image in sharp:
        draw(key, image)
    painter.restore()
    return PaintReport(len(missing), bare)


def _stand_ins(pyramid: Pyramid, missing: list[TileKey], image_of: ImageOf) -> tuple[list[tuple[TileKey, QImage]], int]:
    """The nearest coarser tile of each missing one, coarsest first, then finer ones that lie in it."""
    coarser: dict[TileKey, QImage] = {}
    finer: dict[TileKey, QImage] = {}
    bare = 0
    for key in missing:
        found = False
        for level in range(key.level + 1, pyramid.coarsest + 1):
            ancestor = pyramid.ancestor(key, level)
            image = coarser.get(ancestor) or image_of(ancestor)
            if image is not None:
                coarser[ancestor] = image
                found = True
                break
        if key.level > 0:
            for child in pyramid.tiles(key.level - 1, pyramid.tile_rect(key)):
                image = image_of(child)
                if image is not None:
                    finer[child] = image
        bare += not found
    ordered = sorted(coarser.items(), key=lambda pair: -pair[0].level)
    return [*ordered, *finer.items()], bare


def _snapped(view: ViewState, rect: Rect, device_ratio: float) -> QRectF:
    """A level-0 rectangle on the screen with its edges on device pixels, so that neighbours meet without a seam."""
    scale = view.scale * device_ratio
    left = round((rect.x - view.cx) * scale + view.width * device_ratio / 2)
    top = round((rect.y - view.cy) * scale + view.height * device_ratio / 2)
    right = round((rect.x + rect.w - view.cx) * scale + view.width * device_ratio / 2)
    bottom = round((rect.y + rect.h - view.cy) * scale + view.height * device_ratio / 2)
    return QRectF(left / device_ratio, top / device_ratio, (right - left) / device_ratio, (bottom - top) / device_ratio)


def _upright_drawer(
    painter: QPainter, pyramid: Pyramid, view: ViewState, device_ratio: float
) -> Callable[[TileKey, QImage], None]:
    def draw(key: TileKey, image: QImage) -> None:
        painter.drawImage(_snapped(view, pyramid.tile_rect(key), device_ratio), image, QRectF(image.rect()))

    return draw


def _turned_drawer(painter: QPainter, pyramid: Pyramid, view: ViewState) -> Callable[[TileKey, QImage], None]:
    painter.setTransform(view_transform(view), True)
    bleed = 0.1 / view.scale  # neighbours overlap by a fifth of a pixel: enough that no seam shows, too little to see

    def draw(key: TileKey, image: QImage) -> None:
        rect = pyramid.tile_rect(key)
        painter.drawImage(
            QRectF(rect.x - bleed, rect.y - bleed, rect.w + 2 * bleed, rect.h + 2 * bleed), image, QRectF(image.rect())
        )

    return draw
