from __future__ import annotations

import time

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF
from pytestqt.qtbot import QtBot

from lile_desktop.viewer import SlideView
from lile_desktop.viewer.annotations import Annotation, RegionClass
from lile_desktop.viewer.shape_index import Shape, ShapeIndex
from lile_desktop.viewer.shape_raster import draw_shapes
from lile_desktop.viewer.view_state import ViewState, to_screen
from lile_engine.slides import Region

GREEN = (0, 158, 115)


def nuclei(count: int, width: int, height: int, seed: int = 0) -> list[list[tuple[float, float]]]:
    chance = np.random.default_rng(seed)
    turns = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    at = chance.uniform((0, 0), (width, height), (count, 2))
    size = chance.uniform(6, 14, (count, 1))
    xs, ys = at[:, :1] + size * np.cos(turns), at[:, 1:] + 0.7 * size * np.sin(turns)
    return [list(zip(x, y, strict=True)) for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]


@pytest.mark.parametrize(("rotation", "mirrored"), [(0.0, False), (33.0, True)])
def test_the_picture_shows_what_a_painter_would_draw(rotation: float, mirrored: bool) -> None:
    index = ShapeIndex()
    outlines = nuclei(400, 1000, 800)
    for number, outline in enumerate(outlines):
        index.put(Shape(number, (tuple(outline),), GREEN))
    view = ViewState(500, 400, 0.9, 600, 500, rotation, mirrored)
    drawn = draw_shapes(index, view) == 0xFF009E73
    truth = QImage(600, 500, QImage.Format.Format_RGB32)
    truth.fill(0)
    painter = QPainter(truth)
    painter.setPen(QPen(QColor(255, 255, 255), 6))
    for outline in outlines:
        painter.drawPolygon(QPolygonF([QPointF(*to_screen(view, *point)) for point in outline]))
    painter.end()
    near = np.frombuffer(truth.constBits(), np.uint8).reshape(500, 600, 4)[..., 0] > 0
    assert drawn.sum() > 5000
    assert not (drawn & ~near).any()


def test_tiny_shapes_are_dots_and_nothing_is_out_of_place() -> None:
    index = ShapeIndex()
    for number, outline in enumerate(nuclei(5000, 100_000, 100_000)):
        index.put(Shape(number, (tuple(outline),)))
    picture = draw_shapes(index, ViewState(50_000, 50_000, 0.008, 800, 800))
    assert 5000 < (picture != 0).sum() <= 4 * 5000
    assert draw_shapes(index, ViewState(-9e6, 0, 0.008, 800, 800)).sum() == 0


def test_many_shapes_on_a_slide_stay_smooth(qtbot: QtBot, view: SlideView) -> None:
    kind = RegionClass("Nucleus", GREEN)
    shapes = [Annotation(0, Region(tuple(o)), region_class=kind) for o in nuclei(20_000, 3000, 2200)]
    view.annotations.replace_all(shapes)
    plain = view.picture(chrome=False)
    with qtbot.waitSignal(view.shapes_ready, timeout=20_000):
        view.update()
    assert view.picture(chrome=False) != plain
    times = []
    for step in range(30):
        view.set_view(ViewState(1500 + 10 * step, 1100, 0.5 + step / 30))
        began = time.perf_counter()
        view.repaint()
        times.append(time.perf_counter() - began)
    assert sorted(times)[len(times) // 2] < 0.05
    number = view.annotations.all()[123]
    x, y = number.region.exterior[0]
    sx, sy = to_screen(view.view, x, y)
    assert view.annotation_at(sx, sy) is not None
