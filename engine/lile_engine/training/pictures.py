"""Pictures of pairs: looked at while a list is read, and their pixels when they are needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from lile_engine.errors import DataError

# What Pillow raises for a file that is no picture, or a damaged one.
_UNREADABLE = (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError)


def check_picture(path: Path) -> None:
    """Opens the file and reads its header, which is cheap and finds most of what is wrong; raises ValueError, in words
    that fit after "line 7:"."""
    if not is_file(path):
        raise ValueError(f"names {short(path.name)}, which is not there")
    try:
        with Image.open(path):
            pass
    except _UNREADABLE as error:
        raise ValueError(f"names {short(path.name)}, which is not an image that can be read") from error


def is_file(path: Path) -> bool:
    """Whether a file is there; a name that no file can have is not."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def short(text: str) -> str:
    """``text``, or its beginning where a message has no room for it all."""
    return text if len(text) <= 80 else text[:79] + "…"


def load_file(path: Path, px: int) -> NDArray[np.uint8]:
    """An image file as uint8 RGB ``[H, W, 3]``, turned as its EXIF says, transparent parts white, reduced if large."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (2 * px, 2 * px))
            upright = ImageOps.exif_transpose(image)
            least = min(upright.size)
            if least > 2.5 * px:
                scale = 2 * px / least
                size = (max(px, round(upright.width * scale)), max(px, round(upright.height * scale)))
                upright = _to_rgb(upright).resize(size, Image.Resampling.BOX)
            return np.asarray(_to_rgb(upright), np.uint8)
    except _UNREADABLE as error:
        raise DataError(f"{path} is not an image that can be read; replace or remove it.") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA") or (image.mode == "P" and "transparency" in image.info):
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")
