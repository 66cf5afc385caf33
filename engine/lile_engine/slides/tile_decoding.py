"""One stored tile decoded, and judged: what a decoder would quietly fill with grey is no picture.

The JPEG library behind imagecodecs keeps its warnings to itself, so the signs of a broken tile are looked for here: a
stream that does not end where its tile ends, markers that have no place in it, the wrong number of restarts (ITU
T.81, B.1.1 and B.2), and blocks of the exact grey that stands for coefficients which never came. Zeroed and overwritten
blocks, cuts and early ends are found so; of single flipped bits no decoder, OpenSlide's included, finds more than some.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lile_engine.slides.types import Pixels

_END = b"\xff\xd9"
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_RESTART_INTERVAL, _START_OF_SCAN = 0xDD, 0xDA
_FIRST_RESTART, _LAST_RESTART = 0xD0, 0xD7
_NEVER_CAME = 128  # all coefficients 0, in whatever colour space
_INNER = 7  # pixels of a block, without those that a neighbour's colour may reach


class _Frame(NamedTuple):
    """What stands before the entropy-coded data: size in pixels, blocks per restart, and where the data begins."""

    width: int
    height: int
    units: int  # minimum coded units in all
    interval: int  # of them, between two restarts; 0 without restarts
    data_at: int


def decode_jpeg(data: bytes, tables: bytes | None, colour_space: str, width: int, height: int) -> Pixels | None:
    """uint8 [height, width, 3] RGB; None for a tile that is damaged, not of this size, or not of the plain kind (one
    scan). ``colour_space`` is that of the stored pixels, "RGB" or "YCBCR"."""
    import imagecodecs

    frame = _frame_of(data, tables)
    # Checked before a decoder believes a lying header.
    if frame is None or (frame.width, frame.height) != (width, height) or not _is_whole(data, frame):
        return None
    try:
        tile: Pixels = imagecodecs.jpeg8_decode(data, tables=tables, colorspace=colour_space, outcolorspace="RGB")
    except Exception:  # whatever is wrong with it, OpenSlide will say
        return None
    good = tile.shape == (height, width, 3) and tile.dtype == np.uint8 and not _has_missing_blocks(tile, frame)
    return tile if good else None


def decode_jpeg2000(data: bytes, width: int, height: int) -> Pixels | None:
    """uint8 [height, width, 3]; None for a tile that is damaged or not of this size."""
    import imagecodecs

    if _jpeg2000_size(data) != (width, height) or not data.rstrip(b"\0").endswith(_END):
        return None
    try:
        tile: Pixels = imagecodecs.jpeg2k_decode(data)
    except Exception:
        return None
    return tile if tile.shape == (height, width, 3) and tile.dtype == np.uint8 else None


def _frame_of(data: bytes, tables: bytes | None) -> _Frame | None:
    scan = data.find(bytes((0xFF, _START_OF_SCAN)))
    if scan < 0:
        return None
    data_at = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4])
    if data_at >= len(data):
        return None
    return _parse(data[:data_at], tables or b"")


@lru_cache(maxsize=64)  # the tiles of a level begin alike
def _parse(head: bytes, tables: bytes) -> _Frame | None:
    """Reads the marker segments of the shared tables and of the tile up to its scan (ITU T.81, B.2)."""
    width = height = units = interval = 0
    for marker, body in (*_segments(tables), *_segments(head)):
        if marker in _FRAME_MARKERS and len(body) >= 9:
            height, width = int.from_bytes(body[1:3]), int.from_bytes(body[3:5])
            sampling = body[7::3]  # of each component: across in the upper half, down in the lower
            across, down = 8 * max(f >> 4 for f in sampling), 8 * max(f & 15 for f in sampling)
            units = -(-width // across) * -(-height // down) if across and down else 0
        elif marker == _RESTART_INTERVAL:
            interval = int.from_bytes(body[:2])
        elif marker == _START_OF_SCAN:
            return _Frame(width, height, units, interval, len(head))
    return None


def _segments(head: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment behind the start of image."""
    position = 2
    while position + 4 <= len(head) and head[position] == 0xFF:
        end = position + 2 + int.from_bytes(head[position + 2 : position + 4])
        yield head[position + 1], head[position + 4 : end]
        position = end


def _is_whole(data: bytes, frame: _Frame) -> bool:
    """Whether the scan ends at the end of the data, with as many restarts as it should have and no other markers."""
    if data[-2:] != _END and data.rstrip(b"\0")[-2:] != _END:  # some writers pad to whole words
        return False
    scan = np.frombuffer(data, np.uint8, offset=frame.data_at)
    followers = scan[np.flatnonzero(scan[:-1] == 0xFF) + 1]  # 0 follows where the byte itself is meant
    if not frame.interval:
        return int(np.count_nonzero(followers)) == 1
    between = followers[followers != 0][:-1]
    restarts = -(-frame.units // frame.interval) - 1
    return between.size == restarts and bool(((between >= _FIRST_RESTART) & (between <= _LAST_RESTART)).all())


def _has_missing_blocks(tile: Pixels, frame: _Frame) -> bool:
    """Whether blocks have the grey of ones that never came: the last, or any where each restart begins afresh."""
    if not frame.interval:
        corner = tile[-_INNER:, -_INNER:]
        return bool(corner[0, 0, 0] == _NEVER_CAME and (corner == _NEVER_CAME).all())
    height, width = (side - side % 8 for side in tile.shape[:2])
    blocks = tile[:height, :width].reshape(height // 8, 8, width // 8, 8, 3)
    inner = blocks[:, 8 - _INNER : _INNER, :, 8 - _INNER : _INNER]
    return bool((inner == _NEVER_CAME).all(axis=(1, 3, 4)).any())


def _jpeg2000_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from the SIZ marker, first in a code stream (ITU T.800, A.5.1)."""
    if data[:4] != b"\xff\x4f\xff\x51":
        return None
    right, bottom, left, top = (int.from_bytes(data[at : at + 4]) for at in (8, 12, 16, 20))
    return right - left, bottom - top
