"""Plain images (PNG, JPEG, TIFF, BMP, WebP) through Pillow, with a pyramid made on the fly.

Opening reads the header only. The first read of a coarse level of a JPEG decodes it at an eighth of its size, so that
a picture is there at once; the first read of a fine level decodes all of it and keeps it in memory.
"""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import (
    BmpImagePlugin,
    ExifTags,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    TiffTags,
    WebPImagePlugin,
)

from lile_engine.errors import SlideError
from lile_engine.slides.identity import file_identity
from lile_engine.slides.types import Level, Pixels

MAX_PIXELS = 300_000_000  # 1.2 GB in memory; what is larger belongs into a pyramidal file
_SUSPECT_ABOVE = 64_000_000  # from here on, pixels must be backed by bytes in the file:
_SUSPECT_RATIO = 250  # no scan is compressed further than to a byte for this many pixels
_SMALLEST_LEVEL = 256
_MOST_PAGES = 64
# Only these parsers ever see a file.
_FORMATS = [
    plugin.format
    for plugin in (
        PngImagePlugin.PngImageFile,
        JpegImagePlugin.JpegImageFile,
        TiffImagePlugin.TiffImageFile,
        BmpImagePlugin.BmpImageFile,
        WebPImagePlugin.WebPImageFile,
    )
]
_JPEG_REDUCTION = 3  # libjpeg decodes at 1/8 as it goes

# Our own, higher limit is checked with a sentence instead; and a damaged tag is no news for the console.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.")


