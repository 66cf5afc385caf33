"""Whatever was moved, reused and repaired: the picture is the one that painting from nothing gives."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from lile_desktop.viewer import Adjustment, SlideView, ViewState
from lile_desktop.viewer.backdrop import on_pixels
from lile_desktop.viewer.view_state import to_screen
from lile_engine.slides import SlideInfo
from lile_engine.slides.readers import ReaderPool


def settle(qtbot: QtBot, view: SlideView) -> None:
    qtbot.waitUntil(lambda: not view.moving and view.is_sharp and not view.loader.busy, timeout=20_000)


def pixels(image: QImage) -> np.ndarray:
    """uint8 [h, w, 4] of a picture."""
    h, w = image.height(), image.width()
    return np.frombuffer(image.constBits(), np.uint8).reshape(h, image.bytesPerLine() // 4, 4)[:, :w].copy()


def fresh(view: SlideView) -> np.ndarray:
    """The view painted from nothing."""
    view._backdrop.invalidate()
    return pixels(view.picture(chrome=False))


def assert_alike(kept: np.ndarray, anew: np.ndarray) -> None:
    """The same but for rounding: Qt steps through a scaled picture from where a clip begins."""
    difference = np.abs(kept.astype(int) - anew.astype(int))[..., :3].max(axis=2)
    assert np.median(difference) == 0
    assert (difference > 24).mean() < 0.002


@pytest.mark.parametrize(("rotation", "mirrored"), [(0.0, False), (90.0, True), (33.0, False)])
@pytest.mark.parametrize("scale", [0.31, 1.0, 1.7])
def test_panned_pictures_are_those_of_painting_anew(
    qtbot: QtBot, pool: ReaderPool, info: SlideInfo, scale: float, rotation: float, mirrored: bool
) -> None:
    view = SlideView(pool)
    qtbot.addWidget(view)
    view.resize(640, 480)
    view.show()
    view.set_slide(info)
    view.set_view(ViewState(1500, 1100, scale, rotation=rotation, mirrored=mirrored))
    settle(qtbot, view)
    chance = random.Random(3)
    for _ in range(12):
        view.pan_by(chance.uniform(-90, 90), chance.uniform(-70, 70))
        view.repaint()
        if chance.random() < 0.4:
            settle(qtbot, view)
    settle(qtbot, view)
    kept = pixels(view.picture(chrome=False))
    assert_alike(kept, fresh(view))


def test_a_pan_at_full_scale_is_exact(qtbot: QtBot, view: SlideView) -> None:
    view.set_view(ViewState(1500.3, 1100.7, 1.0))
    settle(qtbot, view)
    for dx, dy in ((10.4, -3.6), (-55.2, 20.0), (0.4, 0.4), (200.0, 150.0)):
        view.pan_by(dx, dy)
        settle(qtbot, view)
    kept = pixels(view.picture(chrome=False))
    assert np.array_equal(kept, fresh(view))


def test_colours_changed_are_shown_everywhere(qtbot: QtBot, view: SlideView) -> None:
    settle(qtbot, view)
    view._look.budget = 1e-9  # seconds: one tile a frame, as on a machine that has no time for this one
    view.set_adjustment(Adjustment(brightness=0.4))
    assert not view.is_sharp  # the frame on the screen has the old colours still
    settle(qtbot, view)
    kept = pixels(view.picture(chrome=False))
    assert_alike(kept, fresh(view))


def test_a_picture_has_the_new_colours_at_once(qtbot: QtBot, view: SlideView) -> None:
    settle(qtbot, view)
    before = pixels(view.picture(chrome=False))
    view._look.budget = 1e-9
    view.set_adjustment(Adjustment(brightness=0.4))
    taken = pixels(view.picture(chrome=False))
    settle(qtbot, view)
    assert_alike(taken, fresh(view))
    assert (taken != before).any()


def test_views_of_one_scale_differ_by_whole_pixels() -> None:
    view = ViewState(1234.567, 765.4321, 0.37, 801, 601, 20.0)
    moved = replace(view, cx=view.cx + 31.4, cy=view.cy - 3.1)
    for ratio in (1.0, 1.5, 2.0):
        for one in (view, moved):
            snapped, corner = on_pixels(one, ratio)
            sx, sy = to_screen(snapped, 0, 0)
            assert sx * ratio == pytest.approx(corner[0], abs=1e-6)
            assert sy * ratio == pytest.approx(corner[1], abs=1e-6)
            assert abs(snapped.cx - one.cx) * one.scale * ratio <= 1.0


def test_sharp_is_said_of_the_view_as_it_stands(qtbot: QtBot, view: SlideView) -> None:
    settle(qtbot, view)
    view.set_view(ViewState(400, 300, 3.0))
    assert not view.is_sharp
    settle(qtbot, view)
    assert view.is_sharp


def test_a_slow_machine_zooms_rough_and_rests_smooth(qtbot: QtBot, view: SlideView) -> None:
    settle(qtbot, view)
    view._backdrop._smooth_s = 1.0  # as if the last smooth frame had taken a second
    view.zoom_by(2.0)
    rough = []
    view.view_changed.connect(lambda _view: (view.repaint(), rough.append(view._backdrop.rough)))
    settle(qtbot, view)
    assert any(rough)
    assert not view._backdrop.rough
    kept = pixels(view.picture(chrome=False))
    assert_alike(kept, fresh(view))
