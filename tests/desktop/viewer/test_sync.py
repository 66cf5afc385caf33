from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lile_desktop.viewer.sync import followed
from lile_desktop.viewer.view_state import ViewState, panned, turned_at, zoomed_at

A = ViewState(5000, 4000, 0.5, 800, 600)
B = ViewState(9000, 1000, 0.25, 800, 600, 90.0, True)


def same(view: ViewState, expected: ViewState) -> None:
    assert (view.cx, view.cy, view.scale) == pytest.approx((expected.cx, expected.cy, expected.scale))
    assert view.rotation == pytest.approx(expected.rotation)


@given(st.floats(-900, 900), st.floats(-900, 900))
def test_a_pan_moves_both_pictures_alike(dx: float, dy: float) -> None:
    same(followed(A, panned(A, dx, dy), B), panned(B, dx, dy))


def test_a_zoom_about_a_point_is_the_same_on_both() -> None:
    same(followed(A, zoomed_at(A, 2.0, 100, 500), B), zoomed_at(B, 1.0, 100, 500))


def test_a_turn_about_the_middle_turns_both() -> None:
    same(followed(A, turned_at(A, 30, 400, 300), B), turned_at(B, 120, 400, 300))


def test_there_and_back_leaves_no_drift() -> None:
    moved = panned(zoomed_at(A, 3.0, 10, 20), 400, -300)
    there = followed(A, moved, B)
    assert there != B
    same(followed(A, replace(moved, cx=A.cx, cy=A.cy, scale=A.scale), B), B)
