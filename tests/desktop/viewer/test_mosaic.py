"""One picture of many tiles: everything in its place, whatever was there before."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from PySide6.QtGui import QColor, QImage

from lile_desktop.viewer.mosaic import Cells, Mosaic, Mosaics, rectangles
from lile_desktop.viewer.pyramid import TILE_PX, Pyramid, TileKey, build_pyramid
from lile_desktop.viewer.tile_cache import TileCache
from lile_engine.slides import SlideInfo


@pytest.fixture
def pyramid(make_info: Callable[..., SlideInfo]) -> Pyramid:
    return build_pyramid(make_info())


def tile(key: TileKey, shade: int = 0) -> QImage:
    """A tile whose colour says where it belongs."""
    image = QImage(TILE_PX, TILE_PX, QImage.Format.Format_RGB32)
    image.fill(QColor(key.col, key.row, shade))
    return image


@pytest.mark.parametrize("seed", range(20))
def test_rectangles_cover_each_cell_once(seed: int) -> None:
    chance = random.Random(seed)
    cells = {(chance.randrange(9), chance.randrange(7)) for _ in range(chance.randrange(1, 60))}
    covered = [
        (col, row)
        for part in rectangles(cells)
        for col in range(part.col0, part.col1 + 1)
        for row in range(part.row0, part.row1 + 1)
    ]
    assert sorted(covered) == sorted(cells)


def test_a_full_field_is_one_rectangle() -> None:
    assert rectangles((c, r) for c in range(3, 9) for r in range(2, 5)) == [Cells(3, 2, 8, 4)]


def test_no_cells_are_no_rectangles() -> None:
    assert rectangles([]) == []


def test_tiles_lie_where_the_pieces_say_after_any_pan(pyramid: Pyramid) -> None:
    mosaic = Mosaic()
    mosaic.start(pyramid.slide, 0, 4, 3)
    for col0, row0 in ((0, 0), (1, 0), (3, 2), (2, 5), (30, 17)):
        keys = [TileKey(pyramid.slide, 0, col0 + c, row0 + r) for c in range(4) for r in range(3)]
        while not mosaic.take([(key, tile(key)) for key in keys if not mosaic.holds(key)]):
            pass
        seen = []
        for piece in mosaic.pieces(pyramid, Cells(col0, row0, col0 + 3, row0 + 2)):
            for col in range(piece.cells.col0, piece.cells.col1 + 1):
                for row in range(piece.cells.row0, piece.cells.row1 + 1):
                    x = piece.source.x() + (col - piece.cells.col0) * TILE_PX + 5
                    y = piece.source.y() + (row - piece.cells.row0) * TILE_PX + 5
                    assert mosaic.image.pixelColor(x, y) == QColor(col, row, 0)
                    seen.append((col, row))
        assert sorted(seen) == sorted((key.col, key.row) for key in keys)


def test_a_tile_that_looks_otherwise_is_copied_again(pyramid: Pyramid) -> None:
    mosaic, key = Mosaic(), TileKey(pyramid.slide, 0, 1, 1)
    mosaic.start(pyramid.slide, 0, 2, 2)
    mosaic.take([(key, tile(key))])
    other = tile(key, 200)
    assert not mosaic.shows(key, other)
    assert mosaic.take([(key, other)])
    assert mosaic.image.pixelColor(TILE_PX + 5, TILE_PX + 5).blue() == 200


def test_another_level_or_slide_starts_empty(pyramid: Pyramid) -> None:
    mosaic, key = Mosaic(), TileKey(pyramid.slide, 0, 0, 0)
    mosaic.start(pyramid.slide, 0, 2, 2)
    mosaic.take([(key, tile(key))])
    mosaic.start(pyramid.slide, 1, 2, 2)
    assert not mosaic.holds(key)


def test_the_level_before_is_kept_and_both_weigh_in_the_cache(pyramid: Pyramid) -> None:
    cache = TileCache(64 * 2**20)
    mosaics, key = Mosaics(cache), TileKey(pyramid.slide, 0, 0, 0)
    first = mosaics.of(pyramid.slide, 0, 2, 2)
    assert first is not None
    first.take([(key, tile(key))])
    second = mosaics.of(pyramid.slide, 1, 2, 2)
    assert second is not first
    assert mosaics.holding(key) is first
    assert cache.bytes_held == 2 * 4 * TILE_PX * TILE_PX * 4
    assert mosaics.of(pyramid.slide, 0, 2, 2) is first
    assert first.holds(key)
    mosaics.clear()
    assert cache.bytes_held == 0


def test_a_small_cache_has_no_mosaic(pyramid: Pyramid) -> None:
    assert Mosaics(TileCache(8 * 2**20)).of(pyramid.slide, 0, 8, 5) is None
