"""Cuts a slide, or a region of it, into square tiles of one physical size."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from lile_engine.errors import MppUnknownError, SlideError
from lile_engine.slides.region import Region
from lile_engine.slides.region_share import region_shares
from lile_engine.slides.tissue import TissueMask
from lile_engine.slides.types import SlideInfo, Tile, TileSpec

Floats = npt.NDArray[np.float64]
_MOST_CANDIDATES = 20_000_000
_LEAST_OF_REGION = 0.5  # a tile belongs to a region that covers half of it
_COARSEST_MPP, _LARGEST_PX = 1000.0, 16384  # beyond these a number is a slip, and the memory would not hold a tile
_NOTHING = 1e-6  # a share below is rounding


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
    gives some of them: those half covered by it (those covered most, where the region is too thin for that). The grid
    ends where less than half a tile is left of the slide; a region that lies in that rest gets tiles moved inwards
    from the edge. A region smaller than a tile in both directions gets one tile centred on it. With a mask a tile
    needs ``spec.min_tissue`` of tissue; outside the slide there is none. A region has no tiles only if it lies outside
    the slide, or has no tissue. Raises MppUnknownError for a slide without mpp, SlideError for impossible numbers or
    more than 20 million places.
    """
    size = tile_size(info, spec)
    if region is None:
        scanned = info.bounds if info.bounds[2] else (0, 0, info.width, info.height)
        x, y = _places(info, spec, size, tuple(map(float, scanned)), at_edge=False)
        share = np.ones(len(x))
    else:
        if region.bounds[2] <= size and region.bounds[3] <= size:
            return _centred_tile(info, size, region, spec, mask)
        x, y = _places(info, spec, size, region.bounds, at_edge=False)
        share = _shares(info, size, region, x, y)
        if not (share > _NOTHING).any():
            x, y = _places(info, spec, size, region.bounds, at_edge=True)
            share = _shares(info, size, region, x, y)
    if mask is not None:
        share = np.where(mask.shares(x, y, size) >= spec.min_tissue, share, 0.0)
    keep = share >= min(_LEAST_OF_REGION, max(share.max(initial=0.0) * _LEAST_OF_REGION, _NOTHING))
    return [Tile(int(tx), int(ty), size) for tx, ty in zip(x[keep], y[keep], strict=True)]


def _places(
    info: SlideInfo, spec: TileSpec, size: int, bounds: tuple[float, ...], *, at_edge: bool
) -> tuple[Floats, Floats]:
    """The corners of tiles that may cover a part of the slide, row by row."""
    stride = max(1, round(size * (1 - spec.overlap)))
    left, top, width, height = bounds
    xs, ys = _starts(left, width, info.width, size, stride), _starts(top, height, info.height, size, stride)
    if len(xs) * len(ys) > _MOST_CANDIDATES:
        raise SlideError(
            f"{info.name} would be cut into {len(xs) * len(ys)} tiles; choose larger ones, a coarser mpp or a region."
        )
    every_x, every_y = np.array(xs, np.float64), np.array(ys, np.float64)
    if at_edge:
        every_x = np.union1d(every_x, max(0, info.width - size))
        every_y = np.union1d(every_y, max(0, info.height - size))
    x, y = (grid.ravel() for grid in np.meshgrid(every_x, every_y))
    return x, y


def _starts(begin: float, extent: float, slide: int, size: int, stride: int) -> range:
    """Multiples of the stride whose tiles touch begin .. begin + extent and lie at least half on the slide."""
    if begin >= slide:
        return range(0)
    first = max(0, int((begin - size) // stride) + 1)
    last = math.floor(max(min(begin + extent, slide - size / 2), 0) + 1e-9)
    if extent > 0:
        last = min(last, math.ceil(begin + extent) - 1)
    return range(first * stride, last + 1, stride)


def _shares(info: SlideInfo, size: int, region: Region, x: Floats, y: Floats) -> Floats:
    return region_shares(region, x, y, size, (-size, -size, info.width + 2.0 * size, info.height + 2.0 * size))


def _centred_tile(info: SlideInfo, size: int, region: Region, spec: TileSpec, mask: TissueMask | None) -> list[Tile]:
    left, top, width, height = region.bounds
    if left + width < 0 or top + height < 0 or left >= info.width or top >= info.height:
        return []
    x, y = round(left + width / 2 - size / 2), round(top + height / 2 - size / 2)
    # At the edge of the slide the tile moves inwards rather than show emptiness.
    x = min(max(x, 0), max(0, info.width - size))
    y = min(max(y, 0), max(0, info.height - size))
    if mask is not None and mask.share(left, top, max(width, 1), max(height, 1)) < spec.min_tissue:
        return []
    return [Tile(x, y, size)]
