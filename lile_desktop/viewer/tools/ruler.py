"""Ruler: a line and its length, for a look; it stays until the next one or Esc."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainter

from lile_desktop.viewer.scale_bar import length_text
from lile_desktop.viewer.strokes import paint_note, stroke
from lile_desktop.viewer.tools.base import Pointer, Tool, ToolHost
from lile_desktop.viewer.view_state import to_screen

TICK_PX = 6.0


class RulerTool(Tool):
    name = "line"
    title = "Ruler"

    def __init__(self, host: ToolHost) -> None:
        super().__init__(host)
        self._ends: tuple[tuple[float, float], tuple[float, float]] | None = None
        self._drawing = False

    @property
    def busy(self) -> bool:
        return self._ends is not None

    @property
    def length_px(self) -> float | None:
        """Length in level-0 pixels, None where nothing is measured."""
        if self._ends is None:
            return None
        (x0, y0), (x1, y1) = self._ends
        return math.hypot(x1 - x0, y1 - y0)

    def text(self) -> str:
        """The length for people; empty where nothing is measured."""
        length = self.length_px
        if length is None:
            return ""
        mpp = self.host.slide.mpp if self.host.slide is not None else None
        return length_text(length * mpp) if mpp else f"{length:.0f} px"

    def press(self, pointer: Pointer) -> None:
        self._ends = ((pointer.x, pointer.y), (pointer.x, pointer.y))
        self._drawing = True

    def drag(self, pointer: Pointer) -> None:
        if self._drawing and self._ends is not None:
            self._ends = (self._ends[0], (pointer.x, pointer.y))
            self.host.update()

    def release(self, pointer: Pointer) -> None:
        self.drag(pointer)
        self._drawing = False
        if not self.length_px:
            self._ends = None

    def cancel(self) -> None:
        self._ends = None
        self._drawing = False
        self.host.update()

    def paint(self, painter: QPainter) -> None:
        if self._ends is None:
            return
        a, b = (QPointF(*to_screen(self.host.view, *end)) for end in self._ends)
        length = math.hypot(b.x() - a.x(), b.y() - a.y())
        if length == 0:
            return
        nx, ny = -(b.y() - a.y()) / length * TICK_PX, (b.x() - a.x()) / length * TICK_PX
        for halo in (True, False):
            stroke(painter, self.host.accent(), halo=halo)
            painter.drawLine(a, b)
            for end in (a, b):
                painter.drawLine(QPointF(end.x() - nx, end.y() - ny), QPointF(end.x() + nx, end.y() + ny))
        paint_note(painter, QPointF((a.x() + b.x()) / 2, (a.y() + b.y()) / 2), self.text(), self.host.view)
