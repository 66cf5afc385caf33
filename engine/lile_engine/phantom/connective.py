"""Painters of what holds the body together: fat, stroma, muscle, nerve, and cells that wander in it."""

from __future__ import annotations

import numpy as np

from lile_engine.phantom.flow import Flow, flow
from lile_engine.phantom.layer import Layer, Traits
from lile_engine.phantom.noise import (
    Floats,
    View,
    cells,
    fractal,
    magnify,
    sample_flat,
    scatter,
    smooth,
    smooth_at,
)


def ramp(field: Floats, low: float, high: float) -> Floats:
    """0 below ``low``, 1 above ``high``, smooth between (``low`` > ``high`` turns it round)."""
    t = np.clip((field - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    out: Floats = t * t * (3 - 2 * t)
    return out


def inflammation(layer: Layer, view: View, seed: int, amount: float, spacing: float = 11.0) -> None:
    """Lymphocytes, plasma cells, a few granulocytes and macrophages in clusters; ``amount`` 0..1 of the places."""
    points = scatter(view, spacing, seed, 8, 0.48)
    if not len(points) or amount <= 0:
        return
    cluster = 0.5 + 0.35 * smooth_at(points.x, points.y, 70, seed + 1)
    points = points.where(points.chance(7) < amount * np.clip(cluster * 2, 0.1, 1.6))
    kind = points.chance(8)
    plasma = points.where((kind > 0.5) & (kind < 0.78))
    layer.discs(4.4, view, plasma, "h", 0.26, hides=0.2)
    layer.discs(4.2, view, plasma, "e", 0.55, hides=0.1)
    layer.discs(4.0, view, points.where(kind < 0.5), "h", 0.16, hides=0.1)
    eosinophil = points.where((kind > 0.78) & (kind < 0.83))
    layer.discs(4.6, view, eosinophil, "e", 1.15, hides=0.5)
    layer.nuclei("lymphocyte", view, points.where(kind < 0.5))
    layer.nuclei("plasma", view, plasma)
    layer.nuclei("eosinophil", view, eosinophil)
    layer.nuclei("macrophage", view, points.where(kind >= 0.83))


def capillaries(layer: Layer, view: View, seed: int, spacing: float, share: float, blood: float) -> None:
    """Small round vessels with an endothelial rim and a few red cells."""
    points = scatter(view, spacing, seed, 14)
    points = points.where(points.chance(7) < share)
    if not len(points):
        return
    layer.discs(6.5, view, points, "e", 0.55, hides=0.9, rough=0.14)
    layer.discs(4.8, view, points, "e", 0.0, hides=1.0, rough=0.16)
    filled = points.where(points.chance(9) < 0.3 + 0.7 * blood)
    layer.discs(3.3, view, filled, "r", 0.85, hides=0.9, pallor=0.3)
    turn = points.chance(5) * np.float32(2 * np.pi)
    rim = points.where(points.chance(6) < 0.8)
    if len(rim):
        turn = rim.chance(5) * np.float32(2 * np.pi)
        moved = type(rim)(rim.x + 5.6 * np.cos(turn), rim.y + 5.6 * np.sin(turn), rim.i, rim.j, rim.seed)
        layer.nuclei("endothelium", view, moved, turn + np.float32(np.pi / 2))


def adipose(view: View, traits: Traits, seed: int) -> Layer:
    """Empty polygonal fat cells between thin septa; here and there a film, a nucleus, a capillary."""
    layer = Layer.blank(view)
    size = 62 + 50 * traits.size
    coarse = view.coarse(2)
    # Septa waver: the cells are looked up at slightly shifted places.
    tiling = cells(coarse, size, seed, 0.42)
    wander = 2.2 * fractal(coarse, 26, seed + 3, 2)
    border = magnify(tiling.border + wander * ramp(tiling.border, 14, 0), 2, view)
    thick = 0.75 + 0.55 * magnify(ramp(smooth(coarse, 40, seed + 5), 0.2, 1.8), 2, view) * 2
    line = np.exp(-((np.abs(border) / thick) ** 2))
    film = magnify(ramp(fractal(coarse, 34, seed + 6, 2), 0.75, 1.1) * ramp(tiling.border, 26, 8), 2, view)
    edge = magnify(np.exp(-((fractal(coarse, 34, seed + 6, 2) - 0.95) ** 2) / 0.008) * ramp(tiling.border, 26, 8), 2, view)
    streak = flow(view, traits.angle * np.pi, seed + 8, sway=12, scale=60).streaks("fibre")
    knot = magnify(ramp(smooth(coarse, 55, seed + 9), 1.1, 1.7) * ramp(tiling.border, 13, 3), 2, view)
    layer.e = line * (0.42 + 0.06 * streak) + film * (0.19 + 0.035 * streak) + 0.1 * edge + knot * (0.4 + 0.12 * streak)
    layer.h = line * (0.17 + 0.05 * streak) + film * 0.03 + 0.05 * edge + knot * 0.18
    np.clip(layer.e, 0, None, out=layer.e)
    # Nuclei lie in the septa, along them.
    points = scatter(view, 11, seed + 11, 8)
    points = points.where(points.chance(7) < 0.4)
    rows = ((points.y - view.y0) / coarse.mpp).astype(int)
    cols = ((points.x - view.x0) / coarse.mpp).astype(int)
    inside = (rows >= 0) & (rows < coarse.height) & (cols >= 0) & (cols < coarse.width)
    points, rows, cols = points.where(inside), rows[inside], cols[inside]
    near = tiling.border[rows, cols] < 2.4
    points, rows, cols = points.where(near), rows[near], cols[near]
    gy, gx = np.gradient(tiling.border)
    along = np.arctan2(gx[rows, cols], -gy[rows, cols])
    layer.nuclei("fibrocyte", view, points, along.astype(np.float32))
    capillaries(layer, view, seed + 12, 75, 0.15 + 0.25 * traits.blood, traits.blood)
    return layer


def _spindles(
    layer: Layer, view: View, lines: Flow, kind: str, spacing: float, share: float, seed: int, loose: float = 0.25
) -> None:
    points = scatter(view, spacing, seed, 9, 0.48)
    points = points.where(points.chance(7) < share)
    if len(points):
        lean = (points.chance(5) - 0.5) * np.float32(2 * loose)
        layer.nuclei(kind, view, points, lines.angle_at(points) + lean)


def dense_stroma(view: View, traits: Traits, seed: int) -> Layer:
    """Thick wavy collagen bundles, clefts between them, few thin nuclei."""
    layer = Layer.blank(view)
    lines = flow(view, traits.angle * np.pi, seed, sway=10 + 22 * traits.wave, scale=70, crimp=2.5 * traits.wave)
    fibre = lines.streaks("fibre")
    bundle = lines.streaks("strand", 3.2, 1.4, 31)
    cleft = ramp(bundle, -1.5 + 0.9 * traits.oedema, -1.9 + 0.9 * traits.oedema)
    patch = fractal(view.coarse(4), 60, seed + 3, 2)
    tone = magnify(patch, 4, view)
    body = 0.56 + 0.10 * fibre + 0.07 * bundle + 0.05 * tone
    layer.e = np.clip(body, 0.1, None) * (1 - 0.93 * cleft)
    layer.h = np.clip(0.05 + 0.03 * tone + 0.025 * fibre, 0, None) * (1 - cleft)
    _spindles(layer, view, lines, "fibrocyte", 17, 0.35 + 0.4 * traits.cells, seed + 5)
    _spindles(layer, view, lines, "fibroblast", 30, 0.25 + 0.4 * traits.cells, seed + 6)
    inflammation(layer, view, seed + 7, 0.04 * traits.cells)
    capillaries(layer, view, seed + 8, 80, 0.25 * traits.blood, traits.blood)
    return layer


def loose_stroma(view: View, traits: Traits, seed: int) -> Layer:
    """Oedematous connective tissue: fine wisps in much clear space, scattered cells, capillaries."""
    layer = Layer.blank(view)
    lines = flow(view, traits.angle * np.pi, seed, sway=24 + 20 * traits.wave, scale=45, crimp=4)
    wisp = lines.streaks("strand", 0.9, 1.0)
    band = lines.streaks("strand", 2.6, 1.0, 17)
    ground = magnify(fractal(view.coarse(4), 40, seed + 3, 3), 4, view)
    open_space = 0.5 + 0.9 * traits.oedema
    thread = ramp(wisp + 0.5 * band, 0.2 + 0.5 * open_space, 1.7 + 0.5 * open_space)
    collagen = ramp(band + 0.6 * ground, 0.7, 1.7)
    haze = np.clip(0.16 + 0.06 * ground + 0.04 * wisp - 0.1 * traits.oedema, 0.015, None)
    layer.e = haze + 0.42 * thread + (0.30 + 0.05 * wisp) * collagen
    layer.h = 0.35 * haze + 0.10 * thread + 0.03 * collagen
    _spindles(layer, view, lines, "fibroblast", 19, 0.3 + 0.4 * traits.cells, seed + 5, 0.6)
    _spindles(layer, view, lines, "fibrocyte", 22, 0.4, seed + 6, 0.5)
    inflammation(layer, view, seed + 7, 0.06 + 0.22 * traits.cells)
    capillaries(layer, view, seed + 8, 55, 0.2 + 0.4 * traits.blood, traits.blood)
    return layer


def desmoplastic_stroma(view: View, traits: Traits, seed: int) -> Layer:
    """Stroma that answers to a tumour: cellular, with plump fibroblasts in wavy, somewhat bluish collagen."""
    layer = Layer.blank(view)
    lines = flow(view, traits.angle * np.pi, seed, sway=8 + 26 * traits.wave, scale=55, crimp=2 + 3 * traits.wave)
    fibre = lines.streaks("fibre")
    strand = lines.streaks("strand", 1.6, 1.3, 11)
    ground = magnify(fractal(view.coarse(4), 50, seed + 3, 3), 4, view)
    gap = ramp(strand + 0.4 * ground, -0.9 + 0.5 * traits.oedema, -2.0 + 0.5 * traits.oedema)
    layer.e = np.clip(0.46 + 0.09 * fibre + 0.08 * strand + 0.06 * ground, 0.06, None) * (1 - 0.85 * gap)
    layer.h = np.clip(0.10 + 0.035 * fibre + 0.04 * ground, 0, None) * (1 - 0.6 * gap)
    _spindles(layer, view, lines, "fibroblast", 14, 0.35 + 0.35 * traits.cells, seed + 5, 0.3)
    _spindles(layer, view, lines, "fibrocyte", 15, 0.3, seed + 9, 0.3)
    _spindles(layer, view, lines, "reactive", 24, 0.3 + 0.3 * traits.cells, seed + 6, 0.4)
    inflammation(layer, view, seed + 7, 0.03 + 0.22 * traits.cells * traits.cells)
    capillaries(layer, view, seed + 8, 70, 0.2 + 0.3 * traits.blood, traits.blood)
    return layer


def smooth_muscle(view: View, traits: Traits, seed: int) -> Layer:
    """Tight parallel eosinophilic fibres with cigar-shaped nuclei and thin clefts between fascicles."""
    layer = Layer.blank(view)
    lines = flow(view, traits.angle * np.pi, seed, sway=5 + 12 * traits.wave, scale=90, crimp=0.8 * traits.wave)
    fibre = lines.streaks("fibre", 1.15, 1.2)
    fascicle = lines.streaks("strand", 3.6, 2.2, 23)
    cleft = ramp(fascicle, -1.75 + 0.8 * traits.oedema, -2.2 + 0.8 * traits.oedema)
    tone = magnify(fractal(view.coarse(4), 70, seed + 3, 2), 4, view)
    layer.e = np.clip(0.80 + 0.09 * fibre + 0.04 * fascicle + 0.05 * tone, 0.2, None) * (1 - 0.9 * cleft)
    layer.h = np.clip(0.17 + 0.035 * fibre + 0.03 * tone, 0.02, None) * (1 - 0.9 * cleft)
    _spindles(layer, view, lines, "muscle", 15.5, 0.5 + 0.25 * traits.cells, seed + 5, 0.08)
    _spindles(layer, view, lines, "fibrocyte", 30, 0.4, seed + 6, 0.1)
    capillaries(layer, view, seed + 8, 80, 0.25 * traits.blood, traits.blood)
    inflammation(layer, view, seed + 7, 0.015 * traits.cells)
    return layer


def nerve(view: View, traits: Traits, seed: int) -> Layer:
    """A nerve bundle: pale wavy fibres in step, slender S-shaped nuclei, clear halos of myelin, perineurium."""
    layer = Layer.blank(view)
    lines = flow(view, traits.angle * np.pi, seed, sway=5, scale=110, crimp=5.0 + 2.5 * traits.wave)
    fibre = lines.streaks("fibre", 0.9)
    strand = lines.streaks("strand", 1.3, 1.6, 9)
    halo = ramp(strand, -0.5, -1.6) * (0.45 + 0.4 * traits.oedema)
    sheath = ramp(np.abs(np.mod(lines.v / np.float32(150 + 80 * traits.size), 1) - np.float32(0.5)), 0.455, 0.485)
    layer.e = np.clip(0.30 + 0.07 * fibre + 0.06 * strand, 0.05, None) * (1 - halo)
    layer.h = np.clip(0.10 + 0.03 * fibre, 0, None) * (1 - 0.7 * halo)
    layer.e += sheath * (0.62 + 0.1 * fibre - layer.e)
    _spindles(layer, view, lines, "schwann", 12.5, 0.55 + 0.3 * traits.cells, seed + 5, 0.25)
    capillaries(layer, view, seed + 8, 90, 0.3 * traits.blood, traits.blood)
    return layer


def spindle_tumour(view: View, traits: Traits, seed: int) -> Layer:
    """A cellular tumour of plump atypical spindle cells in crossing fascicles, with mitoses."""
    layer = Layer.blank(view)
    lines = flow(view, traits.angle * np.pi, seed, sway=22 + 30 * traits.wave, scale=70)
    fibre = lines.streaks("strand")
    ground = magnify(fractal(view.coarse(4), 40, seed + 3, 3), 4, view)
    gap = ramp(lines.streaks("strand", 2.0, 1.0, 7) + 0.5 * ground, -1.1 + 0.5 * traits.oedema, -1.8 + 0.5 * traits.oedema)
    layer.e = np.clip(0.52 + 0.08 * fibre + 0.06 * ground, 0.05, None) * (1 - 0.9 * gap)
    layer.h = np.clip(0.20 + 0.04 * fibre + 0.04 * ground, 0, None) * (1 - 0.8 * gap)
    _spindles(layer, view, lines, "spindle3", 10.5, 0.85, seed + 5, 0.35)
    points = scatter(view, 34, seed + 6, 8)
    layer.nuclei("mitosis", view, points.where(points.chance(7) < 0.08 + 0.35 * traits.atypia))
    points = scatter(view, 26, seed + 9, 9)
    layer.nuclei("tumour3", view, points.where(points.chance(7) < 0.5 * traits.atypia))
    capillaries(layer, view, seed + 8, 60, 0.3 * traits.blood, traits.blood)
    return layer


def background(view: View, traits: Traits, seed: int) -> Layer:
    """Bare glass, with the odd speck of dust."""
    layer = Layer.blank(view)
    points = scatter(view, 45, seed, 4)
    points = points.where(points.chance(7) < 0.15)
    layer.discs(0.6, view, points, "h", 0.5, rough=0.2, spread=0.5)
    haze = sample_flat("cloud", view, seed % 97, 6.0)
    layer.h += np.clip(0.004 * haze, 0, None)
    return layer
