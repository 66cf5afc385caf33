"""Progress of long work, and how it is cancelled. One vocabulary for command, window and tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from lile_engine.errors import Cancelled


@dataclass(frozen=True)
class Progress:
    """Where a job stands: ``done`` of ``total`` in ``unit`` ("tiles", "steps"); rate per second."""

    done: int
    total: int
    unit: str
    rate: float | None = None
    seconds_left: float | None = None
    message: str = ""


ProgressCallback = Callable[[Progress], None]


def no_progress(_: Progress) -> None:
    """The callback of who does not want to know."""


class ProgressMeter:
    """Turns counts into `Progress` with rate and time left; calls back at most every ``interval`` seconds.

    ``done`` is what an earlier run has done already: it counts for the share, not for the rate.
    """

    def __init__(
        self, callback: ProgressCallback, total: int, unit: str, interval: float = 0.1, *, done: int = 0
    ) -> None:
        self._callback, self.total, self.unit, self._interval = callback, total, unit, interval
        self.done = self._before = done
        self._start = time.monotonic()
        self._last = 0.0

    def advance(self, count: int = 1, message: str = "") -> None:
        self.done += count
        now = time.monotonic()
        if self.done >= self.total or now - self._last >= self._interval:
            self._last = now
            elapsed = now - self._start
            now_done = self.done - self._before
            rate = now_done / elapsed if elapsed > 0 and now_done > 0 else None
            left = (self.total - self.done) / rate if rate else None
            self._callback(Progress(self.done, self.total, self.unit, rate, left, message))


class CancelToken:
    """Set by one thread, looked at by another between two pieces of work."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def raise_if_cancelled(self) -> None:
        """Raises `Cancelled` once `cancel` was called."""
        if self._event.is_set():
            raise Cancelled("Cancelled; what was finished before is kept.")
