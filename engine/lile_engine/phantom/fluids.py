"""Painters of what is not quite tissue: lymphoid aggregates, mucin, necrosis, blood and vessels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lile_engine.phantom.connective import capillaries, dense_stroma, ramp
from lile_engine.phantom.flow import flow
from lile_engine.phantom.layer import Layer, Traits, keep_where
from lile_engine.phantom.noise import (
    Floats,
    Points,
    View,
    cell_seeds,
    cells,
    fractal,
    magnify,
    sample,
    sample_flat,
    scatter,
    smooth_at,
    uniform,
)


def lymphoid(view: View, traits: Traits, seed: int) -> Layer:
    """Sheets of small dark round lymphocytes with hardly any cytoplasm; paler, larger cells in germinal centres."""
    layer = Layer.blank(view)
    rough, grain = sample_flat("cloud", view, seed % 89), sample_flat("grain", view, seed % 83)
    coarse = view.coarse(2)
    gap = magnify(fractal(coarse, 12, seed + 1, 2), 2, view) + 0.5 * sample_flat("cloud", view, seed % 73, 2.0)
    open_at = 1.45 - 1.4 * traits.oedema**2
    clear = ramp(gap + 0.3 * rough, open_at, open_at + 0.6)
    layer.e = np.clip(0.30 + 0.06 * rough + 0.04 * grain, 0, None) * (1 - 0.92 * clear)
    layer.h = np.clip(0.17 + 0.04 * rough + 0.04 * grain, 0, None) * (1 - 0.92 * clear)
    points = scatter(view, 5.6 + 0.8 * (1 - traits.cells), seed + 2, 8, 0.42)
    centre = smooth_at(points.x, points.y, 130, seed + 3) > 1.15 - 0.3 * traits.size
    thin = np.float32(0.98 - 0.42 * traits.oedema**2)
    big = points.where(centre & (points.chance(7) < 0.5))
    small = points.where(~centre & (points.chance(7) < thin))
    layer.discs(3.6, view, small, "e", 0.32, hides=0.0, rough=0.14)
    layer.discs(3.5, view, small, "h", 0.22, hides=0.0, rough=0.14)
    deep = small.chance(6)
    layer.nuclei("lymphocyte", view, small.where(deep < 0.8))
    layer.nuclei("plasma", view, small.where(deep >= 0.8), strength=0.8)
    layer.nuclei("centroblast", view, big)
    eaters = scatter(view, 60, seed + 4, 10)
    eaters = eaters.where(smooth_at(eaters.x, eaters.y, 130, seed + 3) > 1.0)
    layer.discs(8.5, view, eaters, "e", 0.14, hides=0.85)
    layer.nuclei("dust", view, eaters)
    strays = scatter(view, 30, seed + 5, 8)
    layer.nuclei("endothelium", view, strays.where(strays.chance(7) < 0.3))
    capillaries(layer, view, seed + 8, 80, 0.3, traits.blood)
    return layer


def mucin(view: View, traits: Traits, seed: int) -> Layer:
    """A pool of pale blue-grey mucin with drawn-out strands, vacuoles and a few floating cells."""
    layer = Layer.blank(view)
    lines = flow(view, traits.angle * np.pi, seed, sway=3 + 8 * (1 - traits.wave), scale=80, crimp=0.3, rough=0.6)
    web = lines.streaks("web", 0.8, 1.0 + 0.5 * traits.wave)
    fine = lines.streaks("web", 0.5, 1.0 + 0.5 * traits.wave, 29)
    strand = lines.streaks("strand", 0.7, 0.5, 5)
    ripple = lines.streaks("gap", 0.35, 0.5, 83)
    wide = lines.streaks("strand", 2.4, 1.2, 19)
    ground = magnify(fractal(view.coarse(4), 50, seed + 3, 3), 4, view)
    rough = sample_flat("cloud", view, seed % 89)
    # Either a net of thin threads in pale slime, or denser slime drawn out into ripples, or between the two.
    drawn = np.float32(np.clip(1.6 * traits.wave - 0.3, 0, 1))
    thick = 0.45 + (0.25 + 0.8 * traits.secretion) * (0.35 + 0.65 * drawn)
    wrinkle = drawn * (0.085 * ripple + 0.02 * strand) + (1 - drawn) * 0.065 * web + 0.03 * fine + 0.02 * rough
    layer.h = np.clip((0.24 + 0.04 * ground + 0.02 * wide + wrinkle) * thick, 0.01, None)
    layer.e = np.clip((0.10 + 0.02 * ground + 0.9 * wrinkle) * thick, 0.0, None)
    # Pink fibrin or collagen drawn out between the strands, more in some slides than in others.
    cord = ramp(
        1.2 * wide + 0.6 * strand + 0.3 * ground + 0.3 * rough, 2.1 - 1.0 * traits.cells, 2.9 - 1.0 * traits.cells
    )
    layer.e += cord * (0.50 + 0.12 * strand)
    layer.h += 0.08 * cord
    bubbles = scatter(view, 26, seed + 4, 14)
    bubbles = bubbles.where(bubbles.chance(7) < 0.45 * (traits.oedema - 0.35))
    layer.discs(5.5, view, bubbles, "h", 0.0, hides=0.85, rough=0.1, spread=0.35)
    points = scatter(view, 34, seed + 5, 8)
    points = points.where(points.chance(7) < 0.04 + 0.3 * traits.cells**2)
    layer.discs(5.2, view, points.where(points.chance(8) < 0.5), "e", 0.35, hides=0.2, rough=0.2)
    layer.nuclei("pyknotic", view, points.where(points.chance(9) < 0.5))
    layer.nuclei("lymphocyte", view, points.where(points.chance(9) >= 0.5))
    return layer


def necrosis(view: View, traits: Traits, seed: int) -> Layer:
    """Dead tissue: granular pink debris, ghosts of cells without nuclei, nuclear dust, cracks."""
    layer = Layer.blank(view)
    rough, grain = sample_flat("cloud", view, seed % 89), sample_flat("grain", view, seed % 83)
    coarse = view.coarse(2)
    ground = magnify(fractal(coarse, 34, seed + 1, 3), 2, view)
    spacing = 14 + 6 * traits.size
    tiling = cells(coarse, spacing, seed + 2, 0.42)
    border = magnify(tiling.border, 2, view)
    luck = magnify(uniform(tiling.i, tiling.j, seed, 5), 2, view)
    apart = 0.4 + 0.6 * traits.oedema
    body = ramp(border + 0.6 * rough + 0.6 * ground, -1.0 + 1.2 * apart, 0.9 + 1.2 * apart)
    crack = ramp(ground + 0.3 * rough, 1.45 - 0.5 * traits.oedema, 1.8 - 0.5 * traits.oedema)
    layer.e = np.clip((0.30 + 0.22 * luck) * body + 0.12 + 0.05 * rough + 0.05 * grain, 0.02, None) * (1 - 0.93 * crack)
    layer.h = np.clip(0.07 + 0.03 * rough + 0.03 * grain + 0.04 * ground, 0, None) * (1 - 0.9 * crack)
    seeds = cell_seeds(view, spacing, seed + 2, 10, 0.42)
    layer.nuclei("ghost", view, seeds.where(seeds.chance(7) < 0.5))
    points = scatter(view, 13, seed + 5, 6, 0.48)
    dusty = smooth_at(points.x, points.y, 50, seed + 6)
    points = points.where(points.chance(7) < np.clip(0.10 + 0.35 * traits.cells + 0.25 * dusty, 0.01, 0.9))
    layer.nuclei("dust", view, points.where(points.chance(8) < 0.55))
    layer.nuclei("pyknotic", view, points.where(points.chance(8) > 0.72))
    layer.nuclei("neutrophil", view, points.where((points.chance(8) >= 0.55) & (points.chance(8) <= 0.72)))
    return layer


def blood(view: View, traits: Traits, seed: int) -> Layer:
    """Red cells, packed or strewn in plasma and fibrin, with the odd white cell."""
    layer = Layer.blank(view)
    coarse = view.coarse(2)
    ground = magnify(fractal(coarse, 45, seed + 1, 3), 2, view)
    clear = ramp(ground, 1.2 - 1.0 * traits.oedema, 1.7 - 1.0 * traits.oedema)
    threads = flow(view, traits.angle * np.pi, seed, sway=20, scale=50).streaks("strand")
    plasma = ramp(ground, 0.4, -0.8)
    layer.e = np.clip(0.10 + 0.16 * plasma + 0.05 * threads * plasma, 0, None) * (1 - clear)
    layer.h = layer.e * 0.08
    points = scatter(view, 5.0 + 1.0 * traits.oedema, seed + 2, 6, 0.5)
    here = smooth_at(points.x, points.y, 45, seed + 1)
    few = points.chance(7) < np.clip(
        0.92 - 0.75 * ramp(here, 0.9 - 0.9 * traits.oedema, 1.6 - 0.9 * traits.oedema), 0.04, 1
    )
    points = points.where(few)
    for part, strength in ((points.chance(8) < 0.5, 0.62), (points.chance(8) >= 0.5, 0.80)):
        layer.discs(2.8, view, points.where(part), "r", strength, hides=0.35, pallor=0.3, rough=0.07, spread=0.12)
    white = scatter(view, 38, seed + 4, 8)
    white = white.where(white.chance(7) < 0.25)
    layer.discs(5.2, view, white, "e", 0.3, hides=0.9)
    layer.nuclei("neutrophil", view, white.where(white.chance(8) < 0.6))
    layer.nuclei("lymphocyte", view, white.where(white.chance(8) >= 0.6))
    return layer


def vessel(view: View, traits: Traits, seed: int) -> Layer:
    """Arteries and veins cut across: lumen with blood, endothelium, concentric muscle, loose adventitia."""
    quiet = Traits(cells=0.3 * traits.cells, oedema=0.7, wave=traits.wave, blood=0.2, angle=traits.angle)
    layer = dense_stroma(view, quiet, seed + 40)
    spacing = 150 + 60 * traits.size
    tiling = cells(view.coarse(4), spacing, seed, 0.15)
    seeds = cell_seeds(view, spacing, seed, spacing, 0.15)
    width = int(seeds.i.max() - seeds.i.min()) + 1
    number = (tiling.j - int(seeds.j.min())) * width + (tiling.i - int(seeds.i.min()))
    number = np.repeat(np.repeat(number, 4, 0), 4, 1)[: view.height, : view.width]
    dx, dy = view.xs[None, :] - seeds.x[number], view.ys[:, None] - seeds.y[number]
    theta, distance = np.arctan2(dy, dx), np.hypot(dx, dy)
    inner = spacing * (0.16 + 0.12 * seeds.chance(1))
    wall = 10 + 26 * seeds.chance(2)

    phases = 6.28 * seeds.chance(3), 6.28 * seeds.chance(4)

    def ring(at_theta: Floats, of: NDArray[np.int64]) -> Floats:
        bumps = 1 + 0.14 * np.cos(2 * at_theta + phases[0][of]) + 0.05 * np.cos(3 * at_theta + phases[1][of])
        return (inner[of] * bumps).astype(np.float32)

    lumen_at = ring(theta, number)
    rough = sample_flat("cloud", view, seed % 89)
    depth = distance - lumen_at + 0.5 * rough
    thick = wall[number]
    u, v = theta * lumen_at, depth + 0.8 * np.sin(theta * 24)
    fibre = sample("fibre", u.astype(np.float32), v.astype(np.float32))
    strand = sample("strand", (u / 2).astype(np.float32), (v / 2).astype(np.float32))
    in_wall = ramp(depth, -0.3, 0.5) * ramp(depth - thick + 1.5 * rough, 1.5, -1.5)
    open_ = ramp(depth, 0.4, -0.4)
    e = 0.66 + 0.10 * fibre + 0.06 * strand
    h = 0.15 + 0.03 * fibre
    elastica = np.exp(-(((depth - 1.8) / 0.8) ** 2)) * (seeds.chance(2)[number] > 0.4)
    layer.e = layer.e * (1 - in_wall) + in_wall * np.clip(e + 0.3 * elastica, 0, None)
    layer.h = layer.h * (1 - in_wall) + in_wall * np.clip(h, 0, None)
    layer.e = (layer.e * (1 - open_) + 0.03 * open_).astype(np.float32)
    layer.h = (layer.h * (1 - open_) + 0.01 * open_).astype(np.float32)
    layer.stamps = keep_where(layer, view, depth > thick)

    def polar(points: Points) -> tuple[Floats, Floats, NDArray[np.int64]]:
        near = np.argmin((points.x[:, None] - seeds.x[None]) ** 2 + (points.y[:, None] - seeds.y[None]) ** 2, axis=1)
        px, py = points.x - seeds.x[near], points.y - seeds.y[near]
        turn = np.arctan2(py, px)
        return np.hypot(px, py) - ring(turn, near), turn, near

    points = scatter(view, 12, seed + 5, 9)
    d, turn, near = polar(points)
    keep = (d > 4) & (d < wall[near] - 2) & (points.chance(7) < 0.6)
    layer.nuclei("muscle", view, points.where(keep), (turn[keep] + np.pi / 2).astype(np.float32))
    points = scatter(view, 4.5, seed + 6, 9)
    d, turn, near = polar(points)
    keep = (np.abs(d - 0.4) < 1.2) & (points.chance(7) < 0.3)
    layer.nuclei("endothelium", view, points.where(keep), (turn[keep] + np.pi / 2).astype(np.float32))
    cells_ = scatter(view, 5.4, seed + 7, 6, 0.5)
    d, turn, near = polar(cells_)
    keep = (d < -3.4) & (cells_.chance(7) < np.clip(0.15 + 1.1 * traits.blood * (0.4 + seeds.chance(5)[near]), 0, 0.95))
    layer.discs(2.8, view, cells_.where(keep), "r", 0.72, hides=0.35, pallor=0.3, rough=0.07)
    return layer
