"""Outlines thinned and cut to the view."""

from __future__ import annotations

import math

from lile_desktop.viewer.screen_outline import closed_ring, pieces_in_view
from lile_desktop.viewer.view_state import ViewState

VIEW = ViewState(cx=500.0, cy=500.0, scale=1.0, width=1000, height=1000)


def circle(corners: int, radius: float) -> tuple[tuple[float, float], ...]:
    angles = (2 * math.pi * n / corners for n in range(corners))
    return tuple((500 + radius * math.cos(a), 500 + radius * math.sin(a)) for a in angles)


def test_a_few_corners_stay_as_they_are_and_the_ring_is_closed() -> None:
    (piece,) = pieces_in_view(closed_ring(((100, 100), (900, 100), (500, 900))), VIEW)
    assert [(p.x(), p.y()) for p in piece.toList()] == [(100, 100), (900, 100), (500, 900), (100, 100)]


def test_many_corners_are_thinned_and_none_strays_from_the_line() -> None:
    (piece,) = pieces_in_view(closed_ring(circle(50_000, 300)), VIEW)
    corners = piece.toList()
    assert len(corners) < 2_000
    assert corners[0] == corners[-1]
    assert all(abs(math.hypot(p.x() - 500, p.y() - 500) - 300) < 0.01 for p in corners)


def test_only_what_crosses_the_view_is_left() -> None:
    assert pieces_in_view(closed_ring(circle(400, 5_000)), VIEW) == []
    around = ((-2_000.0, 300.0), (3_000.0, 300.0), (3_000.0, 4_000.0), (-2_000.0, 4_000.0))
    (piece,) = pieces_in_view(closed_ring(around), VIEW)
    assert [(p.x(), p.y()) for p in piece.toList()] == [(-2_000, 300), (3_000, 300)]


def test_a_turned_and_mirrored_view() -> None:
    turned = ViewState(cx=500.0, cy=500.0, scale=2.0, width=1000, height=1000, rotation=90.0, mirrored=True)
    (piece,) = pieces_in_view(closed_ring(((400, 500), (600, 500), (500, 510))), turned)
    first = piece.toList()[0]
    assert (round(first.x(), 6), round(first.y(), 6)) == (500, 700)
