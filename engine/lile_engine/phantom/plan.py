"""The plan of a phantom slide: where tissue lies on the glass, and which region is where.

The plan is a coarse map of region numbers; pixels and ground truth are both made from it, so they agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lile_engine.errors import DataError
from lile_engine.phantom.layer import Traits
from lile_engine.phantom.noise import Floats, View, magnify, smooth
from lile_engine.phantom.tissue import random_traits, tissue_named

# Tissues that lie beside each other in a body lie beside each other in this order, and so on the slide.
_NEIGHBOURS = (
    "keratinising squamous epithelium",
    "squamous epithelium",
    "squamous cell carcinoma",
    "spindle cell tumour",
    "necrosis",
    "adenocarcinoma grade 3",
    "adenocarcinoma grade 2",
    "mucin",
    "adenocarcinoma grade 1",
    "desmoplastic stroma",
    "lymphoid aggregate",
    "normal mucosa",
    "benign glands",
    "loose stroma",
    "vessel",
    "blood",
    "smooth muscle",
    "dense stroma",
    "nerve",
    "adipose",
    "bone",
    "cartilage",
)
_SMALLEST_REGION_UM = 190.0
_LARGEST_REGION_UM = 1500.0


@dataclass(frozen=True)
class PlannedRegion:
    """One region of the slide: its tissue, its traits, and the seed its painter gets."""

    tissue: str
    traits: Traits
    seed: int


@dataclass(frozen=True)
class Plan:
    """``labels`` int16[n, m]: 0 glass, k the k-th of ``regions`` (1-based); a cell is ``pitch`` level-0 pixels."""

    labels: NDArray[np.int16]
    pitch: int
    regions: tuple[PlannedRegion, ...]

    def window(self, x: int, y: int, width: int, height: int) -> tuple[NDArray[np.int16], int, int]:
        """The cells around a rectangle of level-0 pixels with two to spare on each side; their first column and row."""
        c0, c1 = x // self.pitch - 2, -(-(x + width) // self.pitch) + 2
        r0, r1 = y // self.pitch - 2, -(-(y + height) // self.pitch) + 2
        rows = np.clip(np.arange(r0, r1), 0, self.labels.shape[0] - 1)
        cols = np.clip(np.arange(c0, c1), 0, self.labels.shape[1] - 1)
        return self.labels[np.ix_(rows, cols)], c0, r0


def plan_slide(width: int, height: int, mpp: float, seed: int, tissues: Sequence[str] | None = None) -> Plan:
    """Lays regions of ``tissues`` (default: as many kinds as find room) side by side within a tissue outline."""
    names = list(tissues) if tissues is not None else list(_NEIGHBOURS)
    for name in names:
        tissue_named(name)
    # Fine enough for the eye, coarse enough for the memory.
    pitch = max(8, 8 * round(max(width, height) / 32_000))
    names = [name for name in names if name != "background"]
    rng = np.random.default_rng([seed & 0xFFFFFFFF, 20])
    area = width * height * mpp**2
    if tissues is None:
        room = max(1, int(area * 0.6 / _SMALLEST_REGION_UM**2))
        if room < len(names):
            kept = sorted(rng.choice(len(names), room, replace=False))
            names = [names[k] for k in kept]
    if not names:
        raise DataError("A phantom slide needs at least one tissue besides background.")
    count = max(len(names), int(area * 0.6 / _LARGEST_REGION_UM**2))
    names = sorted(names, key=lambda name: _NEIGHBOURS.index(name))
    order = [names[k * len(names) // count] for k in range(count)]
    shape = (-(-height // pitch), -(-width // pitch))
    seeds = _snake(count, shape, rng)
    regions = tuple(PlannedRegion(name, random_traits(rng), int(rng.integers(1 << 30))) for name in order)
    labels = np.zeros(shape, np.int16)
    cell_um = pitch * mpp
    spread = float(np.sqrt(area * 0.6 / count))
    offset = float(rng.integers(1000, 100_000))
    phase = rng.uniform(0, 6.28, 6)
    for top in range(0, shape[0], 128):
        bottom = min(top + 128, shape[0])
        labels[top:bottom] = _strip(top, bottom, shape, seeds, cell_um, spread, offset, phase, seed)
    return Plan(_tidied(labels), pitch, regions)


def _snake(count: int, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Seeds float32[count, 2] (row, col in cells) spread over the tissue, in an order that walks to and fro."""
    best = np.empty((0, 2))
    places: list[NDArray[np.float64]] = []
    for _ in range(count):
        turn, reach = rng.uniform(0, 2 * np.pi, 60), np.sqrt(rng.uniform(0, 1, 60)) * 0.36
        tries = np.stack([(0.5 + reach * np.sin(turn)) * shape[0], (0.5 + reach * np.cos(turn)) * shape[1]], axis=1)
        if places:
            best = np.array(places)
            gap = np.min(np.hypot(*(tries[:, None] - best[None]).transpose(2, 0, 1)), axis=1)
            places.append(tries[int(np.argmax(gap))])
        else:
            places.append(tries[0])
    spots = np.array(places)
    bands = max(1, round(np.sqrt(count * 0.8)))
    band = np.argsort(np.argsort(spots[:, 0])) * bands // count
    along = np.where(band % 2 == 0, spots[:, 1], -spots[:, 1])
    ordered: Floats = spots[np.lexsort((along, band))].astype(np.float32)
    return ordered


