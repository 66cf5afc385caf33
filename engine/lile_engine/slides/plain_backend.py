"""Plain images (PNG, JPEG, TIFF, BMP, WebP) through Pillow, with a pyramid made on the fly.

Opening reads the header only. The first read of a coarse level of a JPEG decodes it at an eighth of its size, so that
a picture is there at once; the first read of a fine level decodes all of it and keeps it in memory.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from PIL import Image, TiffTags

from lile_engine.errors import SlideError
from lile_engine.slides.absence import SlideClosedError, SlideGoneError
from lile_engine.slides.identity import file_identity
from lile_engine.slides.orientation import flips, orientation
from lile_engine.slides.pillow_pixels import PillowPixels
from lile_engine.slides.plain_limits import check_end, check_size, too_large
from lile_engine.slides.plain_pixels import FORMATS, cut, decode, halved, return_free_memory, whole
from lile_engine.slides.tiff_header import MOST_PAGES
from lile_engine.slides.types import Level, Pixels

_SMALLEST_LEVEL = 256
_MOST_PAGE_PIXELS = 25_000_000  # shown whole, beside the slide that is held already
_JPEG_REDUCTION = 3  # libjpeg decodes at 1/8 as it goes


class PlainBackend:
    """One image. Of several pages the largest is the slide, the others are associated images ("page 2", ...)."""

    vendor = "plain image"

    def __init__(self, path: Path) -> None:
        """Raises SlideError if Pillow cannot open the file or if it is too large."""
        self._path = path
        # Two locks, so that the coarse picture need not wait for the fine one.
        self._fine_lock, self._coarse_lock = threading.Lock(), threading.Lock()
        self._pyramid: list[Pixels | PillowPixels] = []  # all levels, once level 0 is decoded
        self._coarse: list[Pixels | PillowPixels] = []  # the levels from _JPEG_REDUCTION on, once decoded reduced
        self._failure: SlideError | None = None
        self.note = ""  # what the user should know of the file
        self._closed = False
        try:
            with Image.open(path, formats=FORMATS) as image:
                self._describe(image)
        except SlideError:
            raise
        except Image.DecompressionBombError as error:
            raise SlideError(too_large(path)) from error
        except Exception as error:  # Pillow's parsers raise what they stumble over, of any type
            raise SlideError(
                f"{path.name} is not a slide or image that can be read; is it complete, and of a known format?"
            ) from error
        self.identity = file_identity(path)

    def _describe(self, image: Image.Image) -> None:
        self.format = {"MPO": "JPEG"}.get(image.format or "", image.format or "")
        self.properties: dict[str, str] = {"openslide.vendor": "plain image", "image.mode": image.mode}
        sizes = self._page_sizes(image)
        if len(sizes) > MOST_PAGES:
            sizes.pop()
            self.note = f"Only the first {MOST_PAGES} pages of {self._path.name} were looked at; the largest is shown."
        self._page = max(range(len(sizes)), key=lambda page: sizes[page][0] * sizes[page][1])
        self._sizes = sizes
        self.associated = tuple(f"page {page + 1}" for page in range(len(sizes)) if page != self._page)
        if len(sizes) > 1:
            image.seek(self._page)
            self.properties["image.pages"] = str(len(sizes))
        check_size(self._path, image)
        check_end(self._path, image)
        self._turned = orientation(self._path, image)
        width, height = image.size if self._turned < 5 else image.size[::-1]
        levels = []
        for power in range(16):
            w, h = -(-width // 2**power), -(-height // 2**power)
            levels.append(Level(w, h, float(2**power)))
            if max(w, h) <= _SMALLEST_LEVEL:
                break
        self.levels = tuple(levels)
        self.icc_profile = image.info.get("icc_profile") or None
        self._read_resolution(image)

    def _page_sizes(self, image: Image.Image) -> list[tuple[int, int]]:
        sizes = [image.size]
        if image.format == "TIFF":
            try:
                while len(sizes) <= MOST_PAGES:
                    image.seek(len(sizes))
                    sizes.append(image.size)
            except Exception:  # the end of the pages, or a damaged one: the pages before it count
                image.seek(0)
        return sizes

    def _read_resolution(self, image: Image.Image) -> None:
        tags = getattr(image, "tag_v2", None)
        if tags is not None:
            unit = {2: "inch", 3: "centimeter"}.get(int(tags.get(296, 2) or 2), "none")
            x, y = tags.get(282), tags.get(283)
            self.properties["tiff.ImageDescription"] = _utf8(str(tags.get(270, "")))[:20_000]
            for tag in (271, 272, 305, 306):
                if tag in tags:
                    self.properties[f"tiff.{TiffTags.lookup(tag).name}"] = _utf8(str(tags[tag]))[:1000]
        else:
            unit, (x, y) = "inch", image.info.get("dpi", (None, None))
        if x and y:
            self.properties["tiff.ResolutionUnit"] = unit
            self.properties["tiff.XResolution"], self.properties["tiff.YResolution"] = str(float(x)), str(float(y))

    def read_rgb(self, x: int, y: int, level: int, w: int, h: int) -> Pixels:
        stored = self._level(level)
        height, width = stored.shape[:2]
        left, top = _nearest(level, x), _nearest(level, y)
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + w, width), min(top + h, height)
        inside = (x1 - x0, y1 - y0) == (w, h)
        window = np.empty((h, w, 3), np.uint8) if inside else np.full((h, w, 3), 255, np.uint8)
        if x0 < x1 and y0 < y1:
            part = cut(stored, x0, y0, x1, y1)
            window[y0 - top : y1 - top, x0 - left : x1 - left] = part if part.ndim == 3 else part[..., np.newaxis]
        return window

    def origin(self, level: int, x: int) -> float:
        return float(_nearest(level, x))

    def read_associated(self, name: str) -> Pixels:
        page = int(name.removeprefix("page ")) - 1
        width, height = self._sizes[page]
        if width * height > _MOST_PAGE_PIXELS:
            raise SlideError(f"{name} of {self._path.name} is too large to show beside the slide; save it as a file.")
        pixels = whole(decode(self._path, page))
        return pixels if pixels.ndim == 3 else np.repeat(pixels[..., np.newaxis], 3, axis=2)

    def prepare(self) -> None:
        if self.format == "JPEG" and len(self.levels) > _JPEG_REDUCTION:
            self._rough()  # first, since it is what is looked at first
        self._fine()
        if self._closed:  # meanwhile: what was held until now has missed the giving back
            return_free_memory()

    def close(self) -> None:
        self._closed = True
        if self._pyramid or self._coarse:
            self._pyramid, self._coarse = [], []
            return_free_memory()

    def _level(self, level: int) -> Pixels | PillowPixels:
        self._check_usable()
        if level >= _JPEG_REDUCTION and self.format == "JPEG":
            return self._rough()[level - _JPEG_REDUCTION]
        return self._fine()[level]

    def _rough(self) -> list[Pixels | PillowPixels]:
        with self._coarse_lock:
            self._check_usable()
            coarse = self._coarse or self._pyramid[_JPEG_REDUCTION:] or self._build(_JPEG_REDUCTION)
            if not self._closed:
                self._coarse = coarse
            return coarse

    def _fine(self) -> list[Pixels | PillowPixels]:
        with self._fine_lock:
            self._check_usable()
            pyramid = self._pyramid or self._build(0)
            if not self._closed:
                self._pyramid = pyramid
            return pyramid

    def _check_usable(self) -> None:
        if self._closed:
            raise SlideClosedError(self._path)
        if self._failure is not None:
            raise self._failure

    def _build(self, first_level: int) -> list[Pixels | PillowPixels]:
        try:
            built = [decode(self._path, self._page, 2**first_level)]
        except MemoryError as error:
            raise SlideError(f"There is not enough memory to open {self._path.name}; close other slides.") from error
        except SlideGoneError:
            raise
        except SlideError as error:
            self._failure = error  # decoding is long and would fail again at every read
            raise
        first = self.levels[first_level]
        if first_level:
            built[0] = self._in_place(built[0], 2**first_level)
        if built[0].shape[:2] != (first.height, first.width):  # a reduced JPEG may be a pixel off
            fitted = Image.fromarray(whole(built[0])).resize((first.width, first.height), Image.Resampling.BOX)
            built[0] = np.asarray(fitted)
        for _ in self.levels[first_level + 1 :]:
            built.append(halved(built[-1]))
        return built

    def _in_place(self, pixels: Pixels | PillowPixels, reduction: int) -> Pixels | PillowPixels:
        """A reduced JPEG is filled up at its stored right and lower edge, which upright may be the left and upper."""
        across, down = flips(self._turned)
        full = self.levels[0]
        left = -full.width % reduction / reduction if across else 0.0
        top = -full.height % reduction / reduction if down else 0.0
        return _moved(whole(pixels), left, top) if left or top else pixels


def _utf8(text: str) -> str:
    """Text that Pillow took for Latin-1, as the UTF-8 that most programs write (a micro sign is two bytes then)."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _moved(pixels: Pixels, left: float, top: float) -> Pixels:
    """Pixels whose corner lies ``left``, ``top`` (0 to 1) further in; the last row and column are repeated."""
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((0, 1), (0, 1), (0, 0))[: pixels.ndim], mode="edge")
    box = (left, top, left + width, top + height)
    return np.asarray(Image.fromarray(padded).resize((width, height), Image.Resampling.BILINEAR, box=box))


def _nearest(level: int, x: int) -> int:
    """The level pixel whose corner lies nearest to level-0 pixel x."""
    return (2 * x + (1 << level)) >> (level + 1)
