"""Brings tiles from the reader processes into the cache: few requests at a time, the most wanted first.

The view says after every move what it wants, best first. What it no longer wants is dropped from the queue, and
requests already handed to the readers are cancelled where they have not begun.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from PySide6.QtCore import QByteArray, QObject, Signal
from PySide6.QtGui import QImage

from lile_desktop.viewer.pyramid import Pyramid, TileKey
from lile_desktop.viewer.tile_cache import TileCache
from lile_engine.errors import SlideError
from lile_engine.later import later

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = later("numpy")

Pixels: TypeAlias = "npt.NDArray[np.uint8]"
IN_FLIGHT = 6  # two readers at work and two requests waiting behind each, so that none idles while we paint


class PixelSource(Protocol):
    """What the viewer needs of `lile_engine.slides.readers.ReaderPool`. Pixels are uint8 [h, w, 4] BGRA."""

    def read(self, path: str, level: int, x: int, y: int, w: int, h: int, priority: int = 0) -> Future[Pixels]: ...

    def read_area(
        self, path: str, x: int, y: int, w: int, h: int, out_w: int, out_h: int, priority: int = 0
    ) -> Future[Pixels]: ...

    def associated(self, path: str, name: str, priority: int = 0) -> Future[Pixels]: ...

    def profile(self, path: str, priority: int = 0) -> Future[bytes | None]: ...


@dataclass(frozen=True)
class TileFailure:
    """A tile that could not be read, and the sentence to show."""

    key: TileKey
    sentence: str


def image_of(pixels: Pixels) -> QImage:
    """A QImage of its own (RGB32) from uint8 [h, w, 4] BGRA pixels."""
    pixels = np.ascontiguousarray(pixels)
    h, w = pixels.shape[:2]
    return QImage(pixels.data, w, h, 4 * w, QImage.Format.Format_RGB32).copy()


class TileLoader(QObject):
    """Loads tiles of one pyramid at a time into a cache. GUI thread; only the readers' callbacks come from others."""

    tile_loaded = Signal(object)  # TileKey; the image is in the cache
    tile_failed = Signal(TileFailure)
    profile_loaded = Signal(str, QByteArray)  # slide and its ICC profile, where it has one
    idle = Signal()  # nothing wanted is missing any more
    _arrived = Signal()

    def __init__(self, source: PixelSource, cache: TileCache, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._source, self._cache = source, cache
        self._pyramid: Pyramid | None = None
        self._queue: deque[TileKey] = deque()
        self._flying: dict[TileKey, Future[Pixels]] = {}
        self._finished: deque[tuple[TileKey, QImage | BaseException]] = deque()
        self._failed: dict[TileKey, str] = {}
        self._no_thumbnail = False  # the file's own small picture turned out useless
        self._arrived.connect(self._take_in)

    @property
    def busy(self) -> bool:
        return bool(self._queue or self._flying)

    @property
    def in_flight(self) -> int:
        return len(self._flying)

    def failure_of(self, key: TileKey) -> str | None:
        """The sentence of a tile that failed, or None."""
        return self._failed.get(key)

    def set_pyramid(self, pyramid: Pyramid | None) -> None:
        """Load from another slide; requests of the one before are dropped, failures forgotten."""
        self.want(())
        self._failed.clear()
        self._no_thumbnail = False
        self._pyramid = pyramid
        if pyramid is not None:
            self._source.profile(pyramid.slide, priority=50).add_done_callback(partial(self._on_profile, pyramid.slide))

    def retry(self) -> None:
        """Forget failures, so that what is wanted next is asked for again."""
        self._failed.clear()

    def want(self, keys: Sequence[TileKey]) -> None:
        """What is wanted now, best first, instead of all that was wanted before."""
        wanted = dict.fromkeys(keys)
        for key, future in list(self._flying.items()):
            if key not in wanted and future.cancel():
                self._flying.pop(key, None)
        self._queue = deque(
            key for key in wanted if key not in self._cache and key not in self._flying and key not in self._failed
        )
        self._pump()

    def _pump(self) -> None:
        while self._queue and len(self._flying) < IN_FLIGHT and self._pyramid is not None:
            key = self._queue.popleft()
            if key in self._cache or key in self._flying:
                continue
            future = self._ask(self._pyramid, key)
            self._flying[key] = future
            future.add_done_callback(partial(self._on_done, key))

    def _ask(self, pyramid: Pyramid, key: TileKey) -> Future[Pixels]:
        if key == pyramid.overview and pyramid.thumbnail and not self._no_thumbnail:
            return self._source.associated(key.slide, "thumbnail", priority=0)
        part = pyramid.read_of(key)
        order = len(self._flying)
        if part.native is None:
            return self._source.read_area(key.slide, part.x, part.y, part.w0, part.h0, part.w, part.h, priority=order)
        return self._source.read(key.slide, part.native, part.x, part.y, part.w, part.h, priority=order)

    def _on_done(self, key: TileKey, future: Future[Any]) -> None:
        """In the readers' thread: turn pixels into an image and tell the GUI thread."""
        if future.cancelled():
            return
        error = future.exception()
        try:
            self._finished.append((key, error if error is not None else image_of(future.result())))
            self._arrived.emit()
        except RuntimeError:
            return  # the view is gone, the last answers come too late

    def _on_profile(self, slide: str, future: Future[bytes | None]) -> None:
        """In the readers' thread. A slide whose profile cannot be had is shown without."""
        if not future.cancelled() and future.exception() is None:
            profile = future.result()
            with contextlib.suppress(RuntimeError):  # the view is gone
                if profile:
                    self.profile_loaded.emit(slide, QByteArray(profile))

    def _take_in(self) -> None:
        while self._finished:
            key, outcome = self._finished.popleft()
            self._flying.pop(key, None)
            if self._was_bad_thumbnail(key, outcome):
                self._no_thumbnail = True
                self._queue.appendleft(key)
            elif isinstance(outcome, QImage):
                self._cache.put(key, outcome)
                self.tile_loaded.emit(key)
            else:
                self._note_failure(key, outcome)
        self._pump()
        if not self.busy:
            self.idle.emit()

    def _was_bad_thumbnail(self, key: TileKey, outcome: QImage | BaseException) -> bool:
        """Whether this was the file's own small picture and is damaged or of something else than the slide."""
        pyramid = self._pyramid
        if pyramid is None or key != pyramid.overview or not pyramid.thumbnail or self._no_thumbnail:
            return False
        return not isinstance(outcome, QImage) or not pyramid.is_of_this_shape(outcome.width(), outcome.height())

    def _note_failure(self, key: TileKey, error: BaseException) -> None:
        sentence = str(error) if isinstance(error, SlideError) else f"A part of {key.slide} could not be read."
        self._failed[key] = sentence
        self.tile_failed.emit(TileFailure(key, sentence))
