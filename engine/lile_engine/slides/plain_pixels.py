"""Plain images decoded: from a file to the uint8 pixels that are shown, whatever its mode, depth or orientation."""

from __future__ import annotations

import contextlib
import ctypes
import sys
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
    WebPImagePlugin,
)

from lile_engine.errors import SlideError
from lile_engine.slides.types import Pixels

MAX_PIXELS = 300_000_000  # 1.2 GB in memory; what is larger belongs into a pyramidal file
_SUSPECT_ABOVE = 64_000_000  # from here on, pixels must be backed by bytes in the file:
_SUSPECT_RATIO = 250  # no scan is compressed further than to a byte for this many pixels
_BAND_ROWS = 1024
_END_OF_IMAGE, _START_OF_SCAN = b"\xff\xd9", b"\xff\xda"

# Only these parsers ever see a file.
FORMATS = [
    plugin.format
    for plugin in (
        PngImagePlugin.PngImageFile,
        JpegImagePlugin.JpegImageFile,
        TiffImagePlugin.TiffImageFile,
        BmpImagePlugin.BmpImageFile,
        WebPImagePlugin.WebPImageFile,
    )
]

# Our own, higher limit is checked with a sentence instead; and a damaged tag is no news for the console.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(path: Path, page: int = 0, reduction: int = 1) -> Pixels:
    """Upright uint8 [h, w, 3], or [h, w] where it is grey; for a JPEG 1 / ``reduction`` of its size. SlideError."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if page:
                image.seek(page)
            check_size(path, image.size)
            if reduction > 1:
                # Rounded down, or Pillow would settle for half the reduction.
                image.draft(image.mode, (image.width // reduction or 1, image.height // reduction or 1))
            elif image.format == "JPEG" and image.mode in ("L", "RGB"):
                return _decode_jpeg(path, image)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)  # otherwise it copies even what is upright
            return _as_array(_to_plain_mode(image))
    except SlideError:
        raise
    except Image.DecompressionBombError as error:
        raise SlideError(too_large(path)) from error
    except Exception as error:  # Pillow's parsers raise what they stumble over, of any type
        if isinstance(error, MemoryError):
            raise
        raise SlideError(f"{path.name} is damaged or incomplete; copy it again.") from error


def _decode_jpeg(path: Path, image: Image.Image) -> Pixels:
    """Twice as fast as through Pillow, and without a fourth byte for every pixel."""
    import imagecodecs

    data = path.read_bytes()
    # The decoder fills what is missing with grey; a whole file has its end after its (last) scan.
    if data.rfind(_END_OF_IMAGE) < data.rfind(_START_OF_SCAN):
        raise SlideError(f"{path.name} is damaged or incomplete; copy it again.")
    pixels: Pixels = imagecodecs.jpeg8_decode(data, outcolorspace="RGB" if image.mode == "RGB" else "GRAYSCALE")
    if pixels.shape[:2] != (image.height, image.width):
        raise SlideError(f"{path.name} is damaged: its size is not what it says; copy it again.")
    return upright(pixels, int(image.getexif().get(ExifTags.Base.Orientation, 1)))


def _as_array(image: Image.Image) -> Pixels:
    """uint8 [h, w] or [h, w, 3], copied in bands: at once Pillow would need the pixels twice more."""
    shape = (image.height, image.width) if image.mode == "L" else (image.height, image.width, 3)
    pixels = np.empty(shape, np.uint8)
    for top in range(0, image.height, _BAND_ROWS):
        bottom = min(top + _BAND_ROWS, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return pixels


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Stored pixels as EXIF orientation 1 to 8 wants them seen."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def halved(pixels: Pixels) -> Pixels:
    """Means of 2 x 2 pixels; sizes round up, and the last row or column is the mean of what there is."""
    height, width = pixels.shape[:2]
    half = np.empty((-(-height // 2), -(-width // 2), *pixels.shape[2:]), np.uint8)
    for top in range(0, height, _BAND_ROWS):  # in bands: Pillow takes four bytes a pixel
        band = Image.fromarray(pixels[top : top + _BAND_ROWS]).reduce(2)
        half[top // 2 : top // 2 + band.height] = np.asarray(band)
    return half


def return_free_memory() -> None:
    """glibc keeps much of what is freed, which for these images is a lot; other allocators need no telling."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def too_large(path: Path) -> str:
    """What is said of an image beyond the limit."""
    return f"{path.name} is too large for a plain image; convert it to a pyramidal TIFF."


def check_size(path: Path, size: tuple[int, int]) -> None:
    """Raises SlideError for no pixels, too many, or more than so small a file can hold."""
    pixels = size[0] * size[1]
    if pixels <= 0:
        raise SlideError(f"{path.name} has no pixels.")
    if pixels > MAX_PIXELS:
        raise SlideError(too_large(path))
    if pixels > _SUSPECT_ABOVE and pixels > _SUSPECT_RATIO * path.stat().st_size:
        raise SlideError(
            f"{path.name} claims {size[0]} x {size[1]} pixels in a file far too small for them; it is not opened."
        )


def check_end(path: Path, image: Image.Image) -> None:
    """A TIFF says where its strips or tiles lie, so one that was cut short is found before it is decoded."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return
    pairs = [zip(tags.get(offset, ()), tags.get(count, ()), strict=False) for offset, count in ((273, 279), (324, 325))]
    ends = [offset + count for pair in pairs for offset, count in pair]
    if not ends or max(ends) > path.stat().st_size:
        raise SlideError(f"{path.name} is incomplete: its pixels lie beyond its end; copy it again.")


def upright_size(image: Image.Image) -> tuple[int, int]:
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
