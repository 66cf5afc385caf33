"""Painters of epithelium: crypts with goblet cells, ducts, gland-forming and solid carcinoma, squamous epithelium."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lile_engine.phantom.connective import (
    desmoplastic_stroma,
    inflammation,
    loose_stroma,
    ramp,
)
from lile_engine.phantom.layer import Layer, Traits, keep_where
from lile_engine.phantom.noise import (
    Floats,
    Points,
    View,
    cell_seeds,
    cells,
    fractal,
    magnify,
    sample_flat,
    scatter,
    slopes,
    uniform,
)

_ANGLES = 128


@dataclass(frozen=True)
class _Rings:
    """Round glands on a jittered lattice, one polar coordinate system each, evaluated per pixel."""

    rho: Floats
    theta: Floats
    radius: Floats
    chance_i: NDArray[np.int64]
    chance_j: NDArray[np.int64]


def _outline(i: NDArray[np.int64], j: NDArray[np.int64], seed: int, radius: float, stretch: float) -> Floats:
    """Gland radius (µm) at _ANGLES angles, float32[n, _ANGLES]: an ellipse with soft bumps."""
    theta = np.linspace(0, 2 * np.pi, _ANGLES, endpoint=False, dtype=np.float32)
    size: Floats = radius * (0.8 + 0.4 * uniform(i, j, seed, 11))
    long = 1 + stretch * uniform(i, j, seed, 12)
    turn = uniform(i, j, seed, 13) * np.float32(np.pi)
    c, s = np.cos(theta - turn[:, None]), np.sin(theta - turn[:, None])
    base = size[:, None] * np.sqrt(long)[:, None] / np.sqrt(c**2 + (s * long[:, None]) ** 2)
    for k in (3, 4, 5):
        phase = uniform(i, j, seed, 13 + k) * np.float32(2 * np.pi)
        base = base * (1 + 0.16 / k * np.cos(k * theta + phase[:, None]))
    out: Floats = base.astype(np.float32)
    return out


def _rings(view: View, spacing: float, radius: float, seed: int, stretch: float) -> tuple[_Rings, Points, Floats]:
    step = 4
    coarse = view.coarse(step)
    tiling = cells(coarse, spacing, seed, 0.22)
    i = np.repeat(np.repeat(tiling.i, step, 0), step, 1)[: view.height, : view.width]
    j = np.repeat(np.repeat(tiling.j, step, 0), step, 1)[: view.height, : view.width]
    glands = cell_seeds(view, spacing, seed, spacing, 0.22)
    outline = _outline(glands.i, glands.j, seed, radius, stretch)
    width = int(glands.i.max() - glands.i.min()) + 1
    number = (j - int(glands.j.min())) * width + (i - int(glands.i.min()))
    dx = view.xs[None, :] - glands.x[number]
    dy = view.ys[:, None] - glands.y[number]
    theta = np.arctan2(dy, dx)
    pick = (theta * np.float32(_ANGLES / (2 * np.pi))).astype(np.int64) % _ANGLES
    at = outline[number, pick]
    return _Rings(np.hypot(dx, dy) / at, theta, at, i, j), glands, outline


def normal_mucosa(view: View, traits: Traits, seed: int) -> Layer:
    """Colonic crypts cut across, with goblet cells, in a lamina propria full of plasma cells and lymphocytes."""
    calm = Traits(cells=0.3, oedema=0.35 + 0.4 * traits.oedema, wave=0.6, blood=traits.blood, angle=traits.angle)
    layer = loose_stroma(view, calm, seed + 50)
    inflammation(layer, view, seed + 51, 0.2 + 0.5 * traits.cells, 8.5)
    return _glands(view, traits, seed, layer, goblets=0.6 + 0.38 * traits.secretion, spacing=84 + 26 * traits.size)


def benign_glands(view: View, traits: Traits, seed: int) -> Layer:
    """Round glands or ducts of one row of regular cells without goblet cells, open lumen, quiet stroma."""
    layer = loose_stroma(view, Traits(cells=0.4 * traits.cells, oedema=0.2, angle=traits.angle), seed + 50)
    return _glands(view, traits, seed, layer, goblets=0.0, spacing=62 + 30 * traits.size)


def _glands(view: View, traits: Traits, seed: int, layer: Layer, goblets: float, spacing: float) -> Layer:
    mucous = goblets > 0
    radius = spacing * (0.475 if mucous else 0.37)
    rings, glands, outline = _rings(view, spacing, radius, seed, 0.45)
    rough = sample_flat("cloud", view, seed % 89)
    grain = sample_flat("grain", view, seed % 83)
    inside = ramp(rings.rho + 0.012 * rough, 1.015, 0.985)
    distance = rings.rho * rings.radius
    depth = rings.radius - distance
    height = np.float32(0.86) * rings.radius if mucous else np.full_like(rings.radius, 13.0)
    lumen_at = np.maximum(rings.radius - height, 0.15 * rings.radius)
    top = distance - lumen_at
    lumen = ramp(top + 1.0 * rough, 0.8, -0.8)
    cell_width = np.float32(15.0 if mucous else 6.5)
    count = max(int(np.rint(2 * np.pi * radius / cell_width)), 6)
    sector = (rings.theta / np.float32(2 * np.pi) + 0.5) * np.float32(count) + 0.06 * rough
    index = np.floor(sector).astype(np.int64)
    f = sector - index
    index %= count
    number = rings.chance_i * 8191 + rings.chance_j
    luck = uniform(number, index, seed, 31)
    # Lateral membranes: darker between cells.
    wide = distance * np.float32(2 * np.pi / count)
    wall = np.exp(-((np.minimum(f, 1 - f) * wide / 0.7) ** 2))
    e = 0.50 + 0.06 * rough + 0.04 * grain + 0.08 * wall
    h = 0.24 + 0.04 * grain + 0.03 * rough + 0.05 * wall
    if mucous:
        # A goblet is a balloon of pale mucus above the nucleus: broad towards the lumen, tapering to the base.
        place = np.clip(depth / height, 0, 1.4)
        own = uniform(number, index, seed, 32)
        middle, long = 0.60 + 0.12 * (own - 0.5), 0.29 + 0.10 * own
        belly = np.abs((f - 0.5) / 0.49) ** 2.6 + np.abs((place - middle) / long) ** 2.2
        goblet = ramp(belly + 0.03 * rough, 1.05, 0.88) * (luck < goblets)
        foam = np.clip(0.13 + 0.03 * grain + 0.035 * sample_flat("web", view, seed % 67, 0.8), 0, None)
        rim = np.exp(-(((belly - 1.08) / 0.14) ** 2)) * (luck < goblets)
        e = e * (1 - goblet) + goblet * (0.09 + 0.02 * rough) + 0.08 * rim
        h = h * (1 - goblet) + goblet * foam + 0.10 * rim
        # Between goblets the cells are taller and pinker; everything darkens where the nuclei crowd.
        base = ramp(depth, 9.0, 3.0)
        h = h + 0.16 * base * (1 - goblet)
    e = e + 0.12 * ramp(top, 2.2, 0.3)
    halo = ramp(np.abs(rings.rho - 1.02) * rings.radius, 1.6, 0.2)
    slime = 0.02 + 0.03 * ramp(rough + sample_flat("web", view, seed % 59, 1.2), 0.8, 2.4)
    e = np.clip(e, 0, None) * (1 - lumen) + lumen * slime
    h = np.clip(h, 0, None) * (1 - lumen) + lumen * slime * 1.5
    layer.e = layer.e * (1 - inside) + e * inside
    layer.h = layer.h * (1 - inside) + h * inside
    layer.e += 0.12 * halo * (1 - inside)
    layer.stamps = keep_where(layer, view, rings.rho > 1.03)
    # Nuclei in a row along the base, a second row squeezed between here and there.
    rows = ((6.0, 4.0, 1.0), (8.5, 9.5, 0.45)) if mucous else ((6.5, 5.6, 1.0),)
    for row, (pitch, inset, share) in enumerate(rows):
        places = max(int(np.rint(2 * np.pi * radius / pitch)), 6)
        sectors = np.arange(places)
        gi, si = (a.ravel() for a in np.meshgrid(np.arange(len(glands)), sectors, indexing="ij"))
        ids = glands.i[gi] * 8191 + glands.j[gi]
        turn = ((si + 0.5 + 0.5 * (uniform(ids, si, seed, 35 + row) - 0.5)) / places - 0.5) * 2 * np.pi
        pick = (turn * (_ANGLES / (2 * np.pi))).astype(np.int64) % _ANGLES
        reach = outline[gi, pick] - inset - 2.2 * uniform(ids, si, seed, 40 + row)
        points = Points(
            (glands.x[gi] + reach * np.cos(turn)).astype(np.float32),
            (glands.y[gi] + reach * np.sin(turn)).astype(np.float32),
            ids,
            si,
            seed + 34 + row,
        )
        # Under a full goblet the nucleus is pressed flat against the base.
        cell = np.floor((turn / (2 * np.pi) + 0.5) * count).astype(np.int64) % count
        full = (uniform(ids, cell, seed, 31) < goblets) & (row == 0)
        lie = turn + np.where(full, np.pi / 2, 0) + (uniform(ids, si, seed, 45) - 0.5) * 0.6
        there = uniform(ids, si, seed, 46) < share
        layer.nuclei("crypt" if mucous else "duct", view, points.where(there), lie[there].astype(np.float32))
    return layer


class _Terrain:
    """A smooth field of heights whose contours are borders: stroma in the valleys, lumen or keratin on the hills."""

    STEP, MARGIN = 2, 24.0

    def __init__(self, view: View, scale: float, seed: int, octaves: int, gain: float, floor: float) -> None:
        coarse = view.coarse(self.STEP)
        self._view, self._coarse = view, coarse
        self._pad = round(self.MARGIN / coarse.mpp)
        grow = 2 * self._pad
        pad_um = self._pad * coarse.mpp
        self.wide = View(coarse.x0 - pad_um, coarse.y0 - pad_um, coarse.width + grow, coarse.height + grow, coarse.mpp)
        self.field = fractal(self.wide, scale, seed, octaves, gain)
        self.gy, self.gx = slopes(self.field, self.wide.mpp)
        slope: Floats = np.sqrt(self.gx * self.gx + self.gy * self.gy) + np.float32(floor / scale)
        self._slope = slope

    def above(self, height: float) -> Floats:
        """About how far (µm) each place lies inside the contour of ``height``; negative below it."""
        out: Floats = (self.field - np.float32(height)) / self._slope
        return out

    def pixels(self, plane: Floats) -> Floats:
        """A plane of the terrain at the view's own pixels."""
        rows, cols = slice(self._pad, self._pad + self._coarse.height), slice(self._pad, self._pad + self._coarse.width)
        return magnify(np.ascontiguousarray(plane[rows, cols]), self.STEP, self._view)

    def at(self, points: Points, plane: Floats) -> Floats:
        """A plane of the terrain at scattered points."""
        wide = self.wide
        rows = np.clip(((points.y - wide.y0) / wide.mpp).astype(int), 0, wide.height - 1)
        cols = np.clip(((points.x - wide.x0) / wide.mpp).astype(int), 0, wide.width - 1)
        out: Floats = plane[rows, cols]
        return out

    def uphill(self, points: Points) -> Floats:
        """Direction (radians) away from the nearest border at scattered points."""
        out: Floats = np.arctan2(self.at(points, self.gy), self.at(points, self.gx))
        return out