def _strip(
    top: int,
    bottom: int,
    shape: tuple[int, int],
    seeds: Floats,
    cell_um: float,
    spread: float,
    offset: float,
    phase: NDArray[np.float64],
    seed: int,
) -> NDArray[np.int16]:
    """Region numbers of the plan's rows top .. bottom."""
    view = View(offset, offset + top * cell_um, shape[1], bottom - top, cell_um)

    def wander(salt: int) -> Floats:
        total = 0.16 * spread * smooth(view, spread * 0.5, seed + salt) + 7 * smooth(view, 36, seed + salt + 1)
        total += 2.6 * smooth(view, 13, seed + salt + 2)
        out: Floats = (total / cell_um).astype(np.float32)
        return out

    rows = np.arange(top, bottom, dtype=np.float32)[:, None] + wander(100)
    cols = np.arange(shape[1], dtype=np.float32)[None, :] + wander(200)
    best = np.full(rows.shape, np.inf, np.float32)
    labels = np.zeros(rows.shape, np.int16)
    for k, (r, c) in enumerate(seeds):
        d = (rows - r) ** 2 + (cols - c) ** 2
        nearer = d < best
        best[nearer] = d[nearer]
        labels[nearer] = k + 1
    y, x = rows / shape[0] * 2 - 1, cols / shape[1] * 2 - 1
    theta = np.arctan2(y, x)
    outline = 0.80 + sum(0.10 / k * np.cos(k * theta + phase[k - 1]) for k in range(2, 6))
    labels[(x**4 + y**4) ** 0.25 > outline] = 0
    return labels


def _tidied(labels: NDArray[np.int16]) -> NDArray[np.int16]:
    """Drops islands smaller than a gland: each region keeps its large pieces, the rest goes to a neighbour."""
    out = labels.copy()
    drop = np.zeros(labels.shape, bool)
    for k, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        pieces, count = ndimage.label(labels[box] == k)
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)
        small = np.flatnonzero(sizes < max(60, sizes[1:].max() // 30))
        drop[box] |= np.isin(pieces, small[small > 0])
    if drop.any():
        nearest = ndimage.distance_transform_edt(drop, return_distances=False, return_indices=True)
        out = out[tuple(nearest)]
    return out


def soft_masks(plan: Plan, x: int, y: int, width: int, height: int) -> dict[int, Floats]:
    """Share of each region number in every pixel of a rectangle, float32[height, width], summing to 1."""
    cells, c0, r0 = plan.window(x, y, width, height)
    present = np.unique(cells)
    if len(present) == 1:
        return {int(present[0]): np.ones((height, width), np.float32)}
    grown = View(0, 0, cells.shape[1] * plan.pitch, cells.shape[0] * plan.pitch, 1.0)
    top, left = y - r0 * plan.pitch, x - c0 * plan.pitch
    masks: dict[int, Floats] = {}
    total = np.zeros((height, width), np.float32)
    for k in present:
        soft = ndimage.gaussian_filter((cells == k).astype(np.float32), 0.6)
        full = magnify(soft, plan.pitch, grown)[top : top + height, left : left + width]
        # Steep, so that a border is a few pixels wide; the shares still sum to 1 where three regions meet.
        weight = np.square(np.square(np.square(full)))
        masks[int(k)] = weight
        total += weight
    for k, weight in list(masks.items()):
        shared: Floats = (weight / total).astype(np.float32)
        if shared.max() > 1e-3:
            masks[k] = shared
        else:
            del masks[k]
    return masks