class PlainBackend:
    """One image. Of several pages the largest is the slide, the others are associated images ("page 2", ...)."""

    vendor = "plain image"

    def __init__(self, path: Path) -> None:
        """Raises SlideError if Pillow cannot open the file or if it is too large."""
        self._path = path
        # Two locks, so that the coarse picture need not wait for the fine one.
        self._fine_lock, self._coarse_lock = threading.Lock(), threading.Lock()
        self._pyramid: list[Image.Image] = []  # all levels, once level 0 is decoded
        self._coarse: list[Image.Image] = []  # the levels from _JPEG_REDUCTION on, once decoded reduced
        self._failure: SlideError | None = None
        self._closed = False
        try:
            with Image.open(path, formats=_FORMATS) as image:
                self._describe(image)
        except SlideError:
            raise
        except Image.DecompressionBombError as error:
            raise SlideError(_too_large(path)) from error
        except Exception as error:  # Pillow's parsers raise what they stumble over, of any type
            raise SlideError(
                f"{path.name} is not a slide or image that can be read; is it complete, and of a known format?"
            ) from error
        self.identity = file_identity(path)

    def _describe(self, image: Image.Image) -> None:
        self.format = {"MPO": "JPEG"}.get(image.format or "", image.format or "")
        self.properties: dict[str, str] = {"openslide.vendor": "plain image", "image.mode": image.mode}
        sizes = self._page_sizes(image)
        self._page = max(range(len(sizes)), key=lambda page: sizes[page][0] * sizes[page][1])
        self.associated = tuple(f"page {page + 1}" for page in range(len(sizes)) if page != self._page)
        if len(sizes) > 1:
            image.seek(self._page)
            self.properties["image.pages"] = str(len(sizes))
        _check_size(self._path, image.size)
        _check_end(self._path, image)
        width, height = _upright_size(image)
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
                while len(sizes) < _MOST_PAGES:
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
            self.properties["tiff.ImageDescription"] = str(tags.get(270, ""))[:20_000]
            for tag in (271, 272, 305, 306):
                if tag in tags:
                    self.properties[f"tiff.{TiffTags.lookup(tag).name}"] = str(tags[tag])[:1000]
        else:
            unit, (x, y) = "inch", image.info.get("dpi", (None, None))
        if x and y:
            self.properties["tiff.ResolutionUnit"] = unit
            self.properties["tiff.XResolution"], self.properties["tiff.YResolution"] = str(float(x)), str(float(y))

    def read_rgb(self, x: int, y: int, level: int, w: int, h: int) -> Pixels:
        return np.array(self._window(x, y, level, w, h).convert("RGB"))

    def origin(self, level: int, x: int) -> float:
        return float(_nearest(level, x))

    def read_associated(self, name: str) -> Pixels:
        page = int(name.removeprefix("page ")) - 1
        return np.array(self._decode(page, 1).convert("RGB"))

    def prepare(self) -> None:
        if self.format == "JPEG" and len(self.levels) > _JPEG_REDUCTION:
            self._rough()  # first, since it is what is looked at first
        self._fine()

    def close(self) -> None:
        self._closed = True
        self._pyramid, self._coarse = [], []

    def _window(self, x: int, y: int, level: int, w: int, h: int) -> Image.Image:
        image = self._level_image(level)
        left, top = _nearest(level, x), _nearest(level, y)
        box = (max(left, 0), max(top, 0), min(left + w, image.width), min(top + h, image.height))
        if box[0] >= box[2] or box[1] >= box[3]:
            return Image.new("RGB", (w, h), (255, 255, 255))
        part = image.crop(box)
        if part.size == (w, h):
            return part
        window = Image.new("RGB", (w, h), (255, 255, 255))
        window.paste(part, (box[0] - left, box[1] - top))
        return window

    def _level_image(self, level: int) -> Image.Image:
        self._check_usable()
        if level >= _JPEG_REDUCTION and self.format == "JPEG":
            return self._rough()[level - _JPEG_REDUCTION]
        return self._fine()[level]

    def _rough(self) -> list[Image.Image]:
        with self._coarse_lock:
            self._check_usable()
            coarse = self._coarse or self._pyramid[_JPEG_REDUCTION:] or self._build(_JPEG_REDUCTION)
            if not self._closed:
                self._coarse = coarse
            return coarse

    def _fine(self) -> list[Image.Image]:
        with self._fine_lock:
            self._check_usable()
            pyramid = self._pyramid or self._build(0)
            if not self._closed:
                self._pyramid = pyramid
            return pyramid

    def _check_usable(self) -> None:
        if self._closed:
            raise SlideError(f"{self._path.name} has been closed; open it again.")
        if self._failure is not None:
            raise self._failure

    def _build(self, first_level: int) -> list[Image.Image]:
        try:
            image = self._decode(self._page, 2**first_level)
        except SlideError as error:
            self._failure = error  # decoding is long and would fail again at every read
            raise
        built = [image]
        for _ in self.levels[first_level + 1 :]:
            built.append(built[-1].reduce(2))
        return built

    def _decode(self, page: int, reduction: int) -> Image.Image:
        """The page as an upright "L" or "RGB" image, 1 / reduction of its size (JPEG only)."""
        try:
            with Image.open(self._path, formats=_FORMATS) as image:
                if page:
                    image.seek(page)
                _check_size(self._path, image.size)
                if reduction > 1:
                    # Rounded down, or Pillow would settle for half the reduction.
                    image.draft(image.mode, (image.width // reduction or 1, image.height // reduction or 1))
                image.load()
                ImageOps.exif_transpose(image, in_place=True)  # otherwise it copies even what is upright
                plain = _to_plain_mode(image)
                if reduction > 1:
                    level = self.levels[reduction.bit_length() - 1]
                    if plain.size != (level.width, level.height):
                        plain = plain.resize((level.width, level.height), Image.Resampling.BOX)
                return plain
        except SlideError:
            raise
        except Image.DecompressionBombError as error:
            raise SlideError(_too_large(self._path)) from error
        except MemoryError as error:
            raise SlideError(f"There is not enough memory to open {self._path.name}; close other slides.") from error
        except Exception as error:  # as above: any type may come out of a damaged file
            raise SlideError(f"{self._path.name} is damaged or incomplete; copy it again.") from error


def _nearest(level: int, x: int) -> int:
    """The level pixel whose corner lies nearest to level-0 pixel x."""
    return (2 * x + (1 << level)) >> (level + 1)


def _too_large(path: Path) -> str:
    return f"{path.name} is too large for a plain image; convert it to a pyramidal TIFF."


def _check_size(path: Path, size: tuple[int, int]) -> None:
    pixels = size[0] * size[1]
    if pixels <= 0:
        raise SlideError(f"{path.name} has no pixels.")
    if pixels > MAX_PIXELS:
        raise SlideError(_too_large(path))
    if pixels > _SUSPECT_ABOVE and pixels > _SUSPECT_RATIO * path.stat().st_size:
        raise SlideError(
            f"{path.name} claims {size[0]} x {size[1]} pixels in a file far too small for them; it is not opened."
        )


def _check_end(path: Path, image: Image.Image) -> None:
    """A TIFF says where its strips or tiles lie, so one that was cut short is found before it is decoded."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return
    pairs = [zip(tags.get(offset, ()), tags.get(count, ()), strict=False) for offset, count in ((273, 279), (324, 325))]
    ends = [offset + count for pair in pairs for offset, count in pair]
    if not ends or max(ends) > path.stat().st_size:
        raise SlideError(f"{path.name} is incomplete: its pixels lie beyond its end; copy it again.")


def _upright_size(image: Image.Image) -> tuple[int, int]:
    """The size after the EXIF orientation is applied (Pillow has done that already for TIFF)."""
    turned = image.format != "TIFF" and image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    return (image.height, image.width) if turned else image.size


def _to_plain_mode(image: Image.Image) -> Image.Image:
    """Any mode as "L" or "RGB": 16 bit scaled by its own depth, alpha over white."""
    if image.mode in ("L", "RGB"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey_to_8_bit(image)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _deep_grey_to_8_bit(image: Image.Image) -> Image.Image:
    """12-, 14- and 16-bit cameras by the least depth that holds them all; signed and float by their range."""
    values = np.asarray(image)
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if finite.size == 0:
        return Image.new("L", image.size, 255)
    low, high = float(finite.min()), float(finite.max())
    if values.dtype.kind == "f" or low < 0 or high > 65535:
        span = max(high - low, 1e-12)
    else:
        low = 0.0
        span = next(float(2**bits - 1) for bits in (8, 10, 12, 14, 16) if high <= 2**bits - 1)
    scaled = np.nan_to_num((values.astype(np.float32) - low) * (255.0 / span))
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))
