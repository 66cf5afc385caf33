"""The one registry of actions."""

from __future__ import annotations

from collections import Counter

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from lile_desktop.actions import ACTIONS, MENUS, ActionRegistry, ActionSpec, match_score, matching
from lile_desktop.icons import icon
from lile_desktop.main_window import MainWindow
from lile_desktop.palette import CommandPalette, ShortcutSheet
from lile_desktop.viewer.tools import TOOLS


def test_ids_and_shortcuts_are_used_once() -> None:
    assert len({spec.id for spec in ACTIONS}) == len(ACTIONS)
    keys = Counter(QKeySequence(s).toString() for spec in ACTIONS for s in spec.shortcuts)
    assert [key for key, count in keys.items() if count > 1] == []
    assert all(QKeySequence(s).toString() for spec in ACTIONS for s in spec.shortcuts)


def test_each_has_a_menu_and_a_sentence_for_the_tooltip() -> None:
    assert {spec.menu for spec in ACTIONS} == set(MENUS)
    assert all(spec.tip and spec.text for spec in ACTIONS)


@pytest.mark.parametrize("name", [spec.icon for spec in ACTIONS if spec.icon])
def test_each_icon_exists(qapp: object, name: str) -> None:
    assert not icon(name).pixmap(16, 16).isNull()


def test_a_shortcut_of_one_letter_does_not_fire_while_typing(window: MainWindow, qtbot: QtBot) -> None:
    field = window.page.ask.field
    field.setFocus()
    qtbot.keyClicks(field, "rma0")
    assert field.text() == "rma0"
    assert window.view.tool == "move"


@pytest.mark.parametrize(
    ("typed", "first"),
    [("heat", "heat_map"), ("idx", "archive_index"), ("settings", "settings"), ("whole", "fit"), ("keyb", "shortcuts")],
)
def test_typing_some_letters_finds_the_action(typed: str, first: str) -> None:
    assert matching(ACTIONS, typed)[0].id == first


def test_letters_that_are_not_there_match_nothing() -> None:
    assert match_score(ACTIONS[0], "xyz") is None


def test_every_action_of_the_list_does_something_in_the_window(window: MainWindow) -> None:
    assert {spec.id for spec in window.registry.bound()} == {spec.id for spec in ACTIONS}


def test_a_palette_entry_is_done_by_enter(qtbot: QtBot) -> None:
    host = QWidget()
    qtbot.addWidget(host)
    registry = ActionRegistry(
        host, [ActionSpec("one", "File", 0, "First", "tip"), ActionSpec("two", "Edit", 0, "Second", "tip")]
    )
    done: list[str] = []
    registry.bind("one", lambda: done.append("one"))
    registry.bind("two", lambda: done.append("two"))
    host.show()
    palette = CommandPalette(registry, host)
    palette.open_over(host)
    qtbot.keyClicks(palette.field, "sec")
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert done == ["two"]
    assert palette.isHidden()


def test_arrow_keys_choose_in_the_palette(qtbot: QtBot, window: MainWindow) -> None:
    palette = CommandPalette(window.registry, window)
    palette.open_over(window)
    qtbot.keyClick(palette.field, Qt.Key.Key_Down)
    assert palette.list.currentRow() == 1
    palette.close()


def test_the_sheet_shows_every_shortcut(window: MainWindow) -> None:
    sheet = ShortcutSheet(window.registry, window)
    texts = {label.text() for label in sheet.findChildren(QLabel)}
    assert {spec.text for spec in ACTIONS if spec.shortcuts} <= texts


def test_every_tool_of_the_viewer_has_an_action() -> None:
    assert {f"tool_{name}" for name in TOOLS} == {spec.id for spec in ACTIONS if spec.choice == "tool"}
