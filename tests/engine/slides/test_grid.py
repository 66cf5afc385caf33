"""The tile grid: always the same tiles, the right ones for a region and for tissue."""

from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from lile_engine.errors import MppUnknownError, SlideError
from lile_engine.slides import Level, Region, SlideInfo, Tile, TileSpec, TissueMask, tile_grid

INFO = SlideInfo(
    "/slides/a.svs", "id", "a.svs", "aperio", "aperio", 20_000, 15_000, (Level(20_000, 15_000, 1.0),), 0.25, 40.0, {},
    (), (0, 0, 20_000, 15_000),
)  # fmt: skip
SPEC = TileSpec(mpp=0.5, px=224)


def test_whole_slide_is_covered_once_from_the_corner() -> None:
    tiles = tile_grid(INFO, SPEC)
    assert tiles[:2] == [Tile(0, 0, 448), Tile(448, 0, 448)]
    assert len(tiles) == round(20_000 / 448) * round(15_000 / 448)
    assert len(set(tiles)) == len(tiles)
    assert tiles == sorted(tiles, key=lambda tile: (tile.y, tile.x))
    assert all(tile.x + 224 <= 20_000 and tile.y + 224 <= 15_000 for tile in tiles)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    x=st.floats(-500, 20_500), y=st.floats(-500, 15_500), w=st.floats(500, 6000), h=st.floats(500, 6000),
    overlap=st.sampled_from([0.0, 0.25, 0.5]),
)  # fmt: skip
def test_a_region_gives_tiles_of_the_same_grid(x: float, y: float, w: float, h: float, overlap: float) -> None:
    spec = dataclasses.replace(SPEC, overlap=overlap)
    tiles = tile_grid(INFO, spec, region=Region.ellipse(x, y, w, h))
    assert set(tiles) <= set(tile_grid(INFO, spec))
    shape = shapely.Polygon(Region.ellipse(x, y, w, h).exterior)
    shares = [shapely.box(t.x, t.y, t.x + t.size, t.y + t.size).intersection(shape).area / t.size**2 for t in tiles]
    assert all(share > 0.2 for share in shares) or not shares or max(shares) < 0.55
    for tile in tile_grid(INFO, spec):
        share = shapely.box(tile.x, tile.y, tile.x + 448, tile.y + 448).intersection(shape).area / 448**2
        if share > 0.55:
            assert tile in tiles


def test_overlap_makes_the_grid_denser() -> None:
    half = tile_grid(INFO, dataclasses.replace(SPEC, overlap=0.5))
    assert half[1].x == 224
    assert set(tile_grid(INFO, SPEC)) <= set(half)


@pytest.mark.parametrize(
    ("region", "tile"),
    [
        (Region.rectangle(1000, 1000, 100, 100), Tile(826, 826, 448)),
        (Region.rectangle(3, 5, 10, 10), Tile(0, 0, 448)),  # moved inwards at the edge
        (Region.rectangle(19_990, 14_990, 9, 9), Tile(20_000 - 448, 15_000 - 448, 448)),
        (Region.rectangle(500, 500, 0, 0), Tile(276, 276, 448)),
    ],
)
def test_a_small_region_gets_one_tile_centred_on_it(region: Region, tile: Tile) -> None:
    assert tile_grid(INFO, SPEC, region=region) == [tile]


def test_a_thin_region_gets_the_tiles_it_crosses_most() -> None:
    tiles = tile_grid(INFO, SPEC, region=Region.rectangle(1000, 1000, 3000, 50))
    assert tiles
    assert {tile.y for tile in tiles} == {896}


@pytest.mark.parametrize("breadth", [0.0, 0.5, 3.0, 8.0, 12.0, 30.0])
def test_a_region_of_any_thinness_gets_the_tiles_along_it(breadth: float) -> None:
    across = tile_grid(INFO, SPEC, region=Region.rectangle(1000, 1000, 6000, breadth))
    assert [(tile.x, tile.y) for tile in across] == [(448 * n, 896) for n in range(2, 16)]
    down = tile_grid(INFO, SPEC, region=Region.rectangle(1000, 1000, breadth, 6000))
    assert [(tile.x, tile.y) for tile in down] == [(896, 448 * n) for n in range(2, 16)]
    slanting = Region.polygon([(1000, 1000), (6000, 4000), (6000 + breadth, 4000), (1000 + breadth, 1000)])
    line = shapely.LineString([(1000, 1000), (6000, 4000)])
    chosen = tile_grid(INFO, SPEC, region=slanting)
    lengths = {tile: line.intersection(shapely.box(tile.x, tile.y, tile.x + 448, tile.y + 448)).length
               for tile in tile_grid(INFO, SPEC)}  # fmt: skip
    assert {tile for tile, length in lengths.items() if length > 0.7 * max(lengths.values())} <= set(chosen)
    assert all(lengths[tile] > 100 for tile in chosen)


