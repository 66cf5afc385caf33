"""The command palette and the shortcut sheet, both made from the action registry."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from lile_desktop.actions import MENUS, ActionRegistry, ActionSpec, matching, shortcut_text
from lile_desktop.text import tr
from lile_desktop.theme import GRID

_ID = Qt.ItemDataRole.UserRole


class CommandPalette(QDialog):
    """Type a few letters, Enter does it."""

    def __init__(self, registry: ActionRegistry, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._registry = registry
        self.setFixedSize(480, 360)
        self.field = QLineEdit(self)
        self.field.setPlaceholderText(tr("Type a command"))
        self.field.setAccessibleName(tr("Command"))
        self.field.setToolTip(tr("Type some letters of a command; Enter does the selected one"))
        self.list = QListWidget(self)
        self.list.setAccessibleName(tr("Commands found"))
        self.list.setToolTip(tr("Commands; Enter or a click does the selected one"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        layout.addWidget(self.field)
        layout.addWidget(self.list)
        self.field.textChanged.connect(self._fill)
        self.field.returnPressed.connect(self._run_selected)
        self.list.itemClicked.connect(lambda _item: self._run_selected())
        self.field.installEventFilter(self)
        self._fill("")

    def open_over(self, widget: QWidget) -> None:
        """Shows the palette in the upper middle of ``widget``."""
        corner = widget.mapToGlobal(widget.rect().topLeft())
        self.move(corner.x() + (widget.width() - self.width()) // 2, corner.y() + 10 * GRID)
        self.show()
        self.field.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Up and down in the field move the selection in the list."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
            if step is not None and self.list.count():
                self.list.setCurrentRow((self.list.currentRow() + step) % self.list.count())
                return True
        return super().eventFilter(watched, event)

    def _fill(self, typed: str) -> None:
        self.list.clear()
        enabled = [s for s in self._registry.bound() if s.id != "palette" and self._registry[s.id].isEnabled()]
        for spec in matching(enabled, typed):
            item = QListWidgetItem(self.list)
            item.setData(_ID, spec.id)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, spec.text)
            item.setSizeHint(QSize(0, 32))
            self.list.setItemWidget(item, _palette_row(spec))
        self.list.setCurrentRow(0)

    def _run_selected(self) -> None:
        item = self.list.currentItem()
        self.close()
        if item is not None:
            self._registry[item.data(_ID)].trigger()


def _palette_row(spec: ActionSpec) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(GRID, 0, GRID, 0)
    layout.addWidget(QLabel(spec.text))
    layout.addStretch(1)
    for text in (spec.menu, shortcut_text(spec)):
        label = QLabel(text)
        label.setProperty("rank", "quiet")
        layout.addWidget(label)
    return row


class ShortcutSheet(QDialog):
    """Every shortcut on one page, by menu."""

    def __init__(self, registry: ActionRegistry, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Keyboard shortcuts"))
        self.resize(800, 640)
        page = QWidget()
        page.setProperty("area", "panel")
        grid = QGridLayout(page)
        grid.setHorizontalSpacing(3 * GRID)
        grid.setVerticalSpacing(GRID // 2)
        row = 0
        for menu in MENUS:
            specs = [s for s in registry.bound() if s.menu == menu and s.shortcuts]
            if not specs:
                continue
            title = QLabel(menu)
            title.setProperty("rank", "title")
            title.setContentsMargins(0, GRID if row else 0, 0, 0)
            grid.addWidget(title, row, 0, 1, 3)
            for offset, spec in enumerate(specs, 1):
                grid.addWidget(QLabel(spec.text), row + offset, 0)
                grid.addWidget(QLabel(shortcut_text(spec)), row + offset, 1)
                tip = QLabel(spec.tip)
                tip.setProperty("rank", "quiet")
                grid.addWidget(tip, row + offset, 2)
            row += len(specs) + 1
        grid.setColumnMinimumWidth(0, 184)
        grid.setColumnMinimumWidth(1, 136)
        grid.setColumnStretch(2, 1)
        grid.setRowStretch(row, 1)
        area = QScrollArea(self)
        area.setWidget(page)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setAccessibleName(tr("Keyboard shortcuts"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID, 2 * GRID, GRID, GRID)
        layout.addWidget(area)
