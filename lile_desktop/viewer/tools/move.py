"""Move: drag the slide, let it glide; a click picks a region or a tile."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt

from lile_desktop.viewer.tools.base import Pointer, Tool, ToolHost

CLICK_PX = 4.0  # a press that moves less than this is a click


class MoveTool(Tool):
    name = "move"
    title = "Move"
    cursor = Qt.CursorShape.OpenHandCursor

    def __init__(self, host: ToolHost) -> None:
        super().__init__(host)
        self._start: Pointer | None = None
        self._last: Pointer | None = None
        self._moved = False

    def press(self, pointer: Pointer) -> None:
        self._start = self._last = pointer
        self._moved = False

    def drag(self, pointer: Pointer) -> None:
        if self._start is None or self._last is None:
            return
        if not self._moved and math.hypot(pointer.sx - self._start.sx, pointer.sy - self._start.sy) < CLICK_PX:
            return
        self._moved = True
        self.host.pan_by(pointer.sx - self._last.sx, pointer.sy - self._last.sy)
        self._last = pointer

    def release(self, pointer: Pointer) -> None:
        if self._start is None:
            return
        if self._moved:
            self.host.let_go(pointer.sx, pointer.sy)
        else:
            self.host.click(pointer)
        self._start = self._last = None
