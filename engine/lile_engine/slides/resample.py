"""Reads at any scale: the right level, the right window of it, and one resampling that keeps track of sub-pixels.

The filter is the triangle that Pillow calls BILINEAR: for an output pixel whose centre lies at ``c`` (in input pixels)
and whose width is ``s >= 1`` input pixels, input pixel ``i`` weighs max(0, 1 - |i + 1/2 - c| / s). It has no overshoot
and, being wider than the pixel, no aliasing.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from lile_engine.errors import SlideError
from lile_engine.slides.backend import Backend
from lile_engine.slides.types import Level, Pixels

# A level a little too coarse is taken rather than one of twice the resolution: vendors round their level sizes.
_LEVEL_TOLERANCE = 1.01
# Up to this error (in output pixels, anywhere) a level read as it stands is the resampled picture.
_NO_DRIFT = 0.05
_MOST_SOURCE_PIXELS = 1_500_000_000  # for one picture: half a minute of decoding
_BLOCK_PIXELS = 3072 * 3072  # of the level, read at a time, so that memory stays bounded
_MOST_BLOCK_PIXELS = 300_000_000  # even where one row or column of output pixels needs more
_NO_OVERVIEW = "This slide has no level coarse enough for an overview; convert it to a pyramidal TIFF to look at it."


def best_level(levels: tuple[Level, ...], downsample: float) -> int:
    """The coarsest level that still has the resolution asked for (within 1 %)."""
    fine_enough = [n for n, level in enumerate(levels) if level.downsample <= downsample * _LEVEL_TOLERANCE]
    return max(fine_enough, key=lambda n: levels[n].downsample, default=0)


def read_scaled(backend: Backend, x: float, y: float, w: float, h: float, out_w: int, out_h: int) -> Pixels:
    """uint8 [out_h, out_w, 3] of the rectangle x, y, w, h (level-0 pixels, any fraction); white outside."""
    level = best_level(backend.levels, min(w / out_w, h / out_h))
    down = backend.levels[level].downsample
    x0, y0 = round(x), round(y)
    off = max(abs(backend.origin(level, x0) - x / down), abs(backend.origin(level, y0) - y / down))
    if off + max(abs(w / down - out_w), abs(h / down - out_h)) <= _NO_DRIFT:
        return backend.read_rgb(x0, y0, level, out_w, out_h)
    if w / down * (h / down) > _MOST_SOURCE_PIXELS:
        raise SlideError(_NO_OVERVIEW)
    step_x, step_y = w / down / out_w, h / down / out_h  # level pixels per output pixel
    most = max(1.0, math.sqrt(_BLOCK_PIXELS))
    cols, rows = max(1, int(most / step_x)), max(1, int(most / step_y))
    if cols >= out_w and rows >= out_h:
        return _read_block(backend, level, x / down, y / down, step_x, step_y, out_w, out_h)
    result = np.empty((out_h, out_w, 3), np.uint8)
    for top in range(0, out_h, rows):
        for left in range(0, out_w, cols):
            bw, bh = min(cols, out_w - left), min(rows, out_h - top)
            result[top : top + bh, left : left + bw] = _read_block(
                backend, level, x / down + left * step_x, y / down + top * step_y, step_x, step_y, bw, bh
            )
    return result


def _read_block(
    backend: Backend, level: int, left: float, top: float, step_x: float, step_y: float, out_w: int, out_h: int
) -> Pixels:
    """One block; ``left``, ``top`` in pixels of the level."""
    down = backend.levels[level].downsample
    margin_x, margin_y = math.ceil(max(step_x, 1.0)) + 1, math.ceil(max(step_y, 1.0)) + 1
    x0, y0 = round((math.floor(left) - margin_x) * down), round((math.floor(top) - margin_y) * down)
    origin_x, origin_y = backend.origin(level, x0), backend.origin(level, y0)
    right, bottom = left + out_w * step_x, top + out_h * step_y
    w, h = math.ceil(right - origin_x) + margin_x, math.ceil(bottom - origin_y) + margin_y
    if w * h > _MOST_BLOCK_PIXELS:
        raise SlideError(_NO_OVERVIEW)
    window = Image.fromarray(backend.read_rgb(x0, y0, level, w, h))
    box = (left - origin_x, top - origin_y, right - origin_x, bottom - origin_y)
    return np.array(window.resize((out_w, out_h), Image.Resampling.BILINEAR, box=box))
