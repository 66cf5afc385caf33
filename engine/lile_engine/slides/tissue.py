"""Where the tissue is: a mask on a coarse picture of the slide, without glass, pen and dust."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lile_engine.slides.coverage import AreaSums, Floats
from lile_engine.slides.ink import pen_marks
from lile_engine.slides.slide import Slide
from lile_engine.slides.types import Pixels

Mask = npt.NDArray[np.bool_]
Floats32 = npt.NDArray[np.float32]

_MASK_MPP = 8.0  # microns per mask pixel where the slide's mpp is known: a fat cell is 10 pixels
_LEAST_SIDE, _MOST_SIDE = 512, 3072
_DUST_UM2, _SPECKLE_UM2, _HOLE_UM2 = 600.0, 8_000.0, 60_000.0  # least grain, piece of tissue, and hole in it
_BRIDGE_UM = 55.0  # half the width of a gap that belongs to the tissue: a fat cell is up to 110 um wide
_LOW_OD, _HIGH_OD = 0.02, 0.06  # a threshold below is noise, one above loses pale tissue
_FAINT_OD = 0.025  # from here on what has texture is tissue too: fat; a halo of stain is smooth
_TEXTURE = 2.5, 0.006  # times that of bare glass, and at least this deviation of the green density
_GLASS = (170, 45, 0.005)  # least brightness, most colour (8 bit), and least share of a picture that is bare glass
_WHITE = (245.0, 245.0, 245.0)
_SCRATCH_PX = 3  # grey lines up to twice this width are scratches and edges of glass
_ONE_COLOUR = 2  # levels of 255: what varies no more is a blank picture, whatever its colour
_DARK_FIELD = 60  # a median below is fluorescence: tissue is what shines


@dataclass(frozen=True)
class TissueMask:
    """``mask`` bool [h, w] over the whole slide, one pixel for ``downsample`` level-0 pixels; ``dark``: it shines on a
    dark ground, as in fluorescence."""

    mask: Mask
    downsample: float
    dark: bool = False

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
    return TissueMask(tissue_in_picture(picture, mpp), downsample, is_dark_field(picture))


def is_dark_field(picture: Pixels) -> bool:
    """Whether most of a picture [h, w, 3] is dark, as in fluorescence."""
    return bool(np.median(picture.max(axis=2)) < _DARK_FIELD)


def tissue_in_picture(picture: Pixels, mpp: float) -> Mask:
    """bool [h, w] for uint8 [h, w, 3], ``mpp`` microns per pixel of this picture."""
    inner = picture[1:-1, 1:-1] if min(picture.shape[:2]) > 2 else picture  # the edge is blended with what lies beyond
    if np.ptp(inner, axis=(0, 1)).max() <= _ONE_COLOUR:
        return np.zeros(picture.shape[:2], np.bool_)
    area = mpp * mpp
    if is_dark_field(picture):
        found, ink = _bright_on_dark(picture), np.zeros(picture.shape[:2], np.bool_)
    else:
        found, ink = _stained_on_white(picture)
        found = _closed(_without_small_pieces(found, _DUST_UM2 / area), _BRIDGE_UM / mpp) & ~ink
    found = _without_small_pieces(found, _SPECKLE_UM2 / area)
    if not found.any():
        return found  # a small picture of glass alone is no hole in tissue
    return ~_without_small_pieces(~found, _HOLE_UM2 / area) & ~ink


def _stained_on_white(picture: Pixels) -> tuple[Mask, Mask]:
    """What is stained, and what is ink."""
    from scipy import ndimage  # a fifth of a second, which the window need not wait for

    density = np.log10((_background_colour(picture) + 1.0) / (picture.astype(np.float32) + 1.0)).clip(0, None)
    # Stain colours what it covers; shadows, scratches and glass edges are grey, and count for little.
    colour = density.max(axis=2) - density.min(axis=2)
    grey = density.min(axis=2)
    strength = ndimage.gaussian_filter(colour + 0.5 * grey, 0.7)
    least = _above_noise(strength)
    threshold = float(np.clip(otsu(strength), max(_LOW_OD, least), max(_HIGH_OD, least)))
    found = (strength > threshold) | (
        (strength > max(_FAINT_OD, least)) & _textured(density[..., 1], strength <= least)
    )
    ink = pen_marks(density, ~found)
    shadow = _shadows((grey > 0.05) & (colour < 0.25 * (grey + colour)) & (colour < 0.03))
    return found & ~ink & ~shadow, ink


def _textured(density: Floats32, glass: Mask) -> Mask:
    """Where the density varies more from pixel to pixel than it does on bare glass."""
    from scipy import ndimage

    fine = density - ndimage.gaussian_filter(density, 2.0)
    deviation = np.sqrt(ndimage.gaussian_filter(fine * fine, 2.0))
    times, least = _TEXTURE
    quiet = float(np.median(deviation[glass])) if glass.any() else 0.0
    return np.asarray(deviation > max(times * quiet, least))


def _shadows(grey: Mask) -> Mask:
    """Of what is grey: that which reaches the border or is thin, as edges of glass and scratches are; pale unstained
    tissue is grey too, but neither."""
    from scipy import ndimage

    broad = ndimage.binary_opening(grey, iterations=_SCRATCH_PX)
    labels, count = ndimage.label(broad)
    at_border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    inner = np.setdiff1d(np.arange(1, count + 1), at_border)
    shadow = grey & ~ndimage.binary_dilation(np.isin(labels, inner), iterations=_SCRATCH_PX)
    return np.asarray(ndimage.binary_dilation(shadow, iterations=2))  # with its soft edge


def _background_colour(picture: Pixels) -> Floats32:
    """float32 [3]: the colour of bare glass; white where the picture holds none."""
    least, most, share = _GLASS
    darkest = picture.min(axis=2)
    bare = (darkest >= least) & (picture.max(axis=2) - darkest <= most)
    if bare.mean() < share:
        return np.array(_WHITE, np.float32)
    brightest = bare & (darkest >= np.median(darkest[bare]))
    return np.asarray(np.median(picture[brightest], axis=0), dtype=np.float32)


def _above_noise(strength: Floats32) -> float:
    """A strength that bare glass does not reach: its peak and four deviations, those below the peak mirrored."""
    faint = strength[strength < 0.1]
    if faint.size < strength.size * _GLASS[2]:
        return 0.0
    counts, edges = np.histogram(faint, bins=100, range=(0.0, 0.1))
    peak = float(edges[int(counts.argmax())] + 0.0005)
    below = faint[faint <= peak]
    return peak + 4 * float(np.sqrt(np.mean((below - peak) ** 2))) if below.size else peak


def _closed(mask: Mask, radius: float) -> Mask:
    """Gaps narrower than twice the radius closed, by distances: much faster than a large structuring element."""
    from scipy import ndimage

    margin = int(radius) + 2
    padded = np.pad(mask, margin)
    if not padded.any():
        return mask
    grown = ndimage.distance_transform_edt(~padded) <= radius
    closed: Mask = ndimage.distance_transform_edt(grown) > radius
    return closed[margin:-margin, margin:-margin] | mask


def _bright_on_dark(picture: Pixels) -> Mask:
    from scipy import ndimage

    strength = ndimage.gaussian_filter(picture.max(axis=2).astype(np.float32), 1.0)
    if strength.max() < 8:
        return np.zeros(strength.shape, np.bool_)
    return np.asarray(strength > max(otsu(strength) * 0.5, 4.0))


def _without_small_pieces(mask: Mask, least: float) -> Mask:
    """The mask without connected pieces of fewer than ``least`` pixels."""
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= least)[labels])


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
