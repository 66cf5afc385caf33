"""The archive tab: what is in the archive, which model made it, and the ways to add to it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import (
    QAbstractTableModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QStackedLayout,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from lile_desktop.actions import ActionRegistry
from lile_desktop.panels.parts import empty_state, heading, push_button, quiet
from lile_desktop.text import counted, tr
from lile_desktop.theme import GRID

if TYPE_CHECKING:
    from lile_engine.archive.rows import ArchiveStatus, SlideRow

Index = QModelIndex | QPersistentModelIndex
COLUMNS = ("Slide", "Case", "Organ", "Stain", "Tags", "Tiles", "µm/px", "State", "Path")
NUMBERS = ("Tiles", "µm/px")
ROW_ACTIONS = (
    "archive_show", "", "archive_describe", "archive_undo", "archive_finish", "",
    "archive_remove_slide", "archive_remove_case",
)  # fmt: skip
NONE_YET, SOON = "No archive open yet", "It is opened as soon as the engine is ready."
SORT_ROLE = Qt.ItemDataRole.UserRole
MEASURED_ROWS = 100  # of those in view and below, for the widths of columns
RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


def row_texts(row: SlideRow) -> tuple[str, ...]:
    """A slide of the archive as the cells of its row."""
    return (
        row.name,
        row.case or "–",
        row.organ or "–",
        row.stain or "–",
        ", ".join(row.tags) or "–",
        f"{row.tiles:,}",
        f"{row.mpp:.3g}" if row.mpp else "–",
        state_text(row),
        row.path,
    )


def state_text(row: SlideRow) -> str:
    """Whether all tiles of a slide are there, and how many are not; a slide without any is never found."""
    if row.complete:
        return tr("complete") if row.tiles else tr("no tissue found")
    return tr("incomplete: {0:,} of {1:,} tiles").format(row.tiles, row.planned) if row.planned else tr("incomplete")


class ArchiveTableModel(QAbstractTableModel):
    """The slides of the archive."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[SlideRow, ...] = ()
        self._texts: list[tuple[str, ...]] = []  # made once: sorting, filtering and measuring ask for each many times

    def set_rows(self, rows: Sequence[SlideRow]) -> None:
        self.beginResetModel()
        self._rows = tuple(rows)
        self._texts = [row_texts(row) for row in self._rows]
        self.endResetModel()

    def row(self, number: int) -> SlideRow:
        return self._rows[number]

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return tr(COLUMNS[section])
        if role == Qt.ItemDataRole.TextAlignmentRole and COLUMNS[section] in NUMBERS:
            return RIGHT
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if role == Qt.ItemDataRole.DisplayRole:
            return self._texts[index.row()][index.column()]
        if role == SORT_ROLE:
            return self._sort_key(index.row(), COLUMNS[index.column()])
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._rows[index.row()].path
        if role == Qt.ItemDataRole.TextAlignmentRole and COLUMNS[index.column()] in NUMBERS:
            return RIGHT
        return None

    def _sort_key(self, number: int, column: str) -> str | int | float:
        """Numbers by their size, words whatever their case."""
        row = self._rows[number]
        if column == "Tiles":
            return row.tiles
        if column == "µm/px":
            return row.mpp or 0.0
        return self._texts[number][COLUMNS.index(column)].casefold()


def row_menu(actions: ActionRegistry, parent: QWidget) -> QMenu:
    """What can be done with slides of the archive that are selected."""
    menu = QMenu(parent)
    for name in ROW_ACTIONS:
        if name:
            menu.addAction(actions[name])
        else:
            menu.addSeparator()
    return menu


def status_texts(status: ArchiveStatus, rows: Sequence[SlideRow]) -> tuple[str, str]:
    """Title and second line of the archive in use. Cases are those that were named; a slide without one counts as its
    own in answers, but nobody called it so."""
    cases = len({row.case for row in rows if row.case})
    counts = ", ".join(
        (
            counted(status.slides, "slide", "slides"),
            counted(cases, "case", "cases") if cases or not rows else tr("no case set"),
            counted(status.tiles, "tile", "tiles"),
            counted(status.captions, "caption", "captions"),
        )
    )
    size = f"{status.bytes / 1e6:.0f} MB" if status.bytes < 1e9 else f"{status.bytes / 1e9:.1f} GB"
    mpps = ", ".join(f"{m:g}" for m in status.mpps) or "–"
    return counts, tr("Model {0} ({1}), tiles at {2} µm/px, {3}, {4}").format(
        status.model.name, status.model.id[:8], mpps, size, status.path
    )


class NoteLine(QWidget):
    """A line about the archive with what can be done about it."""

    def __init__(self, action: QAction) -> None:
        super().__init__()
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.button = push_button(action.text(), action.toolTip(), action.trigger)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2 * GRID)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.button)
        self.hide()

    def show_text(self, text: str) -> None:
        """Shows the line; "" hides it."""
        self.text.setText(text)
        self.setVisible(bool(text))


