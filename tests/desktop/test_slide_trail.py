"""Back and forward from one slide to another."""

from __future__ import annotations

from lile_desktop.slide_trail import SlideTrail, Stop
from lile_desktop.viewer.view_state import ViewState


def stop(name: str) -> Stop:
    return Stop(name, ViewState(cx=1.0, cy=2.0, scale=0.5, width=800, height=600))


def test_back_and_forward_go_the_same_way() -> None:
    trail = SlideTrail()
    assert not trail.can_go_back
    assert trail.back(stop("a")) is None
    trail.leave(stop("a"))
    trail.leave(stop("b"))
    assert trail.back(stop("c")) == stop("b")
    assert trail.back(stop("b")) == stop("a")
    assert not trail.can_go_back
    assert trail.forward(stop("a")) == stop("b")
    assert trail.forward(stop("b")) == stop("c")
    assert not trail.can_go_forward


def test_a_new_slide_cuts_off_what_lay_ahead() -> None:
    trail = SlideTrail()
    trail.leave(stop("a"))
    trail.back(stop("b"))
    trail.leave(stop("a"))
    assert not trail.can_go_forward
