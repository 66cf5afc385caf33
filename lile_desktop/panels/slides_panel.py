"""The slides that are open: thumbnails, a filter box, a menu on each."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPoint, QSortFilterProxyModel, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QListView, QMenu, QStackedLayout, QVBoxLayout, QWidget

from lile_desktop.actions import ActionRegistry
from lile_desktop.panels.parts import empty_state, heading, tool_button
from lile_desktop.panels.row_delegate import RowDelegate
from lile_desktop.slide_list import SlideEntry, SlideListModel
from lile_desktop.text import tr
from lile_desktop.theme import GRID

MENU = (
    "properties", "archive_index_this", "", "archive_describe", "archive_undo", "", "archive_remove_slide",
    "archive_remove_case", "", "close_slide",
)  # fmt: skip


class SlidesPanel(QWidget):
    """The list on the left. ``chosen`` carries the path of the slide to show; ``selection_changed`` tells that other
    slides are selected (Ctrl and Shift select several)."""

    chosen = Signal(str)
    selection_changed = Signal()

    def __init__(self, model: SlideListModel, actions: ActionRegistry, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model, self._actions = model, actions
        self._proxy = QSortFilterProxyModel(self)
        self._proxy.setSourceModel(model)
        self._proxy.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.filter = QLineEdit()
        self.filter.setPlaceholderText(tr("Filter by name"))
        self.filter.setAccessibleName(tr("Filter slides"))
        self.filter.setToolTip(tr("Show only slides with these letters in the name"))
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._proxy.setFilterFixedString)
        self.list = QListView()
        self.list.setModel(self._proxy)
        self.list.setItemDelegate(RowDelegate(self.list))
        self.list.setMouseTracking(True)
        self.list.setUniformItemSizes(True)
        self.list.setAccessibleName(tr("Open slides"))
        self.list.setToolTip(tr("Click a slide to show it"))
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.customContextMenuRequested.connect(self._menu)
        self.list.setSelectionMode(QListView.SelectionMode.ExtendedSelection)
        self.list.selectionModel().currentChanged.connect(self._on_current)
        self.list.selectionModel().selectionChanged.connect(lambda *_: self.selection_changed.emit())

        top = QHBoxLayout()
        top.addWidget(heading(tr("Slides")))
        top.addStretch(1)
        top.addWidget(tool_button(actions["open"]))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, 0)
        layout.setSpacing(GRID)
        layout.addLayout(top)
        layout.addWidget(self.filter)
        self._stack = QStackedLayout()
        layout.addLayout(self._stack, 1)  # before its first widget, which would be shown as a window of its own
        self._stack.addWidget(empty_state(tr("Open a slide with Ctrl+O, or drop slide files anywhere on the window.")))
        self._stack.addWidget(self.list)
        for signal in (model.rowsInserted, model.rowsRemoved, model.modelReset):
            signal.connect(self._show_state)
        self._show_state()

    def select(self, path: str) -> None:
        """Marks the slide in view."""
        row = self._model.row_of(path)
        index = self._proxy.mapFromSource(self._model.index(row)) if row >= 0 else QModelIndex()
        if index != self.list.currentIndex():
            self.list.setCurrentIndex(index)
        self.list.scrollTo(index)

    def selected(self) -> list[SlideEntry]:
        """The slides that are selected, from top to bottom."""
        places = sorted(self.list.selectionModel().selectedIndexes(), key=lambda index: index.row())
        return [index.data(Qt.ItemDataRole.UserRole) for index in places]

    def _show_state(self) -> None:
        self._stack.setCurrentIndex(1 if self._model.rowCount() else 0)
        self.filter.setVisible(self._model.rowCount() > 1)

    def _on_current(self, index: QModelIndex) -> None:
        entry: SlideEntry | None = index.data(Qt.ItemDataRole.UserRole)
        if entry is not None:
            self.chosen.emit(entry.path)

    def _menu(self, place: QPoint) -> None:
        index = self.list.indexAt(place)
        if index.isValid():
            if not self.list.selectionModel().isSelected(index):
                self.list.setCurrentIndex(index)
            menu = QMenu(self)
            for name in MENU:
                menu.addAction(self._actions[name]) if name else menu.addSeparator()
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(self.list.viewport().mapToGlobal(place))
