"""Long jobs: the ``lile`` command as a child process that tells its progress in JSON lines on stdout."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

from lile_desktop.notices import Level, Notice, together
from lile_desktop.text import tr
from lile_engine.priority import JOBS
from lile_engine.progress import Progress
from lile_engine.unfinished import UnfinishedJob

# A console program on Windows does not hear a polite request, so it would only wait there.
CLOSING_MS = 3_000
PATIENCE_MS = 0 if sys.platform == "win32" else 10_000


@dataclass(frozen=True)
class TrainStep:
    """One step of training: losses have no unit; ``lr`` is the learning rate."""

    step: int
    loss: float
    cross: float
    self_loss: float
    lr: float


@dataclass(frozen=True)
class JobWarning:
    """Something the job could not do but went on without."""

    message: str


@dataclass(frozen=True)
class JobResult:
    """What the job reports when it is done: the command's own JSON, by name."""

    values: dict[str, Any] = field(default_factory=dict)


JobEvent = Progress | TrainStep | JobWarning | JobResult


def parse_event(line: str) -> JobEvent | None:
    """One JSON line of a job; None for a line that is not one of ours."""
    try:
        raw = json.loads(line)
    except ValueError:
        return None
    if not isinstance(raw, dict):
        return None
    match raw.get("event"):
        case "progress":
            return Progress(
                int(raw.get("done") or 0),
                int(raw.get("total") or 0),
                str(raw.get("unit", "")),
                raw.get("rate"),
                raw.get("seconds_left"),
                str(raw.get("message", "")),
            )
        case "step":
            loss, cross, own, lr = (float(raw.get(k) or 0.0) for k in ("loss", "cross", "self", "lr"))
            return TrainStep(int(raw.get("step") or 0), loss, cross, own, lr)
        case "warning":
            return JobWarning(str(raw.get("message", "")))
        case "result":
            result = raw.get("result")
            return JobResult(result if isinstance(result, dict) else {})
    return None


def duration_text(seconds: float) -> str:
    """A time for a person, no finer than anybody can know it: "8 s", "35 s", "4 min", "25 min", "2 h 10 min"."""
    seconds = max(0.0, seconds)
    if seconds <= 55:
        return f"{max(1, math.ceil(seconds) if seconds <= 10 else 5 * math.ceil(seconds / 5))} s"
    minutes = max(1, round(seconds / 60))
    if minutes > 10:
        minutes = 5 * round(minutes / 5) if minutes < 60 else 10 * round(minutes / 10)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def progress_text(progress: Progress) -> str:
    """What the jobs bar says: "3/12 slides  212 tiles/s  4 min left"."""
    parts = [progress.message] if progress.message else []
    if progress.total > 0 and progress.unit == "%":
        parts.append(f"{progress.done} %")
    elif progress.total > 0:
        parts.append(f"{progress.done}/{progress.total} {progress.unit}".rstrip())
    if progress.rate:
        rate = f"{progress.rate:.0f}" if progress.rate >= 10 else f"{progress.rate:.1f}"
        parts.append(f"{rate} {progress.unit}/s")
    if progress.seconds_left is not None and progress.done < progress.total:
        parts.append(f"{duration_text(progress.seconds_left)} left")
    return "   ".join(parts)


