from __future__ import annotations

from collections.abc import Callable

import pytest

from lile_desktop.viewer.scale_bar import (
    area_text,
    length_text,
    magnification_text,
    place_text,
    round_down,
    scale_bar,
    status_text,
)
from lile_desktop.viewer.view_state import ViewState
from lile_engine.slides import SlideInfo


@pytest.mark.parametrize(("value", "expected"), [(1, 1), (1.9, 1), (2, 2), (4.99, 2), (7, 5), (10, 10), (0.03, 0.02)])
def test_round_numbers(value: float, expected: float) -> None:
    assert round_down(value) == pytest.approx(expected)


@pytest.mark.parametrize("mpp", [0.25, 0.5, None])
@pytest.mark.parametrize("scale", [0.003, 0.02, 0.11, 1.0, 7.3, 32.0])
def test_the_bar_is_as_long_as_it_says(scale: float, mpp: float | None) -> None:
    bar = scale_bar(scale, mpp)
    number, unit = bar.label.split()
    length = float(number) * {"nm": 1e-3, "µm": 1.0, "mm": 1e3, "px": 1.0}[unit]
    assert bar.width == pytest.approx(length / (mpp or 1.0) * scale)
    assert 160 / 2.5 - 1 <= bar.width <= 160


def test_texts(make_info: Callable[..., SlideInfo]) -> None:
    assert [length_text(v) for v in (0.5, 100, 2000)] == ["500 nm", "100 µm", "2 mm"]
    assert [area_text(v) for v in (100, 250_000)] == ["100 µm²", "0.25 mm²"]
    assert place_text(1000, 2000, 0.5) == "500.0, 1,000.0 µm"
    assert place_text(1000, 2000, None) == "1,000, 2,000 px"
    view = ViewState(scale=0.25, rotation=30.0, mirrored=True)
    assert magnification_text(view, make_info()) == "10×"
    unknown = make_info(mpp=None, magnification=None)
    assert magnification_text(view, unknown) == "25 %"
    text = status_text(view, unknown, (5.0, 6.0))
    assert "5, 6 px" in text
    assert "µm/px unknown" in text
    assert "30°" in text
    assert "mirrored" in text
