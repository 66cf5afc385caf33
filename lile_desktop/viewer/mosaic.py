"""Tiles of one level laid side by side in one picture, so that a frame takes one to four draws and not forty.

Scaling forty tiles one by one costs Qt three times what scaling one picture of the same size does. The picture is
addressed like a torus: column c lies at c modulo the number of columns it holds, so that a pan copies only the tiles
that come into view and moves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QImage, QPainter

from lile_desktop.viewer.pyramid import TILE_PX, Pyramid, TileKey
from lile_desktop.viewer.tile_cache import TileCache

ImageOf = Callable[[TileKey], QImage | None]  # a tile as it is to be shown, or None where it is not there

COPY_S = 0.001  # of a frame may go into copying tiles; the others follow in the next frames
HURRIED_COPY_S = 0.0007  # of one that is part of a zoom under way
SHARE = 4  # a picture of more than this part of the cache's budget is not made


class Cells(NamedTuple):
    """A rectangle of tiles, last column and row included."""

    col0: int
    row0: int
    col1: int
    row1: int


def rectangles(cells: Iterable[tuple[int, int]]) -> list[Cells]:
    """The (column, row) pairs as few rectangles: runs of a row, joined downwards where they are alike."""
    rows: dict[int, list[int]] = {}
    for col, row in cells:
        rows.setdefault(row, []).append(col)
    done: list[Cells] = []
    growing: dict[tuple[int, int], Cells] = {}
    for row in sorted(rows):
        still: dict[tuple[int, int], Cells] = {}
        for col0, col1 in _runs(sorted(rows[row])):
            above = growing.pop((col0, col1), None)
            joined = above is not None and above.row1 == row - 1
            if above is not None and not joined:
                done.append(above)
            still[col0, col1] = Cells(col0, above.row0 if above is not None and joined else row, col1, row)
        done += growing.values()
        growing = still
    return done + list(growing.values())


def _runs(sorted_numbers: list[int]) -> Iterator[tuple[int, int]]:
    first = last = sorted_numbers[0]
    for number in sorted_numbers[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last


@dataclass(frozen=True)
class Piece:
    """A part of a mosaic's picture and the tiles that are in it."""

    cells: Cells
    source: QRect


class Mosaic:
    """The picture of one level. ``columns`` and ``rows`` are how many tiles it has room for."""

    def __init__(self) -> None:
        self.level = -1
        self.columns = self.rows = 0
        self._slide = ""
        self._image = QImage()
        self._held: dict[tuple[int, int], tuple[TileKey, int]] = {}  # by slot: the tile there and its picture's key

    @property
    def image(self) -> QImage:
        return self._image

    @property
    def bytes_held(self) -> int:
        return self._image.sizeInBytes()

    def start(self, slide: str, level: int, columns: int, rows: int) -> None:
        """Be of this level, with room for at least so many tiles; what is held stays where it can."""
        if columns > self.columns or rows > self.rows:
            self.columns, self.rows = max(columns, self.columns), max(rows, self.rows)
            self._image = QImage(self.columns * TILE_PX, self.rows * TILE_PX, QImage.Format.Format_RGB32)
            self._held.clear()
        if (slide, level) != (self._slide, self.level):
            self._slide, self.level = slide, level
            self._held.clear()

    def clear(self) -> None:
        """Let the picture go."""
        self.level, self.columns, self.rows = -1, 0, 0
        self._image = QImage()
        self._held.clear()

    def holds(self, key: TileKey) -> bool:
        """Whether the tile lies in the picture."""
        held = self._held.get(self._slot(key.col, key.row))
        return held is not None and held[0] == key

    def shows(self, key: TileKey, image: QImage) -> bool:
        """Whether the tile lies in the picture and looks as ``image`` does."""
        return self._held.get(self._slot(key.col, key.row)) == (key, image.cacheKey())

    def take(self, tiles: Iterable[tuple[TileKey, QImage]], seconds: float = COPY_S) -> bool:
        """Copy in tiles that are not there or look otherwise now; False where ``seconds`` did not suffice."""
        until = time.perf_counter() + seconds
        painter: QPainter | None = None
        complete = True
        for key, image in tiles:
            slot, mark = self._slot(key.col, key.row), image.cacheKey()
            if self._held.get(slot) == (key, mark):
                continue
            if painter is not None and time.perf_counter() > until:
                complete = False
                break
            if painter is None:
                painter = QPainter(self._image)
                painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
            painter.drawImage(QPoint(slot[0] * TILE_PX, slot[1] * TILE_PX), image)
            self._held[slot] = (key, mark)
        if painter is not None:
            painter.end()
        return complete

    def pieces(self, pyramid: Pyramid, cells: Cells) -> Iterator[Piece]:
        """Where these tiles lie in the picture: up to four parts, as it wraps around."""
        level = pyramid.levels[self.level]
        for col0, col1 in _wrapped(cells.col0, cells.col1, self.columns):
            for row0, row1 in _wrapped(cells.row0, cells.row1, self.rows):
                x, y = self._slot(col0, row0)
                right = min((col1 + 1) * TILE_PX, level.width) - col0 * TILE_PX
                bottom = min((row1 + 1) * TILE_PX, level.height) - row0 * TILE_PX
                yield Piece(Cells(col0, row0, col1, row1), QRect(x * TILE_PX, y * TILE_PX, right, bottom))

    def _slot(self, col: int, row: int) -> tuple[int, int]:
        return (col % self.columns, row % self.rows) if self.columns else (0, 0)


def _wrapped(first: int, last: int, size: int) -> Iterator[tuple[int, int]]:
    """A run of numbers cut where their remainder by ``size`` begins again."""
    while first <= last:
        end = min(last, first + size - 1 - first % size)
        yield first, end
        first = end + 1


class Mosaics:
    """The mosaics of the level in view and of the one before it, weighed in the cache's budget."""

    def __init__(self, cache: TileCache) -> None:
        self.hurry = False  # the next frame is one of many
        self._cache = cache
        self._pair = (Mosaic(), Mosaic())

    def of(self, slide: str, level: int, columns: int, rows: int) -> Mosaic | None:
        """The mosaic of a level that is about to be painted; None where it would be too large for the cache."""
        now, before = self._pair
        if now.level != level and now.level >= 0:
            now, before = before, now
        self._pair = now, before
        wanted = max(columns, now.columns) * max(rows, now.rows) * TILE_PX * TILE_PX * 4
        if wanted > self._cache.budget // SHARE:
            now.clear()
            wanted = columns * rows * TILE_PX * TILE_PX * 4
        fits = wanted <= self._cache.budget // SHARE
        if fits:
            now.start(slide, level, columns, rows)
        self._cache.reserve(self, now.bytes_held + before.bytes_held)
        return now if fits else None

    @property
    def copy_s(self) -> float:
        """How much of the next frame may go into copying tiles."""
        return HURRIED_COPY_S if self.hurry else COPY_S

    def holding(self, key: TileKey) -> Mosaic | None:
        """The mosaic that a tile lies in."""
        return next((one for one in self._pair if one.level == key.level and one.holds(key)), None)

    def clear(self) -> None:
        """Another slide."""
        for one in self._pair:
            one.clear()
        self._cache.reserve(self, 0)
