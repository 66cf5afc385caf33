"""Brings what a reader process read into the window's thread, and its pixels into Qt's pictures."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import shiboken6
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QImage, QPixmap

from lile_engine.later import later

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = later("numpy")


class _Courier(QObject):
    """Lives as long as the program: an object made and deleted for each future would be freed while its own signal
    still holds it, which PySide does not survive."""

    arrived = Signal(object)  # a function to call in the window's thread

    def __init__(self) -> None:
        super().__init__()
        self.arrived.connect(self._call, Qt.ConnectionType.QueuedConnection)

    def _call(self, function: Callable[[], object]) -> None:
        function()


_couriers: list[_Courier] = []


def _courier() -> _Courier:
    if not _couriers or not shiboken6.isValid(_couriers[-1]):
        _couriers[:] = [_Courier()]
    return _couriers[-1]


def when_done(
    future: Future[Any],
    owner: QObject,
    result: Callable[[Any], object],
    failure: Callable[[BaseException], object] | None = None,
) -> None:
    """Calls ``result`` (or ``failure``) in the window's thread once ``future`` is done, if ``owner`` still lives.

    To be called from the window's thread.
    """
    courier = _courier()

    def deliver(done: Future[Any]) -> None:
        if not shiboken6.isValid(owner):
            return
        error = done.exception()
        if error is None:
            result(done.result())
        elif failure is not None:
            failure(error)

    def tell(done: Future[Any]) -> None:
        if not done.cancelled() and shiboken6.isValid(courier):
            courier.arrived.emit(lambda: deliver(done))

    future.add_done_callback(tell)


def pixmap_from_bgra(pixels: npt.NDArray[np.uint8]) -> QPixmap:
    """A pixmap from uint8 [h, w, 4] BGRA pixels, as the reader processes give them."""
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    return QPixmap.fromImage(QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32))
