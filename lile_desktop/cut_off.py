"""Jobs that were cut off: kept while they run, offered at the next start, dropped once they came to their end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from PySide6.QtCore import QLockFile, QObject, Signal

from lile_desktop.jobs import JobQueue
from lile_desktop.notices import Level, Notice, Offer
from lile_desktop.text import tr
from lile_engine import unfinished
from lile_engine.paths import home_dir, private_dir
from lile_engine.unfinished import UnfinishedJob

LOCK_NAME = "unfinished.lock"


class CutOffJobs(QObject):
    """Writes down what the queue still has to do, so that a crash, a kill or closing the window loses none of it.

    One window does so at a time: what runs in another one is not cut off, nor may this one write over it.
    """

    notice = Signal(object)

    def __init__(self, queue: JobQueue, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self.left: list[UnfinishedJob] = []  # of an earlier time; nobody has decided about them yet
        self._running: list[UnfinishedJob] = []  # as far as they can be gone on with, those that wait included
        self._lock: QLockFile | None = None
        queue.added.connect(self._write)
        queue.removed.connect(self._write)

    def look(self) -> list[UnfinishedJob]:
        """What an earlier time left, as far as there is something to go on with."""
        if not self._alone():
            return []
        self.left = [job for job in unfinished.unfinished_jobs() if _possible(job)]
        return self.left

    def offer(self, go_on: Callable[[UnfinishedJob], object]) -> None:
        """Offers once to go on with work that was cut off the last time."""
        left = self.look()
        if not left:
            return
        sentence = (
            tr("{0} was cut off the last time; what was done by then is kept.").format(left[0].title)
            if len(left) == 1
            else tr("{0} jobs were cut off the last time; what was done by then is kept.").format(len(left))
        )

        def take_up() -> None:
            for job in self.take():
                go_on(job)

        offer = Offer(tr("Go on"), tr("Go on where it stopped"), take_up, lasting=True)
        details = "\n".join(job.title for job in left) if len(left) > 1 else ""
        self.notice.emit(Notice(sentence, details, Level.WARNING, offer))

    def take(self) -> list[UnfinishedJob]:
        """Hands out what was left: the caller goes on with it."""
        taken, self.left = self.left, []
        return taken

    def forget(self, names: Iterable[str]) -> None:
        """Slides (paths or identities) that were erased are not gone on with."""
        self.left = unfinished.without(self.left, names)

    def close(self) -> None:
        """The window is closed in good order: what was offered and not taken is not offered again."""
        self.left = []
        self._keep()
        if self._lock is not None:
            self._lock.unlock()
            self._lock = None

    def _write(self) -> None:
        if not self._queue.closing:  # else they are cut off now, which is just what is to be remembered
            self._running = [job.resume for job in self._queue.jobs() if job.resume is not None]
            self._keep()

    def _alone(self) -> bool:
        """Whether no other window keeps what it does; the first to ask is the one that does until it closes."""
        if self._lock is None:
            path = home_dir() / LOCK_NAME
            lock = QLockFile(str(path))
            lock.setStaleLockTime(0)  # it is stale only where the program that made it has ended
            try:
                private_dir(path.parent)
                if not lock.tryLock(0):
                    return False
                path.chmod(0o600)
            except OSError as error:
                logging.getLogger(__name__).warning("what runs cannot be written down: %s", error)
                return False
            self._lock = lock
        return True

    def _keep(self) -> None:
        if not self._alone():
            return
        try:
            unfinished.keep([*self._running, *self.left])
        except OSError as error:
            logging.getLogger(__name__).warning("what runs cannot be written down: %s", error)


def _possible(job: UnfinishedJob) -> bool:
    return not job.slides or any(not Path(one).is_absolute() or Path(one).exists() for one in job.slides)
