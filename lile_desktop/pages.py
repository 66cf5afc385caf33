"""The bar with the pages of the window (Viewer, Archive, Training) and the stack they lie in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from lile_desktop.actions import shortcut_of
from lile_desktop.panels.parts import hairline
from lile_desktop.text import tr
from lile_desktop.theme import GRID


class Pages(QWidget):
    """``bar`` and ``stack`` are put in place by the window."""

    def __init__(self, makers: Sequence[Callable[[], QWidget]], tabs: Sequence[QAction], palette: QAction) -> None:
        """``makers`` make the pages: the first at once, the others when they are first shown or asked for."""
        super().__init__()
        self._makers = tuple(makers)
        self._made: dict[int, QWidget] = {}
        self.bar = QWidget()
        self.bar.setProperty("area", "bar")
        self.bar.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.stack = QStackedWidget()
        self._empty = {number: QWidget() for number in range(len(self._makers))}
        for empty in self._empty.values():
            self.stack.addWidget(empty)
        self.page(0)
        row = QHBoxLayout()
        row.setContentsMargins(GRID, 2, GRID, 4)
        row.setSpacing(GRID // 2)
        for action in tabs:
            button = QToolButton()
            button.setDefaultAction(action)
            button.setProperty("rank", "tab")
            button.setAccessibleName(action.text())
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            row.addWidget(button)
        row.addStretch(1)
        self.palette_button = QToolButton()
        self.palette_button.setText(tr("Find a command   {0}").format(shortcut_of(palette)))
        self.palette_button.setToolTip(palette.toolTip())
        self.palette_button.clicked.connect(palette.trigger)
        self.palette_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.palette_button.setProperty("rank", "quiet")
        self.palette_button.setAccessibleName(tr("Find a command"))
        row.addWidget(self.palette_button)
        column = QVBoxLayout(self.bar)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(row)
        column.addWidget(hairline())

    def show_page(self, number: int) -> None:
        """Brings a page to the front."""
        self.page(number)
        self.stack.setCurrentIndex(number)

    def page(self, number: int) -> QWidget:
        """The page, made now if it was not made yet."""
        if number not in self._made:
            self._made[number] = made = self._makers[number]()
            shown, empty = self.stack.currentIndex(), self._empty.pop(number)
            self.stack.insertWidget(number, made)
            self.stack.removeWidget(empty)
            empty.deleteLater()
            self.stack.setCurrentIndex(shown)
        return self._made[number]

    def is_made(self, number: int) -> bool:
        """Whether the page was made already."""
        return number in self._made
