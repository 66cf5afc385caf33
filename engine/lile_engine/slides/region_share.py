"""How much of each tile a region covers, counted on a raster of its part of the slide."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from lile_engine.slides.coverage import AreaSums, Floats
from lile_engine.slides.region import Region

_CELLS_PER_TILE, _MOST_CELLS = 16, 4096
_BROAD = 0.5  # where no tile is covered so much, the region may slip between the centres of the cells


def region_shares(region: Region, x: Floats, y: Floats, size: int, within: tuple[float, float, float, float]) -> Floats:
    """float64 [n] in 0 to 1: the share of the region in each tile with corner ``x``, ``y`` and side ``size``.

    ``within`` x, y, w, h holds all tiles: what lies beyond is not rastered. Of a region that covers half of no tile
    the cells that its outline crosses count as covered, so that the shares only tell more from less.
    """
    left, top, width, height = _common(region.bounds, within)
    if width < 0 or height < 0:
        return np.zeros_like(x)
    fine = size / _CELLS_PER_TILE
    # A region thinner than a cell gets cells as thin as itself, whose centres then lie in it.
    cell_w = max(min(fine, width) or fine, width / _MOST_CELLS)
    cell_h = max(min(fine, height) or fine, height / _MOST_CELLS)
    cols, rows = max(1, math.ceil(width / cell_w)), max(1, math.ceil(height / cell_h))
    raster = region.mask(left, top, cols * cell_w, rows * cell_h, cols, rows)
    across, down = np.full_like(x, size / cell_w), np.full_like(x, size / cell_h)

    def shares() -> Floats:
        covered = AreaSums(raster).covered((x - left) / cell_w, (y - top) / cell_h, across, down)
        return covered / (across * down)

    found = shares()
    if found.max(initial=0.0) < _BROAD:
        raster |= _outline_cells(region, left, top, cell_w, cell_h, cols, rows)
        found = shares()
    return found


def _common(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    """x, y, w, h of what two rectangles share; w or h below 0 where they share nothing."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right, bottom = min(one[0] + one[2], other[0] + other[2]), min(one[1] + one[3], other[1] + other[3])
    return left, top, right - left, bottom - top


def _outline_cells(
    region: Region, left: float, top: float, cell_w: float, cell_h: float, cols: int, rows: int
) -> npt.NDArray[np.bool_]:
    """bool [rows, cols]: the cells in which points of the outline lie, set at most half a cell apart."""
    cells = np.zeros((rows, cols), np.bool_)
    for ring in (region.exterior, *region.holes):
        points = (np.asarray(ring, np.float64) - (left, top)) / (cell_w, cell_h)
        for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
            part = _clipped(a, b, cols, rows)
            if part is None:
                continue
            first, last = part
            count = 2 + 2 * int(np.abs((b - a) * (last - first)).max())
            xs, ys = (a + np.linspace(first, last, count)[:, np.newaxis] * (b - a)).T
            cells[np.clip(ys.astype(np.int64), 0, rows - 1), np.clip(xs.astype(np.int64), 0, cols - 1)] = True
    return cells


def _clipped(a: Floats, b: Floats, cols: int, rows: int) -> tuple[float, float] | None:
    """From which to which share of the way from ``a`` to ``b`` the line lies on the raster; None for nowhere (Liang
    and Barsky)."""
    first, last = 0.0, 1.0
    for begin, step, most in ((a[0], b[0] - a[0], cols), (a[1], b[1] - a[1], rows)):
        if step == 0:
            if not 0 <= begin <= most:
                return None
            continue
        shares = sorted((-begin / step, (most - begin) / step))
        first, last = max(first, shares[0]), min(last, shares[1])
    return (first, last) if first <= last else None
