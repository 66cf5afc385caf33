"""Which way up a plain image is: found without decoding it, applied to what was decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from lile_engine.slides.types import Pixels

_MOST_EXIF_BYTES = 2**16
_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(path: Path, image: Image.Image) -> int:
    """1 to 8 as EXIF has it; 1 for a TIFF, which Pillow turns upright as it loads it."""
    if image.format == "TIFF":
        return 1
    exif = Image.Image.getexif(image)  # a PNG's own would decode all of it, in case there is some behind the pixels
    if ExifTags.Base.Orientation not in exif and image.format == "PNG":
        exif = Image.Exif()
        exif.load(_exif_behind_the_pixels(path))
    turned = exif.get(ExifTags.Base.Orientation, 1)
    return turned if turned in _TRANSPOSED else 1


def flips(turned: int) -> tuple[bool, bool]:
    """Whether an image of this orientation, upright, begins on the left with a stored end, and at the top."""
    return turned in (2, 3, 6, 7), turned in (3, 4, 7, 8)


def turned_image(image: Image.Image, turned: int) -> Image.Image:
    """The image upright; itself where it is."""
    return image.transpose(_TRANSPOSED[turned]) if turned in _TRANSPOSED else image


def turned_pixels(pixels: Pixels, turned: int) -> Pixels:
    """Stored pixels uint8 [h, w(, 3)] upright; themselves where they are."""
    if turned in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    across, down = flips(turned)
    if down:
        pixels = pixels[::-1]
    if across:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _exif_behind_the_pixels(path: Path) -> bytes:
    """The content of a PNG's eXIf chunk, wherever it lies (its specification allows the end)."""
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length = int.from_bytes(head[:4])
            if head[4:] == b"eXIf":
                return file.read(min(length, _MOST_EXIF_BYTES))
            if head[4:] == b"IEND":
                break
            file.seek(length + 4, 1)
    return b""
