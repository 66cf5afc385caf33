"""Small parts that the panels share: headings, quiet lines, empty states, tool buttons, a layout that wraps."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QAction, QFontMetrics
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QDoubleSpinBox,
    QFrame,
    QLabel,
    QLayout,
    QLayoutItem,
    QMenu,
    QPushButton,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from lile_desktop.icons import are_loaded, blank, icon
from lile_desktop.theme import GRID, small_font

LINE_HEIGHT = 30  # px of a line that is typed into


def heading(text: str) -> QLabel:
    """The title of a part of a panel."""
    label = QLabel(text)
    label.setProperty("rank", "title")
    return label


def quiet(text: str = "", *, wrap: bool = True) -> QLabel:
    """A line of second-rank text."""
    label = QLabel(text)
    label.setProperty("rank", "quiet")
    label.setWordWrap(wrap)
    return label


def steady(label: QLabel, lines: int) -> QLabel:
    """Keeps room for so many lines of a quiet label, whatever it says now: what lies below stays in its place."""
    label.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
    label.setMinimumHeight(lines * QFontMetrics(small_font(label.font())).lineSpacing())
    return label


def empty_state(text: str) -> QLabel:
    """What an empty panel says: what to do first."""
    label = quiet(text)
    label.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
    label.setContentsMargins(2 * GRID, 3 * GRID, 2 * GRID, GRID)
    return label


def hairline() -> QFrame:
    """A line of one pixel between two parts."""
    line = QFrame()
    line.setFixedHeight(1)
    line.setStyleSheet("background: palette(mid);")
    return line


def tool_button(action: QAction, *, text: bool = False) -> QToolButton:
    """A flat button of an action; with an icon only, its name is told to screen readers."""
    button = QToolButton()
    button.setDefaultAction(action)
    style = Qt.ToolButtonStyle.ToolButtonTextBesideIcon if text else Qt.ToolButtonStyle.ToolButtonIconOnly
    if not action.property("icon_name"):
        style = Qt.ToolButtonStyle.ToolButtonTextOnly
    button.setToolButtonStyle(style)
    button.setIconSize(QSize(18, 18))
    button.setAccessibleName(action.text())
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button


def icon_button(icon_name: str, name: str, tip: str, pressed: Callable[[], object]) -> QToolButton:
    """A flat button with an icon for something that is no action of its own."""
    button = QToolButton()
    # The font of the icons takes a while to load: buttons made before the first frame get theirs after it.
    button.setIcon(icon(icon_name) if are_loaded() else blank())
    button.setIconSize(QSize(16, 16))
    button.setAccessibleName(name)
    button.setToolTip(tip)
    button.clicked.connect(lambda: pressed())
    return button


def push_button(text: str, tip: str, pressed: Callable[[], object], *, primary: bool = False) -> QPushButton:
    """A button with words on it."""
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleName(text)
    # A click leaves no ring of focus behind; the Tab key still reaches the button.
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    set_primary(button, primary)
    button.clicked.connect(lambda: pressed())
    return button


def set_primary(button: QPushButton, primary: bool) -> None:
    """Whether a button is the one thing to do next."""
    button.setProperty("rank", "primary" if primary else "")
    button.style().unpolish(button)
    button.style().polish(button)


def column(widget: QWidget, *, margin: int = GRID, spacing: int = GRID) -> QVBoxLayout:
    """A column layout on the grid."""
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(margin, margin, margin, margin)
    layout.setSpacing(spacing)
    return layout


def number_field(field: QSpinBox | QDoubleSpinBox, name: str, tip: str) -> None:
    """Names a number field; it is typed into, or turned by wheel and arrow keys."""
    field.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
    field.setFixedHeight(LINE_HEIGHT)  # as lines of text have it, which begin as far from the left
    field.lineEdit().setTextMargins(4, 0, 0, 0)
    field.setAccessibleName(name)
    field.setToolTip(tip)


class Choice(QToolButton):
    """A value out of a few: a flat button with a menu. ``chosen`` comes when the user picks another one."""

    chosen = Signal(object)

    def __init__(self, name: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setToolTip(tip)
        self.setProperty("rank", "choice")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self._menu = QMenu(self)
        self.setMenu(self._menu)
        self._values: list[tuple[str, object]] = []
        self.value: object = None

    def add(self, text: str, value: object) -> None:
        """One more value; the first is the one in force until `set_value`."""
        self._values.append((text, value))
        action = self._menu.addAction(text)
        action.triggered.connect(lambda _checked=False: self._pick(value))
        if len(self._values) == 1:
            self.set_value(value)

    def values(self) -> list[object]:
        """What can be chosen."""
        return [value for _, value in self._values]

    def set_value(self, value: object) -> None:
        """Shows a value without telling anybody."""
        self.value = value
        self.setText(next((text for text, one in self._values if one == value), str(value)) + "  ▾")

    def _pick(self, value: object) -> None:
        if value != self.value:
            self.set_value(value)
            self.chosen.emit(value)


class FlowLayout(QLayout):
    """Puts widgets in rows like words in a paragraph."""

    def __init__(self, parent: QWidget | None = None, spacing: int = 4) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self.setSpacing(spacing)
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._place(QRect(0, 0, width, 0), apply=False)

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._place(rect, apply=True)

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        size = QSize()
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        return size

    def _place(self, rect: QRect, *, apply: bool) -> int:
        x, y, row = rect.x(), rect.y(), 0
        for item in self._items:
            hint = item.sizeHint()
            if x > rect.x() and x + hint.width() > rect.right() + 1:
                x, y, row = rect.x(), y + row + self.spacing(), 0
            if apply:
                item.setGeometry(QRect(QPoint(x, y), hint))
            x += hint.width() + self.spacing()
            row = max(row, hint.height())
        return y + row - rect.y()


def clear_layout(layout: QLayout) -> None:
    """Removes and deletes all widgets of a layout."""
    while (item := layout.takeAt(0)) is not None:
        widget = item.widget()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
