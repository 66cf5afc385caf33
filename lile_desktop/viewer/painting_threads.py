"""Whether Qt shares each draw out to threads of its own."""

from __future__ import annotations

import os

READERS = 2  # processes that decode tiles while the window paints them


def choose_painting_threads() -> None:
    """On as few cores as readers alone keep busy, the window paints by itself. Call it before anything is painted.

    Qt cuts each scaled draw in pieces, gives them to a pool of threads and waits for the last: where no core is free,
    that is waiting for readers. Measured on two cores, three runs in turn on the phantom of 40,000 px: 95th percentile
    of the paints 7.2 to 7.6 ms with the pool and 6.0 to 6.2 without (docs/benchmarks/viewer.md).
    """
    if core_count() <= READERS:
        os.environ.setdefault("QT_NO_GUI_THREADPOOL", "1")


def core_count() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
