"""Where the tissue is: a mask on a coarse picture of the slide, without glass, pen and dust."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lile_engine.slides.coverage import AreaSums, Floats
from lile_engine.slides.slide import Slide
from lile_engine.slides.types import Pixels

Mask = npt.NDArray[np.bool_]
Floats32 = npt.NDArray[np.float32]

_MASK_MPP = 8.0  # microns per mask pixel where the slide's mpp is known: a fat cell is 10 pixels
_LEAST_SIDE, _MOST_SIDE = 512, 3072
_SPECKLE_UM2, _HOLE_UM2 = 8_000.0, 60_000.0  # smaller pieces are dust, smaller holes belong to the tissue
_CLOSING_UM = 32.0  # bridges the empty middle of fat cells
_LOW_OD, _HIGH_OD = 0.02, 0.07  # a threshold below is noise, one above loses pale fat
_DARK_FIELD = 60  # a median below is fluorescence: tissue is what shines


@dataclass(frozen=True)
class TissueMask:
    """``mask`` bool [h, w] over the whole slide, one pixel for ``downsample`` level-0 pixels."""

    mask: Mask
    downsample: float

    def share(self, x: float, y: float, w: float, h: float) -> float:
        """The share of tissue (0 to 1) in a rectangle of level-0 pixels; outside the slide there is none."""
        scale = self.downsample
        one = [np.array([value / scale]) for value in (x, y, w, h)]
        return float(self._sums.covered(*one)[0] / (w * h / scale**2))

    def shares(self, x: Floats, y: Floats, size: float) -> Floats:
        """The same for many squares of one size."""
        scale = self.downsample
        side = np.full_like(x, size / scale)
        return self._sums.covered(x / scale, y / scale, side, side) / (side * side)

    @cached_property
    def _sums(self) -> AreaSums:
        return AreaSums(self.mask)


def tissue_mask(slide: Slide) -> TissueMask:
    """The tissue of a slide, stained or fluorescent. Raises SlideError if its coarse level cannot be read."""
    info = slide.info
    longer = max(info.width, info.height)
    wanted = longer * info.mpp / _MASK_MPP if info.mpp else longer / 16
    side = int(min(max(wanted, _LEAST_SIDE), _MOST_SIDE, longer))
    picture = slide.thumbnail(side)
    downsample = longer / max(picture.shape[:2])
    mpp = downsample * (info.mpp or 0.5)
    return TissueMask(tissue_in_picture(picture, mpp), downsample)


def tissue_in_picture(picture: Pixels, mpp: float) -> Mask:
    """bool [h, w] for uint8 [h, w, 3], ``mpp`` microns per pixel of this picture."""
    if np.median(picture.max(axis=2)) < _DARK_FIELD:
        found = _bright_on_dark(picture)
    else:
        found = _stained_on_white(picture, mpp)
    area = mpp * mpp
    found = _without_small_pieces(found, _SPECKLE_UM2 / area)
    return ~_without_small_pieces(~found, _HOLE_UM2 / area)


def _stained_on_white(picture: Pixels, mpp: float) -> Mask:
    from scipy import ndimage  # a fifth of a second, which the window need not wait for

    background = _background_colour(picture)
    density = np.log10((background + 1.0) / (picture.astype(np.float32) + 1.0)).clip(0, None)
    # Stain colours what it covers; shadows, scratches and glass edges are grey, and count for little.
    colour = density.max(axis=2) - density.min(axis=2)
    strength = ndimage.gaussian_filter(colour + 0.5 * density.min(axis=2), 1.0)
    pen = _pen_marks(picture, density)
    usable = strength[~pen]
    if usable.size == 0:
        return np.zeros(pen.shape, np.bool_)
    noise = float(np.median(usable[usable <= np.median(usable)])) + 1e-6
    threshold = float(np.clip(otsu(usable), max(_LOW_OD, 3 * noise), max(_HIGH_OD, 3 * noise)))
    found = (strength > threshold) & ~pen & ~_glass_edges(density, colour)
    radius = max(1, round(_CLOSING_UM / mpp / 2))
    closed: Mask = ndimage.binary_closing(np.pad(found, radius), _disk(radius))[radius:-radius, radius:-radius] & ~pen
    return closed


def _background_colour(picture: Pixels) -> Floats32:
    """float32 [3]: the colour of the empty glass, the median of the brightest tenth."""
    brightness = picture.min(axis=2)
    bright = picture[brightness >= np.percentile(brightness, 90)]
    return np.asarray(np.median(bright, axis=0), dtype=np.float32)


def _bright_on_dark(picture: Pixels) -> Mask:
    from scipy import ndimage

    strength = ndimage.gaussian_filter(picture.max(axis=2).astype(np.float32), 1.0)
    if strength.max() < 8:
        return np.zeros(strength.shape, np.bool_)
    return np.asarray(strength > max(otsu(strength) * 0.5, 4.0))


def _pen_marks(picture: Pixels, density: Floats32) -> Mask:
    """Ink of felt pens: green and cyan, which no routine stain has; blue and red without the other's share; black."""
    from scipy import ndimage

    red, green, blue = (picture[..., channel].astype(np.int16) for channel in range(3))
    green_ink = (green - red > 25) & (green - blue > -25) & (red < 170)
    blue_ink = (blue - red > 60) & (green - red > 12) & (red < 130)
    red_ink = (red - green > 90) & (red - blue > 75) & (green < 110)
    black_ink = density.min(axis=2) > 0.85
    marks = green_ink | blue_ink | red_ink | black_ink
    marks = ndimage.binary_opening(marks, iterations=1)
    return np.asarray(ndimage.binary_dilation(marks, iterations=3) if marks.any() else marks)


def _glass_edges(density: Floats32, colour: Floats32) -> Mask:
    """Grey shadow: dense in all colours alike."""
    return np.asarray((density.min(axis=2) > 0.05) & (colour < 0.25 * density.max(axis=2)) & (colour < 0.03))


def _without_small_pieces(mask: Mask, least: float) -> Mask:
    """The mask without connected pieces of fewer than ``least`` pixels."""
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= least)[labels])


def _disk(radius: int) -> Mask:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(x * x + y * y <= radius * radius)


def otsu(values: Floats32) -> float:
    """The threshold that splits ``values`` into two classes of least variance within them (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(centres[int(np.nanargmax(between))]) if np.isfinite(between).any() else float(centres[0])
