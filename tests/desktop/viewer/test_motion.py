from __future__ import annotations

import pytest

from lile_desktop.viewer.motion import REST, DragSpeed, Motion, glide, step
from lile_desktop.viewer.view_state import ViewState, to_slide

VIEW = ViewState(5000, 5000, 0.5, 800, 600)


def run(view: ViewState, motion: Motion, dt: float, limit: float = 5.0) -> tuple[ViewState, float]:
    seconds = 0.0
    while not motion.resting and seconds < limit:
        view, motion = step(view, motion, dt)
        seconds += dt
    return view, seconds


@pytest.mark.parametrize("dt", [0.004, 0.016, 0.05])
def test_a_glide_goes_with_the_hand_and_comes_to_rest_soon(dt: float) -> None:
    view, seconds = run(VIEW, glide(1500, -600), dt)
    assert seconds < 1.0
    assert view.cx < VIEW.cx  # the picture went right, so the view looks further left
    assert view.cy > VIEW.cy
    assert abs(view.cx - VIEW.cx) * VIEW.scale == pytest.approx(1500 * 0.09 / 0.693, rel=0.05)


def test_a_slow_hand_does_not_glide() -> None:
    assert glide(20, 20) == REST


@pytest.mark.parametrize("dt", [0.004, 0.016, 0.05])
def test_a_zoom_reaches_its_scale_about_its_anchor(dt: float) -> None:
    anchor = (100.0, 50.0)
    view, seconds = run(VIEW, Motion(target_scale=2.0, anchor_x=anchor[0], anchor_y=anchor[1]), dt)
    assert seconds < 0.6
    assert view.scale == 2.0
    assert to_slide(view, *anchor) == pytest.approx(to_slide(VIEW, *anchor))


def test_speed_of_a_drag() -> None:
    drag = DragSpeed()
    for i in range(6):
        drag.add(i * 0.01, 5.0 * i, -2.0 * i)
    assert drag.speed(0.05) == pytest.approx((500, -200))
    assert drag.speed(0.5) == (0.0, 0.0)  # the hand had stopped
    assert DragSpeed().speed(0.0) == (0.0, 0.0)
