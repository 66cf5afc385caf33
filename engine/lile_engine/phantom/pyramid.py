"""Writes a picture that arrives in strips as a pyramidal tiled JPEG TIFF, holding only a few strips at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

TILE = 256
_QUALITY = 88
_SPOOL_BYTES = 16 << 20

Strip = NDArray[np.uint8]


class _Level:
    """Collects rows of one smaller level, encodes its tiles into a spool, hands half the rows further down."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115
        self.sizes: list[int] = []
        self._rows = np.empty((0, width, 3), np.uint8)

    def feed(self, rows: Strip, last: bool) -> Iterator[Strip]:
        """Takes rows [n, width, 3]; yields complete rows of tiles ([256, width, 3], at the end fewer)."""
        self._rows = np.concatenate([self._rows, rows]) if len(self._rows) else rows
        while len(self._rows) >= TILE or (last and len(self._rows)):
            part, self._rows = self._rows[:TILE], self._rows[TILE:]
            for data in encoded_tiles(part):
                self.spool.write(data)
                self.sizes.append(len(data))
            yield part

    def stored(self) -> Iterator[bytes]:
        self.spool.seek(0)
        for size in self.sizes:
            yield self.spool.read(size)


def encoded_tiles(rows: Strip) -> Iterator[bytes]:
    """JPEG data of the tiles of a row of tiles, left to right; short ones are filled up with white."""
    for x in range(0, rows.shape[1], TILE):
        tile = rows[:, x : x + TILE]
        if tile.shape[:2] != (TILE, TILE):
            full = np.full((TILE, TILE, 3), 255, np.uint8)
            full[: tile.shape[0], : tile.shape[1]] = tile
            tile = full
        yield bytes(
            imagecodecs.jpeg8_encode(
                np.ascontiguousarray(tile), level=_QUALITY, colorspace="RGB", outcolorspace="YCBCR", subsampling="420"
            )
        )


def halved(rows: Strip) -> Strip:
    """Means of 2 x 2 pixels (an odd last row or column is repeated); uint8 [ceil(h/2), ceil(w/2), 3]."""
    if rows.shape[0] % 2:
        rows = np.concatenate([rows, rows[-1:]])
    if rows.shape[1] % 2:
        rows = np.concatenate([rows, rows[:, -1:]], axis=1)
    total = rows[0::2, 0::2].astype(np.uint16)
    for part in (rows[0::2, 1::2], rows[1::2, 0::2], rows[1::2, 1::2]):
        total += part
    out: Strip = ((total + 2) >> 2).astype(np.uint8)
    return out


def write_pyramid(path: Path, width: int, height: int, mpp: float, strips: Iterable[Strip], note: str) -> None:
    """Writes ``strips`` (uint8 [256, width, 3] each, the last may be shorter) with half-size levels below.

    Resolution tags carry ``mpp``; OpenSlide opens the file as generic-tiff. Memory: a few strips per level.
    """
    levels = []
    w, h = width, height
    while max(w, h) > 2 * TILE:
        w, h = -(-w // 2), -(-h // 2)
        levels.append(_Level(w, h))

    def descend(rows: Strip, last: bool, depth: int) -> None:
        if depth == len(levels):
            return
        level = levels[depth]
        done = list(level.feed(halved(rows), last))
        for k, part in enumerate(done):
            descend(part, last and k == len(done) - 1, depth + 1)

    def base() -> Iterator[bytes]:
        row = 0
        for strip in strips:
            row += len(strip)
            # First, because nobody asks for more after the last tile.
            descend(strip, row >= height, 0)
            yield from encoded_tiles(strip)

    def page(tiff: tifffile.TiffWriter, tiles: Iterator[bytes], w: int, h: int, reduced: bool) -> None:
        resolution = (10_000 / mpp * w / width, 10_000 / mpp * h / height)
        tiff.write(
            tiles,
            shape=(h, w, 3),
            dtype=np.uint8,
            tile=(TILE, TILE),
            compression="jpeg",
            photometric="ycbcr",
            subsampling=(2, 2),
            metadata=None,
            software="lile phantom",
            resolution=resolution,
            resolutionunit="CENTIMETER",
            description=None if reduced else note,
            subfiletype=1 if reduced else 0,
        )

    try:
        with tifffile.TiffWriter(path, bigtiff=width * height > 3_000_000_000) as tiff:
            page(tiff, base(), width, height, False)
            for level in levels:
                page(tiff, level.stored(), level.width, level.height, True)
    finally:
        for level in levels:
            level.spool.close()
