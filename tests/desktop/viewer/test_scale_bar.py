from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtGui import QColor, QImage, QPainter

from lile_desktop.viewer import RasterOverlay
from lile_desktop.viewer.overlays import paint_legend
from lile_desktop.viewer.scale_bar import (
    area_text,
    length_text,
    magnification_text,
    paint_corner,
    place_text,
    round_down,
    scale_bar,
    status_text,
)
from lile_desktop.viewer.strokes import stroke
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


@pytest.mark.parametrize("ratio", [1, 2])
def test_outlines_are_as_wide_on_a_fine_screen(ratio: int, qapp: object) -> None:
    image = QImage(40 * ratio, 40 * ratio, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    image.fill(QColor(255, 255, 255))
    painter = QPainter(image)
    stroke(painter, QColor(200, 0, 0), 4.0, halo=False)
    painter.drawLine(20, 0, 20, 40)
    painter.end()
    row = [image.pixelColor(x, 20 * ratio) != QColor(255, 255, 255) for x in range(image.width())]
    assert sum(row) == pytest.approx(4 * ratio, abs=1)


def test_a_narrow_view_drops_the_position_first_then_all_but_the_bar(
    make_info: Callable[..., SlideInfo], qapp: object
) -> None:
    info = make_info()

    def inked(width: int, cursor: tuple[float, float] | None) -> int:
        """The last column that the corner's plate reaches."""
        image = QImage(width, 120, QImage.Format.Format_RGB32)
        image.fill(QColor(255, 255, 255))
        painter = QPainter(image)
        paint_corner(painter, ViewState(2000, 2000, 0.5, width, 120), info, cursor)
        painter.end()
        return max(x for x in range(width) if image.pixelColor(x, 84) != QColor(255, 255, 255))

    far = (30_000.0, 20_000.0)
    full, short = inked(900, far), inked(900, None)
    assert full > short
    assert inked(short + 40, far) == short
    assert inked(200, far) < short


@pytest.mark.parametrize(("width", "beside"), [(900, True), (360, False)])
def test_the_legend_never_covers_the_scale_bar(width: int, beside: bool, qapp: object) -> None:
    image = QImage(width, 400, QImage.Format.Format_RGB32)
    image.fill(QColor(255, 255, 255))
    painter = QPainter(image)
    overlay = RasterOverlay(np.linspace(0, 1, 4, dtype=np.float32).reshape(2, 2), 0, 0, 500, 500, title="Heat map: fat")
    paint_legend(painter, ViewState(2000, 2000, 0.5, width, 400), overlay)
    painter.end()
    corner_rows = range(400 - 16 - 40, 400 - 16)
    inked = {y for y in range(400) for x in range(width) if image.pixelColor(x, y) != QColor(255, 255, 255)}
    assert inked
    assert bool(inked.intersection(corner_rows)) is beside
