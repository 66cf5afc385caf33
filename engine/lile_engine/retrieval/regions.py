"""A region of a slide as tiles with vectors: stored ones where the slide is indexed, the rest embedded now."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lile_engine.archive import Archive, SlideRow
from lile_engine.errors import QueryError
from lile_engine.model.protocol import Floats, ImageTextModel
from lile_engine.progress import CancelToken, ProgressCallback, ProgressMeter, no_progress
from lile_engine.slides import Region, Slide, Tile, TileSpec, read_tiles, tile_grid, tissue_mask

_CPU_STEP = 8  # tiles between two looks at cancel: 50 ms on two cores, and as fast per tile as 32
_MOST_DECODERS = 8


@dataclass(frozen=True)
class RegionPlan:
    """What a region question takes. ``stored`` maps tiles that the archive holds to their ids; ``background`` is the
    number of tiles left out for want of tissue; ``dark``: the slide is dark, as in fluorescence."""

    identity: str
    name: str
    tiles: tuple[Tile, ...]
    stored: dict[Tile, int]
    background: int
    spec: TileSpec
    dark: bool = False

    @property
    def missing(self) -> list[Tile]:
        """The tiles that must be read and embedded."""
        return [tile for tile in self.tiles if tile not in self.stored]


@dataclass(frozen=True, eq=False)
class EmbeddedRegion:
    """``vectors`` float32 [n, d] and ``tokens`` float32 [n, N, w] of ``tiles``; ``failed`` could not be read."""

    tiles: tuple[Tile, ...]
    vectors: Floats
    tokens: Floats
    failed: tuple[tuple[Tile, str], ...]


def default_spec(archive: Archive, model: ImageTextModel) -> TileSpec:
    """The grid of a region question: the archive's mpp if all slides have one, else what the model was trained at."""
    mpps = archive.summary().mpps
    mpp = mpps[0] if len(mpps) == 1 else model.identity.mpp
    return TileSpec(mpp=mpp, px=model.identity.input_px)


def plan_region(archive: Archive, slide: Slide, region: Region, spec: TileSpec) -> RegionPlan:
    """Cuts the region and looks up what is stored; raises `QueryError` where there is no tissue in it."""
    every = tile_grid(slide.info, spec, region=region)
    mask = tissue_mask(slide)
    tiles = tile_grid(slide.info, spec, region=region, mask=mask)
    if not every:
        raise QueryError(f"The region lies outside the slide {slide.info.name}.")
    if not tiles:
        raise QueryError(f"There is no tissue in this region of {slide.info.name}; draw it over stained tissue.")
    known = archive.known_tiles(slide.info.identity, spec.mpp, spec.px)
    stored = {tile: known[(tile.x, tile.y, tile.size)] for tile in tiles if (tile.x, tile.y, tile.size) in known}
    left_out = len(every) - len(tiles)
    return RegionPlan(slide.info.identity, slide.info.name, tuple(tiles), stored, left_out, spec, mask.dark)


def stored_region(archive: Archive, row: SlideRow, region: Region, spec: TileSpec) -> EmbeddedRegion:
    """The tiles of an indexed slide whose centre lies in the region; the slide itself need not be there."""
    ids, xy, size = archive.tiles_of_slide(row.id, spec.mpp)
    inside = [at for at, ((x, y), s) in enumerate(zip(xy, size, strict=True)) if region.contains(x + s / 2, y + s / 2)]
    if not inside:
        raise QueryError(f"The slide {row.name} is not in reach, and no stored tile of it lies in this region.")
    chosen = ids[inside]
    tiles = tuple(Tile(int(xy[at][0]), int(xy[at][1]), int(size[at])) for at in inside)
    return EmbeddedRegion(tiles, archive.tile_vectors(chosen), archive.tile_tokens(chosen), ())


def embed_region(
    archive: Archive,
    model: ImageTextModel,
    slide: Slide,
    plan: RegionPlan,
    *,
    batch: int = 32,
    progress: ProgressCallback = no_progress,
    cancel: CancelToken | None = None,
) -> EmbeddedRegion:
    """Takes stored vectors and embeds what is missing; raises `QueryError` if no tile could be read."""
    meter = ProgressMeter(progress, len(plan.tiles), "tiles")
    tiles = list(plan.stored)
    ids = np.array([plan.stored[tile] for tile in tiles], np.int64)
    vectors, tokens = [archive.tile_vectors(ids)], [archive.tile_tokens(ids)]
    meter.advance(len(tiles))
    failed: list[tuple[Tile, str]] = []
    for done, more_vectors, more_tokens, bad in embed_tiles(model, slide, plan.missing, plan.spec, batch, cancel):
        tiles += done
        vectors.append(more_vectors)
        tokens.append(more_tokens)
        failed += bad
        meter.advance(len(done) + len(bad))
    if not tiles:
        raise QueryError(f"No tile of this region of {plan.name} can be read; the slide may be damaged there.")
    return EmbeddedRegion(tuple(tiles), np.concatenate(vectors), np.concatenate(tokens), tuple(failed))


def embed_tiles(
    model: ImageTextModel, slide: Slide, tiles: list[Tile], spec: TileSpec, batch: int, cancel: CancelToken | None
) -> Iterator[tuple[list[Tile], Floats, Floats, list[tuple[Tile, str]]]]:
    """Tiles, vectors [n, d], tokens [n, N, w] and failures, batch by batch, decoding ahead of the model.

    Cancelled is raised within a tenth of a second after ``cancel`` is set.
    """
    step = _CPU_STEP if model.device.startswith("cpu") else batch
    threads = min(_MOST_DECODERS, os.cpu_count() or 2)
    for read in read_tiles(slide, tiles, model.identity.input_px, threads=threads, batch=batch, cancel=cancel):
        vectors, tokens = [], []
        for start in range(0, max(1, len(read.pixels)), step):
            if cancel is not None:
                cancel.raise_if_cancelled()
            encoded = model.encode_images(read.pixels[start : start + step])
            vectors.append(encoded.vectors)
            tokens.append(encoded.tokens)
        yield read.tiles, np.concatenate(vectors), np.concatenate(tokens), read.failed
