from __future__ import annotations

from dataclasses import replace

from lile_desktop.viewer.history import LIMIT, PlaceHistory
from lile_desktop.viewer.view_state import ViewState

HERE = ViewState(1000, 1000, 1.0, 800, 600)


def there(n: int) -> ViewState:
    return replace(HERE, cx=1000.0 + 800 * n)


def test_back_and_forward() -> None:
    history = PlaceHistory()
    assert history.back() is None
    for n in range(3):
        history.visit(there(n))
    assert history.back() == there(1)
    assert history.back() == there(0)
    assert not history.can_go_back
    assert history.forward() == there(1)
    history.visit(there(9))
    assert not history.can_go_forward
    assert history.back() == there(1)


def test_a_small_move_is_no_new_place_but_zoom_and_turn_are() -> None:
    history = PlaceHistory()
    history.visit(HERE)
    history.visit(replace(HERE, cx=1050))
    assert not history.can_go_back
    history.visit(replace(HERE, scale=2.0))
    history.visit(replace(HERE, scale=2.0, rotation=90.0))
    assert history.back() == replace(HERE, scale=2.0)


def test_the_list_is_bounded() -> None:
    history = PlaceHistory()
    for n in range(LIMIT + 50):
        history.visit(there(n))
    steps = 0
    while history.back() is not None:
        steps += 1
    assert steps == LIMIT - 1
