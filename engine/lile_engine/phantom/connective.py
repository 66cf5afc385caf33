"""Painters of what holds the body together: fat, stroma, muscle, nerve, and cells that wander in it."""

from __future__ import annotations

import numpy as np

from lile_engine.phantom.flow import Flow, flow
from lile_engine.phantom.layer import Layer, Traits, keep_where
from lile_engine.phantom.noise import (
    Floats,
    View,
    cells,
    fractal,
    magnify,
    sample_flat,
    scatter,
    slopes,
    smooth,
    smooth_at,
    uniform,
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
    layer.discs(4.3, view, plasma, "h", 0.26, hides=0.2, rough=0.12)
    layer.discs(4.1, view, plasma, "e", 0.5, hides=0.1, rough=0.12)
    eosinophil = points.where((kind > 0.78) & (kind < 0.83))
    layer.discs(4.6, view, eosinophil, "e", 1.05, hides=0.4, rough=0.12)
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
    layer.discs(5.6, view, points, "e", 0.45, hides=0.8, rough=0.14)
    layer.discs(4.2, view, points, "e", 0.0, hides=1.0, rough=0.18, spread=0.25)
    filled = points.where(points.chance(9) < 0.3 + 0.7 * blood)
    layer.discs(2.7, view, filled, "r", 0.7, hides=0.9, pallor=0.2)
    turn = points.chance(5) * np.float32(2 * np.pi)
    rim = points.where(points.chance(6) < 0.8)
    if len(rim):
        turn = rim.chance(5) * np.float32(2 * np.pi)
        moved = type(rim)(rim.x + 4.9 * np.cos(turn), rim.y + 4.9 * np.sin(turn), rim.i, rim.j, rim.seed)
        layer.nuclei("endothelium", view, moved, turn + np.float32(np.pi / 2))


def adipose(view: View, traits: Traits, seed: int) -> Layer:
    """Empty polygonal fat cells between thin septa; here and there a film, a nucleus, a capillary."""
    layer = Layer.blank(view)
    size = 62 + 50 * traits.size
    coarse = view.coarse(2)
    waver = (1.5 * fractal(coarse, 22, seed + 3, 2), 1.5 * fractal(coarse, 22, seed + 4, 2))
    tiling = cells(coarse, size, seed, 0.42, waver)
    border = magnify(tiling.border, 2, view)
    thick = 0.8 + 1.7 * magnify(ramp(smooth(coarse, 40, seed + 5), 0.3, 2.2), 2, view)
    line = np.exp(-((border / thick) ** 2))
    # Films: folded membranes, sheets with a sharp edge that hang on the septa.
    sheets = cells(coarse, 34, seed + 6, 0.45, (waver[1], waver[0]))
    held = (uniform(sheets.i, sheets.j, seed, 9) < 0.38) * ramp(tiling.border, 19, 13) * ramp(sheets.border, 0, 1.6)
    film = magnify(held.astype(np.float32), 2, view)
    seam = magnify((np.exp(-(((sheets.border - 1.2) / 0.9) ** 2)) * held).astype(np.float32), 2, view)
    rough = sample_flat("cloud", view, seed % 89, 2.0)
    streak = flow(view, traits.angle * np.pi, seed + 8, sway=12, scale=60).streaks("fibre", 1.5)
    knot = magnify(ramp(smooth(coarse, 55, seed + 9), 0.6, 1.5) * ramp(tiling.border, 11, 2), 2, view)
    layer.e = line * (0.52 + 0.10 * rough) + film * (0.16 + 0.02 * streak + 0.02 * rough) + 0.12 * seam
    layer.e += knot * (0.30 + 0.05 * streak)
    layer.h = line * (0.32 + 0.08 * rough) + film * 0.03 + 0.05 * seam + knot * (0.18 + 0.03 * streak)
    np.clip(layer.e, 0, None, out=layer.e)
    np.clip(layer.h, 0, None, out=layer.h)
    # Nuclei lie in the septa, along them.
    points = scatter(view, 11, seed + 11, 8)
    points = points.where(points.chance(7) < 0.4)
    rows = ((points.y - view.y0) / coarse.mpp).astype(int)
    cols = ((points.x - view.x0) / coarse.mpp).astype(int)
    inside = (rows >= 0) & (rows < coarse.height) & (cols >= 0) & (cols < coarse.width)
    points, rows, cols = points.where(inside), rows[inside], cols[inside]
    near = tiling.border[rows, cols] < 2.4
    points, rows, cols = points.where(near), rows[near], cols[near]
    gy, gx = slopes(tiling.border, coarse.mpp)
    along: Floats = np.arctan2(gx[rows, cols], -gy[rows, cols])
    layer.nuclei("fibrocyte", view, points, along)
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
    lines = flow(
        view, traits.angle * np.pi, seed, sway=6 + 14 * traits.wave, scale=60, crimp=1.0 + 2.5 * traits.wave, rough=1.1
    )
    fibre = lines.streaks("fibre")
    bundle = lines.streaks("strand", 2.2, 1.0, 31)
    gaps = lines.streaks("gap", 1.1, 1.0, 57)
    tone = magnify(fractal(view.coarse(4), 60, seed + 3, 2), 4, view)
    rough = sample_flat("cloud", view, seed % 89)
    edge = -2.1 + 1.2 * traits.oedema
    cleft = ramp(gaps + 0.18 * rough + 0.25 * tone, edge, edge - 0.35)
    body = 0.54 + 0.09 * fibre + 0.10 * bundle + 0.05 * tone + 0.035 * rough
    layer.e = np.clip(body, 0.1, None) * (1 - 0.93 * cleft)
    layer.h = np.clip(0.06 + 0.03 * tone + 0.025 * fibre + 0.02 * rough, 0, None) * (1 - cleft)
    _spindles(layer, view, lines, "fibrocyte", 17, 0.35 + 0.4 * traits.cells, seed + 5)
    _spindles(layer, view, lines, "fibroblast", 30, 0.25 + 0.4 * traits.cells, seed + 6)
    inflammation(layer, view, seed + 7, 0.04 * traits.cells)
    capillaries(layer, view, seed + 8, 80, 0.25 * traits.blood, traits.blood)
    return layer


def loose_stroma(view: View, traits: Traits, seed: int) -> Layer:
    """Oedematous connective tissue: fine wisps in much clear space, scattered cells, capillaries."""
    layer = Layer.blank(view)
    lines = flow(view, traits.angle * np.pi, seed, sway=14 + 16 * traits.wave, scale=45, crimp=4, rough=1.3)
    thread = lines.streaks("mesh", 0.8, 1.0)
    wisp = lines.streaks("fibre", 1.0, 1.0, 41)
    band = lines.streaks("strand", 2.4, 1.0, 17)
    ground = magnify(fractal(view.coarse(4), 34, seed + 3, 3), 4, view)
    rough = sample_flat("cloud", view, seed % 89)
    empty = ramp(ground + 0.3 * rough + 0.35 * band, 0.9 - 1.3 * traits.oedema, -0.3 - 1.3 * traits.oedema)
    collagen = ramp(band + 0.8 * ground, 0.5 + traits.oedema, 1.3 + traits.oedema)
    haze = np.clip(0.22 + 0.05 * ground + 0.05 * wisp + 0.04 * rough, 0.02, None) * (0.25 + 0.75 * (1 - empty))
    layer.e = haze + np.clip(0.10 * thread + 0.05, 0, None) * (1 - 0.4 * empty) + (0.22 + 0.07 * wisp) * collagen
    layer.h = 0.38 * haze + np.clip(0.035 * thread, 0, None) + 0.02 * collagen
    _spindles(layer, view, lines, "fibroblast", 19, 0.3 + 0.4 * traits.cells, seed + 5, 0.6)
    _spindles(layer, view, lines, "fibrocyte", 22, 0.4, seed + 6, 0.5)
    inflammation(layer, view, seed + 7, 0.06 + 0.22 * traits.cells)
    capillaries(layer, view, seed + 8, 55, 0.2 + 0.4 * traits.blood, traits.blood)
    return layer


def desmoplastic_stroma(view: View, traits: Traits, seed: int) -> Layer:
    """Stroma that answers to a tumour: cellular, with plump fibroblasts in wavy, somewhat bluish collagen."""
    layer = Layer.blank(view)
    lines = flow(
        view, traits.angle * np.pi, seed, sway=5 + 13 * traits.wave, scale=60, crimp=0.8 + 1.4 * traits.wave, rough=1.0
    )
    fibre = lines.streaks("fibre", 0.7)
    strand = lines.streaks("strand", 0.9, 0.9, 11)
    gaps = lines.streaks("gap", 0.65, 0.9, 57)
    ground = magnify(fractal(view.coarse(4), 44, seed + 3, 3), 4, view)
    rough = sample_flat("cloud", view, seed % 89)
    edge = -1.9 + 1.1 * traits.oedema
    gap = ramp(gaps + 0.2 * rough + 0.35 * ground, edge, edge - 0.5)
    layer.e = np.clip(0.44 + 0.09 * fibre + 0.11 * strand + 0.06 * ground + 0.04 * rough, 0.06, None) * (1 - 0.88 * gap)
    layer.h = np.clip(0.12 + 0.035 * fibre + 0.04 * ground + 0.03 * strand, 0, None) * (1 - 0.7 * gap)
    _spindles(layer, view, lines, "fibroblast", 14, 0.25 + 0.35 * traits.cells, seed + 5, 0.3)
    _spindles(layer, view, lines, "fibrocyte", 15, 0.3, seed + 9, 0.3)
    _spindles(layer, view, lines, "reactive", 24, 0.2 + 0.3 * traits.cells, seed + 6, 0.4)
    inflammation(layer, view, seed + 7, 0.03 + 0.22 * traits.cells * traits.cells)
    capillaries(layer, view, seed + 8, 70, 0.2 + 0.3 * traits.blood, traits.blood)
    return layer


def smooth_muscle(view: View, traits: Traits, seed: int) -> Layer:
    """Tight parallel eosinophilic fibres with cigar-shaped nuclei and thin clefts between fascicles."""
    layer = Layer.blank(view)
    lines = flow(
        view, traits.angle * np.pi, seed, sway=8 + 14 * traits.wave, scale=50, crimp=0.8 + 1.6 * traits.wave, rough=1.2
    )
    fibre = lines.streaks("fibre", 1.0, 1.4)
    cell = lines.streaks("strand", 1.2, 1.1, 23)
    gaps = lines.streaks("gap", 0.9, 1.3, 57)
    tone = magnify(fractal(view.coarse(4), 60, seed + 3, 2), 4, view)
    rough = sample_flat("cloud", view, seed % 89)
    edge = -1.7 + 1.0 * traits.oedema
    cleft = ramp(gaps + 0.3 * rough + 0.3 * tone, edge, edge - 0.6)
    layer.e = np.clip(0.82 + 0.13 * fibre + 0.13 * cell + 0.05 * tone + 0.06 * rough, 0.2, None) * (1 - 0.9 * cleft)
    layer.h = np.clip(0.12 + 0.03 * fibre + 0.03 * tone + 0.02 * cell, 0.02, None) * (1 - 0.9 * cleft)
    _spindles(layer, view, lines, "muscle", 15.5, 0.25 + 0.3 * traits.cells, seed + 5, 0.08)
    _spindles(layer, view, lines, "fibrocyte", 30, 0.4, seed + 6, 0.1)
    capillaries(layer, view, seed + 8, 80, 0.25 * traits.blood, traits.blood)
    inflammation(layer, view, seed + 7, 0.015 * traits.cells)
    return layer


def nerve(view: View, traits: Traits, seed: int) -> Layer:
    """A nerve bundle: pale wavy fibres in step, slender S-shaped nuclei, clear halos of myelin, perineurium."""
    layer = Layer.blank(view)
    lines = flow(view, traits.angle * np.pi, seed, sway=7, scale=90, crimp=3.0 + 2.0 * traits.wave, rough=1.0)
    fibre = lines.streaks("fibre", 0.9)
    thread = lines.streaks("mesh", 0.7, 1.6, 9)
    strand = lines.streaks("strand", 1.1, 1.4, 9)
    rough = sample_flat("cloud", view, seed % 89)
    halo = ramp(strand + 0.5 * rough, -0.2, -1.4) * (0.45 + 0.4 * traits.oedema)
    sheath = ramp(np.abs(np.mod(lines.v / np.float32(150 + 80 * traits.size), 1) - np.float32(0.5)), 0.455, 0.485)
    layer.e = np.clip(0.27 + 0.06 * fibre + 0.05 * thread + 0.03 * rough, 0.04, None) * (1 - halo)
    layer.h = np.clip(0.10 + 0.03 * fibre + 0.02 * thread, 0, None) * (1 - 0.7 * halo)
    layer.e += sheath * (0.60 + 0.1 * fibre - layer.e)
    _spindles(layer, view, lines, "schwann", 12.5, 0.30 + 0.35 * traits.cells, seed + 5, 0.3)
    _spindles(layer, view, lines, "fibrocyte", 17, 0.4, seed + 6, 0.25)
    capillaries(layer, view, seed + 8, 90, 0.3 * traits.blood, traits.blood)
    return layer


def spindle_tumour(view: View, traits: Traits, seed: int) -> Layer:
    """A cellular tumour of plump atypical spindle cells in crossing fascicles, with mitoses."""
    layer = Layer.blank(view)
    lines = flow(view, traits.angle * np.pi, seed, sway=22 + 30 * traits.wave, scale=70)
    fibre = lines.streaks("strand")
    ground = magnify(fractal(view.coarse(4), 40, seed + 3, 3), 4, view)
    gap = ramp(lines.streaks("gap", 0.8, 1.0, 7) + 0.5 * ground, -0.9 + 0.9 * traits.oedema, -1.6 + 0.9 * traits.oedema)
    layer.e = np.clip(0.17 + 0.05 * fibre + 0.05 * ground, 0.05, None) * (1 - 0.9 * gap)
    layer.h = np.clip(0.08 + 0.03 * fibre + 0.03 * ground, 0, None) * (1 - 0.8 * gap)
    # Some of these tumours are made of long cells, some of rounder ones.
    long = np.float32(0.15 + 0.8 * traits.size)
    points = scatter(view, 8.4, seed + 5, 9, 0.48)
    points = points.where(points.chance(7) < 0.88)
    lean = lines.angle_at(points) + (points.chance(5) - 0.5) * np.float32(0.7)
    thin = points.chance(9) < long
    layer.nuclei("spindle3", view, points.where(thin), lean[thin])
    layer.nuclei("ovoid3", view, points.where(~thin), lean[~thin])
    points = scatter(view, 34, seed + 6, 8)
    layer.nuclei("mitosis", view, points.where(points.chance(7) < 0.08 + 0.35 * traits.atypia))
    points = scatter(view, 26, seed + 9, 9)
    layer.nuclei("tumour3", view, points.where(points.chance(7) < 0.5 * traits.atypia))
    capillaries(layer, view, seed + 8, 60, 0.3 * traits.blood, traits.blood)
    return layer


def bone(view: View, traits: Traits, seed: int) -> Layer:
    """Lamellar bone in trabeculae: fine pink layers, osteocytes in clear lacunae, fatty marrow between."""
    layer = adipose(view, Traits(size=0.3, blood=0.8, angle=traits.angle), seed + 60)
    marrow = Traits(cells=0.9, oedema=0.9, angle=traits.angle)
    inflammation(layer, view, seed + 61, 0.3 * marrow.cells, 9.0)
    lines = flow(view, traits.angle * np.pi, seed, sway=20, scale=120, rough=0.3)
    tone = magnify(fractal(view.coarse(4), 90, seed + 3, 2), 4, view)
    rough = sample_flat("cloud", view, seed % 89)
    field = magnify(fractal(view.coarse(4), 110, seed + 4, 2), 4, view)
    edge = -1.9 + 1.7 * traits.oedema
    inside = ramp(field + 0.012 * rough, edge - 0.015, edge + 0.015)
    layers = np.sin(lines.v * np.float32(2 * np.pi / 5.5)) * ramp(tone, -0.6, 0.6)
    crack = ramp(lines.streaks("gap", 1.6, 3.0, 7), -2.4, -2.7)
    e = np.clip(0.74 + 0.05 * layers + 0.06 * tone + 0.03 * rough, 0.3, None) * (1 - 0.9 * crack)
    h = np.clip(0.07 + 0.04 * tone + 0.02 * rough, 0, None) * (1 - 0.9 * crack)
    layer.e, layer.h = layer.e * (1 - inside) + e * inside, layer.h * (1 - inside) + h * inside
    layer.stamps = keep_where(layer, view, inside < 0.5)
    points = scatter(view, 26, seed + 5, 8, 0.48)
    points = points.where(points.chance(7) < 0.65)
    buried = Layer.blank(view)
    buried.discs(3.0, view, points, "e", 0.1, hides=0.85, rough=0.16)
    alive = points.chance(8) < 0.75
    buried.nuclei("osteocyte", view, points.where(alive), lines.angle_at(points)[alive])
    layer.stamps += keep_where(buried, view, inside > 0.5)
    return layer


def cartilage(view: View, traits: Traits, seed: int) -> Layer:
    """Hyaline cartilage: blue-grey glassy matrix, darker around pairs of cells in clear lacunae."""
    layer = Layer.blank(view)
    tone = magnify(fractal(view.coarse(4), 80, seed + 3, 2), 4, view)
    rough = sample_flat("cloud", view, seed % 89)
    depth = 0.30 + 0.30 * traits.secretion
    layer.h = np.clip(depth + 0.06 * tone + 0.012 * rough, 0.05, None)
    layer.e = np.clip(0.20 + 0.06 * tone + 0.012 * rough, 0.03, None)
    points = scatter(view, 30, seed + 5, 10, 0.48)
    points = points.where(points.chance(7) < 0.8)
    layer.discs(8.5, view, points, "h", depth + 0.16, hides=0.0, rough=0.12)
    layer.discs(5.6, view, points, "h", 0.05, hides=0.95, rough=0.14, spread=0.2)
    layer.discs(3.6, view, points.where(points.chance(8) < 0.7), "e", 0.3, hides=0.0, rough=0.2)
    layer.nuclei("chondrocyte", view, points.where(points.chance(8) < 0.8))
    return layer


def background(view: View, traits: Traits, seed: int) -> Layer:
    """Bare glass, with the odd speck of dust."""
    layer = Layer.blank(view)
    points = scatter(view, 45, seed, 4)
    points = points.where(points.chance(7) < 0.15)
    layer.discs(0.6, view, points, "h", 0.5, rough=0.2, spread=0.5)
    # Cameras show bare glass a little grey, and their compression leaves faint blotches of colour.
    veil = np.float32(0.15 * max(0.0, traits.oedema - 0.6))
    for plane, shift in ((layer.h, 0), (layer.e, 31), (layer.r, 67)):
        blotch = sample_flat("cloud", view, seed % 97 + shift, 6.0)
        plane += veil * np.float32(0.8 if shift == 0 else 0.35) + (np.float32(0.002) + veil * np.float32(0.08)) * blotch
        np.clip(plane, 0, None, out=plane)
    return layer
