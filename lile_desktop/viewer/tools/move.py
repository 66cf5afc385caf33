"""Move: drag the slide and let it glide; a click picks a region or a tile; a selected region is moved and reshaped."""

from __future__ import annotations

import math
from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter

from lile_desktop.viewer.annotation_painter import paint_handles, paint_outline
from lile_desktop.viewer.annotations import Annotation
from lile_desktop.viewer.reshape import handles, reshaped
from lile_desktop.viewer.tools.base import Pointer, Tool, ToolHost
from lile_desktop.viewer.view_state import to_screen

CLICK_PX = 4.0  # a press that moves less than this is a click
GRAB_PX = 8.0  # how near to a handle a press takes hold of it


class MoveTool(Tool):
    name = "move"
    title = "Move"
    cursor = Qt.CursorShape.OpenHandCursor

    def __init__(self, host: ToolHost) -> None:
        super().__init__(host)
        self._start: Pointer | None = None
        self._last: Pointer | None = None
        self._moved = False
        self._held: Annotation | None = None  # a region being moved or reshaped, as it was
        self._handle: int | None = None  # the handle taken hold of, None: all of it is moved
        self._preview: Annotation | None = None

    @property
    def busy(self) -> bool:
        return self._preview is not None

    def press(self, pointer: Pointer) -> None:
        self._start = self._last = pointer
        self._moved = False
        self._held, self._handle = self._take_hold(pointer)

    def drag(self, pointer: Pointer) -> None:
        if self._start is None or self._last is None:
            return
        if not self._moved and math.hypot(pointer.sx - self._start.sx, pointer.sy - self._start.sy) < CLICK_PX:
            return
        self._moved = True
        if self._held is None:
            self.host.pan_by(pointer.sx - self._last.sx, pointer.sy - self._last.sy)
            self._last = pointer
            return
        if self._handle is not None:
            shape = reshaped(self._held.region, self._handle, pointer.x, pointer.y)
            self._preview = replace(self._held, region=shape)
        else:
            dx, dy = pointer.x - self._start.x, pointer.y - self._start.y
            self._preview = replace(
                self._held,
                region=self._held.region.moved(dx, dy),
                more=tuple(part.moved(dx, dy) for part in self._held.more),
            )
        self.host.update()

    def release(self, pointer: Pointer) -> None:
        if self._start is None:
            return
        if self._preview is not None:
            self.host.annotations.change([self._preview], "Move" if self._handle is None else "Reshape")
        elif self._moved:
            self.host.let_go(pointer.sx, pointer.sy)
        else:
            self.host.click(pointer)
        self.cancel()

    def cancel(self) -> None:
        self._start = self._last = self._held = self._preview = self._handle = None
        self.host.update()

    def _take_hold(self, pointer: Pointer) -> tuple[Annotation | None, int | None]:
        """The selected region under the pointer and the handle, if it is at one. Alone, unlocked, not hidden."""
        chosen = self.host.annotations.selected() if self.host.annotations_visible else []
        if len(chosen) != 1 or chosen[0].locked:
            return None, None
        view, annotation = self.host.view, chosen[0]
        near = [
            (math.hypot(sx - pointer.sx, sy - pointer.sy), number)
            for number, (sx, sy) in enumerate(to_screen(view, *point) for point in handles(annotation.region))
        ]
        distance, number = min(near)
        if distance <= GRAB_PX:
            return annotation, number
        if annotation.kind == "region" and any(part.contains(pointer.x, pointer.y) for part in annotation.parts):
            whole = annotation.bounds
            # a region larger than the view would leave no place to take hold of the slide
            if max(whole.w * view.scale / view.width, whole.h * view.scale / view.height) < 0.9:
                return annotation, None
        return None, None

    def paint(self, painter: QPainter) -> None:
        if self._preview is not None:
            paint_outline(painter, self.host.view, self._preview, self.host.accent(), selected=True)
        chosen = self.host.annotations.selected()
        if self.host.annotations_visible and len(chosen) == 1 and not chosen[0].locked:
            shown = self._preview or chosen[0]
            if shown.kind != "points":
                paint_handles(painter, self.host.view, handles(shown.region), self.host.accent())