@dataclass(frozen=True)
class _Grade:
    """What makes a grade: gland ``scale`` µm, thresholds on the field (stroma below, lumen above), the nuclei."""

    scale: float
    stroma: float
    lumen: float
    kind: str
    spacing: float
    palisade: float
    mitoses: float
    necrosis: float


_GRADES = {
    1: _Grade(52, -1.25, 1.35, "tumour1", 4.7, 1.0, 0.04, 0.2),
    2: _Grade(38, -1.35, 1.40, "tumour2", 8.5, 0.5, 0.12, 0.4),
    3: _Grade(60, -1.55, 2.3, "tumour3", 11.0, 0.0, 0.22, 0.5),
}


def adenocarcinoma(view: View, traits: Traits, seed: int, grade: int) -> Layer:
    """Malignant glands: 1 well formed with palisaded long nuclei, 2 irregular and cribriform, 3 solid sheets."""
    look = _GRADES[grade]
    layer = desmoplastic_stroma(view, traits, seed + 70)
    land = _Terrain(view, look.scale * (0.8 + 0.4 * traits.size), seed, 3 if grade > 1 else 2, 0.45, 0.35)
    border, hole = land.above(look.stroma), -land.above(look.lumen)
    border_px, hole_px = land.pixels(border), land.pixels(hole)
    rough = sample_flat("cloud", view, seed % 89)
    grain = sample_flat("grain", view, seed % 83)
    blotch = sample_flat("cloud", view, seed % 79, 3.0)
    inside = ramp(border_px + 0.5 * rough, -0.4, 0.6)
    lumen = ramp(hole_px + 0.5 * rough + 0.3 * blotch, 0.7, -0.7)
    cleft = ramp(np.abs(border_px + 1.2), 1.5, 0.4) * ramp(blotch, 0.3, 1.4)
    slit = ramp(sample_flat("web", view, seed % 71, 2.0) + 0.3 * rough, 2.6, 3.4)
    e = 0.58 + 0.06 * rough + 0.05 * grain + 0.05 * blotch + 0.14 * ramp(hole_px, 3.5, 0.3)
    h = 0.27 + 0.06 * rough + 0.06 * grain + 0.03 * blotch
    if look.palisade:
        # Crowded nuclei blur into a darker basal band; the cytoplasm above is paler.
        h += 0.17 * look.palisade * ramp(border_px, 17, 8)
    e, h = e * (1 - 0.8 * slit), h * (1 - 0.8 * slit)
    debris = ramp(sample_flat("cloud", view, seed % 61, 2.0) + 0.4 * rough, 0.3, 1.6) * ramp(hole_px, -4, -9)
    e = e * (1 - lumen) + lumen * (0.02 + 0.45 * look.necrosis * debris)
    h = h * (1 - lumen) + lumen * (0.02 + 0.15 * look.necrosis * debris)
    layer.e = layer.e * (1 - 0.85 * cleft) * (1 - inside) + np.clip(e, 0, None) * inside
    layer.h = layer.h * (1 - 0.85 * cleft) * (1 - inside) + np.clip(h, 0, None) * inside
    layer.stamps = keep_where(layer, view, border_px < -2.0)

    points = scatter(view, look.spacing * (1.12 - 0.2 * traits.cells), seed + 5, 10, 0.36)
    base, top = land.at(points, border), land.at(points, hole)
    keep = (base > 2.5) & (top > 3.5)
    if look.palisade:
        # Nuclei crowd at the base and thin out towards the lumen.
        keep &= points.chance(7) < 1 - look.palisade * np.clip((base - 13) / 7, 0, 0.97)
    points = points.where(keep)
    lean = (points.chance(5) - 0.5) * np.float32(0.7 if grade == 1 else 1.6 if grade == 2 else 6.3)
    layer.nuclei(look.kind, view, points, land.uphill(points) + lean, 0.85 + 0.4 * traits.atypia)
    dividing = points.where(points.chance(10) < 0.05 * look.mitoses * (0.4 + traits.atypia))
    layer.discs(5.2, view, dividing, "e", 0.4, hides=0.5)
    layer.nuclei("mitosis", view, dividing)
    loose = scatter(view, 17, seed + 6, 6)
    loose = loose.where((land.at(loose, hole) < -3) & (loose.chance(7) < look.necrosis))
    layer.nuclei("pyknotic", view, loose)
    inflammation(layer, view, seed + 9, 0.03)
    return layer


