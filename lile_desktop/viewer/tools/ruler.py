"""Ruler: a line with its length beside it; it stays on the slide like a region, until it is deleted."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainter

from lile_desktop.viewer.annotations import Annotation
from lile_desktop.viewer.measures import measure_text
from lile_desktop.viewer.strokes import paint_note, stroke
from lile_desktop.viewer.tools.base import Pointer, Tool, ToolHost
from lile_desktop.viewer.view_state import to_screen
from lile_engine.slides import Region

TICK_PX = 6.0
LEAST_PX = 3.0  # a line shorter than this on the screen is a slip of the hand


class RulerTool(Tool):
    name = "line"
    title = "Ruler"

    def __init__(self, host: ToolHost) -> None:
        super().__init__(host)
        self._ends: tuple[tuple[float, float], tuple[float, float]] | None = None

    @property
    def busy(self) -> bool:
        return self._ends is not None

    @property
    def length_px(self) -> float | None:
        """Length in level-0 pixels of what is being measured, None where nothing is."""
        return math.dist(*self._ends) if self._ends is not None else None

    def text(self) -> str:
        """The length for people; empty where nothing is measured."""
        mpp = self.host.slide.mpp if self.host.slide is not None else None
        return measure_text(Annotation(0, Region(self._ends), "line"), mpp) if self._ends is not None else ""

    def press(self, pointer: Pointer) -> None:
        self._ends = ((pointer.x, pointer.y), (pointer.x, pointer.y))

    def drag(self, pointer: Pointer) -> None:
        if self._ends is not None:
            self._ends = (self._ends[0], (pointer.x, pointer.y))
            self.host.update()

    def release(self, pointer: Pointer) -> None:
        self.drag(pointer)
        ends, length = self._ends, self.length_px
        self._ends = None
        if ends is not None and length is not None and length * self.host.view.scale >= LEAST_PX:
            self.host.submit(Annotation(0, Region(ends), "line"))
        self.host.update()

    def cancel(self) -> None:
        self._ends = None
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
