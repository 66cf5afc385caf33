"""Jobs that were cut off: kept while they run, offered at the next start, dropped once they came to their end."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import QObject

from lile_desktop.jobs import JobQueue
from lile_engine import unfinished
from lile_engine.unfinished import UnfinishedJob


class CutOffJobs(QObject):
    """Writes down what the queue still has to do, so that a crash, a kill or closing the window loses none of it."""

    def __init__(self, queue: JobQueue, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self.left: list[UnfinishedJob] = []  # of an earlier time; nobody has decided about them yet
        self._running: list[UnfinishedJob] = []  # as far as they can be gone on with, those that wait included
        queue.added.connect(self._write)
        queue.removed.connect(self._write)

    def look(self) -> list[UnfinishedJob]:
        """What an earlier time left, as far as there is something to go on with."""
        self.left = [job for job in unfinished.unfinished_jobs() if _possible(job)]
        return self.left

    def take(self) -> list[UnfinishedJob]:
        """Hands out what was left: the caller goes on with it."""
        taken, self.left = self.left, []
        return taken

    def forget(self, names: Iterable[str]) -> None:
        """Slides (paths or identities) that were erased are not gone on with."""
        gone = set(names)
        self.left = [job for job in self.left if not job.slides or not gone.issuperset(job.slides)]

    def close(self) -> None:
        """The window is closed in good order: what was offered and not taken is not offered again."""
        self.left = []
        self._keep()

    def _write(self) -> None:
        if not self._queue.closing:  # else they are cut off now, which is just what is to be remembered
            self._running = [job.resume for job in self._queue.jobs() if job.resume is not None]
            self._keep()

    def _keep(self) -> None:
        try:
            unfinished.keep([*self._running, *self.left])
        except OSError as error:
            logging.getLogger(__name__).warning("what runs cannot be written down: %s", error)


def _possible(job: UnfinishedJob) -> bool:
    return not job.slides or any(not Path(one).is_absolute() or Path(one).exists() for one in job.slides)