class JobState(Enum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(QObject):
    """One ``lile`` command. ``begun`` comes when it waits no more, ``stopping`` when it was asked to stop and has not
    yet, ``finished`` once, whatever the end; look at ``state``, ``result``, ``notice``."""

    begun = Signal()
    stopping = Signal()
    progressed = Signal(object)  # Progress
    stepped = Signal(object)  # TrainStep
    warned = Signal(object)  # Notice, of all that it warned of so far
    finished = Signal()

    def __init__(
        self,
        title: str,
        arguments: Sequence[str],
        parent: QObject | None = None,
        *,
        reports: bool = True,
        resume: UnfinishedJob | None = None,
        asks: bool = False,
    ) -> None:
        """``reports`` is False for a short command that has no progress to tell. ``resume`` is how the next start can
        go on with it where it is cut off; ``asks``: closing the window while it runs is asked about, as with that."""
        super().__init__(parent)
        self.title, self.arguments = title, tuple(arguments)
        self.resume, self.asks = resume, asks or resume is not None
        self.state = JobState.WAITING
        self.result: dict[str, Any] = {}
        self.notice: Notice | None = None
        self.progress: Progress | None = None
        self.warnings: list[Notice] = []
        self._process = QProcess(self)
        self._process.setProgram(sys.executable)
        self._process.setArguments(job_arguments(arguments, reports=reports))
        self._process.setProcessEnvironment(_environment())
        self._killer = QTimer(self, singleShot=True, interval=PATIENCE_MS)
        self._killer.timeout.connect(self._process.kill)
        self._errors = ""
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.readyReadStandardError.connect(self._read_errors)
        self._process.started.connect(self._give_way)
        self._process.finished.connect(lambda code, _status: self._ended(code))
        self._process.errorOccurred.connect(self._not_started)

    def start(self) -> None:
        """Starts the child process."""
        self.state = JobState.RUNNING
        self.begun.emit()
        self._process.start()

    def cancel(self) -> None:
        """Asks the child to stop after what it is at (what it finished stays), and ends it if it does not."""
        if self.state is JobState.WAITING:
            self.state = JobState.CANCELLED
            self.finished.emit()
        elif self.state is JobState.RUNNING:
            self.state = JobState.CANCELLED
            self.stopping.emit()
            self._process.terminate()
            self._killer.start()

    def wait_for_end(self) -> None:
        """Waits for a cancelled child, and ends it for good if it takes too long."""
        if not self._process.waitForFinished(CLOSING_MS):
            self._process.kill()
            self._process.waitForFinished(CLOSING_MS)

    def _give_way(self) -> None:
        """A job of minutes lets window, readers and typed questions go first; alone it is as quick as ever."""
        if hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):  # it has ended already
                os.setpriority(os.PRIO_PROCESS, self._process.processId(), JOBS)

    def _read(self) -> None:
        while self._process.canReadLine():
            event = parse_event(bytes(self._process.readLine().data()).decode("utf-8", "replace"))
            match event:
                case Progress():
                    self.progress = event
                    self.progressed.emit(event)
                case TrainStep():
                    self.stepped.emit(event)
                case JobWarning():
                    logging.getLogger(__name__).warning("%s: %s", self.title, event.message)
                    self.warnings.append(Notice(event.message, level=Level.WARNING))
                    self.warned.emit(together(self.warnings, tr("{0}:").format(self.title)))
                case JobResult():
                    self.result = event.values

    def _read_errors(self) -> None:
        self._errors += bytes(self._process.readAllStandardError().data()).decode("utf-8", "replace")
        self._errors = self._errors[-20_000:]

    def _ended(self, code: int) -> None:
        self._read()
        self._read_errors()
        if self.state is JobState.RUNNING:
            self.state = JobState.DONE if code == 0 else JobState.FAILED
            if code != 0:
                self.notice = failure_notice(self.title, code, self._errors)
                if code == 1 and len(self.warnings) > 1:  # the reasons that it told one by one
                    reasons = together(self.warnings, self.notice.sentence)
                    self.notice = Notice(reasons.sentence, f"{reasons.details}\n{self.notice.details}")
                logging.getLogger(__name__).error("%s failed (%d)\n%s", self.title, code, self._errors)
        self.finished.emit()

    def _not_started(self, error: QProcess.ProcessError) -> None:
        if error is QProcess.ProcessError.FailedToStart:
            self.state = JobState.FAILED
            self.notice = Notice(tr("{0} could not start: {1}.").format(self.title, self._process.errorString()))
            self.finished.emit()


def job_arguments(arguments: Sequence[str], *, reports: bool = True) -> list[str]:
    """The arguments of the Python interpreter that run a ``lile`` command, with JSON lines if it ``reports``."""
    return ["-m", "lile_engine", *arguments, *(["--progress", "jsonl"] if reports else ["--json"])]


def _environment() -> QProcessEnvironment:
    environment = QProcessEnvironment.systemEnvironment()
    environment.insert("PYTHONUNBUFFERED", "1")
    environment.insert("PYTHONIOENCODING", "utf-8")
    environment.insert("HF_HUB_OFFLINE", "1")
    return environment


def failure_notice(title: str, code: int, errors: str) -> Notice:
    """The sentence of a failed command: its last ``lile: ...`` line, else that it ended unexpectedly."""
    said = [line[len("lile: ") :] for line in errors.splitlines() if line.startswith("lile: ")]
    if said and code == 1:
        return Notice(said[-1], errors)
    return Notice(
        tr("{0} ended unexpectedly (code {1}); start it again to go on where it stopped.").format(title, code), errors
    )


class JobQueue(QObject):
    """Runs jobs one after the other: two at once would only fight for the processor and the archive's lock."""

    added = Signal(object)  # Job
    removed = Signal(object)  # Job

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: deque[Job] = deque()
        self.running: Job | None = None
        self.closing = False  # jobs end because the program does

    def add(self, job: Job) -> Job:
        """Starts ``job``, or queues it behind the one that runs."""
        job.setParent(self)
        job.finished.connect(lambda: self._finished(job))
        self._waiting.append(job)
        self._next()
        self.added.emit(job)
        return job

    def jobs(self) -> list[Job]:
        """The one that runs, then those that wait."""
        return ([self.running] if self.running else []) + list(self._waiting)

    def stop_all(self) -> None:
        """Cancels everything (the program is closing) and waits a little for the child to end."""
        self.closing = True
        running = self.running
        for job in reversed(self.jobs()):
            job.cancel()
        if running is not None:
            running.wait_for_end()

    def _next(self) -> None:
        if self.running is None and self._waiting:
            self.running = self._waiting.popleft()
            self.running.start()

    def _finished(self, job: Job) -> None:
        if job is self.running:
            self.running = None
        elif job in self._waiting:
            self._waiting.remove(job)
        # The job itself stays until the queue goes: its own signals hold it, and there are few.
        self.removed.emit(job)
        self._next()
