"""The bar with the pages of the window (Viewer, Archive, Training) and the stack they lie in."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from lile_desktop.actions import shortcut_of
from lile_desktop.panels.parts import hairline
from lile_desktop.text import tr
from lile_desktop.theme import GRID


class Pages(QWidget):
    """``bar`` and ``stack`` are put in place by the window."""

    def __init__(self, pages: Sequence[QWidget], tabs: Sequence[QAction], palette: QAction) -> None:
        super().__init__()
        self.bar = QWidget()
        self.bar.setProperty("area", "bar")
        self.bar.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.stack = QStackedWidget()
        for page in pages:
            self.stack.addWidget(page)
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
        self.stack.setCurrentIndex(number)
