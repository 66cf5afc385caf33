"""A phrase over a whole slide, from the stored vectors."""

from __future__ import annotations

import numpy as np

from lile_engine.archive import Archive
from lile_engine.errors import QueryError
from lile_engine.model.protocol import ImageTextModel
from lile_engine.retrieval.encode import EncodedQuery, compose, text_part
from lile_engine.retrieval.query import check_phrase
from lile_engine.retrieval.results import HeatMap
from lile_engine.retrieval.search import check_model


def heatmap(archive: Archive, model: ImageTextModel, slide: str, text: str, *, mpp: float | None = None) -> HeatMap:
    """The cosine of a phrase with every tile of a slide (identity, path or name), of one mpp (default: the finest that
    has tiles).

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
    grids = archive.grids_of_slide(row.id)
    if mpp is None:  # a grid whose squares were there at another mpp already has no tiles of its own
        scales = sorted({grid[0] for grid in grids})
        mpp = next((scale for scale in scales if len(archive.tiles_of_slide(row.id, scale)[0])), None)
    ids, xy, size = archive.tiles_of_slide(row.id, mpp)
    if not len(ids):
        raise QueryError(f"The slide {row.name} has no tiles at {mpp} microns per pixel in this archive.")
    tile = int(np.median(size))
    overlap = next((grid[2] for grid in grids if grid[0] == mpp), 0.0)
    cell = max(1, round(tile * (1 - overlap)))
    first = xy.min(axis=0)
    place = np.rint((xy - first) / cell).astype(np.int64)
    columns, rows = place.max(axis=0) + 1
    values = np.full((rows, columns), np.nan, np.float32)
    values[place[:, 1], place[:, 0]] = archive.tile_vectors(ids) @ encoded.vector
    where = np.zeros((rows, columns), np.int64)
    where[place[:, 1], place[:, 0]] = ids
    # With overlap a cell shows the middle of its tile, where neighbours do not reach.
    shift = (tile - cell) // 2
    first_mpp = float(archive.tiles(ids[:1])[0].mpp)
    return HeatMap(values, int(first[0]) + shift, int(first[1]) + shift, cell, first_mpp, where, tile)
