"""Brings what a reader process read into the window's thread, and its pixels into Qt's pictures."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QImage, QPixmap


class _Bridge(QObject):
    arrived = Signal(object)


def when_done(
    future: Future[Any],
    owner: QObject,
    result: Callable[[Any], object],
    failure: Callable[[BaseException], object] | None = None,
) -> None:
    """Calls ``result`` (or ``failure``) in the window's thread once ``future`` is done, if ``owner`` still lives."""
    bridge = _Bridge(owner)

    def take(done: Future[Any]) -> None:
        bridge.deleteLater()
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            result(done.result())
        elif failure is not None:
            failure(error)

    def tell(done: Future[Any]) -> None:
        try:
            bridge.arrived.emit(done)
        except RuntimeError:
            return  # the owner was deleted with its bridge while the reader was at work

    bridge.arrived.connect(take, Qt.ConnectionType.QueuedConnection)
    future.add_done_callback(tell)


def pixmap_from_bgra(pixels: npt.NDArray[np.uint8]) -> QPixmap:
    """A pixmap from uint8 [h, w, 4] BGRA pixels, as the reader processes give them."""
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    return QPixmap.fromImage(QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32))
