"""Felt pen on the cover glass, told from tissue by optical density and by what lies around it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Floats32 = npt.NDArray[np.float32]

# Where more than this share of all that is stained has a pen's colour, it is the stain (Alcian blue, trichrome).
_MOST_INK = 0.4
_FRINGE_PX = 3  # the faint edge of a stroke


def pen_marks(density: Floats32, glass: Mask) -> Mask:
    """bool [h, w]: ink, for optical densities float32 [h, w, 3] and the ``glass`` without anything on it.

    Colours are judged by the ratios of the densities, which do not depend on how thick ink or stain lies:
    haematoxylin absorbs red and green about alike, eosin and blood nearly only green and some blue.
    """
    from scipy import ndimage

    red, green, blue = density[..., 0], density[..., 1], density[..., 2]
    stained = max(1, int((~glass).sum()))
    marks = np.zeros(glass.shape, np.bool_)
    green_ink = (red > 0.2) & (red > 1.45 * green)
    blue_ink = (red > 0.45) & (red > 1.25 * green) & (blue < 0.3 * red)
    for coloured in (green_ink, blue_ink):
        if coloured.sum() <= _MOST_INK * stained:
            marks |= ndimage.binary_opening(coloured)
    marks |= ndimage.binary_opening(_black_ink(density))
    marks |= _red_ink(density, glass)
    if not marks.any():
        return marks
    filled = ndimage.binary_closing(np.pad(marks, _FRINGE_PX), iterations=_FRINGE_PX)
    return np.asarray(ndimage.binary_dilation(filled, iterations=_FRINGE_PX))[
        _FRINGE_PX:-_FRINGE_PX, _FRINGE_PX:-_FRINGE_PX
    ]


def _black_ink(density: Floats32) -> Mask:
    """Dense in all colours alike; nuclei let blue through, melanin red."""
    least, most = density.min(axis=2), density.max(axis=2)
    return np.asarray((least > 0.55) & (most < 1.6 * least))


def _red_ink(density: Floats32, glass: Mask) -> Mask:
    """Red patches that are denser than blood can be in a section, or that lie on bare glass."""
    from scipy import ndimage

    red, green, blue = density[..., 0], density[..., 1], density[..., 2]
    reddish: Mask = ndimage.binary_opening((green > 0.2) & (red < 0.4 * green) & (blue > 0.6 * green))
    labels, count = ndimage.label(reddish)
    if count == 0:
        return reddish
    numbers = np.arange(1, count + 1)
    thick = (green > 0.75) & (blue > 0.82 * green)
    thick_share = ndimage.mean(thick, labels, numbers)
    hue = ndimage.mean(blue / np.maximum(green, 1e-3), labels, numbers)
    reach = ndimage.grey_dilation(labels, size=(9, 9))
    ring = np.where(reddish, 0, reach)
    bare_share = np.nan_to_num(ndimage.mean(glass, ring, numbers))
    is_ink = (thick_share > 0.05) | ((hue > 0.85) & (bare_share > 0.5))
    return np.asarray(np.concatenate([[False], is_ink])[labels])
