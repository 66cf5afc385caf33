"""Whole-slide formats, read by OpenSlide 4."""

from __future__ import annotations

import ctypes
import os
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import openslide
from openslide import lowlevel
from PIL import Image

from lile_engine.errors import SlideError
from lile_engine.slides.absence import SlideClosedError, raise_if_gone
from lile_engine.slides.identity import file_identity, series_identity
from lile_engine.slides.tiff_header import MOST_TILE_PIXELS
from lile_engine.slides.tiff_tiles import TiffTiles, open_tiff_tiles, tile_cache
from lile_engine.slides.types import Level, Pixels

_SEVERAL_FILES = frozenset({"dicom", "mirax", "trestle", "hamamatsu-vms", "hamamatsu-vmu"})
_MOST_SIDE = 2**31 - 1

# What the public read_region calls, without turning the pixels over to Pillow and back, which takes as long as some
# formats take to decode. It is private, so another version may lack it: then the public way is taken.
_paint: Any = getattr(lowlevel, "_read_region", None)

_cache_lock = threading.Lock()
_cache: openslide.OpenSlideCache | None = None
_cache_bytes = 32 * 2**20


def configure_cache(budget_bytes: int) -> None:
    """Bounds the decoded tiles kept in memory by all slides of this process together: a third for OpenSlide (slides
    opened from now on), the rest for the TIFF slides that are read directly. At first it is the whole number of MiB in
    the environment's LILE_TILE_CACHE_MB, which reader processes see too, else 96 MiB."""
    global _cache, _cache_bytes
    with _cache_lock:
        _cache, _cache_bytes = None, budget_bytes // 3
    tile_cache.resize(budget_bytes - budget_bytes // 3)


def _shared_cache() -> openslide.OpenSlideCache:
    global _cache
    with _cache_lock:
        if _cache is None:
            _cache = openslide.OpenSlideCache(_cache_bytes)
        return _cache


def _budget_of_the_user() -> int | None:
    """LILE_TILE_CACHE_MB in bytes; None where it is not set or makes no sense."""
    told = os.environ.get("LILE_TILE_CACHE_MB", "")
    return int(told) * 2**20 if told.isascii() and told.isdigit() and len(told) <= 6 else None


if (_budget := _budget_of_the_user()) is not None:
    configure_cache(_budget)


class OpenSlideBackend:
    """One slide; the handle is made anew after an error, because OpenSlide refuses all reads after the first one."""

    def __init__(self, path: Path) -> None:
        """Raises SlideError if OpenSlide cannot open the file, `openslide.OpenSlideUnsupportedFormatError` if it is
        none of its formats."""
        self._path = path
        self._lock = threading.Lock()
        self._handle: openslide.OpenSlide | None = self._open()
        self._failed = False  # the handle has met an error, and could not be made anew
        try:
            self._describe(self._handle)
        except (openslide.OpenSlideError, OSError, KeyError, ValueError) as error:
            raise SlideError(f"{path.name} is damaged: its properties cannot be read; copy it again.") from error
        self._direct: TiffTiles | None = open_tiff_tiles(path, self.vendor, self.levels, self._read_painted)

    def _open(self) -> openslide.OpenSlide:
        try:
            handle = openslide.OpenSlide(self._path)
        except openslide.OpenSlideUnsupportedFormatError:
            raise
        except openslide.OpenSlideError as error:
            raise SlideError(
                f"{self._path.name} cannot be opened: it is damaged or of a kind that OpenSlide does not read "
                f"({_one_line(error)})."
            ) from error
        handle.set_cache(_shared_cache())
        return handle

    def _describe(self, handle: openslide.OpenSlide) -> None:
        name = self._path.name
        self.properties = dict(handle.properties)
        self.vendor = self.properties.get("openslide.vendor", "")
        self.format = openslide.OpenSlide.detect_format(self._path) or self.vendor
        self.associated = tuple(handle.associated_images)
        self.levels = tuple(
            Level(w, h, float(d)) for (w, h), d in zip(handle.level_dimensions, handle.level_downsamples, strict=True)
        )
        if not self.levels or any(
            not (0 < level.width <= _MOST_SIDE and 0 < level.height <= _MOST_SIDE and level.downsample >= 1)
            for level in self.levels
        ):
            raise SlideError(f"{name} is damaged: the sizes of its levels make no sense; copy it again.")
        for number in range(len(self.levels)):
            sides = [self.properties.get(f"openslide.level[{number}].tile-{side}", "0") for side in ("width", "height")]
            if int(sides[0]) * int(sides[1]) > MOST_TILE_PIXELS:
                raise SlideError(
                    f"{name} has tiles of {sides[0]} x {sides[1]} pixels, too large to read; convert it to a TIFF "
                    "with tiles of 512."
                )
        self.icc_profile = _profile(handle)
        quickhash = self.properties.get("openslide.quickhash-1")
        if self.vendor in _SEVERAL_FILES or self.format in _SEVERAL_FILES:
            self.identity = series_identity(quickhash or f"{file_identity(self._path)}")
        else:
            self.identity = file_identity(self._path)

    def origin(self, level: int, x: int) -> float:
        if self._direct is not None and self._direct.usable(level):
            return float(self._nearest(level, x))
        down = self.levels[level].downsample
        # Left of the slide OpenSlide begins at a whole pixel, within it anywhere.
        return x / down if x >= 0 else -float(int(-x / down))

    def read_rgb(self, x: int, y: int, level: int, w: int, h: int) -> Pixels:
        if self._direct is not None:
            pixels = self._direct.read(level, self._nearest(level, x), self._nearest(level, y), w, h)
            if pixels is not None:
                return pixels
        return self._read_painted(x, y, level, w, h)

    def _nearest(self, level: int, x: int) -> int:
        return round(x / self.levels[level].downsample)

    def _read_painted(self, x: int, y: int, level: int, w: int, h: int) -> Pixels:
        """uint8 [h, w, 3] through OpenSlide itself."""
        handle = self._current()
        try:
            return (_painted_on if _paint else _painted_by_pillow)(handle, x, y, level, w, h)
        except openslide.OpenSlideError as error:
            self._replace(handle)
            raise_if_gone(self._path, error)
            raise SlideError(
                f"{self._path.name} is damaged at x {x}, y {y} (level {level}): {_one_line(error)}."
            ) from error

    def read_associated(self, name: str) -> Pixels:
        handle = self._current()
        try:
            sides = [self.properties.get(f"openslide.associated.{name}.{side}", "0") for side in ("width", "height")]
            if int(sides[0]) * int(sides[1]) > MOST_TILE_PIXELS:
                raise SlideError(
                    f"The {name} image of {self._path.name} is too large ({sides[0]} x {sides[1]} pixels)."
                )
            image = handle.associated_images[name]
        except (openslide.OpenSlideError, MemoryError, KeyError) as error:
            self._replace(handle)
            raise_if_gone(self._path, error)
            raise SlideError(f"The {name} image of {self._path.name} is damaged.") from error
        return _over_white(image)

    def prepare(self) -> None:
        """Nothing: tiles are decoded when they are asked for."""

    def close(self) -> None:
        # Only the reference goes: the C handle is freed with its last reader, never under one.
        with self._lock:
            self._handle = None
        if self._direct is not None:
            self._direct.close()

    def _current(self) -> openslide.OpenSlide:
        handle = self._handle
        if handle is not None and self._failed:  # perhaps the file is there again
            self._replace(handle)
            handle = self._handle
        if handle is None:
            raise SlideClosedError(self._path)
        return handle

    def _replace(self, broken: openslide.OpenSlide) -> None:
        with self._lock:
            if self._handle is broken:
                try:
                    self._handle, self._failed = self._open(), False
                except (SlideError, openslide.OpenSlideError):
                    self._failed = True


def _painted_on(handle: openslide.OpenSlide, x: int, y: int, level: int, w: int, h: int) -> Pixels:
    pixels = np.empty((h, w, 4), np.uint8)
    target = pixels.ctypes.data_as(ctypes.POINTER(ctypes.c_uint32))
    _paint(handle._osr, target, x, y, level, w, h)
    if pixels.view(np.uint32).min() < 0xFF000000:  # alpha is the highest byte; premultiplied, so white shows
        pixels[..., :3] += (255 - pixels[..., 3])[..., np.newaxis]  # through by what is missing
    rgb = np.empty((h, w, 3), np.uint8)
    for channel in range(3):  # three strided copies are the fastest way to turn BGRA round
        rgb[..., channel] = pixels[..., 2 - channel]
    return rgb


def _painted_by_pillow(handle: openslide.OpenSlide, x: int, y: int, level: int, w: int, h: int) -> Pixels:
    return _over_white(handle.read_region((x, y), level, (w, h)))


def _over_white(image: Image.Image) -> Pixels:
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return np.array(Image.alpha_composite(white, image.convert("RGBA")).convert("RGB"))


def _profile(handle: openslide.OpenSlide) -> bytes | None:
    try:
        return lowlevel.read_icc_profile(handle._osr)
    except openslide.OpenSlideError:
        return None


def _one_line(error: BaseException) -> str:
    """The library's words in one line, without the paths of its own sources."""
    text = re.sub(r"(?:\.{0,2}/)*(?:[\w.+-]+/)+[\w.+-]+\.(?:c|h|cc|cpp)(?::\d+)?:?\s*", "", str(error))
    return " ".join(text.split())[:160].rstrip(".")
