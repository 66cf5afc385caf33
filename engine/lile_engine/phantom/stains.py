"""Stains, scanners and how planes of stain become pixels (Beer-Lambert).

The table holds numbers measured on real sections (Macenko's two directions of the optical density and its 98th
percentiles, natural logarithm, per slide): background, haematoxylin at a dark nucleus, eosin at dense pink. No pixel
of a patient is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lile_engine.phantom.noise import Floats

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Stain:
    """One laboratory and scanner. Colours are RGB; the three dyes are optical densities (ln) at full strength.

    ``thickness`` scales all density; ``blur`` is the focus (sigma, µm); ``sharpen`` the scanner's unsharp mask;
    ``noise`` grey levels of grain; ``gamma`` the scanner's tone curve, a factor on all density.
    """

    background: Colour
    haematoxylin: Colour
    eosin: Colour
    red_cells: Colour
    thickness: float = 1.0
    blur: float = 0.28
    sharpen: float = 0.0
    noise: float = 1.5
    gamma: float = 1.0

    def dyes(self) -> Floats:
        """float32[3, 3]: rows haematoxylin, eosin, red cells."""
        return np.array([self.haematoxylin, self.eosin, self.red_cells], np.float32) * np.float32(self.thickness)


# background, haematoxylin, eosin: one line a laboratory.
_MEASURED: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((251, 242, 250), (0.82, 1.22, 0.68), (0.12, 0.70, 0.33)),
    ((251, 242, 250), (0.90, 1.24, 0.70), (0.16, 0.74, 0.36)),
    ((246, 245, 245), (1.80, 1.90, 0.95), (0.42, 1.90, 1.20)),
    ((246, 245, 245), (1.73, 1.73, 0.83), (0.38, 1.70, 1.10)),
    ((245, 245, 245), (0.83, 1.40, 0.72), (0.12, 0.95, 0.65)),
    ((248, 237, 247), (0.98, 1.23, 0.66), (0.19, 0.70, 0.34)),
    ((244, 233, 239), (0.99, 1.24, 0.78), (0.23, 1.01, 0.70)),
    ((242, 236, 243), (1.40, 1.90, 0.90), (0.35, 1.08, 0.54)),
    ((249, 240, 245), (0.60, 0.88, 0.52), (0.08, 0.65, 0.29)),
    ((236, 233, 238), (0.98, 1.15, 0.69), (0.24, 0.52, 0.24)),
    ((240, 235, 239), (0.75, 0.92, 0.54), (0.10, 0.38, 0.18)),
    ((246, 237, 246), (1.04, 1.21, 0.66), (0.22, 0.74, 0.30)),
    ((239, 235, 243), (1.13, 1.31, 0.79), (0.45, 1.30, 0.66)),
    ((250, 241, 249), (1.02, 1.33, 0.69), (0.28, 1.08, 0.59)),
    ((244, 235, 243), (1.30, 1.70, 1.00), (0.25, 1.00, 0.45)),
    ((246, 235, 242), (0.98, 1.45, 0.76), (0.25, 1.08, 0.42)),
    ((252, 251, 253), (0.69, 0.80, 0.51), (0.17, 0.43, 0.18)),
    ((249, 247, 251), (0.66, 0.79, 0.52), (0.17, 0.42, 0.19)),
    ((242, 233, 241), (0.67, 0.90, 0.50), (0.15, 0.80, 0.47)),
    ((245, 237, 244), (1.03, 1.25, 0.77), (0.16, 0.68, 0.27)),
    ((246, 235, 242), (0.82, 0.98, 0.71), (0.29, 1.05, 0.83)),
    ((242, 234, 241), (0.86, 1.01, 0.60), (0.27, 1.06, 0.47)),
    ((251, 250, 251), (0.55, 0.75, 0.46), (0.12, 0.36, 0.18)),
    ((254, 247, 252), (0.63, 0.84, 0.49), (0.10, 0.42, 0.22)),
    ((242, 242, 248), (1.29, 1.25, 0.67), (0.38, 1.10, 0.44)),
    ((244, 228, 241), (0.76, 1.07, 0.57), (0.12, 0.64, 0.29)),
)

# The table holds 98th percentiles of whole slides; the painters' full strength is a little more.
_FULL = 1.18

_RED_CELLS: tuple[Colour, ...] = ((0.30, 1.75, 1.35), (0.16, 0.95, 0.95), (0.40, 1.60, 1.05), (0.22, 1.35, 1.30))

STANDARD = Stain(*_MEASURED[0], _RED_CELLS[0], thickness=_FULL, sharpen=1.0)


# Rows of the table that were measured on the labelled sets, by the set's name.
SET_STAINS: dict[str, tuple[int, ...]] = {"crc-val": (0, 1), "kather": (2, 3), "osteosarcoma": (4,)}


def random_stain(rng: np.random.Generator, variety: float = 1.0, rows: tuple[int, ...] | None = None) -> Stain:
    """A stain near one of the measured ones (of ``rows`` of the table, if given).

    ``variety`` 0 is the first as measured, 1 spreads as laboratories do.
    """
    if variety <= 0:
        return STANDARD
    chosen = int(rng.integers(len(_MEASURED)))
    background, haematoxylin, eosin = _MEASURED[chosen if rows is None else rows[chosen % len(rows)]]

    def shaken(colour: Colour, tint: float, strength: float) -> Colour:
        factor = _FULL * np.exp(rng.normal(0, strength * variety)) * np.exp(rng.normal(0, tint * variety, 3))
        values = np.array(colour) * factor
        return float(values[0]), float(values[1]), float(values[2])

    light = np.clip(np.array(background) + rng.normal(0, 2.0 * variety, 3), 225, 255)
    red = _RED_CELLS[int(rng.integers(len(_RED_CELLS)))]
    return Stain(
        (float(light[0]), float(light[1]), float(light[2])),
        shaken(haematoxylin, 0.05, 0.10),
        shaken(eosin, 0.06, 0.12),
        shaken(red, 0.08, 0.12),
        thickness=float(np.exp(rng.normal(0, 0.10 * variety))),
        blur=float(np.clip(0.28 * np.exp(rng.normal(0, 0.30 * variety)), 0.15, 0.8)),
        sharpen=float(np.clip(rng.normal(1.0, 0.45), 0, 1.9) * variety),
        noise=float(rng.uniform(0.6, 2.4)),
        gamma=float(np.exp(rng.normal(0, 0.05 * variety))),
    )


def defocused(stain: Stain, blur: float) -> Stain:
    """The same stain seen ``blur`` µm (sigma) out of focus."""
    return replace(stain, blur=blur, sharpen=0.0)


def develop(h: Floats, e: Floats, r: Floats, stain: Stain, mpp: float, grain: Floats) -> NDArray[np.uint8]:
    """Planes of haematoxylin, eosin and red-cell strength [h, w] -> uint8 RGB [h, w, 3].

    ``grain`` float32[h, w] unit noise, so that the caller decides where it comes from.
    """
    sigma = stain.blur / mpp
    dyes = stain.dyes() * np.float32(-stain.gamma)
    # Tissue is uneven down to the pixel: thickness varies with the same grain.
    uneven = 1 + np.float32(0.10) * grain
    speck = grain * np.float32(stain.noise) + np.float32(0.5)
    out = np.empty((*h.shape, 3), np.uint8)
    for channel in range(3):
        density = h * dyes[0, channel]
        density += e * dyes[1, channel]
        density += r * dyes[2, channel]
        density *= uneven
        light = np.exp(density, out=density)
        if sigma > 0.2:
            light = _blurred(light, sigma)
        if stain.sharpen > 0.05:
            light += np.float32(stain.sharpen) * (light - _blurred(light, 0.8))
        light *= np.float32(stain.background[channel])
        light += speck
        out[:, :, channel] = np.clip(light, 0, 255, out=light)
    return out


def bare_glass(stain: Stain, grain: Floats) -> NDArray[np.uint8]:
    """What `develop` gives where no stain lies, without the work; uint8 RGB [h, w, 3]."""
    speck = grain * np.float32(stain.noise) + np.float32(0.5)
    light = np.array(stain.background, np.float32) + speck[:, :, None]
    return np.clip(light, 0, 255, out=light).astype(np.uint8)


def _blurred(plane: Floats, sigma: float) -> Floats:
    """Gaussian blur of [h, w] by a short explicit kernel (faster than ndimage for small sigma)."""
    radius = max(1, int(np.ceil(2.2 * sigma)))
    if radius > 4:
        wide: Floats = ndimage.gaussian_filter(plane, sigma, mode="nearest")
        return wide
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    rows, cols = plane.shape
    padded = np.pad(plane, ((radius, radius), (0, 0)), mode="edge")
    down = padded[radius : radius + rows] * kernel[radius]
    for k in range(radius):
        down += (padded[k : k + rows] + padded[2 * radius - k : 2 * radius - k + rows]) * kernel[k]
    padded = np.pad(down, ((0, 0), (radius, radius)), mode="edge")
    out: Floats = padded[:, radius : radius + cols] * kernel[radius]
    for k in range(radius):
        out += (padded[:, k : k + cols] + padded[:, 2 * radius - k : 2 * radius - k + cols]) * kernel[k]
    return out
