"""The levels a view paints from, and the tiles they are cut into. Pure, no Qt.

A slide's own levels are used as they are; where two of them are more than a factor of about three apart, or
the last is still large, levels in between are made up and read by averaging from the next finer one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from lile_desktop.viewer.view_state import Rect
from lile_engine.slides import SlideInfo

TILE_PX = 512  # wider tiles paint faster (fewer draws), narrower ones come sooner
COARSEST_PX = 512  # the last level fits one tile: it is there at once and lies under everything
SMALLEST_PX = 200  # a level smaller than this shows nothing; it is left out
GAP = 3.0  # ratio between two levels above which one is put in between
UPSCALE = 1.15  # how far a level may be magnified before the next finer one is used


class TileKey(NamedTuple):
    """One tile of one display level of one slide."""

    slide: str
    level: int
    col: int
    row: int


@dataclass(frozen=True)
class DisplayLevel:
    """A level to paint from. ``native`` is the slide's own level number, None where it is made up."""

    downsample: float
    width: int
    height: int
    native: int | None

    @property
    def columns(self) -> int:
        return math.ceil(self.width / TILE_PX)

    @property
    def rows(self) -> int:
        return math.ceil(self.height / TILE_PX)


@dataclass(frozen=True)
class TileRead:
    """How to read a tile: level-0 place, level-0 extent, pixels wanted; native level or None (averaged)."""

    native: int | None
    x: int
    y: int
    w0: int
    h0: int
    w: int
    h: int


@dataclass(frozen=True)
class Pyramid:
    """The display levels of a slide, finest first; ``slide`` is the name its tiles are cached under.

    ``thumbnail``: the coarsest level is made up and the file holds a picture of the whole slide, which comes sooner.
    """

    slide: str
    width: int
    height: int
    levels: tuple[DisplayLevel, ...]
    thumbnail: bool = False

    @property
    def coarsest(self) -> int:
        return len(self.levels) - 1

    def level_for(self, device_scale: float) -> int:
        """The coarsest level that is sharp at ``device_scale`` device pixels per level-0 pixel."""
        best = 0
        for number, level in enumerate(self.levels):
            if level.downsample * device_scale <= UPSCALE:
                best = number
        return best

    @property
    def overview(self) -> TileKey:
        """The one tile that shows the whole slide."""
        return TileKey(self.slide, self.coarsest, 0, 0)

    def is_of_this_shape(self, width: int, height: int) -> bool:
        """Whether a picture of width x height has the proportions of the slide, to about a pixel or 2 %."""
        skew = abs(width * self.height - height * self.width) / (width * self.height)
        return skew <= max(0.02, 1.5 / min(width, height))

    def tile_range(self, level: int, rect: Rect) -> tuple[int, int, int, int]:
        """(first column, first row, last column, last row) of the tiles that touch ``rect``; empty: last < first."""
        lv = self.levels[level]
        step = TILE_PX * lv.downsample
        return (
            max(math.floor(rect.x / step), 0),
            max(math.floor(rect.y / step), 0),
            min(math.ceil((rect.x + rect.w) / step), lv.columns) - 1,
            min(math.ceil((rect.y + rect.h) / step), lv.rows) - 1,
        )

    def tiles(self, level: int, rect: Rect) -> Iterator[TileKey]:
        """The tiles of ``level`` that touch ``rect``, row by row."""
        c0, r0, c1, r1 = self.tile_range(level, rect)
        for row in range(r0, r1 + 1):
            for col in range(c0, c1 + 1):
                yield TileKey(self.slide, level, col, row)

    def tile_rect(self, key: TileKey) -> Rect:
        """The level-0 rectangle a tile covers (the last of a row or column are smaller)."""
        lv = self.levels[key.level]
        x, y = key.col * TILE_PX, key.row * TILE_PX
        w, h = min(TILE_PX, lv.width - x), min(TILE_PX, lv.height - y)
        return Rect(x * lv.downsample, y * lv.downsample, w * lv.downsample, h * lv.downsample)

    def ancestor(self, key: TileKey, level: int) -> TileKey:
        """The tile of a coarser ``level`` under the middle of ``key``."""
        lv = self.levels[level]
        x, y = self.tile_rect(key).center
        step = TILE_PX * lv.downsample
        return TileKey(self.slide, level, min(int(x / step), lv.columns - 1), min(int(y / step), lv.rows - 1))

    def read_of(self, key: TileKey) -> TileRead:
        """What to ask a reader for to get this tile."""
        lv = self.levels[key.level]
        rect = self.tile_rect(key)
        x, y = round(rect.x), round(rect.y)
        w0 = max(min(round(rect.w), self.width - x), 1)
        h0 = max(min(round(rect.h), self.height - y), 1)
        w = min(TILE_PX, lv.width - key.col * TILE_PX)
        h = min(TILE_PX, lv.height - key.row * TILE_PX)
        return TileRead(lv.native, x, y, w0, h0, w, h)


def build_pyramid(info: SlideInfo) -> Pyramid:
    """The display pyramid of a slide."""
    natives = [
        DisplayLevel(level.downsample, level.width, level.height, number)
        for number, level in sorted(enumerate(info.levels), key=lambda pair: pair[1].downsample)
    ]
    if not natives:
        natives = [DisplayLevel(1.0, info.width, info.height, None)]
    large = [lv for lv in natives if max(lv.width, lv.height) >= SMALLEST_PX] or natives[:1]
    levels: list[DisplayLevel] = []
    for level in large:
        if levels:
            levels += _between(info, levels[-1].downsample, level.downsample)
        levels.append(level)
    while max(levels[-1].width, levels[-1].height) > COARSEST_PX:
        levels.append(_made_up(info, levels[-1].downsample * 2))
    thumbnail = levels[-1].native is None and "thumbnail" in info.associated
    return Pyramid(info.path, info.width, info.height, tuple(levels), thumbnail)


def _between(info: SlideInfo, fine: float, coarse: float) -> list[DisplayLevel]:
    ratio = coarse / fine
    if ratio <= GAP:
        return []
    steps = max(round(math.log2(ratio)), 2)
    return [_made_up(info, fine * ratio ** (i / steps)) for i in range(1, steps)]


def _made_up(info: SlideInfo, downsample: float) -> DisplayLevel:
    return DisplayLevel(
        downsample, max(math.ceil(info.width / downsample), 1), max(math.ceil(info.height / downsample), 1), None
    )
