"""The view of a slide that the application puts in its window: canvas, tools, regions, overlays, hits."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDropEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from lile_desktop.text import tr
from lile_desktop.viewer import gestures
from lile_desktop.viewer import view_state as vs
from lile_desktop.viewer.annotation_painter import AnnotationPainter
from lile_desktop.viewer.annotations import Annotation, AnnotationStore
from lile_desktop.viewer.asked_mark import AskedMark, paint_asked
from lile_desktop.viewer.canvas import SlideCanvas
from lile_desktop.viewer.history import PlaceHistory
from lile_desktop.viewer.key_pointer import KeyPointer
from lile_desktop.viewer.keys import Keys
from lile_desktop.viewer.motion import DragSpeed, glide
from lile_desktop.viewer.overlays import (
    OverlayStack,
    RasterOverlay,
    TileBox,
    box_at,
    paint_boxes,
    paint_grid,
    paint_legend,
)
from lile_desktop.viewer.tile_cache import DEFAULT_BUDGET, TileCache
from lile_desktop.viewer.tile_loader import PixelSource
from lile_desktop.viewer.tools import Pointer, Tool, make_tool
from lile_engine.slides import Region, SlideInfo

WHEEL_ZOOM = 1.3  # factor of one notch of the wheel
DOUBLE_CLICK_ZOOM = 2.0
PICK_PX = 3.0  # how far from an outline a click still counts


class SlideView(SlideCanvas):
    """Shows a slide and lets people work on it.

    What the application uses: ``set_slide(info | None)``, ``go_to(Rect)``, ``go_to_point(x, y)``, ``fit()``,
    ``zoom_by(factor)``, ``set_magnification(x)``, ``set_rotation(degrees)``, ``set_mirrored(bool)``, ``go_back()``,
    ``go_forward()``, ``set_tool(name)`` (names in ``tools.TOOLS``), ``annotations`` (an `AnnotationStore`),
    ``set_overlay(name, RasterOverlay | None)``, ``set_overlay_visible(name, bool)``, ``set_highlights([TileBox])``,
    ``set_adjustment(Adjustment)``, ``set_minimap_visible(bool)``, ``set_annotations_visible(bool)``,
    ``picture()`` (the view as an image, for export) and the signals here and of `SlideCanvas`.
    """

    region_drawn = Signal(Region)  # a tool finished a region; it is already in ``annotations`` and selected
    cursor_moved = Signal(float, float)  # level-0 px under the mouse
    cursor_left = Signal()
    files_dropped = Signal(list)  # list[str]: local paths
    tool_changed = Signal(str)
    tile_box_clicked = Signal(TileBox)
    layers_changed = Signal()  # overlays or highlights were set, removed, shown or hidden
    shapes_ready = Signal()  # the picture of very many regions is up to date
    context_asked = Signal(QPointF)  # right click, in widget pixels

    def __init__(
        self,
        source: PixelSource,
        parent: QWidget | None = None,
        *,
        cache: TileCache | None = None,
        cache_bytes: int = DEFAULT_BUDGET,
        drawing: bool = True,
    ) -> None:
        """``drawing`` False: a view that only shows; it takes no tool but the one that moves."""
        super().__init__(source, parent, cache=cache, cache_bytes=cache_bytes)
        self._drawing = drawing
        self._annotations = AnnotationStore(self)
        self._annotations.changed.connect(self.update)
        self._annotations.selection_changed.connect(self.update)
        self._annotation_painter = AnnotationPainter(self._annotations, self)
        self._annotation_painter.raster.ready.connect(self.update)
        self._annotation_painter.raster.ready.connect(self.shapes_ready)
        self._annotations_shown = True
        self._overlays = OverlayStack()
        self._overlays_shown = True
        self._grid_step: float | None = None
        self._boxes: list[TileBox] = []
        self._boxes_shown = True
        self._asked: AskedMark | None = None
        self._tool: Tool = make_tool("move", self)
        self._before_space: str | None = None
        self._grab: QPointF | None = None  # where the middle button holds the picture
        self._speed = DragSpeed()
        self._keys = Keys(self)
        self.key_pointer = KeyPointer(self)
        self.view_changed.connect(lambda _view: self.key_pointer.moved())
        self.grabGesture(Qt.GestureType.PinchGesture)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAcceptDrops(True)
        self.setCursor(self._tool.cursor)
        self.setAccessibleName(tr("Slide"))

    # --- layers ----------------------------------------------------------------------------------

    @property
    def annotations(self) -> AnnotationStore:
        return self._annotations

    @property
    def overlays(self) -> OverlayStack:
        return self._overlays

    @property
    def highlights(self) -> list[TileBox]:
        return list(self._boxes)

    def set_slide(self, info: SlideInfo | None) -> None:
        """Show another slide: overlays, hits and regions of the one before go (save them first)."""
        self._tool.cancel()
        same = info is not None and self.slide is not None and info.path == self.slide.path
        if not same:
            self._overlays.clear()
            self._boxes = []
            self._asked = None
            self._annotation_painter.raster.forget()
            self._annotations.replace_all([])
            self.layers_changed.emit()
        super().set_slide(info)

    def start_at(self, rect: vs.Rect) -> None:
        """Like `go_to` on a slide that has just come for this place: there is none before it to go back to."""
        self._history = PlaceHistory()
        self.set_view(vs.showing(self.view, rect))
        self._remember_place()

    def set_overlay(self, name: str, overlay: RasterOverlay | None) -> None:
        """Put a raster over the slide under this name, in place of the one of that name; None takes it away."""
        self._overlays.set(name, overlay)
        self.layers_changed.emit()
        self.update()

    def set_overlay_visible(self, name: str, visible: bool) -> None:
        self._overlays.set_visible(name, visible)
        self.layers_changed.emit()
        self.update()

    def set_overlay_opacity(self, name: str, opacity: float) -> None:
        """Opacity 0 to 1 of an overlay that is there."""
        self._overlays.adjust(name, opacity=opacity)
        self.update()

    def set_overlay_colormap(self, name: str, colormap: str) -> None:
        """Another colour map (a name of `COLORMAPS`) for an overlay that is there."""
        self._overlays.adjust(name, colormap=colormap)
        self.update()

    def set_overlay_range(self, name: str, low: float, high: float) -> None:
        """Where the colours begin and end, as shares 0 to 1 of the range that the overlay came with."""
        self._overlays.set_range(name, low, high)
        self.update()

    def set_highlights(self, boxes: Sequence[TileBox]) -> None:
        """The tiles to outline, such as the hits on this slide."""
        self._boxes = list(boxes)
        self.layers_changed.emit()
        self.update()

    def set_highlights_visible(self, visible: bool) -> None:
        self._boxes_shown = visible
        self.layers_changed.emit()
        self.update()

    @property
    def asked(self) -> AskedMark | None:
        """The mark of the region that the answer is about."""
        return self._asked

    def set_asked(self, mark: AskedMark | None) -> None:
        """Mark the region that the answer is about; it need not be among ``annotations``."""
        self._asked = mark
        self.update()

    @property
    def tile_grid(self) -> float | None:
        """The step of the tile grid in level-0 px, None where none is shown."""
        return self._grid_step

    @property
    def annotations_visible(self) -> bool:
        return self._annotations_shown

    def set_annotations_visible(self, visible: bool) -> None:
        self._annotations_shown = visible
        self.layers_changed.emit()
        self.update()

    @property
    def overlays_visible(self) -> bool:
        return self._overlays_shown

    def set_overlays_visible(self, visible: bool) -> None:
        """All rasters over the slide at once, without touching which of them are chosen."""
        self._overlays_shown = visible
        self.layers_changed.emit()
        self.update()

    def set_tile_grid(self, step: float | None) -> None:
        """Show the borders of tiles of this many level-0 px; None: no grid."""
        self._grid_step = step
        self.update()

    def paint_layers(self, painter: QPainter) -> None:
        slide = self.slide
        if slide is not None and (self._overlays_shown or self._grid_step):
            painter.save()
            outline = QPainterPath()
            outline.addPolygon(self._slide_outline())
            painter.setClipPath(outline)
            if self._overlays_shown:
                self._overlays.paint(painter, self.view)
            if self._grid_step:
                paint_grid(painter, self.view, self._grid_step, slide.width, slide.height, self.accent())
            painter.restore()
        if self._annotations_shown:
            self._annotation_painter.paint(painter, self.view, self.accent(), slide.mpp if slide is not None else None)
        if self._boxes_shown:
            paint_boxes(painter, self.view, self._boxes, self.accent())
        if self._asked is not None and self._annotations_shown:
            paint_asked(painter, self.view, self._asked, self.accent())
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._tool.paint(painter)
        self.key_pointer.paint(painter)
        painter.restore()
        rasters = [one for one in self._overlays.visible() if one.legend] if self._overlays_shown else []
        if rasters:
            paint_legend(painter, self.view, rasters[-1])

    def picture(self, *, chrome: bool = True) -> QImage:
        """What the view shows, as an image in device pixels; with scale bar and position text or without."""
        ratio = self.devicePixelRatioF()
        image = QImage(self.size() * ratio, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(ratio)
        wanted, self._corner_wanted = self._corner_wanted, chrome and self._corner_wanted
        painter = QPainter(image)
        painter.setFont(self.font())
        budget, self._look.budget = self._look.budget, math.inf  # a picture shows all tiles as they should look
        self._paint(painter)
        self._look.budget = budget
        painter.end()
        self._corner_wanted = wanted
        return image

    # --- tools -----------------------------------------------------------------------------------

    @property
    def tool(self) -> str:
        return self._tool.name

    def set_tool(self, name: str) -> None:
        """Take a tool; what another had half drawn is dropped."""
        if name == self._tool.name or not (self._drawing or name == "move"):
            return
        self._tool.cancel()
        self._tool = make_tool(name, self)
        self.setCursor(self._tool.cursor)
        self.tool_changed.emit(name)

    @property
    def active_tool(self) -> Tool:
        return self._tool

    def submit_region(self, region: Region) -> None:
        """Take in a region that a tool finished."""
        self.submit(Annotation(0, region))
        self.region_drawn.emit(region)

    def submit(self, annotation: Annotation) -> None:
        """Take in what a tool that goes on (brush, points) began: it has no class yet and is selected."""
        added = self._annotations.add_many([annotation], "Draw")[0]
        self._annotations.select([added.id])

    def let_go(self, sx: float, sy: float) -> None:
        """The picture was dragged and let go at a screen point: it glides on."""
        self._speed.add(time.perf_counter(), sx, sy)
        self.start_glide(glide(*self._speed.speed(time.perf_counter())))

    def click(self, pointer: Pointer) -> None:
        """A click without a drag: pick a tile or a region (Shift: one more), else nothing is selected."""
        box = box_at(self.view, self._boxes, pointer.sx, pointer.sy) if self._boxes_shown else None
        picked = self.annotation_at(pointer.sx, pointer.sy) if self._annotations_shown else None
        if picked is not None:
            chosen = self._annotations.selection
            if not pointer.shift:
                self._annotations.select([picked.id])
            elif picked.id in chosen:
                self._annotations.select(n for n in chosen if n != picked.id)
            else:
                self._annotations.select([*chosen, picked.id])
        elif box is None and not pointer.shift:
            self._annotations.select([])
        if box is not None:
            self.tile_box_clicked.emit(box)

    def annotation_at(self, sx: float, sy: float) -> Annotation | None:
        """The smallest region under a screen point (its inside or its outline), None where there is none."""
        return self._annotation_painter.pick(self.view, sx, sy, PICK_PX)

    def hold_space(self, held: bool) -> None:
        """While the space bar is down, the mouse moves the picture whatever the tool."""
        if held and self._before_space is None and not self._tool.busy:
            self._before_space = self.tool
            self.set_tool("move")
        elif not held and self._before_space is not None:
            self.set_tool(self._before_space)
            self._before_space = None

    # --- events ----------------------------------------------------------------------------------

    def _pointer(self, event: QMouseEvent) -> Pointer:
        at, keys = event.position(), event.modifiers()
        x, y = vs.to_slide(self.view, at.x(), at.y())
        return Pointer(
            x,
            y,
            at.x(),
            at.y(),
            bool(keys & Qt.KeyboardModifier.ShiftModifier),
            bool(keys & Qt.KeyboardModifier.ControlModifier),
            bool(keys & Qt.KeyboardModifier.AltModifier),
        )

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        if self.slide is None:
            return
        self._stop()
        self._speed = DragSpeed()
        self._speed.add(time.perf_counter(), event.position().x(), event.position().y())
        if event.button() == Qt.MouseButton.MiddleButton:
            self._grab = event.position()
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif event.button() == Qt.MouseButton.LeftButton:
            if self._tool.name == "move":
                self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self._tool.press(self._pointer(event))
        elif event.button() == Qt.MouseButton.RightButton:
            self.context_asked.emit(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.slide is None:
            return
        pointer = self._pointer(event)
        self.key_pointer.hide()
        self._speed.add(time.perf_counter(), pointer.sx, pointer.sy)
        if self._grab is not None:
            self.pan_by(pointer.sx - self._grab.x(), pointer.sy - self._grab.y())
            self._grab = event.position()
        elif event.buttons() & Qt.MouseButton.LeftButton:
            self._tool.drag(pointer)
        else:
            self._tool.hover(pointer)
        self._set_cursor_place((pointer.x, pointer.y))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self.slide is None:
            return
        if event.button() == Qt.MouseButton.MiddleButton and self._grab is not None:
            self._grab = None
            self.let_go(event.position().x(), event.position().y())
        elif event.button() == Qt.MouseButton.LeftButton:
            self._tool.release(self._pointer(event))
        self.setCursor(self._tool.cursor)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self.slide is None or event.button() != Qt.MouseButton.LeftButton:
            return
        if not self._tool.double_click(self._pointer(event)) and self._tool.name == "move":
            self.zoom_by(DOUBLE_CLICK_ZOOM, event.position().x(), event.position().y())

    def wheelEvent(self, event: QWheelEvent) -> None:
        notches = (event.angleDelta().y() or event.angleDelta().x()) / 120
        fine = 0.25 if event.modifiers() & Qt.KeyboardModifier.ControlModifier else 1.0
        self.zoom_by(WHEEL_ZOOM ** (notches * fine), event.position().x(), event.position().y())
        event.accept()

    def event(self, event: QEvent) -> bool:
        if event.type() in gestures.KINDS and self.slide is not None and gestures.handle(self, event):
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._keys.press(event):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if not self._keys.release(event):
            super().keyReleaseEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._set_cursor_place(None)
        self.cursor_left.emit()
        super().leaveEvent(event)

    def _set_cursor_place(self, place: tuple[float, float] | None) -> None:
        self._cursor = place
        self.update()
        if place is not None:
            self.cursor_moved.emit(*place)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.files_dropped.emit(paths)
