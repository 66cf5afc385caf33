"""Who goes first where processors are few: the window and its drawing, then what it waits for, at last long jobs.

Steps of niceness; alone on the machine each is as quick as ever. Measured on two cores: with readers and engine at the
window's own priority, half of a slow frame was waiting for a processor.
"""

from __future__ import annotations

import contextlib
import os

READERS = 4
ENGINE = 5
JOBS = 10


def give_way(steps: int) -> None:
    """Lowers the priority of this process by so much, for good; nothing happens where the system has no niceness.

    To be called before there are threads. (Readers that were "batch" processes on Linux as well made no frame quicker.)
    """
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(steps)
