"""The window's only door to the engine: questions in, answers out, one short call to the worker at a time.

A question is a generator (see `questions`): it yields `Call` (short work for the worker, with a priority), `Progress`
or `Partial` (something to show already) and returns its answer. Between two calls of a question a more urgent one may
step in, and a cancelled one ends there.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal, SignalInstance

from lile_desktop.engine_process import EngineProcess
from lile_desktop.notices import Notice, notice_from
from lile_desktop.text import tr
from lile_engine.errors import LileError
from lile_engine.progress import Progress

if TYPE_CHECKING:
    from lile_engine.answers import EngineInfo, EngineSetup
    from lile_engine.worker import Reply


class Priority(IntEnum):
    """What goes first."""

    LOAD = 0
    TYPED = 1
    RERANK = 2
    EMBED = 3


@dataclass(frozen=True)
class Call:
    """One short piece of work (about 100 ms) for the worker: a function of `lile_engine.worker` and its arguments."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    priority: Priority


@dataclass(frozen=True)
class Partial:
    """An answer that is not complete yet, to be shown already."""

    answer: Any


Steps = Generator[Call | Progress | Partial, Any, Any]


class EngineDiedError(LileError):
    """The engine's process ended while it worked on a question."""


class Told:
    """Who is told of something: functions or Qt signals. Like a signal, but with nothing of Qt's to be freed."""

    def __init__(self) -> None:
        self._listeners: list[Callable[..., object]] = []

    def connect(self, listener: Callable[..., object] | SignalInstance) -> None:
        """Calls ``listener`` (or emits that signal) whenever something is told."""
        self._listeners.append(listener.emit if isinstance(listener, SignalInstance) else listener)

    def emit(self, *values: object) -> None:
        """Tells everybody, in the order they came."""
        for listener in list(self._listeners):
            listener(*values)


class Ticket:
    """A question under way. Exactly one of ``answered``, ``failed``, ``cancelled`` comes, and only once."""

    def __init__(self, doing: str, steps: Steps) -> None:
        self.doing = doing
        self.steps = steps
        self.progressed = Told()  # Progress
        self.partial = Told()  # an answer that is not complete yet
        self.answered = Told()  # the answer
        self.failed = Told()  # Notice
        self.cancelled = Told()
        self.over = False
        self.cancel_asked = False

    def cancel(self) -> None:
        """Stops the question before its next call."""
        self.cancel_asked = True


