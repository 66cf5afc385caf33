"""A picture that Pillow has decoded, whatever its mode and depth, seen as the uint8 pixels that are shown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from lile_engine.slides.types import Pixels

BAND_ROWS = 256  # at a time, even: a conversion takes up to 27 bytes a pixel


class PillowPixels:
    """Upright pixels, converted where they are looked at: a copy of all of them would double the memory.

    ``shape`` is that of the uint8 array which `window` cuts from: (h, w) where the picture is grey, else (h, w, 3).
    May be used by several threads.
    """

    def __init__(self, image: Image.Image, *, zero_is_white: bool = False) -> None:
        """``image`` is loaded and turned upright, and belongs to this object from now on. ``zero_is_white``: its deep
        values count from white, which Pillow turns round for 8 bits only."""
        self._image = image
        deep = image.mode == "F" or image.mode.startswith("I")
        self._range = _range_of(image) if deep else (0.0, 255.0)
        if deep and zero_is_white:
            self._range = self._range[::-1]
        grey = deep or image.mode in ("1", "L")
        self.shape = (image.height, image.width) if grey else (image.height, image.width, 3)

    def window(self, x0: int, y0: int, x1: int, y1: int) -> Pixels:
        """uint8 [y1 - y0, x1 - x0] or [..., 3] of a part that lies within the picture."""
        return np.array(_to_plain_mode(self._image.crop((x0, y0, x1, y1)), self._range))


def _to_plain_mode(image: Image.Image, span: tuple[float, float]) -> Image.Image:
    """Any mode as "L" or "RGB": deep grey scaled from the range ``span``, alpha over white."""
    if image.mode in ("L", "RGB"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "F" or image.mode.startswith("I"):
        low, high = span
        scaled = np.nan_to_num((np.asarray(image).astype(np.float32) - low) * (255.0 / (high - low)))
        return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _range_of(image: Image.Image) -> tuple[float, float]:
    """What becomes black and white: for 12-, 14- and 16-bit cameras the least depth that holds all values, for signed
    and floating-point values their own range."""
    lows: list[float] = []
    highs: list[float] = []
    floating = False
    for top in range(0, image.height, BAND_ROWS):
        values: npt.NDArray[np.generic] = np.asarray(
            image.crop((0, top, image.width, min(top + BAND_ROWS, image.height)))
        )
        if values.dtype.kind == "f":
            floating, values = True, values[np.isfinite(values)]
        if values.size:
            lows.append(float(values.min()))
            highs.append(float(values.max()))
    low, high = min(lows, default=0.0), max(highs, default=1.0)
    if floating or low < 0 or high > 65535:
        return low, max(high, low + 1e-12)
    return 0.0, next(float(2**bits - 1) for bits in (8, 10, 12, 14, 16) if high <= 2**bits - 1)
