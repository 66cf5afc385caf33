"""Marks that enclose nothing: points for counting, and open lines."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainter

from lile_desktop.viewer.annotations import Annotation
from lile_desktop.viewer.strokes import stroke
from lile_desktop.viewer.tools.base import Pointer, Tool, ToolHost
from lile_desktop.viewer.view_state import to_screen
from lile_engine.slides import Region


class PointsTool(Tool):
    """Every click adds a point to the selected set of points, or begins a new one."""

    name = "points"
    title = "Points"

    def press(self, pointer: Pointer) -> None:
        store = self.host.annotations
        sets = [a for a in store.selected() if a.kind == "points" and not a.locked]
        point = (pointer.x, pointer.y)
        if len(sets) == 1:
            grown = Region((*sets[0].region.exterior, point))
            store.change([replace(sets[0], region=grown)], "Point")
        else:
            self.host.submit(Annotation(0, Region((point,)), "points"))


class PolylineTool(Tool):
    """A corner for every click; Return or a double click ends the line."""

    name = "polyline"
    title = "Polyline"

    def __init__(self, host: ToolHost) -> None:
        super().__init__(host)
        self._points: list[tuple[float, float]] = []
        self._hover: tuple[float, float] | None = None

    @property
    def busy(self) -> bool:
        return bool(self._points)

    def press(self, pointer: Pointer) -> None:
        self._points.append((pointer.x, pointer.y))
        self._hover = None
        self.host.update()

    def hover(self, pointer: Pointer) -> None:
        if self._points:
            self._hover = (pointer.x, pointer.y)
            self.host.update()

    def double_click(self, pointer: Pointer) -> bool:
        if not self._points:
            return False
        self.accept()
        return True

    def accept(self) -> None:
        points, self._points, self._hover = self._points, [], None
        if len(points) >= 2:
            self.host.submit(Annotation(0, Region(tuple(points)), "line"))
        self.host.update()

    def step_back(self) -> None:
        self._points = self._points[:-1]
        self.host.update()

    def cancel(self) -> None:
        self._points, self._hover = [], None
        self.host.update()

    def paint(self, painter: QPainter) -> None:
        shown = [*self._points, self._hover] if self._hover else self._points
        if len(shown) < 2:
            return
        points = [QPointF(*to_screen(self.host.view, *point)) for point in shown]
        for halo in (True, False):
            stroke(painter, self.host.accent(), halo=halo)
            painter.drawPolyline(points)
