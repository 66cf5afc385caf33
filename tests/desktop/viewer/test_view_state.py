from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPointF

from lile_desktop.viewer import view_state as vs
from lile_desktop.viewer.tile_painter import view_transform
from lile_desktop.viewer.view_state import Rect, ViewState
from lile_engine.slides import SlideInfo

views = st.builds(
    ViewState,
    cx=st.floats(0, 1e5),
    cy=st.floats(0, 1e5),
    scale=st.floats(0.001, 32),
    width=st.integers(50, 4000),
    height=st.integers(50, 3000),
    rotation=st.floats(0, 360),
    mirrored=st.booleans(),
)
places = st.tuples(st.floats(-500, 4500), st.floats(-500, 3500))


@given(views, places)
def test_screen_to_slide_and_back(view: ViewState, place: tuple[float, float]) -> None:
    assert vs.to_screen(view, *vs.to_slide(view, *place)) == pytest.approx(place, abs=1e-4)


@given(views, places)
def test_the_painter_s_transform_agrees_with_the_pure_one(view: ViewState, place: tuple[float, float]) -> None:
    x, y = vs.to_slide(view, *place)
    at = view_transform(view).map(QPointF(x, y))
    assert (at.x(), at.y()) == pytest.approx(place, abs=1e-3)


@given(views, places, st.floats(0.001, 32))
def test_zoom_keeps_the_point_under_the_cursor(view: ViewState, place: tuple[float, float], scale: float) -> None:
    before = vs.to_slide(view, *place)
    after = vs.to_slide(vs.zoomed_at(view, scale, *place), *place)
    assert after == pytest.approx(before, abs=1e-5 + 1e-9 / view.scale)


@given(views, places, st.floats(0, 360))
def test_turning_keeps_the_point_under_the_cursor(view: ViewState, place: tuple[float, float], angle: float) -> None:
    before = vs.to_slide(view, *place)
    assert vs.to_slide(vs.turned_at(view, angle, *place), *place) == pytest.approx(before, abs=1e-4)


@given(views, st.floats(-300, 300), st.floats(-300, 300))
def test_a_drag_moves_the_picture_with_the_hand(view: ViewState, dx: float, dy: float) -> None:
    x, y = vs.to_slide(view, 10, 20)
    assert vs.to_screen(vs.panned(view, dx, dy), x, y) == pytest.approx((10 + dx, 20 + dy), abs=1e-3)


@given(views)
def test_all_that_is_seen_lies_in_the_visible_rectangle(view: ViewState) -> None:
    rect = vs.visible_rect(view)
    x, y = vs.to_slide(view, view.width * 0.3, view.height * 0.9)
    assert rect.x - 1e-3 <= x <= rect.x + rect.w + 1e-3
    assert rect.y - 1e-3 <= y <= rect.y + rect.h + 1e-3


@pytest.mark.parametrize("rotation", [0.0, 30.0, 90.0, 200.0])
def test_a_fitted_slide_is_all_on_the_screen(rotation: float) -> None:
    view = vs.fitted(ViewState(width=900, height=500, rotation=rotation), 14_000, 17_000)
    for x, y in ((0, 0), (14_000, 0), (14_000, 17_000), (0, 17_000)):
        sx, sy = vs.to_screen(view, x, y)
        assert 0 <= sx <= 900
        assert 0 <= sy <= 500


def test_a_shown_rectangle_is_in_the_middle() -> None:
    view = vs.showing(ViewState(width=1000, height=800), Rect(200, 300, 100, 400))
    assert (view.cx, view.cy) == (250, 500)
    assert view.scale == pytest.approx(800 * 0.8 / 400)


def test_clamped_keeps_the_slide_within_reach() -> None:
    lost = ViewState(cx=-50, cy=99_999, scale=1e-9, width=800, height=600)
    kept = vs.clamped(lost, 10_000, 8_000)
    assert (kept.cx, kept.cy) == (0, 8_000)
    assert kept.scale > 0.01
    assert vs.clamped(replace(lost, scale=1e6), 10_000, 8_000).scale == vs.MAX_SCALE


def test_magnification_from_the_slide_from_mpp_and_from_nothing(make_info: Callable[..., SlideInfo]) -> None:
    view = ViewState(scale=0.25)
    assert vs.magnification(view, make_info(magnification=20.0)) == pytest.approx(5)
    assert vs.magnification(view, make_info(magnification=None, mpp=0.5)) == pytest.approx(5)
    unknown = make_info(magnification=None, mpp=None)
    assert vs.magnification(view, unknown) is None
    assert vs.scale_for_magnification(unknown, 10) == pytest.approx(0.25)
    assert vs.scale_for_magnification(make_info(magnification=20.0), 10) == pytest.approx(0.5)


def test_rectangles() -> None:
    assert Rect(0, 0, 10, 10).intersects(Rect(9, 9, 5, 5))
    assert not Rect(0, 0, 10, 10).intersects(Rect(10, 0, 5, 5))
    assert Rect(0, 0, 10, 20).expanded(1) == Rect(-1, -1, 12, 22)
    assert math.isclose(Rect(0, 0, 10, 20).center[1], 10)
