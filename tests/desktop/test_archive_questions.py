"""What is asked about archives: folders that are none, facts typed and deleted again, dialogs that go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog, QMainWindow, QWidget
from pytestqt.qtbot import QtBot

from lile_desktop.actions import ActionRegistry
from lile_desktop.archive_questions import OwnArchiveDialog, chosen_folder, confirm_closing, may_hold_archive
from lile_desktop.facts_dialog import FactsDialog
from lile_desktop.modal import accepted
from lile_desktop.panels.archive_page import COLUMNS, ArchivePage
from lile_desktop.viewer.ask_text import ask_text
from lile_engine.archive.rows import SlideRow
from tests.desktop.modals import Answering

TILES = (9, 1200, 80, 10_000)
ROWS = [
    SlideRow(number, f"/s/{name}.svs", name, f"{name}.svs", 100, 100, 0.5, case=f"case {name}", organ="colon")
    for number, name in enumerate(("one", "two"))
]


def test_what_was_typed_and_deleted_again_changes_nothing(qtbot: QtBot) -> None:
    dialog = FactsDialog(ROWS, ROWS, None)
    qtbot.addWidget(dialog)
    case, organ = dialog.fields["case"], dialog.fields["organ"]
    QTest.keyClicks(case, "K")
    assert dialog.facts() == {"case": "K"}
    case.backspace()
    assert dialog.facts() == {}  # the two cases differ: an empty field leaves them as they are
    organ.clear()
    assert dialog.facts() == {"organ": ""}
    organ.setText("colon")
    assert dialog.facts() == {}


@pytest.mark.parametrize("typed", ["~nobody-of-this-name/archive", "", "   ", "a\0b"])
def test_what_is_no_folder_is_not_offered_to_be_made(qtbot: QtBot, lile_home: Path, typed: str) -> None:
    dialog = OwnArchiveDialog("", None, demo_too=True)
    qtbot.addWidget(dialog)
    assert dialog.own_button.isEnabled()
    dialog.field.setText(typed)
    assert not dialog.own_button.isEnabled()
    assert dialog.hint.text()
    assert Path(dialog.folder)
    dialog.field.setText(str(lile_home / "mine"))
    assert dialog.own_button.isEnabled()


def test_a_file_or_a_full_folder_holds_no_archive(tmp_path: Path) -> None:
    assert may_hold_archive(tmp_path)
    assert may_hold_archive(tmp_path / "new" / "deep")
    (tmp_path / "file").write_text("x")
    assert not may_hold_archive(tmp_path / "file")
    assert not may_hold_archive(tmp_path / "file" / "below")
    assert not may_hold_archive(tmp_path)
    assert chosen_folder("  ") is None
    assert chosen_folder(f" {tmp_path} ") == tmp_path


def test_dialogs_go_once_they_are_answered(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    for ask in (
        lambda: confirm_closing(["Indexing one"], window),
        lambda: ask_text(window, "Bookmark", "Name of this place:"),
        lambda: accepted(FactsDialog(ROWS, ROWS, window)),
    ):
        answering = Answering(lambda dialog: dialog.reject())
        assert not ask()
        assert answering.came
        answering.dialog = None
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        assert window.findChildren(QDialog) == []


def test_the_table_of_the_archive_sorts_numbers_by_their_size(qtbot: QtBot) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    registry = ActionRegistry(window)
    for name in registry.specs:
        registry.bind(name, lambda *_: None)
    page = ArchivePage(registry, window)
    many = [replace(ROWS[0], id=n, identity=str(n), name=f"{n}.svs", tiles=tiles) for n, tiles in enumerate(TILES)]
    page.show_archive(None, many)
    page.select({"0", "3"})
    page.table.sortByColumn(COLUMNS.index("Tiles"), Qt.SortOrder.AscendingOrder)
    shown = page.table.model()
    texts = [shown.index(row, COLUMNS.index("Tiles")).data() for row in range(len(TILES))]
    assert texts == [f"{tiles:,}" for tiles in sorted(TILES)]
    assert {row.identity for row in page.selected()} == {"0", "3"}