class EngineState(Enum):
    """What the engine is at."""

    OFF = "off"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class EngineClient(QObject):
    """Keeps one worker process with a model and an archive, and feeds it by priority."""

    state_changed = Signal(object)  # EngineState
    loaded = Signal(object)  # EngineInfo
    notice = Signal(object)  # Notice

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state = EngineState.OFF
        self.info: EngineInfo | None = None
        self._setup: EngineSetup | None = None
        self._failure: Notice | None = None  # why nothing is loaded
        self._process: EngineProcess | None = None
        self._queue: list[tuple[int, int, Ticket, Call]] = []
        self._order = itertools.count()
        self._busy: tuple[Ticket, Call] | None = None

    # -- life -------------------------------------------------------------------------------------------------------
    def start(self, setup: EngineSetup) -> None:
        """Starts a new worker with this model and archive; questions wait until it is ready, also those that were
        asked before the first one (while the demo is prepared)."""
        if self.state is not EngineState.OFF or self._process is not None:
            self.stop()
        self._setup = setup
        self._new_worker()

    def stop(self) -> None:
        """Ends the worker; questions that were open end as cancelled."""
        for ticket in self._open_tickets():
            self._end(ticket, ticket.cancelled.emit)
        self._queue.clear()
        self._busy = None
        self._drop_process()
        self._set_state(EngineState.OFF)

    @property
    def pid(self) -> int | None:
        """The worker's process id."""
        return self._process.pid if self._process else None

    def start_load(self, setup: EngineSetup) -> None:
        """Asks the running worker to load ``setup``."""
        self._setup = setup
        self._set_state(EngineState.LOADING)
        ticket = self.ask("loading the model and the archive", _load(setup))
        ticket.answered.connect(self._on_loaded)
        ticket.failed.connect(self._on_load_failed)

    def _new_worker(self) -> None:
        self._process = EngineProcess(self)
        self._process.replied.connect(self._on_reply)
        self._process.died.connect(self._on_died)
        if self._setup is not None:
            self.start_load(self._setup)

    def _drop_process(self) -> None:
        if self._process is not None:
            self._process.replied.disconnect(self._on_reply)
            self._process.died.disconnect(self._on_died)
            self._process.close()
            self._process.deleteLater()
            self._process = None

    def _on_loaded(self, info: EngineInfo) -> None:
        self.info, self._failure = info, None
        self._set_state(EngineState.READY)
        self.loaded.emit(info)

    def _on_load_failed(self, notice: Notice) -> None:
        self.info = None
        self._failure = notice
        self._set_state(EngineState.FAILED)
        self.notice.emit(notice)

    def _set_state(self, state: EngineState) -> None:
        if state is not self.state:
            self.state = state
            self.state_changed.emit(state)

    # -- questions --------------------------------------------------------------------------------------------------
    def ask(self, doing: str, steps: Steps) -> Ticket:
        """Queues a question; ``doing`` completes "a problem came up while ..."."""
        ticket = Ticket(doing, steps)
        if self._process is None and self._setup is not None and self.state is EngineState.FAILED:
            self._new_worker()
        # After the caller has connected itself: a question may end before its first call.
        QTimer.singleShot(0, self, lambda: self._begin(ticket))
        return ticket

    def _begin(self, ticket: Ticket) -> None:
        self._advance(ticket, None)
        self._pump()

    def _open_tickets(self) -> list[Ticket]:
        tickets = [ticket for _, _, ticket, _ in sorted(self._queue, key=lambda entry: entry[:2])]
        return ([self._busy[0]] if self._busy else []) + tickets

    def _advance(self, ticket: Ticket, value: Any, error: BaseException | None = None) -> None:
        """Runs the question's own code up to its next call and queues that."""
        try:
            if ticket.cancel_asked and error is None:
                self._end(ticket, ticket.cancelled.emit)
                return
            step = ticket.steps.throw(error) if error is not None else ticket.steps.send(value)
            while not isinstance(step, Call):
                if isinstance(step, Progress):
                    ticket.progressed.emit(step)
                else:
                    ticket.partial.emit(step.answer)
                step = next(ticket.steps)
        except StopIteration as stop:
            answer = stop.value
            self._end(ticket, lambda: ticket.answered.emit(answer))
            return
        except Exception as problem:
            notice = notice_from(problem, ticket.doing)
            self._end(ticket, lambda: ticket.failed.emit(notice))
            return
        heapq.heappush(self._queue, (int(step.priority), next(self._order), ticket, step))

    def _end(self, ticket: Ticket, tell: Callable[[], None]) -> None:
        if not ticket.over:
            ticket.over = True
            ticket.steps.close()
            tell()

    def _pump(self) -> None:
        """Gives the worker its next call, if it is free and there is one it may do now."""
        while self._busy is None and self._queue and self._process is not None:
            if self._queue[0][0] != Priority.LOAD and self.state is not EngineState.READY:
                if self.state is EngineState.LOADING:
                    return
                self._fail_queue()
                return
            _, _, ticket, call = heapq.heappop(self._queue)
            if ticket.cancel_asked:
                self._end(ticket, ticket.cancelled.emit)
                continue
            self._busy = (ticket, call)
            # If the process is gone its ``died`` signal is under way and deals with this ticket.
            self._process.call(call.function, call.arguments)

    def _fail_queue(self) -> None:
        waiting, self._queue = self._queue, []
        for _, _, ticket, _ in waiting:
            notice = self._failure or Notice(tr("The engine is not running; choose Tools, Restart engine."))
            self._end(ticket, lambda t=ticket, n=notice: t.failed.emit(n))  # type: ignore[misc]

    def _on_reply(self, reply: Reply) -> None:
        if self._busy is None:
            return
        ticket, _ = self._busy
        self._busy = None
        if reply.error is not None:
            if reply.trace:
                logging.getLogger(__name__).error("in the engine: %s", reply.trace)
            self._advance(ticket, None, reply.error)
        else:
            self._advance(ticket, reply.value)
        self._pump()

    def _on_died(self) -> None:
        """The worker's process ended by itself: its question fails, the others wait for the new worker."""
        busy, self._busy = self._busy, None
        logging.getLogger(__name__).error("the engine process ended (was %s)", busy[0].doing if busy else "idle")
        self._drop_process()
        was_loading = busy is not None and busy[1].priority is Priority.LOAD
        if busy is not None:
            sentence = tr("The engine stopped unexpectedly while {0}").format(busy[0].doing)
            end = (
                tr("; choose Tools, Restart engine.")
                if was_loading
                else tr("; it was started again, so ask once more.")
            )
            self._advance(busy[0], None, EngineDiedError(sentence + end))
        else:
            self.notice.emit(Notice(tr("The engine stopped unexpectedly; it was started again.")))
        # A worker that dies while loading would do so for ever.
        if was_loading:
            self._set_state(EngineState.FAILED)
            self._fail_queue()
        else:
            self._new_worker()


def _load(setup: EngineSetup) -> Steps:
    from lile_engine.worker import load_engine

    info = yield Call(load_engine, (setup,), Priority.LOAD)
    return info
