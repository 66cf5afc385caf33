"""Cuts a slide, or a region of it, into square tiles of one physical size."""

from __future__ import annotations

import numpy as np

from lile_engine.errors import MppUnknownError, SlideError
from lile_engine.slides.coverage import AreaSums, Floats
from lile_engine.slides.region import Region
from lile_engine.slides.tissue import TissueMask
from lile_engine.slides.types import SlideInfo, Tile, TileSpec

_MOST_CANDIDATES = 20_000_000
_LEAST_OF_REGION = 0.5  # a tile belongs to a region that covers half of it
_COARSEST_MPP, _LARGEST_PX = 1000.0, 16384  # beyond these a number is a slip, and the memory would not hold a tile
_CELLS_PER_TILE, _MOST_CELLS = 16, 4096  # the raster on which a region's share is counted


def tile_size(info: SlideInfo, spec: TileSpec) -> int:
    """The side of a tile in level-0 pixels. Raises MppUnknownError."""
    if info.mpp is None:
        raise MppUnknownError(
            f"{info.name} does not say its microns per pixel; give them with --slide-mpp"
            + (f" (its {info.magnification:g}x objective suggests {10 / info.magnification:g})." if info.magnification
               else " (a 40x scan has about 0.25, a 20x scan 0.5).")
        )  # fmt: skip
    sensible = 0 < spec.mpp <= _COARSEST_MPP and 0 < spec.px <= _LARGEST_PX and 0 <= spec.min_tissue <= 1
    if not (sensible and 0 <= spec.overlap < 1):
        raise SlideError(
            f"Tiles of {spec.px} px at {spec.mpp} mpp with overlap {spec.overlap}, min_tissue {spec.min_tissue} "
            "cannot be cut; check these numbers."
        )
    return max(1, round(spec.px * spec.mpp / info.mpp))


def tile_grid(
    info: SlideInfo, spec: TileSpec, *, region: Region | None = None, mask: TissueMask | None = None
) -> list[Tile]:
    """The tiles of a slide, row by row.

    The grid is anchored at the slide's corner, so the same slide and spec always give the same tiles, and a region
    gives some of them: those half covered by it (those covered most, where the region is too thin for that). A region
    smaller than a tile in both directions gets one tile centred on it. With a mask a tile needs ``spec.min_tissue``
    of tissue; outside the slide there is none. Raises MppUnknownError for a slide without mpp.
    """
    size = tile_size(info, spec)
    scanned = info.bounds if info.bounds[2] else (0, 0, info.width, info.height)
    left, top, width, height = region.bounds if region else (float(v) for v in scanned)
    if region is not None and width <= size and height <= size:
        return _centred_tile(info, size, region, spec, mask)
    stride = max(1, round(size * (1 - spec.overlap)))
    xs, ys = _starts(left, width, info.width, size, stride), _starts(top, height, info.height, size, stride)
    if len(xs) * len(ys) > _MOST_CANDIDATES:
        raise SlideError(
            f"{info.name} would be cut into {len(xs) * len(ys)} tiles; choose larger ones, a coarser mpp or a region."
        )
    x, y = (grid.ravel().astype(np.float64) for grid in np.meshgrid(xs, ys))
    keep = np.ones(len(x), np.bool_)
    if mask is not None:
        keep &= mask.shares(x, y, size) >= spec.min_tissue
    if region is not None and keep.any():
        share = _region_shares(region, x, y, size)
        share[~keep] = 0
        keep &= share >= min(_LEAST_OF_REGION, max(share.max() * _LEAST_OF_REGION, 1e-6))
    return [Tile(int(tx), int(ty), size) for tx, ty in zip(x[keep], y[keep], strict=True)]


def _starts(
    begin: float, extent: float, slide: int, size: int, stride: int
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Multiples of the stride whose tiles touch begin .. begin + extent and lie at least half on the slide."""
    first = max(0, int((begin - size) // stride) + 1)
    last = min(begin + extent, slide - size / 2)
    starts = np.arange(first * stride, max(last, 0) + 1e-9, stride, dtype=np.int64)
    return starts[starts < begin + extent] if extent > 0 else starts


def _region_shares(region: Region, x: Floats, y: Floats, size: int) -> Floats:
    left, top, width, height = region.bounds
    cell = max(size / _CELLS_PER_TILE, width / _MOST_CELLS, height / _MOST_CELLS)
    cols, rows = max(1, int(np.ceil(width / cell))), max(1, int(np.ceil(height / cell)))
    sums = AreaSums(region.mask(left, top, cols * cell, rows * cell, cols, rows))
    side = np.full_like(x, size / cell)
    return sums.covered((x - left) / cell, (y - top) / cell, side, side) / (side * side)


def _centred_tile(info: SlideInfo, size: int, region: Region, spec: TileSpec, mask: TissueMask | None) -> list[Tile]:
    left, top, width, height = region.bounds
    x, y = round(left + width / 2 - size / 2), round(top + height / 2 - size / 2)
    if x + size <= 0 or y + size <= 0 or x >= info.width or y >= info.height:
        return []
    # At the edge of the slide the tile moves inwards rather than show emptiness.
    x = min(max(x, 0), max(0, info.width - size))
    y = min(max(y, 0), max(0, info.height - size))
    if mask is not None and mask.share(left, top, max(width, 1), max(height, 1)) < spec.min_tissue:
        return []
    return [Tile(x, y, size)]
