"""Tools that draw a region: rectangle, ellipse, polygon, freehand."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter, QPolygonF

from lile_desktop.viewer.scale_bar import area_text, size_of
from lile_desktop.viewer.strokes import paint_note, stroke
from lile_desktop.viewer.tools.base import Pointer, Tool, ToolHost
from lile_desktop.viewer.view_state import to_screen
from lile_engine.slides import Region

Point = tuple[float, float]
LEAST_PX = 3.0  # a shape smaller than this on the screen is a slip of the hand
FREEHAND_STEP = 2.0  # screen pixels between two points of a freehand line
CLOSE_PX = 8.0  # a click this near to a polygon's first point closes it


def ellipse_points(x0: float, y0: float, x1: float, y1: float, count: int = 72) -> list[Point]:
    """Points of the ellipse in the box of two corners."""
    cx, cy, rx, ry = (x0 + x1) / 2, (y0 + y1) / 2, abs(x1 - x0) / 2, abs(y1 - y0) / 2
    turns = [2 * math.pi * i / count for i in range(count)]
    return [(cx + rx * math.cos(t), cy + ry * math.sin(t)) for t in turns]


def size_text(host: ToolHost, w: float, h: float) -> str:
    """Width times height of level-0 pixels, in microns where the slide knows them."""
    mpp = host.slide.mpp if host.slide is not None else None
    if mpp:
        return size_of(w * mpp, h * mpp)
    return f"{w:.0f} × {h:.0f} px"


def area_note(host: ToolHost, points: list[Point]) -> str:
    """The area within level-0 points, in microns where the slide knows them."""
    region = Region(tuple(points))
    mpp = host.slide.mpp if host.slide is not None else None
    return area_text(region.area_um2(mpp)) if mpp else f"{region.area_px():,.0f} px²"


class _OutlineTool(Tool):
    """A tool with level-0 points of an outline under way."""

    def __init__(self, host: ToolHost) -> None:
        super().__init__(host)
        self._points: list[Point] = []

    @property
    def busy(self) -> bool:
        return bool(self._points)

    def cancel(self) -> None:
        self._points = []
        self.host.update()

    def _outline(self) -> list[Point]:
        return self._points

    def _note(self) -> str:
        return area_note(self.host, self._outline())

    def _finish(self) -> None:
        outline = self._outline()
        self._points = []
        if len(outline) >= 3 and self._large_enough(outline):
            self.host.submit_region(self._region(outline))
        self.host.update()

    def _region(self, outline: list[Point]) -> Region:
        return Region.polygon(outline)

    def _large_enough(self, outline: list[Point]) -> bool:
        xs, ys = [p[0] for p in outline], [p[1] for p in outline]
        extent = max(max(xs) - min(xs), max(ys) - min(ys)) * self.host.view.scale
        return extent >= LEAST_PX and Region(tuple(outline)).area_px() > 0

    def paint(self, painter: QPainter) -> None:
        outline = self._outline()
        if not outline:
            return
        screen = [QPointF(*to_screen(self.host.view, *point)) for point in outline]
        accent = self.host.accent()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        polygon = QPolygonF(screen)
        for halo in (True, False):
            stroke(painter, accent, halo=halo)
            painter.drawPolygon(polygon)
        if len(outline) >= 3:
            paint_note(painter, max(screen, key=lambda p: p.x() + p.y()), self._note(), self.host.view)


class _BoxTool(_OutlineTool):
    """Two corners: where the button went down and where the mouse is. Shift keeps it square."""

    def press(self, pointer: Pointer) -> None:
        self._points = [(pointer.x, pointer.y), (pointer.x, pointer.y)]

    def drag(self, pointer: Pointer) -> None:
        if not self._points:
            return
        (x0, y0), x1, y1 = self._points[0], pointer.x, pointer.y
        if pointer.shift:
            side = max(abs(x1 - x0), abs(y1 - y0))
            x1, y1 = x0 + math.copysign(side, x1 - x0), y0 + math.copysign(side, y1 - y0)
        self._points[1] = (x1, y1)
        self.host.update()

    def release(self, pointer: Pointer) -> None:
        self.drag(pointer)
        self._finish()

    def _corners(self) -> tuple[float, float, float, float]:
        (x0, y0), (x1, y1) = self._points
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)

    def _note(self) -> str:
        x0, y0, x1, y1 = self._corners()
        return size_text(self.host, x1 - x0, y1 - y0)


class RectangleTool(_BoxTool):
    name = "rectangle"
    title = "Rectangle"

    def _outline(self) -> list[Point]:
        if not self._points:
            return []
        x0, y0, x1, y1 = self._corners()
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]

    def _region(self, outline: list[Point]) -> Region:
        (x0, y0), (x1, y1) = outline[0], outline[2]
        return Region.rectangle(x0, y0, x1 - x0, y1 - y0)


class EllipseTool(_BoxTool):
    name = "ellipse"
    title = "Ellipse"

    def _outline(self) -> list[Point]:
        return ellipse_points(*self._corners()) if self._points else []


class PolygonTool(_OutlineTool):
    """A corner for every click; Return, a double click, or a click on the first corner closes it."""

    name = "polygon"
    title = "Polygon"

    def __init__(self, host: ToolHost) -> None:
        super().__init__(host)
        self._hover: Point | None = None

    def _outline(self) -> list[Point]:
        return [*self._points, self._hover] if self._points and self._hover else self._points

    def press(self, pointer: Pointer) -> None:
        if len(self._points) >= 3:
            fx, fy = to_screen(self.host.view, *self._points[0])
            if math.hypot(fx - pointer.sx, fy - pointer.sy) <= CLOSE_PX:
                self.accept()
                return
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
        self._hover = None
        self._finish()

    def step_back(self) -> None:
        self._points = self._points[:-1]
        self.host.update()

    def cancel(self) -> None:
        self._hover = None
        super().cancel()


class FreehandTool(_OutlineTool):
    """The line that the hand draws, closed when the button comes up."""

    name = "freehand"
    title = "Freehand"

    def press(self, pointer: Pointer) -> None:
        self._points = [(pointer.x, pointer.y)]

    def drag(self, pointer: Pointer) -> None:
        if not self._points:
            return
        lx, ly = to_screen(self.host.view, *self._points[-1])
        if math.hypot(lx - pointer.sx, ly - pointer.sy) >= FREEHAND_STEP:
            self._points.append((pointer.x, pointer.y))
            self.host.update()

    def release(self, pointer: Pointer) -> None:
        self.drag(pointer)
        self._finish()
