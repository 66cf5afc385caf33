"""Looks through the directories of a TIFF before any library does: absurd sizes crash some and fill the memory of all.

Only what cannot be true is refused; what cannot be understood is left to the libraries.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lile_engine.errors import SlideError

# A file may claim any tile size, and OpenSlide holds a whole tile at 4 bytes a pixel, libtiff once more.
MOST_TILE_PIXELS = 48_000_000
MOST_PAGES = 512  # of one file; what lies behind is not looked at
_MOST_ENTRIES = 1024
_MOST_PIXELS_PER_BYTE = (
    512  # of a JPEG: 64 take two codes, each of a bit at least (ITU T.81, F.1.2), so 256 is the limit
)
_ORIENTATION, _SUBIFDS = 274, 330
_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _HAMAMATSU = 256, 257, 322, 323, 324, 65420
_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}


class _CutShortError(Exception):
    """The file ends before its directories do."""


@dataclass(frozen=True)
class TiffFacts:
    """What the directories of a file say; of a file that is no TIFF, nothing.

    ``is_cut_short``: it ends before they do, as a copy that was broken off does. ``sizes``: width and height of each.
    ``orientation`` of the first is 1 where it stands upright, else 2 to 8. ``has_subifds``: further pictures hang from
    the first.
    """

    is_cut_short: bool = False
    sizes: tuple[tuple[int, int], ...] = ()
    orientation: int = 1
    has_subifds: bool = False

    @property
    def largest(self) -> tuple[int, int]:
        """Width and height of the largest picture; 0, 0 without any."""
        return max(self.sizes, key=lambda size: size[0] * size[1], default=(0, 0))


def check_tiff(path: Path) -> TiffFacts:
    """Looks through the first 512 directories of a file.

    Raises SlideError for a TIFF with impossible tiles, or with fewer of them than its size needs. Raises OSError.
    """
    found: list[dict[int, tuple[int, int]]] = []
    is_cut_short = False
    with path.open("rb") as file:
        try:
            size = path.stat().st_size
            for directory in _directories(file, size):
                if _HAMAMATSU in directory:
                    _check_believable(path.name, directory, size)
                else:
                    _check(path.name, directory)
                    found.append(directory)
        except (struct.error, _CutShortError):
            is_cut_short = True
    if not found:
        return TiffFacts(is_cut_short)
    turned = found[0].get(_ORIENTATION, (1, 1))[1]
    return TiffFacts(
        is_cut_short,
        tuple((one.get(_WIDTH, (0, 0))[1], one.get(_HEIGHT, (0, 0))[1]) for one in found),
        turned if 1 <= turned <= 8 else 1,
        _SUBIFDS in found[0],
    )


def _directories(file: BinaryIO, size: int) -> Iterator[dict[int, tuple[int, int]]]:
    """For each directory: tag -> (count, first value if it is a whole number that stands in the entry, else 0)."""
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
    if not order or len(head) < 8:
        return
    (version,) = struct.unpack_from(order + "H", head, 2)
    if version not in (42, 43):
        return
    big = version == 43
    word, entry_bytes, inline = ("Q", 20, 8) if big else ("I", 12, 4)
    (offset,) = struct.unpack_from(order + word, head, 8 if big else 4)
    seen: set[int] = set()
    while offset and offset not in seen and len(seen) < MOST_PAGES:
        if offset >= size:
            raise _CutShortError
        seen.add(offset)
        file.seek(offset)
        (count,) = struct.unpack(order + ("Q" if big else "H"), file.read(8 if big else 2))
        if not 0 < count <= _MOST_ENTRIES:
            return
        data = file.read(count * entry_bytes)
        directory: dict[int, tuple[int, int]] = {}
        for number in range(count):
            at = number * entry_bytes
            tag, kind, values = struct.unpack_from(order + "HH" + word, data, at)
            code = _TYPES.get(kind, "")
            fits = bool(code) and struct.calcsize(code) * values <= inline
            value = struct.unpack_from(order + code, data, at + entry_bytes - inline)[0] if fits and values else 0
            directory[tag] = (values, int(value))
        yield directory
        if _HAMAMATSU in directory and size >= 2**32:  # offsets beyond 4 GB are not written as the standard has them
            return
        (offset,) = struct.unpack(order + word, file.read(inline))


def _check_believable(name: str, directory: dict[int, tuple[int, int]], size: int) -> None:
    """A slide of Hamamatsu's is one JPEG a level, for which OpenSlide makes a list as long as the claimed size."""
    width, height = (directory.get(tag, (0, 0))[1] for tag in (_WIDTH, _HEIGHT))
    if width * height > _MOST_PIXELS_PER_BYTE * size:
        raise SlideError(f"{name} claims {width} x {height} pixels in a file far too small for them; copy it again.")


def _check(name: str, directory: dict[int, tuple[int, int]]) -> None:
    if _TILE_WIDTH not in directory or _TILE_HEIGHT not in directory:
        return
    width, height, tile_w, tile_h = (
        directory.get(tag, (0, 0))[1] for tag in (_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT)
    )
    if not 0 < tile_w * tile_h <= MOST_TILE_PIXELS:
        raise SlideError(
            f"{name} has tiles of {tile_w} x {tile_h} pixels, which cannot be read; convert it to a TIFF with tiles "
            "of 512."
        )
    needed = -(-width // tile_w) * -(-height // tile_h)
    offsets = directory.get(_TILE_OFFSETS, (0, 0))[0]
    if offsets < needed:
        raise SlideError(f"{name} is damaged: it lists {offsets} tiles and needs {needed}; copy it again.")
