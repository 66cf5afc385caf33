from __future__ import annotations

import math

import numpy as np
import pytest
from PySide6.QtGui import QPainterPath
from shapely.geometry import LineString, Polygon
from shapely.ops import unary_union

from lile_desktop.viewer.combine import regions_of_path, stroke_region, thinned, united, without
from lile_desktop.viewer.reshape import handles, is_rectangle, reshaped
from lile_engine.slides import Region


def shape(regions: tuple[Region, ...]) -> Polygon:
    return unary_union([Polygon(r.exterior, r.holes) for r in regions])


def star(x: float, y: float, seed: int) -> Region:
    chance = np.random.default_rng(seed)
    turns = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    far = chance.uniform(40, 100, 24)
    return Region(tuple((x + r * math.cos(t), y + r * math.sin(t)) for t, r in zip(turns, far, strict=True)))


@pytest.mark.parametrize("seed", range(6))
def test_joined_and_cut_as_an_independent_geometry_says(seed: int) -> None:
    a, b = star(40_000, 30_000, seed), star(40_050, 30_020, seed + 100)
    pa, pb = Polygon(a.exterior), Polygon(b.exterior)
    assert shape(united([a, b])).symmetric_difference(pa.union(pb)).area < 0.01 * pa.area
    assert shape(without([a], [b])).symmetric_difference(pa.difference(pb)).area < 0.01 * pa.area


def test_a_hole_is_cut_and_an_island_in_it_kept() -> None:
    outer, hole, island = (Region.rectangle(x, x, s, s) for x, s in ((0, 100), (20, 60), (40, 20)))
    ring = without([outer], [hole])
    assert len(ring) == 1
    assert len(ring[0].holes) == 1
    assert ring[0].area_px() == pytest.approx(100 * 100 - 60 * 60)
    with_island = united([*ring, island])
    assert sorted(round(r.area_px()) for r in with_island) == [400, 6400]


def test_apart_stays_apart_and_all_cut_away_is_nothing() -> None:
    a, b = Region.rectangle(0, 0, 10, 10), Region.rectangle(50, 0, 10, 10)
    assert len(united([a, b])) == 2
    assert without([a], [Region.rectangle(-5, -5, 50, 50)]) == ()


@pytest.mark.parametrize("radius", [4.0, 400.0])
def test_a_brush_stroke_covers_what_the_brush_passed(radius: float) -> None:
    t = np.linspace(0, 1, 80)
    line = list(zip((20_000 + 40 * radius * t).tolist(), (20_000 + 6 * radius * np.sin(6 * t)).tolist(), strict=True))
    covered = stroke_region(line, radius)
    expected = LineString(line).buffer(radius)
    assert shape(covered).symmetric_difference(expected).area < 0.02 * expected.area
    dab = stroke_region(line[:1], radius)
    assert shape(dab).area == pytest.approx(math.pi * radius**2, rel=0.02)


def test_a_ring_painted_by_the_brush_has_a_hole() -> None:
    t = np.linspace(0, 2 * math.pi, 100)
    ring = stroke_region(list(zip((100 * np.cos(t)).tolist(), (100 * np.sin(t)).tolist(), strict=True)), 20)
    assert len(ring) == 1
    assert ring[0].area_px() == pytest.approx(math.pi * (120**2 - 80**2), rel=0.02)


def test_thinned_stays_within_tolerance() -> None:
    t = np.linspace(0, 2 * math.pi, 500, endpoint=False)
    circle = list(zip((100 * np.cos(t)).tolist(), (100 * np.sin(t)).tolist(), strict=True))
    fewer = thinned(circle, 0.5, closed=True)
    assert len(fewer) < 80
    assert Polygon(fewer).symmetric_difference(Polygon(circle)).area < 0.01 * Polygon(circle).area
    assert thinned(circle[:3], 10, closed=True) == circle[:3]


def test_an_empty_path_is_no_region() -> None:
    assert regions_of_path(QPainterPath()) == ()


def test_a_rectangle_stays_one_when_a_corner_is_dragged() -> None:
    region = Region.rectangle(10, 20, 100, 50)
    assert is_rectangle(region)
    assert handles(region)[2] == (110, 70)
    assert reshaped(region, 2, 200, 100).bounds == (10, 20, 190, 80)
    assert reshaped(region, 0, 300, 300).bounds == (110, 70, 190, 230)
    assert is_rectangle(reshaped(region, 2, 200, 100))


def test_a_polygon_moves_one_corner_and_an_ellipse_is_stretched() -> None:
    triangle = Region.polygon([(0, 0), (10, 0), (0, 10)])
    assert not is_rectangle(triangle)
    assert reshaped(triangle, 1, 20, 5).exterior == ((0, 0), (20, 5), (0, 10))
    ellipse = Region.ellipse(0, 0, 100, 60)
    assert len(handles(ellipse)) == 4
    assert reshaped(ellipse, 2, 200, 60).bounds == pytest.approx((0, 0, 200, 60))
    assert reshaped(ellipse, 2, 0, 0) == ellipse  # flat: not a shape
