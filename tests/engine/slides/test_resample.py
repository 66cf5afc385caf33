"""Reads at any scale against a resampler that does nothing but add up weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lile_engine.slides import Level, open_slide
from lile_engine.slides.resample import best_level

Floats = npt.NDArray[np.float64]


def weights(count: int, begin: float, step: float, out: int) -> Floats:
    """[out, count]: the triangle of `resample`'s docstring, for input pixels 0 .. count - 1."""
    centres = begin + (np.arange(out) + 0.5) * step
    distance = np.abs(np.arange(count) + 0.5 - centres[:, np.newaxis])
    table = np.clip(1 - distance / max(step, 1.0), 0, None)
    return np.asarray(table / table.sum(1, keepdims=True))


def brute_force(level: npt.NDArray[np.uint8], down: float, area: tuple[float, ...], out_w: int, out_h: int) -> Floats:
    """Resamples a whole level, white around it, at rectangle x, y, w, h of level-0 pixels."""
    x, y, w, h = (value / down for value in area)
    margin = 720
    padded = np.full((level.shape[0] + 2 * margin, level.shape[1] + 2 * margin, 3), 255.0)
    padded[margin:-margin, margin:-margin] = level
    rows = weights(padded.shape[0], y + margin, h / out_h, out_h)
    cols = weights(padded.shape[1], x + margin, w / out_w, out_w)
    return np.einsum("yi,xj,ijc->yxc", rows, cols, padded, optimize=True)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    x=st.floats(-60, 880),
    y=st.floats(-60, 680),
    w=st.floats(6, 500),
    h=st.floats(6, 400),
    scale=st.floats(0.4, 5.5),
)
def test_any_rectangle_at_any_scale(jpeg_slide: Path, x: float, y: float, w: float, h: float, scale: float) -> None:
    out_w, out_h = max(1, round(w / scale)), max(1, round(h / scale))
    with open_slide(jpeg_slide) as slide:
        got = slide.read_area(x, y, w, h, out_w, out_h)
        number = best_level(slide.info.levels, min(w / out_w, h / out_h))
        level = slide.info.levels[number]
        stored = slide.read_region(0, 0, number, level.width, level.height)
    expected = brute_force(stored, level.downsample, (x, y, w, h), out_w, out_h)
    # Pillow rounds between its two passes; a read taken as it stands may be off by 1/20 of a pixel.
    assert np.abs(got - expected).mean() < 1.0
    assert np.percentile(np.abs(got - expected), 99) <= 5


@settings(max_examples=20, deadline=None, derandomize=True)
@given(x=st.integers(0, 600), y=st.integers(0, 400), size=st.integers(20, 280), px=st.integers(8, 96))
def test_openslides_shifted_levels_lie_at_the_same_place(
    jpeg_slide: Path, lossless_slide: Path, x: int, y: int, size: int, px: int
) -> None:
    with open_slide(jpeg_slide) as direct, open_slide(lossless_slide) as painted:
        one, other = direct.read_square(x, y, size, px), painted.read_square(x, y, size, px)
    # Two JPEG generations and OpenSlide's own blur lie between them, but no shift.
    assert np.abs(one.astype(int) - other).mean() < 8


def test_a_read_in_blocks_is_seamless(jpeg_slide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_slide(jpeg_slide) as slide:
        at_once = slide.read_area(3.3, 5.7, 800.5, 600.25, 311, 233)
        monkeypatch.setattr("lile_engine.slides.resample._BLOCK_PIXELS", 90 * 90)
        in_blocks = slide.read_area(3.3, 5.7, 800.5, 600.25, 311, 233)
    assert np.abs(at_once.astype(int) - in_blocks).max() <= 1


def test_best_level_takes_one_percent_more_coarse_but_no_more() -> None:
    levels = (Level(1000, 1000, 1.0), Level(499, 499, 2.004), Level(240, 240, 4.167))
    assert [best_level(levels, d) for d in (0.5, 1.0, 1.99, 2.0, 4.1, 4.15, 9.0)] == [0, 0, 1, 1, 1, 2, 2]
