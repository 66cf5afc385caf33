"""The palette finds settings by what they hold, and says so where it finds nothing."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from lile_desktop.main_window import MainWindow
from lile_desktop.palette import CommandPalette


@pytest.mark.parametrize("typed", ["dark", "light", "appear", "theme"])
def test_the_appearance_is_found_by_its_words(bare_window: MainWindow, qtbot: QtBot, typed: str) -> None:
    palette = CommandPalette(bare_window.registry, bare_window)
    qtbot.addWidget(palette)
    palette.field.setText(typed)
    assert palette.list.count()
    assert palette.list.item(0).data(256) == "settings"
    assert palette.nothing.isHidden()


def test_a_palette_that_finds_nothing_says_so(bare_window: MainWindow, qtbot: QtBot) -> None:
    palette = CommandPalette(bare_window.registry, bare_window)
    qtbot.addWidget(palette)
    palette.field.setText("qqqqx")
    assert palette.list.isHidden()
    assert not palette.nothing.isHidden()
    palette.field.setText("")
    assert not palette.list.isHidden()
    assert palette.nothing.isHidden()
