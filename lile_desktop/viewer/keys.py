"""What keys do in the canvas. Where the application has a shortcut for the same key, that one comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QKeyEvent

from lile_desktop.viewer.view_state import MAGNIFICATION_PRESETS

if TYPE_CHECKING:
    from lile_desktop.viewer.slide_view import SlideView

PAN_SHARE = 0.12  # of the viewport for one press of an arrow key; with Shift a whole one less this
KEY_ZOOM = 1.5
TURN = 90.0

ARROWS = {
    Qt.Key.Key_Left: (1, 0),
    Qt.Key.Key_Right: (-1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}
TOOL_KEYS = {
    Qt.Key.Key_M: "move",
    Qt.Key.Key_R: "rectangle",
    Qt.Key.Key_O: "ellipse",
    Qt.Key.Key_P: "polygon",
    Qt.Key.Key_F: "freehand",
    Qt.Key.Key_L: "line",
    Qt.Key.Key_V: "polyline",
    Qt.Key.Key_B: "brush",
    Qt.Key.Key_Period: "points",
}


class Keys:
    """Turns key events into calls of a view."""

    def __init__(self, view: SlideView) -> None:
        self._view = view

    def press(self, event: QKeyEvent) -> bool:
        """True where the key meant something here."""
        keys = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        shift = bool(keys & Qt.KeyboardModifier.ShiftModifier)
        if keys & Qt.KeyboardModifier.ControlModifier:
            return self._with_control(Qt.Key(event.key()), shift)
        if keys & Qt.KeyboardModifier.AltModifier:
            return False
        return self._move(Qt.Key(event.key()), shift) or self._work(Qt.Key(event.key()), event)

    def release(self, event: QKeyEvent) -> bool:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._view.hold_space(False)
            return True
        return False

    def _move(self, key: Qt.Key, shift: bool) -> bool:
        view = self._view
        if key in ARROWS:
            dx, dy = ARROWS[key]
            share = 1 - PAN_SHARE if shift else PAN_SHARE
            view.pan_by(dx * share * view.width(), dy * share * view.height())
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            view.zoom_by(KEY_ZOOM)
        elif key in (Qt.Key.Key_Minus, Qt.Key.Key_Underscore):
            view.zoom_by(1 / KEY_ZOOM)
        elif key == Qt.Key.Key_0:
            view.fit()
        elif Qt.Key.Key_1 <= key <= Qt.Key.Key_7:
            view.set_magnification(MAGNIFICATION_PRESETS[int(key) - int(Qt.Key.Key_1)])
        elif key == Qt.Key.Key_BracketLeft:
            view.set_rotation(view.view.rotation - TURN)
        elif key == Qt.Key.Key_BracketRight:
            view.set_rotation(view.view.rotation + TURN)
        else:
            return False
        return True

    def _work(self, key: Qt.Key, event: QKeyEvent) -> bool:
        view = self._view
        if key == Qt.Key.Key_Space:
            if not event.isAutoRepeat():
                view.hold_space(True)
        elif key == Qt.Key.Key_Escape:
            if not view.active_tool.busy:
                return False
            view.active_tool.cancel()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            view.active_tool.accept()
        elif key == Qt.Key.Key_Backspace and view.active_tool.busy:
            view.active_tool.step_back()
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            view.annotations.remove(view.annotations.selection)
        elif key == Qt.Key.Key_A:
            view.set_annotations_visible(not view.annotations_visible)
        elif key == Qt.Key.Key_C:
            view.key_pointer.press()
        elif key == Qt.Key.Key_Menu:
            view.context_asked.emit(QPointF(view.width() / 2, view.height() / 2))
        elif key == Qt.Key.Key_H:
            view.set_overlays_visible(not view.overlays_visible)
        elif key in TOOL_KEYS:
            view.set_tool(TOOL_KEYS[key])
        else:
            return False
        return True

    def _with_control(self, key: Qt.Key, shift: bool) -> bool:
        store = self._view.annotations
        if (key == Qt.Key.Key_Z and shift) or key == Qt.Key.Key_Y:
            store.redo()
        elif key == Qt.Key.Key_Z:
            store.undo()
        else:
            return False
        return True
