"""Every tool of the real window: taken by its key, its button and its menu entry, used by mouse and by keyboard."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from lile_desktop.main_window import MainWindow
from lile_desktop.viewer.annotation_files import read_annotations
from lile_desktop.viewer.tools import TOOLS

LONG = 120_000
LEFT = Qt.MouseButton.LeftButton
# What each tool leaves behind: the kind of annotation, None for the one that only moves.
LEAVES = {
    "move": None,
    "rectangle": "region",
    "ellipse": "region",
    "polygon": "region",
    "freehand": "region",
    "brush": "region",
    "points": "points",
    "polyline": "line",
    "line": "line",
}
CLICKED = ("polygon", "points", "polyline")  # corner by corner
ENDED = ("polygon", "polyline")  # by Return


@pytest.fixture
def shown(bare_window: MainWindow, qtbot: QtBot, world: Any) -> MainWindow:
    """The window with a slide and without an engine: tools need none."""
    bare_window.open_slides([str(world.demo.slides[0])])
    qtbot.waitUntil(lambda: bare_window.view.slide is not None, timeout=LONG)
    bare_window.activateWindow()
    bare_window.view.setFocus()
    qtbot.waitUntil(bare_window.view.hasFocus, timeout=LONG)
    return bare_window


def take(qtbot: QtBot, window: MainWindow, name: str) -> None:
    qtbot.keySequence(window.view, QKeySequence(window.registry[f"tool_{name}"].shortcut()))
    assert window.view.tool == name


def test_every_tool_is_in_these_tests() -> None:
    assert set(LEAVES) == set(TOOLS)


@pytest.mark.parametrize("name", list(TOOLS))
def test_a_tool_is_taken_by_key_by_button_and_by_menu(shown: MainWindow, qtbot: QtBot, name: str) -> None:
    other = "rectangle" if name == "move" else "move"
    take(qtbot, shown, other)
    take(qtbot, shown, name)
    action = shown.registry[f"tool_{name}"]
    assert action.isChecked()
    take(qtbot, shown, other)
    buttons = [b for b in shown.page.findChildren(QToolButton) if b.defaultAction() is action]
    assert len(buttons) == 1
    assert action.property("icon_name")
    qtbot.mouseClick(buttons[0], LEFT)
    assert shown.view.tool == name
    take(qtbot, shown, other)
    assert any(action in menu.actions() for menu in shown.menuBar().findChildren(type(shown.recent_menu)))
    action.trigger()
    assert shown.view.tool == name


@pytest.mark.parametrize("name", [name for name, kind in LEAVES.items() if kind])
def test_a_tool_draws_by_mouse_is_undone_and_saved(shown: MainWindow, qtbot: QtBot, name: str) -> None:
    view, keeper = shown.view, shown.viewer._autosave
    take(qtbot, shown, name)
    places = [QPoint(220, 180), QPoint(380, 190), QPoint(360, 320), QPoint(230, 300)]
    if name in CLICKED:
        for place in places:
            qtbot.mouseClick(view, LEFT, pos=place)
        if name in ENDED:
            qtbot.keyClick(view, Qt.Key.Key_Return)
    else:
        qtbot.mousePress(view, LEFT, pos=places[0])
        for place in places[1:]:
            qtbot.mouseMove(view, place)
        qtbot.mouseRelease(view, LEFT, pos=places[-1])
    assert [a.kind for a in view.annotations.all()] == [LEAVES[name]]
    assert len(view.annotations.selected()) == 1
    assert shown.page.regions.list.count() == 1
    assert keeper.file is not None
    keeper.flush()
    assert [a.kind for a in read_annotations(keeper.file)] == [LEAVES[name]]
    while view.annotations.undo_title is not None:
        qtbot.keySequence(view, QKeySequence("Ctrl+Z"))
    assert len(view.annotations) == 0
    qtbot.keySequence(view, QKeySequence("Ctrl+Shift+Z"))
    assert len(view.annotations) == 1


@pytest.mark.parametrize("name", [name for name, kind in LEAVES.items() if kind])
def test_a_tool_draws_by_keyboard_alone(shown: MainWindow, qtbot: QtBot, name: str) -> None:
    view = shown.view
    qtbot.keySequence(view, QKeySequence("5"))
    take(qtbot, shown, name)
    press, right, down, left = Qt.Key.Key_C, Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Left
    if name in CLICKED:
        keys = [press, right, press, down, press, *([Qt.Key.Key_Return] if name in ENDED else [])]
    else:
        keys = [press, right, down, *([left] if name == "freehand" else []), press]
    for key in keys:
        qtbot.keyClick(view, key)
    assert [a.kind for a in view.annotations.all()] == [LEAVES[name]]


def test_the_slide_is_moved_by_mouse_and_by_keys(shown: MainWindow, qtbot: QtBot) -> None:
    view = shown.view
    qtbot.keySequence(view, QKeySequence("5"))
    take(qtbot, shown, "move")
    before = view.view
    qtbot.mousePress(view, LEFT, pos=QPoint(300, 300))
    qtbot.mouseMove(view, QPoint(340, 330))
    qtbot.mouseMove(view, QPoint(360, 340))
    assert view.view.cx < before.cx
    qtbot.mouseRelease(view, LEFT, pos=QPoint(360, 340))
    view._stop()
    before = view.view
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert view.view.cx > before.cx
