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
from lile_desktop.panels.parts import empty_state
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
        self.nothing = empty_state(tr("No command found"))
        layout.addWidget(self.field)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.nothing, 1)
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
        self.list.setVisible(self.list.count() > 0)
        self.nothing.setVisible(self.list.count() == 0)

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


# What mouse and keys do on the slide beyond the commands of the menus.
ON_THE_SLIDE = (
    ("Move", "Drag, arrow keys", "With Shift a whole view further; the middle button moves with any tool"),
    ("Zoom", "Wheel, pinch, double-click", "Towards the mouse"),
    ("Move with any tool", "Space held", "Until it is let go"),
    ("Finish a shape", "Enter, double-click", "Polygon and polyline; a click on the first corner too"),
    ("Take a point back", "Backspace", "While a polygon or polyline is drawn"),
    ("Drop a shape", "Esc", "What is half drawn goes; else a message, heat map and attention"),
    ("Square, circle", "Shift while drawing", "Rectangle and ellipse"),
    ("Wipe away", "Alt with the brush", "Takes from the selected region"),
    ("Select one more", "Shift and click", "Regions that are merged or cut out of each other"),
    ("Menu of the place", "Right click, Menu key", "Region, class, view, files"),
    ("Minimap", "Double-click on it", "Moves it to another corner"),
)


class ShortcutSheet(QDialog):
    """Every shortcut on one page, by menu, then what mouse and keys do on the slide."""

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
            lines = [(tr(s.text), shortcut_text(s), tr(s.tip)) for s in specs]
            row = _add_part(grid, row, tr(menu), lines)
        row = _add_part(grid, row, tr("On the slide"), [(tr(a), tr(b), tr(c)) for a, b, c in ON_THE_SLIDE])
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


def _add_part(grid: QGridLayout, row: int, name: str, lines: list[tuple[str, str, str]]) -> int:
    """A title and its lines from ``row`` on; gives the next free row."""
    if not lines:
        return row
    title = QLabel(name)
    title.setProperty("rank", "title")
    title.setContentsMargins(0, GRID if row else 0, 0, 0)
    grid.addWidget(title, row, 0, 1, 3)
    for offset, texts in enumerate(lines, 1):
        for column, text in enumerate(texts):
            label = QLabel(text)
            label.setProperty("rank", "quiet" if column == 2 else "")
            grid.addWidget(label, row + offset, column)
    return row + len(lines) + 1