def squamous(view: View, traits: Traits, seed: int, keratin: bool, malignant: bool = False) -> Layer:
    """Stratified squamous epithelium around papillae of stroma: basal row, prickle cells, flat cells, keratin.

    With ``malignant`` the nests are irregular, the nuclei large and dark, and keratin lies in pearls.
    """
    if malignant:
        layer = desmoplastic_stroma(view, traits, seed + 70)
    else:
        layer = loose_stroma(view, Traits(cells=traits.cells, oedema=0.3), seed + 70)
    scale = (70 if malignant else 120) * (0.8 + 0.4 * traits.size)
    land = _Terrain(view, scale, seed, 3 if malignant else 2, 0.4, 0.5)
    stroma_at = -0.7 if malignant else -0.95
    base = land.above(stroma_at)
    level, depth = land.pixels(land.field), land.pixels(base)
    spacing = 13.5 if malignant else 12.0
    border = magnify(cells(view.coarse(2), spacing, seed + 3, 0.42).border, 2, view)
    rough, grain = sample_flat("cloud", view, seed % 89), sample_flat("grain", view, seed % 83)
    inside = ramp(depth + 0.5 * rough, -0.4, 0.6)
    horny_at = (0.95 if malignant else 0.85) - 0.35 * traits.secretion if keratin else 9.0
    mature = ramp(level, stroma_at + 0.2, 0.9)
    gapline = np.exp(-((border / 0.75) ** 2)) * (0.6 + 0.25 * grain)
    e = 0.46 + 0.16 * mature * keratin + 0.05 * rough - 0.20 * gapline
    h = 0.30 - 0.17 * mature + 0.03 * grain + 0.03 * rough - 0.10 * gapline
    if keratin:
        horn = ramp(level + 0.04 * rough, horny_at, horny_at + 0.08)
        # Sheets of dead cells along the contours, a few µm apart, lifting off each other here and there.
        within = land.pixels(land.above(horny_at)) + 1.2 * sample_flat("cloud", view, seed % 71, 4.0)
        sheet = np.sin(within * np.float32(2 * np.pi / 6.0) + 0.5 * rough)
        lifted = sample_flat("cloud", view, seed % 53, 9.0)
        crack = ramp(sheet + 0.55 * lifted + 0.15 * rough, 1.05, 1.35)
        e = e * (1 - horn) + horn * (0.80 + 0.14 * sheet) * (1 - 0.8 * crack)
        h = h * (1 - horn) + horn * 0.04
    layer.e = layer.e * (1 - inside) + np.clip(e, 0, None) * inside
    layer.h = layer.h * (1 - inside) + np.clip(h, 0, None) * inside
    layer.stamps = keep_where(layer, view, depth < -1.5)

    centres = cell_seeds(view, spacing, seed + 3, 10, 0.42)
    d, height = land.at(centres, base), land.at(centres, land.field)
    along = land.uphill(centres) + np.float32(np.pi / 2)
    prickle = (d > 9) & (height < horny_at - 0.25)
    strength = 0.95 + 0.45 * traits.atypia
    layer.nuclei("squamous3" if malignant else "prickle", view, centres.where(prickle), strength=strength)
    flat = (d > 9) & (height >= horny_at - 0.25) & (height < horny_at) & (centres.chance(7) < 0.7)
    layer.nuclei("flat", view, centres.where(flat), along[flat])
    ghosts = (height >= horny_at) & (centres.chance(7) < (0.3 if malignant else 0.08))
    layer.nuclei("ghost", view, centres.where(ghosts), along[ghosts])
    row = scatter(view, 6.6, seed + 5, 8, 0.35)
    from_base = land.at(row, base)
    share = 0.4 if malignant else 1.0
    row = row.where((from_base > 2) & (from_base < 9.5) & (row.chance(7) < share))
    layer.nuclei("squamous3" if malignant else "basal", view, row, land.uphill(row))
    if malignant:
        dividing = centres.where(prickle & (centres.chance(9) < 0.02 + 0.03 * traits.atypia))
        layer.nuclei("mitosis", view, dividing)
    inflammation(layer, view, seed + 9, 0.02 + 0.03 * traits.cells)
    return layer
