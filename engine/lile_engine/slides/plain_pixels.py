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
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from lile_engine.errors import SlideError
from lile_engine.slides.absence import raise_if_gone
from lile_engine.slides.orientation import orientation, turned_image, turned_pixels
from lile_engine.slides.pillow_pixels import BAND_ROWS, PillowPixels
from lile_engine.slides.plain_limits import MAX_PIXELS, check_size, too_large
from lile_engine.slides.types import Pixels

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


def decode(path: Path, page: int = 0, reduction: int = 1) -> Pixels | PillowPixels:
    """Upright pixels, grey or RGB, to be read with `cut`; for a JPEG 1 / ``reduction`` of its size. SlideError."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if page:
                image.seek(page)
            check_size(path, image)
            if reduction > 1:
                # Rounded down, or Pillow would settle for half the reduction.
                image.draft(image.mode, (image.width // reduction or 1, image.height // reduction or 1))
            elif image.format == "JPEG" and image.mode in ("L", "RGB"):
                return _decode_jpeg(path, image)
            turned = orientation(path, image)
            zero_is_white = getattr(image, "tag_v2", {}).get(ExifTags.Base.PhotometricInterpretation) == 0
            image.load()
            return PillowPixels(turned_image(image, turned), zero_is_white=zero_is_white)
    except SlideError:
        raise
    except Image.DecompressionBombError as error:
        raise SlideError(too_large(path)) from error
    except Exception as error:  # Pillow's parsers raise what they stumble over, of any type
        if isinstance(error, MemoryError):
            raise
        raise_if_gone(path, error)
        raise SlideError(f"{path.name} is damaged or incomplete; copy it again.") from error


def cut(pixels: Pixels | PillowPixels, x0: int, y0: int, x1: int, y1: int) -> Pixels:
    """uint8 [y1 - y0, x1 - x0] or [..., 3]: a part that lies within the picture; may be a view."""
    return pixels.window(x0, y0, x1, y1) if isinstance(pixels, PillowPixels) else pixels[y0:y1, x0:x1]


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
    return turned_pixels(pixels, orientation(path, image))


def whole(pixels: Pixels | PillowPixels) -> Pixels:
    """All of it as one array, uint8 [h, w] or [h, w, 3]."""
    height, width = pixels.shape[:2]
    array = np.empty(pixels.shape, np.uint8)
    for top in range(0, height, BAND_ROWS):
        bottom = min(top + BAND_ROWS, height)
        array[top:bottom] = cut(pixels, 0, top, width, bottom)
    return array


def halved(pixels: Pixels | PillowPixels) -> Pixels:
    """Means of 2 x 2 pixels; sizes round up, and the last row or column is the mean of what there is."""
    height, width = pixels.shape[:2]
    half = np.empty((-(-height // 2), -(-width // 2), *pixels.shape[2:]), np.uint8)
    for top in range(0, height, BAND_ROWS):
        band = Image.fromarray(cut(pixels, 0, top, width, min(top + BAND_ROWS, height))).reduce(2)
        half[top // 2 : top // 2 + band.height] = np.asarray(band)
    return half


def return_free_memory() -> None:
    """glibc keeps much of what is freed, which for these images is a lot; other allocators need no telling."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
