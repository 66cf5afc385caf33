from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lile_desktop.viewer.pyramid import COARSEST_PX, GAP, TILE_PX, build_pyramid
from lile_desktop.viewer.tile_painter import tiles_for_view, wanted_tiles
from lile_desktop.viewer.view_state import Rect, ViewState, fitted, visible_rect
from lile_engine.slides import SlideInfo

Make = Callable[..., SlideInfo]


@pytest.mark.parametrize(
    ("size", "downsamples"),
    [
        ((40_000, 30_000), (1.0, 4.0, 16.0)),
        ((2220, 2967), (1.0,)),
        ((14_486, 16_783), (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)),
        ((100_000, 90_000), (1.0, 32.0)),
        ((300, 200), (1.0,)),
        ((3, 5), (1.0,)),
    ],
)
def test_levels_are_near_enough_and_the_last_fits_a_tile(
    make_info: Make, size: tuple[int, int], downsamples: tuple[float, ...]
) -> None:
    pyramid = build_pyramid(make_info(*size, downsamples))
    ratios = [b.downsample / a.downsample for a, b in zip(pyramid.levels, pyramid.levels[1:], strict=False)]
    assert all(1 < ratio <= GAP for ratio in ratios)
    last = pyramid.levels[-1]
    assert max(last.width, last.height) <= COARSEST_PX
    assert (last.columns, last.rows) == (1, 1)
    natives = [level.native for level in pyramid.levels if level.native is not None]
    assert natives == list(range(len(natives)))


def test_tiles_cover_a_level_without_gap_or_overlap(make_info: Make) -> None:
    pyramid = build_pyramid(make_info(3000, 2200, (1.0, 2.0, 4.0)))
    for number in range(len(pyramid.levels)):
        covered = np.zeros((2200 // 20, 3000 // 20), int)
        for key in pyramid.tiles(number, Rect(0, 0, 3000, 2200)):
            r = pyramid.tile_rect(key)
            ys, xs = np.mgrid[10:2200:20, 10:3000:20]
            covered += (xs >= r.x) & (xs < r.x + r.w) & (ys >= r.y) & (ys < r.y + r.h)
        assert (covered == 1).all()


def test_reads_stay_on_the_slide(make_info: Make) -> None:
    pyramid = build_pyramid(make_info(3001, 2203, (1.0,)))
    for number, level in enumerate(pyramid.levels):
        for key in pyramid.tiles(number, Rect(0, 0, 3001, 2203)):
            read = pyramid.read_of(key)
            assert 0 < read.w <= TILE_PX
            assert 0 < read.h <= TILE_PX
            assert read.x + read.w0 <= 3001
            assert read.y + read.h0 <= 2203
            assert (read.native is None) == (level.native is None)


def test_the_level_is_sharp_and_no_finer_than_needed(make_info: Make) -> None:
    pyramid = build_pyramid(make_info(40_000, 30_000, (1.0, 2.0, 4.0, 8.0)))
    for scale in (0.01, 0.06, 0.2, 0.5, 0.9, 1.0, 3.0):
        level = pyramid.level_for(scale)
        assert level == 0 or pyramid.levels[level].downsample * scale <= 1.15
        if level < pyramid.coarsest:
            assert pyramid.levels[level + 1].downsample * scale > 1.15


def test_nothing_is_seen_beside_the_slide(make_info: Make) -> None:
    pyramid = build_pyramid(make_info())
    assert list(pyramid.tiles(0, Rect(-9000, -9000, 100, 100))) == []
    assert list(pyramid.tiles(0, Rect(90_000, 0, 100, 100))) == []


def test_an_ancestor_lies_over_its_tile(make_info: Make) -> None:
    pyramid = build_pyramid(make_info())
    for key in pyramid.tiles(0, Rect(39_000, 29_000, 1000, 1000)):
        for level in range(1, pyramid.coarsest + 1):
            assert pyramid.tile_rect(pyramid.ancestor(key, level)).intersects(pyramid.tile_rect(key))


def test_wanted_begins_with_the_coarsest_then_what_is_seen_from_the_middle(make_info: Make) -> None:
    pyramid = build_pyramid(make_info())
    view = fitted(ViewState(width=1920, height=1080), 40_000, 30_000)
    wanted = wanted_tiles(pyramid, view, 1.0, lambda key: False)
    assert wanted[0].level == pyramid.coarsest
    seen = tiles_for_view(pyramid, view, 1.0)
    at = [wanted.index(key) for key in seen]
    assert at == sorted(at)
    assert max(at) < len(seen) + 8
    x, y = pyramid.tile_rect(seen[0]).center
    assert abs(x - view.cx) <= TILE_PX * pyramid.levels[seen[0].level].downsample
    assert abs(y - view.cy) <= TILE_PX * pyramid.levels[seen[0].level].downsample


def test_neighbours_and_the_next_levels_are_wanted_last(make_info: Make) -> None:
    pyramid = build_pyramid(make_info())
    view = ViewState(20_000, 15_000, 0.5, 1000, 800)
    wanted = wanted_tiles(pyramid, view, 1.0, lambda key: True)
    target = pyramid.level_for(0.5)
    seen = set(pyramid.tiles(target, visible_rect(view)))
    rest = wanted[len(seen) + 1 :]
    assert {key.level for key in wanted} >= {target - 1, target, target + 1}
    assert any(key.level == target and key not in seen for key in rest)


def test_a_jump_asks_for_something_middling_first(make_info: Make) -> None:
    pyramid = build_pyramid(make_info())
    view = ViewState(20_000, 15_000, 1.0, 1000, 800)
    far = wanted_tiles(pyramid, view, 1.0, lambda key: key.level == pyramid.coarsest)
    near = wanted_tiles(pyramid, view, 1.0, lambda key: key.level == 2)
    assert far[1].level == 2
    assert near[1].level == 0
