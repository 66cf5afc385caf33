"""Where keys go, and which of two views a slide is opened in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from lile_desktop.main_window import MainWindow

LONG = 120_000
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def shown(bare_window: MainWindow, qtbot: QtBot, world: Any) -> MainWindow:
    """The window with two slides open, the first in view, and without an engine."""
    bare_window.open_slides([str(path) for path in world.demo.slides])
    qtbot.waitUntil(lambda: len(bare_window.desk.open_infos()) == 2, timeout=LONG)
    qtbot.waitUntil(lambda: bare_window.view.slide is not None, timeout=LONG)
    bare_window.activateWindow()
    bare_window.view.setFocus()
    qtbot.waitUntil(bare_window.view.hasFocus, timeout=LONG)
    return bare_window


def to_list(window: MainWindow, qtbot: QtBot) -> None:
    window.page.slides.list.setFocus()
    qtbot.waitUntil(window.page.slides.list.hasFocus, timeout=LONG)


def press(qtbot: QtBot, key: Qt.Key | str) -> None:
    """As a keyboard does: to whatever has the focus."""
    focus = QApplication.focusWidget()
    assert focus is not None
    qtbot.keyClick(focus, key)


def test_a_region_is_drawn_by_keys_after_a_slide_was_chosen_in_the_list(shown: MainWindow, qtbot: QtBot) -> None:
    slide = shown.view.slide
    to_list(shown, qtbot)
    for key in (Qt.Key.Key_R, Qt.Key.Key_C, Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_C):
        press(qtbot, key)
    assert shown.view.slide is slide
    (drawn,) = shown.view.annotations.all()
    assert min(drawn.bounds.w, drawn.bounds.h) > 0
    to_list(shown, qtbot)
    press(qtbot, Qt.Key.Key_C)
    assert shown.view.hasFocus()


@pytest.mark.parametrize("page", ["page_archive", "page_training"])
def test_keys_for_the_slide_do_nothing_on_other_pages(shown: MainWindow, qtbot: QtBot, page: str) -> None:
    view, store = shown.view, shown.view.annotations
    shown.registry["page_viewer"].trigger()
    view.zoom_by(3.0)
    qtbot.waitUntil(lambda: not view.moving, timeout=LONG)
    from lile_engine.slides import Region

    store.select([store.add(Region.rectangle(10.0, 10.0, 50.0, 50.0)).id])
    before = view.view
    shown.registry[page].trigger()
    number = shown.pages.stack.currentIndex()
    target = shown.pages.page(number)
    for key in (Qt.Key.Key_0, Qt.Key.Key_5, Qt.Key.Key_Period, Qt.Key.Key_Plus, Qt.Key.Key_R, Qt.Key.Key_Delete):
        qtbot.keyClick(target, key)
    assert shown.pages.stack.currentIndex() == number
    assert not view.moving
    assert (view.view.scale, view.tool) == (before.scale, "move")
    assert len(store) == 1
    shown.registry["page_viewer"].trigger()
    view.setFocus()
    qtbot.waitUntil(view.hasFocus, timeout=LONG)
    press(qtbot, Qt.Key.Key_R)
    assert view.tool == "rectangle"


def test_a_slide_is_opened_in_the_view_used_last_and_the_line_says_which(
    shown: MainWindow, qtbot: QtBot, world: Any
) -> None:
    one, two = (str(Path(path).resolve()) for path in world.demo.slides)
    shown.registry["views_2"].trigger()
    left, right = shown.panes.views
    assert (left.slide.path, right.slide.path) == (one, two)
    qtbot.mouseClick(right, LEFT)
    assert shown.panes.active is right
    shown.open_slides([one])
    qtbot.waitUntil(lambda: right.slide.path == one, timeout=LONG)
    assert left.slide.path == one
    assert marked(shown) == [False, True]
    assert shown.desk.current.path == one
    shown.desk.show(two)  # as a click in the list, which is about the first view
    qtbot.waitUntil(lambda: left.slide.path == two, timeout=LONG)
    assert right.slide.path == one
    assert shown.panes.active is left
    assert marked(shown) == [True, False]
    assert left.hasFocus()


def test_a_slide_that_was_not_open_comes_into_the_view_used_last(
    shown: MainWindow, qtbot: QtBot, world: Any, tmp_path: Path
) -> None:
    third = tmp_path / f"third{Path(world.demo.slides[0]).suffix}"
    third.write_bytes(Path(world.demo.slides[0]).read_bytes())
    shown.registry["views_2"].trigger()
    left, right = shown.panes.views
    before = left.slide
    qtbot.mouseClick(right, LEFT)
    shown.open_slides([str(third)])
    qtbot.waitUntil(lambda: right.slide.path == str(third.resolve()), timeout=LONG)
    assert left.slide is before
    assert shown.panes.active is right


def marked(window: MainWindow) -> list[bool]:
    return [bool(pane.mark.property("active")) for pane in window.panes.panes]