def test_a_strip_where_the_grid_ends_gets_tiles_moved_inwards() -> None:
    """20,000 = 44 x 448 + 288 is reached by the grid; 20,140 leaves 140 of a tile, which is less than half of it."""
    wide = dataclasses.replace(INFO, width=45 * 448 + 140, height=33 * 448 + 200, bounds=(0, 0, 0, 0))
    right, lower = wide.width - 448, wide.height - 448
    strip = tile_grid(wide, SPEC, region=Region.rectangle(wide.width - 140, 5000, 140, 3000))
    assert {tile.x for tile in strip} == {right}
    assert min(tile.y for tile in strip) <= 5000 + 224
    assert max(tile.y + 448 for tile in strip) >= 8000 - 224
    below = tile_grid(wide, SPEC, region=Region.rectangle(5000, wide.height - 200, 3000, 200))
    assert {tile.y for tile in below} == {lower}
    corner = Region.polygon([(wide.width - 130, 0), (wide.width, 0), (wide.width, wide.height)])
    assert {tile.x for tile in tile_grid(wide, SPEC, region=corner)} == {right}
    tissue = TissueMask(np.ones((150, 202), np.bool_), 100.0)
    assert tile_grid(wide, SPEC, region=Region.rectangle(wide.width - 140, 5000, 140, 3000), mask=tissue) == strip


def test_an_outline_far_beyond_the_slide_chooses_as_its_part_on_it_does() -> None:
    def corners(far: float) -> list[tuple[float, float]]:
        return [(1000, 1000), (3000, 1000), (3000, 2990), (far, 3001), (3000, 3002), (1000, 3002)]

    assert tile_grid(INFO, SPEC, region=Region.polygon(corners(1e8))) == tile_grid(
        INFO, SPEC, region=Region.polygon(corners(30_000))
    )
    for far in (1e7, 1e12, 1e300):
        assert tile_grid(INFO, SPEC, region=Region.rectangle(-far, -far, 2 * far, 2 * far)) == tile_grid(INFO, SPEC)
        assert tile_grid(INFO, SPEC, region=Region.rectangle(far, far, far, far)) == []


def test_a_region_off_the_slide_has_no_tiles() -> None:
    assert tile_grid(INFO, SPEC, region=Region.rectangle(30_000, 0, 2000, 2000)) == []
    assert tile_grid(INFO, SPEC, region=Region.rectangle(-900, -900, 100, 100)) == []
    assert tile_grid(INFO, SPEC, region=Region.rectangle(20_010, 500, 100, 100)) == []  # its tile would reach in


def test_tissue_decides() -> None:
    mask = np.zeros((150, 200), np.bool_)
    mask[:, :100] = True  # the left half, 10,000 pixels
    tissue = TissueMask(mask, 100.0)
    tiles = tile_grid(INFO, dataclasses.replace(SPEC, min_tissue=0.25), mask=tissue)

    def share(tile: Tile) -> float:
        return max(0, min(10_000 - tile.x, 448)) * min(15_000 - tile.y, 448) / 448**2

    assert tiles == [tile for tile in tile_grid(INFO, SPEC) if share(tile) >= 0.25]
    assert [tissue.share(t.x, t.y, 448, 448) for t in tiles] == pytest.approx([share(t) for t in tiles])
    assert tile_grid(INFO, SPEC, region=Region.rectangle(15_000, 500, 300, 300), mask=tissue) == []
    assert len(tile_grid(INFO, SPEC, region=Region.rectangle(500, 500, 300, 300), mask=tissue)) == 1


def test_only_the_scanned_part_is_cut() -> None:
    part = dataclasses.replace(INFO, bounds=(5000, 4000, 3000, 2000))
    tiles = tile_grid(part, SPEC)
    assert tiles
    assert all(5000 - 448 < t.x < 8000 and 4000 - 448 < t.y < 6000 and t.x % 448 == 0 for t in tiles)


def test_a_slide_smaller_than_a_tile_is_one_tile() -> None:
    tiny = dataclasses.replace(INFO, width=100, height=80, bounds=(0, 0, 100, 80))
    assert tile_grid(tiny, SPEC) == [Tile(0, 0, 448)]


def test_without_mpp_the_flag_is_named() -> None:
    with pytest.raises(MppUnknownError, match="--slide-mpp"):
        tile_grid(dataclasses.replace(INFO, mpp=None), SPEC)


@pytest.mark.parametrize("spec", [TileSpec(mpp=0), TileSpec(px=0), TileSpec(overlap=1.0), TileSpec(overlap=-0.1)])
def test_impossible_tiles_are_refused(spec: TileSpec) -> None:
    with pytest.raises(SlideError, match="cannot be cut"):
        tile_grid(INFO, spec)


def test_absurdly_many_tiles_are_refused() -> None:
    huge = dataclasses.replace(INFO, width=2**30, height=2**30, bounds=(0, 0, 2**30, 2**30))
    with pytest.raises(SlideError, match="would be cut into"):
        tile_grid(huge, SPEC)


def test_absurdly_many_tiles_cost_no_memory() -> None:
    """Counted before they are laid out: the starts of one row alone would take 8 GB here."""
    huge = dataclasses.replace(INFO, width=2**30, height=2**30, bounds=(0, 0, 2**30, 2**30))
    tracemalloc.start()
    try:
        with pytest.raises(SlideError, match="would be cut into"):
            tile_grid(huge, dataclasses.replace(SPEC, overlap=0.9999))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
