"""Tiles decoded by a pool of threads, ahead of whoever embeds them, in order and bounded."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lile_engine.errors import SlideError
from lile_engine.progress import CancelToken
from lile_engine.slides.absence import SlideClosedError, SlideGoneError, raise_if_gone
from lile_engine.slides.slide import Slide
from lile_engine.slides.types import Pixels, Tile

_BATCHES_AHEAD = 3  # one being embedded, one ready, one being decoded
_LOOK_AT_CANCEL_S = 0.05
_MOST_SIDE = 16384  # pixels; a tile of 800 MB


@dataclass(frozen=True)
class TileBatch:
    """``pixels`` uint8 [n, px, px, 3] of the ``tiles`` (n of them), and those that could not be read, with why."""

    tiles: list[Tile]
    pixels: Pixels
    failed: list[tuple[Tile, str]]


def read_tiles(
    slide: Slide,
    tiles: Sequence[Tile],
    px: int,
    *,
    threads: int = 2,
    batch: int = 32,
    cancel: CancelToken | None = None,
    timeout_s: float = 60.0,
) -> Iterator[TileBatch]:
    """Reads ``tiles`` at ``px`` x ``px`` pixels, in their order, up to three batches ahead of the caller.

    A damaged tile stands in the batch's ``failed`` and the slide goes on; every batch covers ``batch`` tiles, read or
    failed, so a batch may hold no pixels. Raises Cancelled within a tenth of a second after ``cancel`` is set, even
    while a read hangs, and SlideError for tiles without pixels, when the slide is closed meanwhile, the file itself has
    gone, a read takes longer than ``timeout_s``, or there is not enough memory.
    """
    if not 0 < px <= _MOST_SIDE:
        raise SlideError(f"Tiles of {px} pixels cannot be read; give 1 to {_MOST_SIDE}.")
    pool, batch = _Decoders(max(1, threads)), max(1, batch)
    waiting: deque[Future[Pixels]] = deque()
    submitted = 0
    try:
        for start in range(0, len(tiles), batch):
            target = min(len(tiles), start + _BATCHES_AHEAD * batch)
            while submitted < target:
                tile = tiles[submitted]
                waiting.append(pool.submit(partial(slide.read_square, tile.x, tile.y, tile.size, px)))
                submitted += 1
            yield _collect(slide, tiles[start : start + batch], px, waiting, cancel, timeout_s)
    finally:
        pool.stop()


class _StalledError(SlideError):
    """A read that does not come back; further ones would wait as long."""


class _Decoders:
    """A pool of daemon threads: unlike `ThreadPoolExecutor`'s, one that hangs on a dead share does not keep the
    program from ending."""

    def __init__(self, threads: int) -> None:
        self._work: queue.SimpleQueue[tuple[Future[Pixels], Callable[[], Pixels]] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name="lile-tiles", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, read: Callable[[], Pixels]) -> Future[Pixels]:
        future: Future[Pixels] = Future()
        self._work.put((future, read))
        return future

    def stop(self) -> None:
        """Cancels what has not begun; the threads end after the read that they are in."""
        try:
            while (item := self._work.get_nowait()) is not None:
                item[0].cancel()
        except queue.Empty:
            pass
        for _ in self._threads:
            self._work.put(None)

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            future, read = item
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(read())
                except BaseException as error:
                    future.set_exception(error)


def _collect(
    slide: Slide,
    tiles: Sequence[Tile],
    px: int,
    waiting: deque[Future[Pixels]],
    cancel: CancelToken | None,
    timeout_s: float,
) -> TileBatch:
    pixels = np.empty((len(tiles), px, px, 3), np.uint8)
    good: list[Tile] = []
    failed: list[tuple[Tile, str]] = []
    for tile in tiles:
        future = waiting.popleft()
        try:
            pixels[len(good)] = _result(slide, future, cancel, timeout_s)
            good.append(tile)
        except (_StalledError, SlideGoneError):
            raise
        except MemoryError as error:
            raise SlideError(
                f"There is not enough memory to read {slide.info.name}; close other programs or use smaller batches."
            ) from error
        except SlideError as error:
            raise_if_gone(Path(slide.info.path), error)
            if isinstance(error, SlideClosedError):
                raise
            failed.append((tile, str(error)))
    return TileBatch(good, pixels[: len(good)], failed)


def _result(slide: Slide, future: Future[Pixels], cancel: CancelToken | None, timeout_s: float) -> Pixels:
    patience = time.monotonic() + timeout_s
    while True:
        if cancel is not None:
            cancel.raise_if_cancelled()
        try:
            return future.result(timeout=min(_LOOK_AT_CANCEL_S, timeout_s))
        except FutureTimeout:
            if time.monotonic() > patience:
                raise _StalledError(
                    f"{slide.info.name} has not answered for {timeout_s:g} seconds; is the drive connected?"
                ) from None
