"""Progress of long work, and how it is cancelled. One vocabulary for command, window and tests."""

from __future__ import annotations

import threading
import time
from collections import deque
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


RECENT_S = 20.0  # the rate is that of the last so many seconds: what was slow or quick before tells nothing of now
ENOUGH_S = 3.0  # before so many seconds nobody knows how long it will take


class ProgressMeter:
    """Turns counts into `Progress` with rate and time left; calls back at most every ``interval`` seconds.

    The rate is the recent one (`RECENT_S`); at the end it is that of the whole. The time left stays None until there
    is enough to tell it from (`ENOUGH_S` and two counts). ``done`` is what an earlier run has done already: it counts
    for the share, not for the rate.
    """

    def __init__(
        self, callback: ProgressCallback, total: int, unit: str, interval: float = 0.1, *, done: int = 0
    ) -> None:
        self._callback, self.total, self.unit, self._interval = callback, total, unit, interval
        self.done = self._before = done
        self._start = time.monotonic()
        self._last = 0.0
        self._counts = 0
        self._recent: deque[tuple[float, int]] = deque([(self._start, done)])  # when so much was done

    def advance(self, count: int = 1, message: str = "") -> None:
        self.done += count
        self._counts += count > 0
        now = time.monotonic()
        if self.done >= self.total or now - self._last >= self._interval:
            self._last = now
            rate = self._rate(now)
            known = rate and self._counts > 1 and now - self._start >= ENOUGH_S
            left = (self.total - self.done) / rate if rate and known else None
            self._callback(Progress(self.done, self.total, self.unit, rate, left, message))

    def _rate(self, now: float) -> float | None:
        """Counts per second: of the last `RECENT_S`, or of all once all is done."""
        recent = self._recent
        recent.append((now, self.done))
        while len(recent) > 2 and now - recent[1][0] >= RECENT_S:
            recent.popleft()
        then, before = (self._start, self._before) if self.done >= self.total else recent[0]
        return (self.done - before) / (now - then) if now > then and self.done > before else None


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
