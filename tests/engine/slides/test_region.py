"""Regions against shapely and against counted pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
import shapely.ops
from hypothesis import given, settings
from hypothesis import strategies as st

from lile_engine.errors import SlideError
from lile_engine.slides import Region

POINT = st.tuples(st.floats(0, 5000, width=32), st.floats(0, 5000, width=32))


def star(corners: list[float], cx: float, cy: float) -> list[tuple[float, float]]:
    """An outline around cx, cy that does not cross itself: one radius for each direction."""
    turns = [2 * math.pi * n / len(corners) for n in range(len(corners))]
    return [(cx + r * math.cos(t), cy + r * math.sin(t)) for r, t in zip(corners, turns, strict=True)]


RADII = st.lists(st.floats(50, 900), min_size=3, max_size=40)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(radii=RADII, cx=st.floats(1000, 90_000), cy=st.floats(1000, 90_000), hole=st.floats(1, 20))
def test_area_and_perimeter_equal_shapelys(radii: list[float], cx: float, cy: float, hole: float) -> None:
    inner = star([hole] * 7, cx, cy)
    region = Region.polygon(star(radii, cx, cy), [inner])
    expected = shapely.Polygon(star(radii, cx, cy)).area - shapely.Polygon(inner).area
    assert region.area_px() == pytest.approx(expected, rel=1e-9, abs=1e-6)
    assert region.area_um2(0.25) == pytest.approx(expected / 16, rel=1e-9, abs=1e-6)
    both = shapely.Polygon(star(radii, cx, cy)).length + shapely.Polygon(inner).length
    assert region.perimeter_um(0.5) == pytest.approx(both / 2, rel=1e-9)
    x0, y0, x1, y1 = shapely.Polygon(star(radii, cx, cy)).bounds
    assert region.bounds == pytest.approx((x0, y0, x1 - x0, y1 - y0))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    rings=st.lists(
        st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=3, max_size=9), min_size=1, max_size=3
    )
)
def test_area_of_any_outlines_is_what_an_odd_number_of_them_surrounds(rings: list[list[tuple[int, int]]]) -> None:
    """Small whole coordinates: crossings, touching corners, overlapping and doubled edges are all among them."""
    expected = shapely.Polygon()
    for ring in rings:
        lines = shapely.unary_union(shapely.LineString([*ring, ring[0]]))
        region = Region(tuple((float(x), float(y)) for x, y in ring))
        faces = [
            face for face in shapely.ops.polygonize(lines) if region.contains(*face.representative_point().coords[0])
        ]
        expected = expected.symmetric_difference(shapely.unary_union(faces))
    outer, *holes = [[(x + 50_000.0, y + 70_000.0) for x, y in ring] for ring in rings]
    area = Region(tuple(outer), tuple(map(tuple, holes))).area_px()
    assert area == pytest.approx(expected.area, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("outline", "holes", "area"),
    [
        ([(0, 0), (100, 100), (100, 0), (0, 100)], [], 5000),  # a bow tie
        ([(0, 0), (50, 50), (100, 0), (100, 100), (50, 50), (0, 100)], [], 5000),  # that touches itself in a corner
        ([(0, 0), (100, 0), (100, 100), (0, 100)], [[(50, 50), (150, 50), (150, 150), (50, 150)]], 15_000),
        ([(0, 0), (100, 0), (100, 100), (0, 100)], [[(10, 10), (60, 10), (60, 60), (10, 60)],
                                                    [(40, 40), (90, 40), (90, 90), (40, 90)]], 5800),
        ([(0, 0), (100, 0), (100, 100), (0, 100)], [[(0, 0), (100, 0), (100, 100), (0, 100)]], 0),
        ([(0, 0), (10, 0), (10, 10), (0, 10), (0, 0), (10, 0), (10, 10), (0, 10)], [], 0),  # around twice
        ([(0, 0), (100, 0), (50, 0)], [], 0),
    ],
)  # fmt: skip
def test_area_of_outlines_that_cross(
    outline: list[tuple[float, float]], holes: list[list[tuple[float, float]]], area: float
) -> None:
    assert Region.polygon(outline, holes).area_px() == pytest.approx(area, abs=1e-9)


def test_area_of_a_tangle_and_of_a_long_outline() -> None:
    rng = np.random.default_rng(0)
    tangle = Region.polygon(rng.uniform(0, 1000, (1200, 2)))
    assert tangle.area_px() == pytest.approx(tangle.mask(0, 0, 1000, 1000, 2000, 2000).sum() / 4, rel=1e-3)
    turns = np.linspace(0, 2 * math.pi, 5000, endpoint=False)
    radii = 1000 + rng.uniform(-5, 5, len(turns))
    ring = np.stack([radii * np.cos(turns), radii * np.sin(turns)], axis=1) + 50_000
    assert Region.polygon(ring).area_px() == pytest.approx(shapely.Polygon(ring).area, rel=1e-9)


def test_a_region_without_corners_is_refused() -> None:
    with pytest.raises(SlideError, match="at least one corner"):
        Region(())


@settings(max_examples=40, deadline=None, derandomize=True)
@given(radii=RADII, dx=st.floats(-30, 30), dy=st.floats(-30, 30))
def test_mask_is_true_where_a_cells_centre_lies_inside(radii: list[float], dx: float, dy: float) -> None:
    outline, hole = star(radii, 1000 + dx, 1000 + dy), star([20.0] * 9, 1000 + dx, 1000 + dy)
    region = Region.polygon(outline, [hole])
    mask = region.mask(0, 100, 2000, 1900, 50, 38)
    ys, xs = np.mgrid[0:38, 0:50]
    centres = shapely.points(((xs + 0.5) * 40).ravel(), (100 + (ys + 0.5) * 50).ravel())
    shape = shapely.Polygon(outline, [hole]) if shapely.Polygon(outline, [hole]).is_valid else None
    if shape is None:
        return  # the hole reaches out of a very flat star
    assert (mask.ravel() == shapely.contains(shape, centres)).mean() > 0.999


@settings(max_examples=100, deadline=None, derandomize=True)
@given(points=st.lists(POINT, min_size=3, max_size=12), probe=POINT)
def test_contains_and_mask_agree_on_any_outline(points: list[tuple[float, float]], probe: tuple[float, float]) -> None:
    region = Region.polygon([*points, (0.0, 5001.0)])
    x, y = probe
    assert region.contains(x, y) == bool(region.mask(x - 0.5, y - 0.5, 1, 1, 1, 1)[0, 0])


def test_rectangle_and_ellipse() -> None:
    assert Region.rectangle(110, 70, -100, -50) == Region.rectangle(10, 20, 100, 50)
    assert Region.rectangle(10, 20, 100, 50).area_px() == 5000
    ellipse = Region.ellipse(0, 0, 400, 200)
    assert ellipse.area_px() == pytest.approx(math.pi * 200 * 100, rel=5e-4)
    assert ellipse.bounds == pytest.approx((0, 0, 400, 200))
    assert ellipse.mask(0, 0, 400, 200, 400, 200).sum() == pytest.approx(ellipse.area_px(), rel=2e-3)


def test_a_closed_outline_is_the_same_as_an_open_one() -> None:
    corners = [(0, 0), (10, 0), (10, 10)]
    assert Region.polygon([*corners, (0, 0)]) == Region.polygon(corners)
    with pytest.raises(ValueError, match="three corners"):
        Region.polygon([(0, 0), (1, 1), (0, 0)])


def test_moved() -> None:
    region = Region.polygon([(0, 0), (10, 0), (10, 10)], [[(6, 2), (8, 2), (8, 4)]])
    assert region.moved(5, -3).bounds == (5, -3, 10, 10)
    assert region.moved(5, -3).area_px() == region.area_px()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_corner_that_is_no_number_is_refused(bad: float) -> None:
    for make in (
        lambda: Region.rectangle(bad, 0, 10, 10),
        lambda: Region.ellipse(0, 0, bad, 10),
        lambda: Region.polygon([(0, 0), (10, bad), (5, 5)]),
        lambda: Region.polygon([(0, 0), (9, 0), (9, 9)], [[(1, 1), (2, bad), (2, 2)]]),
        lambda: Region.rectangle(0, 0, 10, 10).moved(bad, 0),
    ):
        with pytest.raises(SlideError, match="not a number"):
            make()
