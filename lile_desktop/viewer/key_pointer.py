"""Drawing by keyboard alone: the tool is pressed at the middle of the view, and arrow keys move the slide under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainter

from lile_desktop.viewer.strokes import stroke
from lile_desktop.viewer.tools.base import Pointer
from lile_desktop.viewer.view_state import to_slide

if TYPE_CHECKING:
    from lile_desktop.viewer.slide_view import SlideView

CLICKED = frozenset({"move", "polygon", "polyline", "points"})  # tools that are clicked; others are drawn with
ARM_PX, GAP_PX = 14.0, 4.0


class KeyPointer:
    """The middle of a view as a pointer. ``shown`` until the mouse is used again."""

    def __init__(self, view: SlideView) -> None:
        self._view = view
        self._down = False
        self.shown = False

    def press(self) -> None:
        """Clicks at the middle; with a tool that draws, the first time presses and the second time lets go."""
        view = self._view
        if view.slide is None:
            return
        self.shown = True
        pointer, tool = self._pointer(), view.active_tool
        if self._down:
            self._down = False
            tool.release(pointer)
        else:
            tool.press(pointer)
            if tool.name in CLICKED:
                tool.release(pointer)
            else:
                self._down = True
        view.update()

    def moved(self) -> None:
        """The slide has moved under the middle."""
        if self._down:
            if self._view.active_tool.busy:
                self._view.active_tool.drag(self._pointer())
            else:
                self._down = False  # what was half drawn was dropped

    def hide(self) -> None:
        """The mouse is used again."""
        if self.shown and not self._down:
            self.shown = False
            self._view.update()

    def paint(self, painter: QPainter) -> None:
        """A cross at the middle; the painter is in logical screen pixels."""
        if not self.shown:
            return
        middle = QPointF(self._view.width() / 2, self._view.height() / 2)
        for halo in (True, False):
            stroke(painter, self._view.accent(), halo=halo)
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                painter.drawLine(middle + QPointF(dx, dy) * GAP_PX, middle + QPointF(dx, dy) * ARM_PX)

    def _pointer(self) -> Pointer:
        view = self._view
        sx, sy = view.width() / 2, view.height() / 2
        return Pointer(*to_slide(view.view, sx, sy), sx, sy)