class ArchivePage(QWidget):
    """``open_asked`` carries the path of a slide of the archive; ``selection_changed`` tells that other rows are
    selected."""

    open_asked = Signal(str)
    selection_changed = Signal()

    def __init__(self, actions: ActionRegistry, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("area", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.title = heading(tr(NONE_YET))
        self.line = quiet(tr(SOON))
        self.rows_model = ArchiveTableModel(self)
        self._proxy = QSortFilterProxyModel(self)
        self._proxy.setSourceModel(self.rows_model)
        self._proxy.setFilterKeyColumn(-1)
        self._proxy.setSortRole(SORT_ROLE)
        self._proxy.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.filter = QLineEdit()
        self.filter.setPlaceholderText(tr("Filter by slide, case, organ, stain"))
        self.filter.setAccessibleName(tr("Filter the archive"))
        self.filter.setToolTip(tr("Show only slides with these letters in any column"))
        self.filter.setClearButtonEnabled(True)
        self.filter.setFixedWidth(280)
        self.filter.textChanged.connect(self._on_filter)
        self.table = QTableView()
        self.table.setModel(self._proxy)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.table.setShowGrid(False)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(32)
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setResizeContentsPrecision(MEASURED_ROWS)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        self.table.setAccessibleName(tr("Slides in the archive"))
        self.table.setToolTip(tr("Double-click a slide to open it"))
        self.table.activated.connect(self._open)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.table.customContextMenuRequested.connect(self._menu)
        self.table.selectionModel().selectionChanged.connect(lambda *_: self.selection_changed.emit())
        self._actions = actions
        self.demo_note = NoteLine(actions["archive_own"])
        self.incomplete_note = NoteLine(actions["archive_finish"])

        top = QHBoxLayout()
        top.setSpacing(GRID)
        words = QVBoxLayout()
        words.setSpacing(GRID // 2)
        words.addWidget(self.title)
        words.addWidget(self.line)
        top.addLayout(words, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID)
        for name, primary in (("archive_index", True), ("captions_import", False), ("archive_open", False)):
            action = actions[name]
            button = push_button(action.text(), action.toolTip(), action.trigger, primary=primary)
            action.changed.connect(lambda b=button, a=action: b.setEnabled(a.isEnabled()))
            buttons.addWidget(button)
        buttons.addStretch(1)
        buttons.addWidget(self.filter)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, GRID)
        layout.setSpacing(2 * GRID)
        layout.addLayout(top)
        layout.addWidget(self.demo_note)
        layout.addWidget(self.incomplete_note)
        layout.addLayout(buttons)
        self._stack = QStackedLayout()
        layout.addLayout(self._stack, 1)  # before its first widget, which would be shown as a window of its own
        self._stack.addWidget(
            empty_state(
                tr("No slide is in this archive yet. Press Index slides… to embed some: then they can be found.")
            )
        )
        self._stack.addWidget(self.table)
        self._stack.addWidget(empty_state(tr("No slide of this archive has these letters in any column.")))

    def show_archive(
        self, status: ArchiveStatus | None, rows: Sequence[SlideRow], *, demo: bool = False, loading: bool = False
    ) -> None:
        """Shows an archive; None where there is none, or none yet while one is ``loading``. Rows that were selected
        stay so."""
        chosen = {row.identity for row in self.selected()}
        if status is None:
            self.title.setText(tr(NONE_YET) if loading else tr("No archive"))
            self.line.setText(tr(SOON) if loading else tr("Open one, or make a new one from the Archive menu."))
        else:
            title, line = status_texts(status, rows)
            self.title.setText(title)
            self.line.setText(line)
        note = tr("This is the demo archive: its slides are drawn by the program. Keep your own in another one.")
        self.demo_note.show_text(note if demo else "")
        half = [row for row in rows if not row.complete]
        self.incomplete_note.show_text(
            tr("{0} is incomplete: what was embedded is found, the rest is not.").format(half[0].name)
            if len(half) == 1
            else tr("{0} slides are incomplete: what was embedded is found, the rest is not.").format(len(half))
            if half
            else ""
        )
        self.rows_model.set_rows(rows)
        self.select(chosen)
        self._show_state()

    def _on_filter(self, typed: str) -> None:
        self._proxy.setFilterFixedString(typed)
        self._show_state()

    def _show_state(self) -> None:
        """The table, or why there is nothing in it."""
        shown, rows = self._proxy.rowCount(), self.rows_model.rowCount()
        self._stack.setCurrentIndex(1 if shown else 2 if rows else 0)

    def selected(self) -> list[SlideRow]:
        """The rows that are selected, from top to bottom."""
        places = sorted(self.table.selectionModel().selectedRows(), key=lambda index: index.row())
        return [self.rows_model.row(self._proxy.mapToSource(index).row()) for index in places]

    def select(self, identities: Collection[str]) -> None:
        """Selects the rows of slides."""
        selection = QItemSelection()
        for number in range(self.rows_model.rowCount()):
            if self.rows_model.row(number).identity in identities:
                index = self._proxy.mapFromSource(self.rows_model.index(number, 0))
                selection.select(index, index)
        flags = QItemSelectionModel.SelectionFlag
        self.table.selectionModel().select(selection, flags.ClearAndSelect | flags.Rows)

    def _menu(self, place: QPoint) -> None:
        if self.selected():
            menu = row_menu(self._actions, self)
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(self.table.viewport().mapToGlobal(place))

    def _open(self, index: QModelIndex) -> None:
        self.open_asked.emit(self.rows_model.row(self._proxy.mapToSource(index).row()).path)
