"""The viewer tab: slides, regions and layers on the left, the slide in the middle, search and answers on the right."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from lile_desktop.actions import ActionRegistry
from lile_desktop.panels.answers_panel import AnswersPanel
from lile_desktop.panels.ask_panel import AskPanel
from lile_desktop.panels.layers_panel import LayersPanel
from lile_desktop.panels.left_column import LeftColumn
from lile_desktop.panels.parts import hairline, tool_button
from lile_desktop.panels.regions_panel import RegionsPanel
from lile_desktop.panels.slides_panel import SlidesPanel
from lile_desktop.slide_desk import SlideDesk
from lile_desktop.theme import GRID
from lile_desktop.viewer.panes import Panes

LEFT_PX, RIGHT_PX = 248, 352
TOOLS = (
    "tool_move", "tool_rectangle", "tool_ellipse", "tool_polygon", "tool_freehand", "tool_brush",
    "tool_points", "tool_polyline", "tool_line", None,
    "go_back", "go_forward", None, "fit", "zoom_out", "zoom_in", "mag_10", "mag_20", "mag_40", None, "views_2",
    "link_views",
)  # fmt: skip


class ViewerPage(QWidget):
    """Only puts the panels in their places."""

    def __init__(self, desk: SlideDesk, panes: Panes, actions: ActionRegistry) -> None:
        super().__init__()
        self.view = view = panes.views[0]
        self.slides = SlidesPanel(desk.slides, actions)
        self.regions = RegionsPanel(view.annotations)
        self.layers = LayersPanel()
        self.ask = AskPanel(actions)
        self.answers = AnswersPanel(desk.picture)

        self.left = LeftColumn(self.slides, self.regions, self.layers, desk.slides)

        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(_tool_strip(actions))
        column.addWidget(hairline())
        column.addWidget(panes, 1)

        self.right = _panel()
        right = QVBoxLayout(self.right)
        right.setContentsMargins(GRID + 4, GRID, GRID + 4, GRID)
        right.setSpacing(GRID)
        right.addWidget(self.ask)
        right.addWidget(hairline())
        right.addWidget(self.answers, 1)

        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setHandleWidth(1)
        for widget in (self.left, middle, self.right):
            self.splitter.addWidget(widget)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setCollapsible(1, False)
        self.left.setMinimumWidth(200)
        self.right.setMinimumWidth(304)
        self.splitter.setSizes([LEFT_PX, 1000, RIGHT_PX])
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.splitter)

    def set_icons(self) -> None:
        """Icons in the theme's colour."""
        self.ask.set_icons()
        self.answers.set_icons()
        self.layers.set_icons()


def _panel() -> QWidget:
    panel = QWidget()
    panel.setProperty("area", "panel")
    panel.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    return panel


def _tool_strip(actions: ActionRegistry) -> QWidget:
    strip = _panel()
    layout = QHBoxLayout(strip)
    layout.setContentsMargins(GRID, 4, GRID, 4)
    layout.setSpacing(1)
    for name in TOOLS:
        if name is None:
            line = QFrame()
            line.setFixedSize(1, 20)
            line.setStyleSheet("background: palette(mid);")
            layout.addSpacing(GRID // 2)
            layout.addWidget(line)
            layout.addSpacing(GRID // 2)
        else:
            button = tool_button(actions[name])
            button.setProperty("rank", "tool")
            layout.addWidget(button)
    layout.addStretch(1)
    return strip
