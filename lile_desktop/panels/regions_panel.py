"""The regions drawn on the slide in view."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem, QStackedLayout, QVBoxLayout, QWidget

from lile_desktop.panels.parts import heading, quiet
from lile_desktop.regions import region_size_text
from lile_desktop.text import tr
from lile_desktop.theme import GRID
from lile_desktop.viewer.annotations import AnnotationStore

MOST_LISTED = 1000  # an imported file may hold 100,000 nuclei, which nobody reads as a list


class RegionsPanel(QWidget):
    """A list of the regions; choosing one selects it on the slide. ``visited`` carries its number on a double click."""

    visited = Signal(int)

    def __init__(self, store: AnnotationStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._mpp: float | None = None
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Regions on this slide"))
        self.list.setToolTip(tr("Click to select a region, double-click to go there"))
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.currentRowChanged.connect(self._on_row)
        self.list.itemDoubleClicked.connect(lambda _item: self._visit())
        self._stack = QStackedLayout()
        hint = quiet(tr("Press R and draw a rectangle on the slide."))
        hint.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._stack.addWidget(hint)
        self._stack.addWidget(self.list)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, 0)
        layout.setSpacing(GRID // 2)
        layout.addWidget(heading(tr("Regions")))
        layout.addLayout(self._stack)
        self.setFixedHeight(136)
        store.changed.connect(self.refresh)
        store.selection_changed.connect(self._mark)

    def set_mpp(self, mpp: float | None) -> None:
        """Microns per level-0 pixel of the slide in view, for the sizes shown."""
        self._mpp = mpp
        self.refresh()

    def refresh(self) -> None:
        """Lists the regions again."""
        self.list.blockSignals(True)
        self.list.clear()
        for number, annotation in enumerate(self._store.all()[:MOST_LISTED], 1):
            size = region_size_text(annotation.region, self._mpp)
            QListWidgetItem(f"{annotation.name or f'Region {number}'}   {size}", self.list)
        self.list.blockSignals(False)
        self._stack.setCurrentIndex(1 if len(self._store) else 0)
        self._mark()

    def _mark(self) -> None:
        chosen = self._store.selection
        numbers = [a.id for a in self._store.all()[:MOST_LISTED]]
        self.list.blockSignals(True)
        self.list.setCurrentRow(numbers.index(chosen[-1]) if chosen and chosen[-1] in numbers else -1)
        self.list.blockSignals(False)

    def _on_row(self, row: int) -> None:
        annotations = self._store.all()
        if 0 <= row < len(annotations):
            self._store.select([annotations[row].id])

    def _visit(self) -> None:
        if self._store.selection:
            self.visited.emit(self._store.selection[-1])
