"""Pinch and turn: with two fingers on a touch pad (native gestures) or on a touch screen (Qt's own recogniser)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QNativeGestureEvent
from PySide6.QtWidgets import QGestureEvent, QPinchGesture

from lile_desktop.viewer import view_state as vs

if TYPE_CHECKING:
    from lile_desktop.viewer.slide_view import SlideView

KINDS = (QEvent.Type.NativeGesture, QEvent.Type.Gesture)


def handle(view: SlideView, event: QEvent) -> bool:
    """True where the event was a pinch or a turn."""
    if isinstance(event, QNativeGestureEvent):
        return _native(view, event)
    if isinstance(event, QGestureEvent):
        pinch = event.gesture(Qt.GestureType.PinchGesture)
        if isinstance(pinch, QPinchGesture):
            event.accept(pinch)
            _pinch(view, pinch)
            return True
    return False


def _native(view: SlideView, event: QNativeGestureEvent) -> bool:
    at = event.position()
    if event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
        _zoom(view, 1 + event.value(), at)
    elif event.gestureType() == Qt.NativeGestureType.RotateNativeGesture:
        _turn(view, event.value(), at)
    else:
        return False
    return True


def _pinch(view: SlideView, pinch: QPinchGesture) -> None:
    changes = pinch.changeFlags()
    at = QPointF(view.mapFromGlobal(pinch.centerPoint()))
    if changes & QPinchGesture.ChangeFlag.CenterPointChanged and not pinch.lastCenterPoint().isNull():
        moved = pinch.centerPoint() - pinch.lastCenterPoint()
        view.set_view(vs.panned(view.view, moved.x(), moved.y()))
    if changes & QPinchGesture.ChangeFlag.ScaleFactorChanged and pinch.scaleFactor() > 0:
        _zoom(view, pinch.scaleFactor(), at)
    if changes & QPinchGesture.ChangeFlag.RotationAngleChanged:
        _turn(view, pinch.rotationAngle() - pinch.lastRotationAngle(), at)


def _zoom(view: SlideView, factor: float, at: QPointF) -> None:
    view.set_view(vs.zoomed_at(view.view, view.view.scale * factor, at.x(), at.y()))


def _turn(view: SlideView, degrees: float, at: QPointF) -> None:
    view.set_view(vs.turned_at(view.view, view.view.rotation + degrees, at.x(), at.y()))
