"""Tiles decoded by a pool of threads, ahead of whoever embeds them, in order and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lile_engine.errors import Cancelled, SlideError
from lile_engine.progress import CancelToken
from lile_engine.slides.slide import Slide
from lile_engine.slides.types import Pixels, Tile

_BATCHES_AHEAD = 3  # one being embedded, one ready, one being decoded
_LOOK_AT_CANCEL_S = 0.05


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
) -> Iterator[TileBatch]:
    """Reads ``tiles`` at ``px`` x ``px`` pixels, in their order, up to three batches ahead of the caller.

    A damaged tile stands in the batch's ``failed`` and the slide goes on; every batch covers ``batch`` tiles, read or
    failed, so a batch may hold no pixels. Raises Cancelled within a tenth of a second after ``cancel`` is set, even
    while a read hangs, and SlideError when the file itself has gone.
    """
    pool = ThreadPoolExecutor(max_workers=max(1, threads), thread_name_prefix="lile-tiles")
    waiting: deque[Future[Pixels]] = deque()
    submitted = 0
    try:
        for start in range(0, len(tiles), batch):
            target = min(len(tiles), start + _BATCHES_AHEAD * batch)
            while submitted < target:
                tile = tiles[submitted]
                waiting.append(pool.submit(slide.read_square, tile.x, tile.y, tile.size, px))
                submitted += 1
            yield _collect(slide, tiles[start : start + batch], px, waiting, cancel)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _collect(
    slide: Slide, tiles: Sequence[Tile], px: int, waiting: deque[Future[Pixels]], cancel: CancelToken | None
) -> TileBatch:
    pixels = np.empty((len(tiles), px, px, 3), np.uint8)
    good: list[Tile] = []
    failed: list[tuple[Tile, str]] = []
    for tile in tiles:
        future = waiting.popleft()
        try:
            pixels[len(good)] = _result(future, cancel)
            good.append(tile)
        except SlideError as error:
            if not Path(slide.info.path).exists():
                raise SlideError(f"{slide.info.name} has gone while it was read; is the drive connected?") from error
            failed.append((tile, str(error)))
    return TileBatch(good, pixels[: len(good)], failed)


def _result(future: Future[Pixels], cancel: CancelToken | None) -> Pixels:
    while True:
        if cancel is not None and cancel.cancelled:
            raise Cancelled("Cancelled; what was finished before is kept.")
        try:
            return future.result(timeout=_LOOK_AT_CANCEL_S)
        except FutureTimeout:
            continue
