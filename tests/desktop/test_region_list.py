"""The list of regions beside the slide: what they are called, which are selected, what its menu is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot

from lile_desktop.main_window import MainWindow
from lile_desktop.viewer.annotations import Annotation
from lile_engine.slides import Region

LONG = 120_000
LEFT = Qt.MouseButton.LeftButton
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
BOXES = ((0, 0, 900, 900), (100, 100, 300, 300), (1200, 1200, 90, 90))


@pytest.fixture
def shown(bare_window: MainWindow, qtbot: QtBot, world: Any) -> MainWindow:
    """The window with a slide and three regions on it, and without an engine."""
    bare_window.open_slides([str(world.demo.slides[0])])
    qtbot.waitUntil(lambda: bare_window.view.slide is not None, timeout=LONG)
    bare_window.view.annotations.add_many([Annotation(0, Region.rectangle(*map(float, box))) for box in BOXES])
    return bare_window


def names(window: MainWindow) -> list[str]:
    rows = window.page.regions.list
    return [rows.item(row).text() for row in range(rows.count())]


def test_an_unnamed_region_keeps_its_number(shown: MainWindow, qtbot: QtBot, world: Any) -> None:
    actions, store = shown.registry, shown.view.annotations
    _first, second, third = store.all()
    assert names(shown) == ["Rectangle 1", "Rectangle 2", "Rectangle 3"]
    actions["select_all"].trigger()
    actions["cut_regions"].trigger()
    assert sorted(names(shown)) == ["Rectangle 3", "Region 1"]
    actions["undo"].trigger()
    store.select([second.id])
    actions["delete_region"].trigger()
    assert sorted(names(shown)) == ["Rectangle 1", "Rectangle 3"]
    store.select([third.id])
    assert shown.page.ask.region_text.text().startswith("Rectangle 3:")
    shown.open_slides([str(world.demo.slides[1])])
    qtbot.waitUntil(lambda: shown.view.slide.path == str(Path(world.demo.slides[1]).resolve()), timeout=LONG)
    shown.open_slides([str(world.demo.slides[0])])
    qtbot.waitUntil(lambda: sorted(names(shown)) == ["Rectangle 1", "Rectangle 3"], timeout=LONG)


def marked(window: MainWindow) -> list[int]:
    rows = window.page.regions.list
    return [row for row in range(rows.count()) if rows.item(row).isSelected()]


def click(
    qtbot: QtBot, window: MainWindow, row: int, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    rows = window.page.regions.list
    qtbot.mouseClick(rows.viewport(), LEFT, keys, rows.visualItemRect(rows.item(row)).center())


def test_several_rows_are_chosen_with_ctrl_and_shift(shown: MainWindow, qtbot: QtBot) -> None:
    store = shown.view.annotations
    first, second, third = (one.id for one in store.all())
    click(qtbot, shown, 2)
    assert store.selection == (third,)
    click(qtbot, shown, 0, CTRL)
    assert store.selection == (third, first)
    assert shown.page.ask.region_text.text().startswith("Rectangle 1:")
    assert marked(shown) == [0, 2]
    click(qtbot, shown, 2, CTRL)
    assert store.selection == (first,)
    click(qtbot, shown, 0)
    click(qtbot, shown, 2, SHIFT)
    assert set(store.selection) == {first, second, third}
    click(qtbot, shown, 1, SHIFT)
    assert store.selection == (first, second)
    assert marked(shown) == [0, 1]


def test_all_that_is_selected_on_the_slide_is_marked(shown: MainWindow) -> None:
    store = shown.view.annotations
    shown.registry["select_all"].trigger()
    assert marked(shown) == [0, 1, 2]
    store.select([store.all()[1].id])
    assert marked(shown) == [1]
    assert shown.page.regions.list.currentRow() == 1
    store.select([])
    assert marked(shown) == []
    shown.registry["select_all"].trigger()
    shown.registry["cut_regions"].trigger()  # which lists them anew
    assert marked(shown) == [0, 1]


def test_a_right_click_is_about_all_that_is_selected(shown: MainWindow, qtbot: QtBot) -> None:
    panel, store = shown.page.regions, shown.view.annotations
    shown.registry["select_all"].trigger()
    place = right_click(qtbot, shown, 1)
    assert len(store.selection) == 3
    panel.list.customContextMenuRequested.emit(place)
    assert len(store.selection) == 3
    menu = panel.findChildren(QMenu, options=Qt.FindChildOption.FindDirectChildrenOnly)[-1]
    can = {action.text(): action.isEnabled() for action in menu.actions()}
    assert can["Merge"]
    assert can["Cut smaller ones out of the largest"]
    menu.close()
    store.select([store.all()[0].id])
    panel.list.customContextMenuRequested.emit(right_click(qtbot, shown, 2))
    assert store.selection == (store.all()[2].id,)
    for child in panel.findChildren(QMenu):
        child.close()


def right_click(qtbot: QtBot, window: MainWindow, row: int) -> QPoint:
    """Presses on a row as a mouse does before the menu is asked for; gives the place."""
    rows = window.page.regions.list
    place = rows.visualItemRect(rows.item(row)).center()
    qtbot.mouseClick(rows.viewport(), Qt.MouseButton.RightButton, pos=place)
    return place
