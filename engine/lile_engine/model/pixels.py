"""Pixels on their way into a network."""

from __future__ import annotations

import numpy as np
from PIL import Image

from lile_engine.errors import ModelError
from lile_engine.model.protocol import Pixels


def resized(pixels: Pixels, side: int) -> Pixels:
    """uint8 RGB [B, H, W, 3] as [B, side, side, 3], bicubic where the size differs.

    Raises `ModelError` for other shapes or types.
    """
    pixels = np.asarray(pixels)
    if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8:
        raise ModelError(f"Images must be uint8 RGB of shape [B, H, W, 3], not {pixels.dtype} {list(pixels.shape)}.")
    if pixels.shape[1] == side and pixels.shape[2] == side:
        return np.ascontiguousarray(pixels)
    small = [np.asarray(Image.fromarray(p).resize((side, side), Image.Resampling.BICUBIC)) for p in pixels]
    return np.stack(small) if small else np.zeros((0, side, side, 3), np.uint8)
