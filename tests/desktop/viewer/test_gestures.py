"""Pinch and turn on a touch pad and on a touch screen; twice as many pixels on a fine screen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QNativeGestureEvent, QPointingDevice
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from lile_desktop.viewer import SlideView
from lile_desktop.viewer.view_state import to_slide


def gesture(view: SlideView, kind: Qt.NativeGestureType, value: float, at: QPointF) -> None:
    where = QPointF(view.mapToGlobal(at))
    event = QNativeGestureEvent(
        kind, QPointingDevice.primaryPointingDevice(), 2, at, at, where, value, QPointF(0, 0), 1
    )
    QApplication.sendEvent(view, event)


def test_a_pinch_on_a_touch_pad_zooms_about_the_fingers(view: SlideView) -> None:
    at = QPointF(300, 200)
    before, scale = to_slide(view.view, at.x(), at.y()), view.view.scale
    gesture(view, Qt.NativeGestureType.ZoomNativeGesture, 0.25, at)
    assert view.view.scale == pytest.approx(scale * 1.25)
    assert to_slide(view.view, at.x(), at.y()) == pytest.approx(before, abs=1e-3)


def test_two_fingers_turn_on_a_touch_pad(view: SlideView) -> None:
    gesture(view, Qt.NativeGestureType.RotateNativeGesture, 12.0, QPointF(400, 300))
    assert view.view.rotation == pytest.approx(12.0)


def test_a_pinch_on_a_touch_screen_zooms(qtbot: QtBot, view: SlideView) -> None:
    screen = QTest.createTouchDevice()
    scale = view.view.scale
    left, right = QPoint(350, 300), QPoint(450, 300)
    QTest.touchEvent(view, screen).press(0, left, view).press(1, right, view).commit()
    for step in range(1, 11):
        out = QPoint(6 * step, 0)
        QTest.touchEvent(view, screen).move(0, left - out, view).move(1, right + out, view).commit()
        QApplication.processEvents()
    end = QPoint(60, 0)
    QTest.touchEvent(view, screen).release(0, left - end, view).release(1, right + end, view).commit()
    qtbot.waitUntil(lambda: view.view.scale > scale * 1.5, timeout=5_000)


HIDPI = """
import json, sys
from PySide6.QtWidgets import QApplication
from lile_desktop.viewer import SlideView, ViewState
from lile_engine.slides.readers import ReaderPool

if __name__ == "__main__":
    app = QApplication([])
    with ReaderPool(1) as pool:
        view = SlideView(pool)
        view.resize(400, 300)
        view.show()
        view.set_slide(pool.open(sys.argv[1]).result(60))
        view.set_view(ViewState(1500, 1100, 0.5))
        while not view.is_sharp:
            app.processEvents()
        image = view.picture(chrome=False)
        checks = [image.pixelColor(x, 300).blue() for x in range(0, 800)]
        edges = [i for i in range(2, 798) if (checks[i - 2] < 145) != (checks[i + 1] < 145)]
        print(json.dumps({
            "ratio": view.devicePixelRatioF(), "size": [image.width(), image.height()],
            "level": view._pyramid.level_for(view.view.scale * view.devicePixelRatioF()), "edges": len(edges) / 3,
        }))
"""


def test_a_fine_screen_shows_twice_the_detail(slide_path: Path, tmp_path: Path) -> None:
    script = tmp_path / "fine.py"
    script.write_text(HIDPI, encoding="utf-8")
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "QT_SCALE_FACTOR": "2"}
    done = subprocess.run(
        [sys.executable, str(script), str(slide_path)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout.strip().splitlines()[-1])
    assert shown["ratio"] == 2.0
    assert shown["size"] == [800, 600]
    assert shown["level"] == 0  # half the slide's pixels a logical pixel are all of them on this screen
    assert 11 <= shown["edges"] <= 13  # checks of 64 px along 800 px, each edge told by three neighbours
