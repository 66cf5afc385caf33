"""Brush: paint a region, add to the selected one, or with Alt wipe some of it away."""

from __future__ import annotations

import math
from dataclasses import replace

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from lile_desktop.viewer.annotations import Annotation
from lile_desktop.viewer.combine import path_of_regions, regions_of_path, stroke_region, without
from lile_desktop.viewer.strokes import stroke
from lile_desktop.viewer.tools.base import Pointer, Tool, ToolHost
from lile_desktop.viewer.view_state import to_screen
from lile_engine.slides import Region

RADIUS_PX = 20.0  # on the screen: the brush grows on the slide as one zooms out
STEP_PX = 3.0


class BrushTool(Tool):
    """The stroke joins the selected region where they touch; else it is a region of its own."""

    name = "brush"
    title = "Brush"

    def __init__(self, host: ToolHost) -> None:
        super().__init__(host)
        self._line: list[tuple[float, float]] = []
        self._erase = False
        self._at: tuple[float, float] | None = None  # screen, for the ring under the mouse

    @property
    def busy(self) -> bool:
        return bool(self._line)

    def press(self, pointer: Pointer) -> None:
        self._line = [(pointer.x, pointer.y)]
        self._erase = pointer.alt
        self.hover(pointer)

    def drag(self, pointer: Pointer) -> None:
        if self._line:
            lx, ly = to_screen(self.host.view, *self._line[-1])
            if math.hypot(lx - pointer.sx, ly - pointer.sy) >= STEP_PX:
                self._line.append((pointer.x, pointer.y))
        self.hover(pointer)

    def hover(self, pointer: Pointer) -> None:
        self._at = (pointer.sx, pointer.sy)
        self.host.update()

    def release(self, pointer: Pointer) -> None:
        self.drag(pointer)
        line, self._line = self._line, []
        if not line:
            return
        covered = stroke_region(line, RADIUS_PX / self.host.view.scale)
        target = self._target()
        if self._erase:
            if target is not None:
                self._put(target, without(target.parts, covered), "Erase")
        elif target is not None and _touch(target, covered):
            joined = path_of_regions([*target.parts, *covered])
            self._put(target, regions_of_path(joined, 0.5 / self.host.view.scale), "Brush")
        elif covered:
            self.host.submit(Annotation(0, covered[0], more=covered[1:]))
        self.host.update()

    def _target(self) -> Annotation | None:
        chosen = [a for a in self.host.annotations.selected() if a.kind == "region" and not a.locked]
        return chosen[0] if len(chosen) == 1 else None

    def _put(self, target: Annotation, parts: tuple[Region, ...], title: str) -> None:
        if parts:
            self.host.annotations.change([replace(target, region=parts[0], more=parts[1:])], title)
        else:
            self.host.annotations.remove([target.id], title)

    def cancel(self) -> None:
        self._line = []
        self.host.update()

    def paint(self, painter: QPainter) -> None:
        accent = self.host.accent()
        if self._line:
            pen = QPen(QColor(accent.red(), accent.green(), accent.blue(), 90), 2 * RADIUS_PX)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            painter.setPen(pen)
            points = [QPointF(*to_screen(self.host.view, *point)) for point in self._line]
            painter.drawPolyline(points) if len(points) > 1 else painter.drawPoint(points[0])
        if self._at is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for halo in (True, False):
                stroke(painter, accent, 1.25, halo=halo)
                painter.drawEllipse(QPointF(*self._at), RADIUS_PX, RADIUS_PX)


def _touch(target: Annotation, covered: tuple[Region, ...]) -> bool:
    return path_of_regions(target.parts).intersects(path_of_regions(covered))
