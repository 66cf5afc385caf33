"""A phrase over a whole slide, from the stored vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lile_engine.archive import Archive, SlideRow
from lile_engine.archive.rows import Bools, Ids
from lile_engine.errors import QueryError
from lile_engine.model.protocol import ImageTextModel
from lile_engine.retrieval.encode import EncodedQuery, compose, text_part
from lile_engine.retrieval.query import check_phrase
from lile_engine.retrieval.results import HeatMap
from lile_engine.retrieval.search import check_model

_USUAL_OVERLAPS = (0.0, 0.25, 0.5, 0.75)
_MOST_CELLS = 16  # along the side of a tile


def heatmap(archive: Archive, model: ImageTextModel, slide: str, text: str, *, mpp: float | None = None) -> HeatMap:
    """The cosine of a phrase with every tile of a slide (identity, path or name), of one mpp (default: the finest that
    has tiles) and, of the grids there, the one with the most tiles.

    Raises `QueryError` for a phrase without content or a slide that is not in the archive.
    """
    check_model(archive, model)
    check_phrase(text)
    return heatmap_encoded(archive, compose((text_part(model, text),)), slide, mpp=mpp)


def heatmap_encoded(archive: Archive, encoded: EncodedQuery, slide: str, *, mpp: float | None = None) -> HeatMap:
    """The same for any question that is embedded already."""
    row = archive.find_slide(slide)
    if row is None or not row.tiles:
        raise QueryError(f"The slide {slide} is not indexed in this archive; add it with `lile index`.")
    ids, xy, size = archive.tiles_of_slide(row.id)
    grid = _choose_grid(archive, row, mpp, xy, size)
    chosen = grid.holds(xy, size)
    ids, xy = ids[chosen], xy[chosen]
    first = xy.min(axis=0)
    place = np.rint((xy - first) / grid.stride).astype(np.int64)
    columns, rows = place.max(axis=0) + 1
    values = np.full((rows, columns), np.nan, np.float32)
    values[place[:, 1], place[:, 0]] = archive.tile_vectors(ids) @ encoded.vector
    where = np.zeros((rows, columns), np.int64)
    where[place[:, 1], place[:, 0]] = ids
    # With overlap a cell shows the middle of its tile, where neighbours do not reach.
    shift = (grid.side - grid.stride) // 2
    alone = encoded.parts[0].range if len(encoded.parts) == 1 else None  # a mixture has no range of its own
    left, top = int(first[0]) + shift, int(first[1]) + shift
    return HeatMap(values, left, top, grid.stride, grid.mpp, where, grid.side, alone)


@dataclass(frozen=True)
class _Grid:
    """Squares of ``side`` level-0 px at multiples of ``stride``, as `lile_engine.slides.tile_grid` cuts them."""

    mpp: float
    side: int
    stride: int

    def holds(self, xy: Ids, size: Ids) -> Bools:
        """Which of the tiles (corners [n, 2], sides [n]) are squares of this grid: bool [n]. Those of another overlap
        or size lie between them; one that was embedded for another mpp is the same picture."""
        on: Bools = (xy % self.stride == 0).all(axis=1) & (size == self.side)
        return on


def _choose_grid(archive: Archive, row: SlideRow, mpp: float | None, xy: Ids, size: Ids) -> _Grid:
    """Of the grids at ``mpp`` (None: at the finest mpp that has tiles of its own) the one with the most tiles."""
    finished = archive.grids_of_slide(row.id)
    if mpp is None:
        scales = sorted({grid[0] for grid in finished})
        mpp = next((scale for scale in scales if len(archive.tiles_of_slide(row.id, scale)[0])), None)
    grids = [
        _grid(scale, max(1, round(px * scale / row.mpp)), overlap)
        for scale, px, overlap in finished
        if row.mpp is not None and scale == mpp
    ]
    if not any(grid.holds(xy, size).any() for grid in grids):
        # Indexing it has not come to its end: its tiles are all there is to go by.
        ids, own, sides = archive.tiles_of_slide(row.id, mpp)
        if not len(ids):
            raise QueryError(f"The slide {row.name} has no tiles at {mpp} microns per pixel in this archive.")
        side = int(np.median(sides))
        scale, common = archive.tiles(ids[:1])[0].mpp, int(np.gcd.reduce(own[sides == side], axis=None))
        grids = [_grid(scale, side, overlap) for overlap in _USUAL_OVERLAPS]
        grids += [_Grid(scale, side, common)] if common >= side // _MOST_CELLS else []
    best = max(grids, key=lambda grid: (int(grid.holds(xy, size).sum()), grid.stride))
    if not best.holds(xy, size).any():
        raise QueryError(f"The tiles of {row.name} lie on no grid that can be drawn; index it to the end.")
    return best


def _grid(mpp: float, side: int, overlap: float) -> _Grid:
    return _Grid(mpp, side, max(1, round(side * (1 - overlap))))
