"""Augmentation of H&E images where the physics is: in optical density.

Stain varies in how much dye bound (concentrations) and in its colour (the stain vectors); the lamp in brightness; the
slide in its turn and mirror image; the scanner in resolution, focus and compression. Each is one small function; the
whole is a pure function of the image and a seed, so that an interrupted training sees the same views again.

Beer-Lambert: ``I = I0 * 10^-OD``; the separation into stains follows Ruifrok and Johnston, 2001 (Anal. Quant. Cytol.
Histol. 23), whose vectors for haematoxylin and eosin are the start.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from lile_engine.training.config import AugmentSection

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

# Rows: haematoxylin, eosin, and what neither explains (orthogonal to both); unit optical density in R, G, B.
_HE = np.array([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105]], np.float32)
_OD_TABLE = -np.log10(np.maximum(np.arange(256, dtype=np.float32), 1.0) / 255.0).astype(np.float32)


def stain_matrix(angles: tuple[float, float] = (0.0, 0.0)) -> Floats:
    """``[3, 3]`` unit stain vectors in rows (haematoxylin, eosin, residual).

    ``angles`` (radians) turn the two dyes within the plane that they span: apart or towards each other.
    """
    first, second = (row / np.linalg.norm(row) for row in _HE)
    across = second - first * float(first @ second)
    across /= np.linalg.norm(across)
    apart = float(np.arccos(np.clip(first @ second, -1, 1)))
    h = np.cos(angles[0]) * first + np.sin(angles[0]) * across
    e = np.cos(apart + angles[1]) * first + np.sin(apart + angles[1]) * across
    residual = np.cross(h, e)
    return np.stack([h, e, residual / np.linalg.norm(residual)]).astype(np.float32)


def to_density(pixels: Pixels) -> Floats:
    """uint8 RGB -> optical density, float32 of the same shape (0 is clear glass, 2.4 the darkest)."""
    density: Floats = _OD_TABLE[pixels]
    return density


def to_pixels(density: Floats) -> Pixels:
    """Optical density -> uint8 RGB."""
    # exp(-x ln 10) is a good deal faster than power(10, -x)
    pixels: Pixels = np.clip(np.exp(density * np.float32(-np.log(10.0))) * 255.0 + 0.5, 0, 255).astype(np.uint8)
    return pixels


def jitter_stain(pixels: Pixels, rng: np.random.Generator, stain: float, vectors: float, brightness: float) -> Pixels:
    """Each dye's amount times a log-normal factor, its colour turned a little, the lamp brighter or darker.

    A grey or otherwise stained picture changes in the same way: what the two dyes do not explain stays.
    """
    if stain <= 0 and vectors <= 0 and brightness <= 0:
        return pixels
    # The residual is left nearly alone: turned up, it would paint pictures green that no dye makes.
    spread = np.array([stain, stain, 0.3 * stain])
    amount = np.exp(rng.normal(0.0, 1.0, 3) * spread).astype(np.float32)
    angles = rng.normal(0.0, vectors, 2) if vectors > 0 else np.zeros(2)
    lamp = np.float32(rng.normal(0.0, brightness) if brightness > 0 else 0.0)
    change = np.linalg.inv(stain_matrix()) @ np.diag(amount) @ stain_matrix((float(angles[0]), float(angles[1])))
    density = to_density(pixels).reshape(-1, 3) @ change.astype(np.float32)
    return to_pixels(density.reshape(pixels.shape) + lamp)


def turn(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """One of the eight ways to lay a slide on the stage."""
    turned = np.rot90(pixels, int(rng.integers(4)))
    return np.ascontiguousarray(turned[:, ::-1] if rng.integers(2) else turned)


def random_crop(pixels: Pixels, px: int, rng: np.random.Generator | None, scale: float) -> Pixels:
    """A square of the picture at ``px``: random place and zoom, or the middle of it without ``rng``.

    A tile (short side up to 1.5 ``px``) is taken at its own resolution, so that microns per pixel stay what they are
    but for the zoom; of a larger picture the whole is wanted, so most of its short side is taken.
    """
    height, width = pixels.shape[:2]
    short = min(height, width)
    side = float(px if px <= short <= 1.5 * px else short)
    if rng is not None:
        zoom = float(np.exp(rng.uniform(-1, 1) * np.log1p(scale)))
        side = min(short, side * zoom) if side < short else side * float(rng.uniform(1 / (1 + scale), 1))
    size = max(1, min(short, round(side)))
    x = (width - size) // 2 if rng is None else int(rng.integers(width - size + 1))
    y = (height - size) // 2 if rng is None else int(rng.integers(height - size + 1))
    crop = pixels[y : y + size, x : x + size]
    if size == px:
        return np.ascontiguousarray(crop)
    return np.asarray(Image.fromarray(crop).resize((px, px), Image.Resampling.BILINEAR, reducing_gap=2.0), np.uint8)


def defocus(pixels: Pixels, rng: np.random.Generator, most: float) -> Pixels:
    """Gaussian blur of sigma 0 to ``most`` pixels, for half of the pictures."""
    sigma = float(rng.uniform(0, most))
    if rng.random() < 0.5 or sigma < 0.2:
        return pixels
    return np.asarray(ndimage.gaussian_filter(pixels, (sigma, sigma, 0)), np.uint8)


def recompress(pixels: Pixels, rng: np.random.Generator, lowest: int) -> Pixels:
    """JPEG of a quality from ``lowest`` to 95, for half of the pictures."""
    quality = int(rng.integers(lowest, 96)) if lowest < 95 else 95
    if rng.random() < 0.5:
        return pixels
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"), np.uint8)


def augment(pixels: Pixels, px: int, how: AugmentSection, seed: tuple[int, ...]) -> Pixels:
    """One augmented view, uint8 ``[px, px, 3]``; the same ``seed`` gives the same view."""
    rng = np.random.default_rng(seed)
    k = how.strength
    view = random_crop(pixels, px, rng, how.scale * k)
    if how.flips:
        view = turn(view, rng)
    view = jitter_stain(view, rng, how.stain * k, how.vectors * k, how.brightness * k)
    if how.blur * k > 0:
        view = defocus(view, rng, how.blur * k)
    if how.jpeg < 100 and k > 0:
        view = recompress(view, rng, how.jpeg)
    return view


def plain_view(pixels: Pixels, px: int) -> Pixels:
    """The view without chance: the middle square at ``px``."""
    return random_crop(pixels, px, None, 0.0)
