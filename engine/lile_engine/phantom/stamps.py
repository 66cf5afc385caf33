"""Nuclei and other small bodies, drawn once in many variants and then splatted by the hundred.

A bank holds ``value`` (how much of its stain each pixel takes, chromatin texture included) and ``cover`` (how much
it hides of what lies below), for every variant and every one of 16 directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lile_engine.phantom.noise import Floats

DIRECTIONS = 16
VARIANTS = 12


@dataclass(frozen=True)
class Nucleus:
    """How a kind of nucleus looks; lengths in µm, the rest about 0 to 1.

    ``spread`` log-normal variation of size; ``rough`` irregular outline; ``dark`` overall stain; ``open`` how empty
    the inside is (vesicular); ``clump`` strength of the chromatin texture; ``nucleoli`` their mean number;
    ``bend`` curvature of long nuclei; ``lobes`` segments (granulocytes); ``tear`` broken outline (mitosis, debris).
    """

    length: float
    width: float
    spread: float = 0.1
    rough: float = 0.05
    dark: float = 0.8
    open: float = 0.2
    clump: float = 0.25
    nucleoli: float = 0.0
    bend: float = 0.0
    lobes: int = 0
    tear: float = 0.0


NUCLEI: dict[str, Nucleus] = {
    "lymphocyte": Nucleus(5.9, 5.4, 0.09, 0.06, 0.92, 0.08, 0.14),
    "centroblast": Nucleus(8.6, 7.8, 0.12, 0.06, 0.55, 0.35, 0.2, 1.6),
    "plasma": Nucleus(5.9, 5.3, 0.08, 0.05, 0.85, 0.18, 0.24),
    "fibroblast": Nucleus(10.0, 2.9, 0.25, 0.08, 0.66, 0.12, 0.14, 0.1, 0.35),
    "fibrocyte": Nucleus(9.0, 1.8, 0.3, 0.07, 0.74, 0.0, 0.10, 0.0, 0.4),
    "reactive": Nucleus(10.8, 4.8, 0.2, 0.09, 0.52, 0.35, 0.16, 0.7, 0.2),
    "muscle": Nucleus(11.5, 3.0, 0.22, 0.06, 0.50, 0.18, 0.13, 0.1, 0.15),
    "schwann": Nucleus(10.5, 2.4, 0.22, 0.05, 0.62, 0.12, 0.12, 0.0, 0.7),
    "endothelium": Nucleus(8.5, 2.5, 0.2, 0.07, 0.68, 0.12, 0.12, 0.0, 0.3),
    "crypt": Nucleus(7.4, 4.7, 0.12, 0.06, 0.72, 0.18, 0.16, 0.3),
    "duct": Nucleus(7.2, 5.4, 0.1, 0.06, 0.66, 0.28, 0.15, 0.4),
    "tumour1": Nucleus(10.6, 4.7, 0.15, 0.08, 0.80, 0.14, 0.17, 0.5),
    "tumour2": Nucleus(10.2, 6.4, 0.18, 0.11, 0.74, 0.26, 0.19, 0.9),
    "tumour3": Nucleus(11.6, 8.4, 0.28, 0.14, 0.70, 0.32, 0.21, 1.5),
    "basal": Nucleus(8.2, 5.2, 0.12, 0.06, 0.74, 0.18, 0.16, 0.2),
    "prickle": Nucleus(7.6, 6.4, 0.12, 0.06, 0.60, 0.36, 0.15, 0.9),
    "flat": Nucleus(8.0, 3.0, 0.18, 0.08, 0.76, 0.1, 0.1),
    "squamous3": Nucleus(9.2, 6.6, 0.22, 0.12, 0.66, 0.26, 0.18, 1.0),
    "spindle3": Nucleus(10.5, 4.4, 0.25, 0.11, 0.76, 0.16, 0.18, 0.5, 0.2),
    "ovoid3": Nucleus(7.4, 5.6, 0.22, 0.1, 0.80, 0.2, 0.2, 0.8),
    "osteocyte": Nucleus(5.5, 3.2, 0.2, 0.1, 0.8, 0.1, 0.1),
    "chondrocyte": Nucleus(5.2, 4.5, 0.15, 0.1, 0.85, 0.1, 0.1),
    "macrophage": Nucleus(7.6, 5.0, 0.12, 0.1, 0.46, 0.4, 0.15, 0.5, 0.4),
    "neutrophil": Nucleus(6.6, 5.6, 0.08, 0.1, 0.95, 0.0, 0.08, lobes=3),
    "eosinophil": Nucleus(6.2, 5.0, 0.08, 0.08, 0.88, 0.0, 0.08, lobes=2),
    "pyknotic": Nucleus(4.2, 3.7, 0.25, 0.14, 1.05, 0.0, 0.06),
    "dust": Nucleus(1.9, 1.6, 0.4, 0.15, 0.85, 0.0, 0.0),
    "ghost": Nucleus(7.6, 6.4, 0.2, 0.12, 0.20, 0.5, 0.15),
    "mitosis": Nucleus(9.0, 3.4, 0.15, 0.12, 1.1, 0.0, 0.1, tear=0.8),
}


@dataclass(frozen=True)
class Bank:
    """Stamps of one kind at one pixel pitch: float32[DIRECTIONS * VARIANTS, size, size] each."""

    value: Floats
    cover: Floats

    @property
    def size(self) -> int:
        return int(self.value.shape[1])


@lru_cache(maxsize=128)
def nucleus_bank(kind: str, mpp: float) -> Bank:
    """Stamps of a kind of `NUCLEI` for pixels of ``mpp`` µm; made at the first use."""
    spec = NUCLEI[kind]
    rng = np.random.default_rng(list(kind.encode()))
    reach = spec.length * 0.5 * np.exp(2 * spec.spread) * 1.15 + 1.0
    half = int(np.ceil(reach / mpp))
    # Drawn on a mesh twice as fine along x (the long axis), then turned.
    axis = np.arange(-half, half + 1) * mpp
    x, y = np.meshgrid(axis, axis)
    values, covers = [], []
    for _ in range(VARIANTS):
        shape = _Shape.chance(spec, rng)
        for direction in range(DIRECTIONS):
            value, cover = shape.draw(x, y, np.pi * direction / DIRECTIONS, mpp)
            values.append(value)
            covers.append(cover)
    return _trimmed(np.stack(values).astype(np.float32), np.stack(covers).astype(np.float32))


def _trimmed(value: Floats, cover: Floats) -> Bank:
    """A bank cut down to what its widest stamp needs; stamping costs by the pixel."""
    used = np.flatnonzero((cover > 0.004).any(axis=(0, 1)) | (cover > 0.004).any(axis=(0, 2)))
    spare = min(int(used[0]), cover.shape[1] - 1 - int(used[-1]))
    inner = slice(spare, cover.shape[1] - spare)
    return Bank(np.ascontiguousarray(value[:, inner, inner]), np.ascontiguousarray(cover[:, inner, inner]))


@dataclass(frozen=True)
class _Shape:
    """One variant: its chances are drawn once, so that all its directions are turns of the same nucleus."""

    spec: Nucleus
    long: float
    short: float
    bend: float
    waves: NDArray[np.float64]
    chromatin: NDArray[np.float64]
    nucleoli: NDArray[np.float64]
    stain: float
    open: float

    @staticmethod
    def chance(spec: Nucleus, rng: np.random.Generator) -> _Shape:
        size = float(np.exp(np.clip(rng.normal(0, spec.spread), -2 * spec.spread, 2 * spec.spread)))
        squeeze = float(np.exp(np.clip(rng.normal(0, spec.spread * 0.5), -spec.spread, spec.spread)))
        grain = ndimage.gaussian_filter(rng.standard_normal((96, 96)), 1.4, mode="wrap")
        coarse = ndimage.gaussian_filter(rng.standard_normal((96, 96)), 2.8, mode="wrap")
        chromatin = grain / grain.std() + 0.8 * coarse / coarse.std()
        count = min(int(rng.poisson(spec.nucleoli)), 3)
        spots = rng.uniform(-0.45, 0.45, (count, 3))
        spots[:, 2] = rng.uniform(0.6, 1.15, count)
        return _Shape(
            spec,
            spec.length / 2 * size,
            spec.width / 2 * size * squeeze,
            float(rng.normal(0, spec.bend)),
            rng.normal(0, spec.rough, (4, 2)) / np.arange(1, 5)[:, None],
            chromatin,
            spots,
            float(spec.dark * np.exp(rng.normal(0, 0.12))),
            float(np.clip(spec.open + rng.normal(0, 0.1), 0, 0.8)),
        )

    def draw(
        self, x: NDArray[np.float64], y: NDArray[np.float64], angle: float, mpp: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        spec = self.spec
        u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
        v = v + self.bend * self.short * np.sin(u / self.long * 2.2)
        a, b = u / self.long, v / self.short
        theta = np.arctan2(b, a)
        rho = np.sqrt(a * a + b * b)
        outline = np.ones_like(rho)
        for k in range(4):
            outline += self.waves[k, 0] * np.cos((k + 2) * theta) + self.waves[k, 1] * np.sin((k + 2) * theta)
        rho = rho / outline
        if spec.lobes:
            lobes = [2 * np.pi * k / spec.lobes + self.bend for k in range(spec.lobes)]
            rho = np.min([np.hypot(a - 0.5 * np.cos(t), b - 0.5 * np.sin(t)) / 0.5 for t in lobes], axis=0)
        edge = max(mpp * 1.3, 0.6) / np.sqrt(self.long * self.short)
        cover = np.clip((1 - rho) / edge + 0.5, 0, 1)
        iu = ((u / 0.25).astype(int) + 48) % 96
        iv = ((v / 0.25).astype(int) + 48) % 96
        texture = self.chromatin[iv, iu]
        if spec.tear:
            cover = cover * np.clip(0.9 + spec.tear * texture, 0, 1)
        rim = np.exp(-(((rho - 0.9) / 0.16) ** 2))
        body = 1 - self.open * np.clip(1.05 - rho**2, 0, 1) + self.open * 0.25 * rim
        value = self.stain * body * (1 + spec.clump * texture * np.clip(1.3 - 0.5 * rho, 0, 1))
        for sx, sy, radius in self.nucleoli:
            spot = np.exp(-(((u - sx * self.long) ** 2 + (v - sy * self.short) ** 2) / (radius * 0.8) ** 2))
            value = value + 0.5 * spot * self.stain
        return np.clip(value, 0.03, 1.6) * cover, cover


@lru_cache(maxsize=64)
def disc_bank(radius: float, mpp: float, pallor: float = 0.0, rough: float = 0.08, spread: float = 0.1) -> Bank:
    """Round bodies of about ``radius`` µm: red cells (with central ``pallor``), cytoplasm, vacuoles."""
    rng = np.random.default_rng([int(radius * 100), int(pallor * 100), int(rough * 100)])
    half = int(np.ceil(radius * np.exp(2 * spread) * 1.25 / mpp)) + 1
    axis = np.arange(-half, half + 1) * mpp
    x, y = np.meshgrid(axis, axis)
    values, covers = [], []
    for _ in range(VARIANTS * DIRECTIONS):
        size = radius * np.exp(np.clip(rng.normal(0, spread), -2 * spread, 2 * spread))
        turn, squeeze = rng.uniform(0, np.pi), np.exp(rng.normal(0, rough * 1.5))
        u = (x * np.cos(turn) + y * np.sin(turn)) * squeeze
        v = (-x * np.sin(turn) + y * np.cos(turn)) / squeeze
        theta, rho = np.arctan2(v, u), np.hypot(u, v) / size
        outline = 1.0 + sum(rng.normal(0, rough / k) * np.cos(k * theta + rng.uniform(0, 6.3)) for k in (2, 3, 4, 5))
        rho = rho / outline
        cover = np.clip((1 - rho) / (0.7 * max(mpp, 0.3) / size) + 0.5, 0, 1)
        lean = 1 + 0.12 * (u * np.cos(theta[0, 0]) + v) / size
        value = cover * (1 - pallor * np.exp(-((rho / 0.5) ** 2))) * lean * np.exp(rng.normal(0, 0.1))
        values.append(value)
        covers.append(cover)
    return _trimmed(np.stack(values).astype(np.float32), np.stack(covers).astype(np.float32))


def direction_index(angle: NDArray[np.floating], chance: NDArray[np.floating]) -> NDArray[np.int64]:
    """Stamp numbers for axes at ``angle`` (radians, half turns equal) with a variant picked by ``chance`` 0..1."""
    turn = np.rint(np.asarray(angle) / (np.pi / DIRECTIONS)).astype(np.int64) % DIRECTIONS
    variant = np.minimum((np.asarray(chance) * VARIANTS).astype(np.int64), VARIANTS - 1)
    return variant * DIRECTIONS + turn


def splat(
    plane: Floats,
    bank_plane: Floats,
    x: NDArray[np.integer],
    y: NDArray[np.integer],
    index: NDArray[np.int64],
    strength: Floats | None = None,
) -> None:
    """Raises ``plane`` [h, w] to the stamps ``bank_plane[index]`` centred at pixels (x, y), in place."""
    h, w = plane.shape
    size = bank_plane.shape[1]
    half = size // 2
    near = (x > -half - 1) & (x < w + half) & (y > -half - 1) & (y < h + half)
    if not near.all():
        x, y, index = x[near], y[near], index[near]
        strength = strength[near] if strength is not None else None
    if not len(x):
        return
    offsets = np.arange(-half, half + 1)
    rows = y[:, None] + offsets
    cols = x[:, None] + offsets
    values = bank_plane[index]
    if strength is not None:
        values = values * strength[:, None, None]
    keep = (values > 0.004) & ((rows >= 0) & (rows < h))[:, :, None] & ((cols >= 0) & (cols < w))[:, None, :]
    flat = rows[:, :, None] * w + cols[:, None, :]
    np.maximum.at(plane.reshape(-1), flat[keep], values[keep])
