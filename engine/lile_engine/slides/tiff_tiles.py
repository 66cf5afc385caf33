"""A short cut for TIFF slides with JPEG or JPEG 2000 tiles: the tiles are decoded without OpenSlide's canvas.

OpenSlide paints every tile on a canvas, and where a level's scale is not a whole number (nearly every level but the
first) it shifts each by a fraction of a pixel. Decoding the tiles oneself is several times faster and keeps pixels as
they were stored. A level is read this way only after a few of its tiles proved equal to what OpenSlide reads there;
whatever is unusual (other compressions, missing or damaged tiles) is left to OpenSlide.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lile_engine.errors import SlideError
from lile_engine.slides.tiff_header import MOST_PAGES
from lile_engine.slides.tile_decoding import decode_jpeg, decode_jpeg2000
from lile_engine.slides.types import Level, Pixels

_JPEG, _JPEG2000_RGB = 7, 33005
_RGB, _YCBCR = 2, 6
_MOST_TILE_SIDE = 4096
_MOST_DIFFERENCE = 4  # two JPEG decoders may round differently; a wrong colour space is tens apart
_COMPARED_PX = 64  # of a tile's sides: OpenSlide's shifting is slow, and the first picture waits for this
_PLACES, _ENOUGH = (2, 4, 6, 1, 3, 5, 7), 3  # eighths of a level where it is compared, until so many agree

Reference = Callable[[int, int, int, int, int], Pixels]


class TileCache:
    """Decoded tiles of all slides, the longest unused dropped first, never more than ``budget`` bytes."""

    def __init__(self, budget: int) -> None:
        self._budget, self._bytes = budget, 0
        self._tiles: OrderedDict[tuple[int, int, int], Pixels] = OrderedDict()
        self._lock = threading.RLock()  # Python's collector may let a forgotten slide go while this thread is in here

    def get(self, key: tuple[int, int, int]) -> Pixels | None:
        with self._lock:
            tile = self._tiles.get(key)
            if tile is not None:
                self._tiles.move_to_end(key)
            return tile

    def put(self, key: tuple[int, int, int], tile: Pixels) -> None:
        with self._lock:
            if key not in self._tiles:
                self._tiles[key] = tile
                self._bytes += tile.nbytes
            self._shrink()

    def resize(self, budget: int) -> None:
        with self._lock:
            self._budget = budget
            self._shrink()

    def drop(self, owner: int) -> None:
        with self._lock:
            for key in [key for key in self._tiles if key[0] == owner]:
                self._bytes -= self._tiles.pop(key).nbytes

    @property
    def bytes_held(self) -> int:
        return self._bytes

    def _shrink(self) -> None:
        while self._bytes > self._budget and self._tiles:
            _, tile = self._tiles.popitem(last=False)
            self._bytes -= tile.nbytes


tile_cache = TileCache(64 * 2**20)
_owners = itertools.count()


def _release(file: int, owner: int) -> None:
    os.close(file)
    tile_cache.drop(owner)


@dataclass(frozen=True)
class _Page:
    """Where the tiles of one level lie in the file."""

    width: int
    height: int
    tile_w: int
    tile_h: int
    compression: int
    colour_space: str
    tables: bytes | None
    offsets: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def columns(self) -> int:
        return -(-self.width // self.tile_w)


class TiffTiles:
    """The levels of one TIFF slide that can be read directly. May be used by several threads."""

    def __init__(self, path: Path, levels: tuple[Level, ...], reference: Reference) -> None:
        """``reference`` (x, y, level, w, h) reads through OpenSlide, to compare with."""
        self._levels, self._reference = levels, reference
        self._pages = _pages_of_levels(path, levels)
        self._usable: list[bool | None] = [None if page else False for page in self._pages]
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._owner = next(_owners)  # not id(self), which a later slide may have again
        self._release = weakref.finalize(self, _release, self._file, self._owner)

    def usable(self, level: int) -> bool:
        """Whether this level is read directly; found out (a few tiles) when first asked. No level of a closed slide
        is, whatever a read that was under way found out meanwhile."""
        known = self._usable[level]
        if known is None:
            known = self._usable[level] = self._agrees(level)
        return known and self._file >= 0

    def read(self, level: int, left: int, top: int, w: int, h: int) -> Pixels | None:
        """uint8 [h, w, 3] of a window in pixels of the level, white outside; None where OpenSlide has to do it."""
        page = self._pages[level]
        if page is None or not self.usable(level):
            return None
        inside = left >= 0 and top >= 0 and left + w <= page.width and top + h <= page.height
        window = np.empty((h, w, 3), np.uint8) if inside else np.full((h, w, 3), 255, np.uint8)
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + w, page.width), min(top + h, page.height)
        if x0 >= x1 or y0 >= y1:
            return window
        for row in range(y0 // page.tile_h, (y1 - 1) // page.tile_h + 1):
            for col in range(x0 // page.tile_w, (x1 - 1) // page.tile_w + 1):
                tile = self._tile(level, page, row * page.columns + col)
                if tile is None:
                    return None
                tx, ty = col * page.tile_w, row * page.tile_h
                ax, ay, bx, by = max(x0, tx), max(y0, ty), min(x1, tx + page.tile_w), min(y1, ty + page.tile_h)
                window[ay - top : by - top, ax - left : bx - left] = tile[ay - ty : by - ty, ax - tx : bx - tx]
        return window

    def close(self) -> None:
        with self._lock:
            self._file = -1
            self._release()

    def _tile(self, level: int, page: _Page, index: int) -> Pixels | None:
        key = (self._owner, level, index)
        tile = tile_cache.get(key)
        if tile is None:
            data = self._bytes(page.offsets[index], page.counts[index])
            tile = _decode(page, data) if data else None
            if tile is not None:
                with self._lock:
                    if self._file >= 0:  # after a close nobody would take it out again
                        tile_cache.put(key, tile)
        return tile

    def _bytes(self, offset: int, count: int) -> bytes:
        # One lock for the position of the file and against a close meanwhile; the read itself is from the page cache
        # mostly, and decoding, which takes ten times as long, runs outside.
        with self._lock:
            if self._file < 0 or count <= 0:
                return b""
            with contextlib.suppress(OSError):
                os.lseek(self._file, offset, os.SEEK_SET)
                return os.read(self._file, count)
            return b""

    def _agrees(self, level: int) -> bool:
        """Compares tiles with OpenSlide's at a quarter, half and three quarters of the level, or at other places where
        those are damaged. False where no tile can be compared."""
        page, agreed = self._pages[level], 0
        if page is None:
            return False
        for eighth in _PLACES:
            index = eighth * len(page.offsets) // 8
            tile = self._tile(level, page, index)
            if tile is None:
                continue
            difference = self._difference(level, page, index, tile)
            if difference is None:
                continue
            if difference > _MOST_DIFFERENCE:
                return False
            agreed += 1
            if agreed == _ENOUGH:
                break
        return agreed > 0

    def _difference(self, level: int, page: _Page, index: int, tile: Pixels) -> float | None:
        """The largest difference (0 to 255) from what OpenSlide reads there; None where it cannot read."""
        down = self._levels[level].downsample
        left, top = index % page.columns * page.tile_w, index // page.columns * page.tile_h
        w, h = min(_COMPARED_PX, page.width - left), min(_COMPARED_PX, page.height - top)
        x, y = round(left * down), round(top * down)
        try:
            theirs = self._reference(x, y, level, w, h).astype(np.int16)
        except SlideError:
            return None
        ours = tile[:h, :w]
        if abs(x / down - left) > 1e-3 or abs(y / down - top) > 1e-3:
            # OpenSlide shifts by a fraction of a pixel here, so that only the averages can agree.
            return float(np.abs(theirs.mean((0, 1)) - ours.mean((0, 1))).max())
        return float(np.abs(theirs - ours).max())


def open_tiff_tiles(path: Path, vendor: str, levels: tuple[Level, ...], reference: Reference) -> TiffTiles | None:
    """The short cut for this file, or None where there is none. Raises SlideError for a file that was cut short."""
    if vendor not in ("generic-tiff", "aperio"):
        return None
    try:
        return TiffTiles(path, levels, reference)
    except SlideError:
        raise
    except Exception:  # tifffile's parser on a damaged file; OpenSlide has opened it and goes on alone
        return None


def _pages_of_levels(path: Path, levels: tuple[Level, ...]) -> list[_Page | None]:
    import tifffile  # a sixth of a second, and only slides of this kind need it

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # odd tags are no news: OpenSlide has judged the file

    pages: dict[tuple[int, int], _Page | None] = {}
    end = path.stat().st_size
    with tifffile.TiffFile(path) as file:
        for number in range(min(len(file.pages), MOST_PAGES)):
            page: Any = file.pages[number]
            size = (int(page.imagewidth), int(page.imagelength))
            ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
            beyond = sum(last > end for last in ends)
            if beyond:
                raise SlideError(
                    f"{path.name} is incomplete: {beyond} of {len(ends)} tiles lie beyond its end; copy it again."
                )
            # Two pages of one size: which of them is the level is OpenSlide's to know.
            pages[size] = None if size in pages else _describe(page)
    return [pages.get((level.width, level.height)) for level in levels]


def _describe(page: Any) -> _Page | None:
    tile_w, tile_h = int(page.tilewidth), int(page.tilelength)
    photometric, compression = int(page.photometric), int(page.compression)
    columns, rows = -(-page.imagewidth // max(tile_w, 1)), -(-page.imagelength // max(tile_h, 1))
    if (
        not page.is_tiled
        or not (0 < tile_w <= _MOST_TILE_SIDE and 0 < tile_h <= _MOST_TILE_SIDE)
        or page.samplesperpixel != 3
        or page.bitspersample != 8
        or page.planarconfig != 1
        or compression not in (_JPEG, _JPEG2000_RGB)
        or photometric not in (_RGB, _YCBCR)
        or len(page.dataoffsets) != columns * rows
        or len(page.databytecounts) != columns * rows
    ):
        return None
    return _Page(
        int(page.imagewidth),
        int(page.imagelength),
        tile_w,
        tile_h,
        compression,
        "YCBCR" if photometric == _YCBCR else "RGB",
        page.jpegtables if compression == _JPEG else None,
        tuple(map(int, page.dataoffsets)),
        tuple(map(int, page.databytecounts)),
    )


def _decode(page: _Page, data: bytes) -> Pixels | None:
    """uint8 [tile_h, tile_w, 3], or None for a tile that OpenSlide has to judge."""
    if page.compression == _JPEG:
        return decode_jpeg(data, page.tables, page.colour_space, page.tile_w, page.tile_h)
    return decode_jpeg2000(data, page.tile_w, page.tile_h)
