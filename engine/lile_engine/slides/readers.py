"""Slides read in processes of their own, for a window that must never wait, hang or crash with them.

A thread per reader process sends it one request at a time and completes that request's future; pixels come through
shared memory. A reader that dies or does not answer in time is replaced, the request under way fails with SlideError,
and the slide gets a mark: after `_MOST_MARKS` of them it is refused until it is opened again.
"""

from __future__ import annotations

import atexit
import contextlib
import heapq
import itertools
import logging
import multiprocessing
import pickle
import threading
import time
import weakref
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lile_engine.errors import SlideError
from lile_engine.later import later
from lile_engine.priority import READERS, give_way
from lile_engine.slides.types import Pixels, SlideInfo

if TYPE_CHECKING:
    import numpy as np
else:
    np = later("numpy")

_SHARED_BYTES = 16 * 2**20  # 2048 x 2048 pixels; larger ones go through the pipe
_MOST_MARKS = 3
_START_S = 30.0  # until a new process answers: it has to import numpy and OpenSlide first
_FAREWELL_S = 0.5
log = logging.getLogger(__name__)


@dataclass(order=True)
class _Task:
    priority: int
    number: int
    operation: str = field(compare=False)
    path: str = field(compare=False)
    arguments: tuple[Any, ...] = field(compare=False)
    future: Future[Any] = field(compare=False)

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.path, self.operation, *self.arguments)


class ReaderPool:
    """Reads slides in ``workers`` child processes. All methods return at once; call them from any thread.

    Futures complete in a thread of the pool; pending ones may be cancelled. Failures are SlideError. Requests with
    the smaller ``priority`` go first, equal ones in order. ``timeout_s`` is how long one request may take. With
    ``start`` False the readers are started by `start`, or by the first request.
    """

    def __init__(self, workers: int = 2, timeout_s: float = 20.0, *, start: bool = True) -> None:
        self._timeout = timeout_s
        self._changed = threading.Condition()
        self._shared_queue: list[_Task] = []
        self._own_queues: list[list[_Task]] = [[] for _ in range(workers)]
        self._homes: dict[str, int] = {}  # plain images are held in memory whole: by one reader only
        self._marks: dict[str, int] = {}
        self._fatal: set[tuple[Any, ...]] = set()  # requests that cost a reader
        self._numbers = itertools.count()
        self._closed = False
        self._readers = [_Reader(n) for n in range(workers)]
        self._threads = [
            threading.Thread(target=self._run, args=(reader,), name=f"lile-reader-{reader.number}", daemon=True)
            for reader in self._readers
        ]
        self._started = False
        if start:
            self.start()
        reference = weakref.ref(self)
        self._at_exit = lambda: _close_if_alive(reference)
        atexit.register(self._at_exit)

    def start(self) -> None:
        """Starts the readers, so that the first request need not wait for them; a second call does nothing."""
        with self._changed:
            if self._started or self._closed:
                return
            self._started = True
            for thread in self._threads:
                thread.start()

    def open(self, path: str | Path, mpp: float | None = None, priority: int = -100) -> Future[SlideInfo]:
        """Opens a slide (again), which also clears its marks; ``mpp`` is what the user says."""
        with self._changed:
            name = str(path)
            # One more reader may be lost on a slide that the user opens again, not three.
            if self._marks.get(name, 0) >= _MOST_MARKS:
                self._marks[name] = _MOST_MARKS - 1
            self._fatal = {key for key in self._fatal if key[0] != name}
            self._forget_before(name, priority)
        return self._submit("open", path, (mpp,), priority)

    def read(
        self, path: str | Path, level: int, x: int, y: int, w: int, h: int, priority: int = 0, *, srgb: bool = False
    ) -> Future[Pixels]:
        """uint8 [h, w, 4] BGRA, opaque; x, y in level-0 pixels, w, h in pixels of ``level``; white outside.

        With ``srgb`` the slide's colour profile, if it has one, is applied.
        """
        return self._submit("read", path, (level, x, y, w, h, srgb), priority)

    def read_area(
        self,
        path: str | Path,
        x: float,
        y: float,
        w: float,
        h: float,
        out_w: int,
        out_h: int,
        priority: int = 0,
        *,
        srgb: bool = False,
    ) -> Future[Pixels]:
        """uint8 [out_h, out_w, 4] BGRA of a rectangle in level-0 pixels, resampled."""
        return self._submit("area", path, (x, y, w, h, out_w, out_h, srgb), priority)

    def thumbnail(self, path: str | Path, max_px: int, priority: int = 50) -> Future[Pixels]:
        """uint8 BGRA of the whole slide, its longer side ``max_px``."""
        return self._submit("thumbnail", path, (max_px,), priority)

    def associated(self, path: str | Path, name: str, priority: int = 50) -> Future[Pixels]:
        """uint8 BGRA of a label, macro or thumbnail image."""
        return self._submit("associated", path, (name,), priority)

    def forget(self, path: str | Path) -> None:
        """Closes a slide in the readers, which frees what they hold of it; reading it again opens it again."""
        with self._changed:
            self._homes.pop(str(path), None)
            for queue in self._own_queues:
                heapq.heappush(queue, _Task(1000, next(self._numbers), "forget", str(path), (), Future()))
            self._changed.notify_all()

    def _forget_before(self, name: str, priority: int) -> None:
        """What waits to close a slide goes before the opening of it: behind, it would close what was just opened."""
        for queue in self._own_queues:
            for task in queue:
                if task.operation == "forget" and task.path == name:
                    task.priority = min(task.priority, priority - 1)
            heapq.heapify(queue)

    def profile(self, path: str | Path, priority: int = 50) -> Future[bytes | None]:
        """The embedded ICC profile, None where there is none; pixels come without it unless ``srgb`` is asked for."""
        return self._submit("profile", path, (), priority)

    def is_marked(self, path: str | Path) -> bool:
        """Whether the slide has cost so many readers that it is refused until it is opened again."""
        return self._marks.get(str(path), 0) >= _MOST_MARKS

    def process_ids(self) -> list[int]:
        """The readers running now."""
        return [reader.process.pid for reader in self._readers if reader.process and reader.process.pid]

    def close(self) -> None:
        """Cancels what is pending, ends the readers (busy ones too) and frees the shared memory; at most about 2 s."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            threads = [thread for thread in self._threads if self._started and thread is not threading.current_thread()]
            waiting = self._shared_queue + [task for queue in self._own_queues for task in queue]
            self._shared_queue.clear()
            for queue in self._own_queues:
                queue.clear()
            self._changed.notify_all()
        atexit.unregister(self._at_exit)
        for task in waiting:
            task.future.cancel()
        deadline = time.monotonic() + _FAREWELL_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for reader in self._readers:
            reader.stop()
        for thread in threads:
            thread.join(1.0)
        for reader in self._readers:
            reader.free()

    def __enter__(self) -> ReaderPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _submit(self, operation: str, path: str | Path, arguments: tuple[Any, ...], priority: int) -> Future[Any]:
        future: Future[Any] = Future()
        task = _Task(priority, next(self._numbers), operation, str(path), arguments, future)
        with self._changed:
            if self._closed:
                future.set_exception(SlideError("The readers are closed; start the program again."))
                return future
            home = self._homes.get(task.path)
            heapq.heappush(self._shared_queue if home is None else self._own_queues[home], task)
            self._changed.notify_all()
        self.start()
        return future

    def _next(self, number: int) -> _Task | None:
        """The most urgent task that this reader may do; None once the pool is closed."""
        own, shared = self._own_queues[number], self._shared_queue
        with self._changed:
            while not self._closed:
                queue = min((q for q in (own, shared) if q), key=lambda q: q[0], default=None)
                if queue is None:
                    self._changed.wait()
                    continue
                task = heapq.heappop(queue)
                home = self._homes.get(task.path)
                if home is not None and home != number and task.operation != "forget":  # found a home while it waited
                    heapq.heappush(self._own_queues[home], task)
                    self._changed.notify_all()
                elif task.future.set_running_or_notify_cancel():
                    return task
            return None

    def _run(self, reader: _Reader) -> None:
        """The life of one thread: keeps a process running and hands it one task after the other."""
        reader.start()
        while (task := self._next(reader.number)) is not None:
            refusal = self._refusal(task)
            if refusal:
                task.future.set_exception(SlideError(refusal))
                continue
            if not reader.is_alive():  # killed while idle, by whatever: not this slide's fault
                reader.stop()
                reader.start()
            try:
                result = reader.ask(task.operation, task.path, task.arguments, self._timeout)
            except SlideError as error:
                task.future.set_exception(error)
            except _ReaderLostError as lost:
                self._lose(reader, task, str(lost))
            except Exception:  # a request that cannot be sent, no memory for the reply: what was read of it is lost
                log.exception("%s of %s failed", task.operation, task.path)
                reader.stop()
                name = Path(task.path).name
                task.future.set_exception(
                    SlideError(f"{name} could not be read: the request or its answer was too much; try again.")
                )
                reader.start()
            else:
                if isinstance(result, SlideInfo) and result.vendor == "plain image":
                    with self._changed:
                        self._homes.setdefault(task.path, reader.number)
                task.future.set_result(result)

    def _refusal(self, task: _Task) -> str:
        name = Path(task.path).name
        if self.is_marked(task.path):
            return f"{name} made the reader fail {_MOST_MARKS} times and is left alone; open it again to retry."
        if task.key in self._fatal:
            return f"This part of {name} made the reader fail and is left alone; open the slide again to retry."
        return ""

    def _lose(self, reader: _Reader, task: _Task, reason: str) -> None:
        reader.stop()
        if self._closed:
            task.future.set_exception(SlideError("The readers were closed while reading."))
            return
        log.warning("reader %d lost on %s %s: %s", reader.number, task.operation, task.path, reason)
        with self._changed:
            self._marks[task.path] = self._marks.get(task.path, 0) + 1
            self._fatal.add(task.key)
        # First the answer, then the half second that a new process takes.
        task.future.set_exception(SlideError(f"{Path(task.path).name} {reason}; the reader was started again."))
        reader.start()


class _ReaderLostError(Exception):
    """The process died or did not answer; the message completes a sentence that begins with the slide's name."""


def _serve(connection: Connection, memory_name: str | None) -> None:
    """The life of a reader process; what it reads with is imported there only."""
    from lile_engine.slides.reader_process import serve

    give_way(READERS)
    serve(connection, memory_name)


class _Reader:
    """One child process and the memory shared with it. Used by its thread, and by `ReaderPool.close`."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._stopped_for_good = False
        self._fresh = True
        self._memory: SharedMemory | None = None
        self._memory_tried = False

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        with self._lock:
            if self._stopped_for_good:
                return
            if not self._memory_tried:
                self._memory_tried = True
                with contextlib.suppress(OSError):  # no room for shared memory: slower, through the pipe
                    self._memory = SharedMemory(create=True, size=_SHARED_BYTES)
            try:
                ours, theirs = context.Pipe()
                process = context.Process(
                    target=_serve,
                    args=(theirs, self._memory.name if self._memory else None),
                    name=f"lile-reader-{self.number}",
                    daemon=True,
                )
                process.start()
            except Exception:  # no more processes, handles or memory: `ask` says so, and the next request tries again
                log.exception("no reader process could be started")
                return
            theirs.close()
            self.process, self._connection, self._fresh = process, ours, True

    def is_alive(self) -> bool:
        process, connection = self.process, self._connection
        if process is None or connection is None or not process.is_alive():
            return False
        try:
            return not connection.poll(0)  # it has nothing to say unasked: this would be the end of the stream
        except OSError:
            return False

    def ask(self, operation: str, path: str, arguments: tuple[Any, ...], timeout: float) -> Any:
        """Sends one request and waits for its reply. Raises SlideError or _ReaderLostError."""
        connection = self._connection
        if connection is None:
            raise SlideError(f"{Path(path).name} cannot be read: the system starts no more processes; close others.")
        try:
            connection.send((operation, path, arguments))
            if not connection.poll(timeout + (_START_S if self._fresh else 0.0)):
                raise _ReaderLostError(f"did not answer within {timeout:g} seconds (is the drive connected?)")
            self._fresh = False
            kind, value = connection.recv()
            if kind == "shared":
                assert self._memory is not None
                return np.ndarray(value, np.uint8, buffer=self._memory.buf).copy()
            if kind == "bytes":
                return np.frombuffer(bytearray(connection.recv_bytes()), np.uint8).reshape(value)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise _ReaderLostError("made the reader crash, so the file is probably damaged") from error
        if kind == "error":
            raise SlideError(value)
        return value

    def stop(self) -> None:
        """Ends the process, politely if it is idle; returns within about half a second."""
        with self._lock:
            process, connection = self.process, self._connection
            self.process = self._connection = None
        if process is None:
            return
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()
        process.join(0.1)
        if process.is_alive():
            process.kill()
            process.join(_FAREWELL_S)

    def free(self) -> None:
        """Gives the shared memory back; the reader cannot be started again."""
        with self._lock:
            self._stopped_for_good = True
            memory, self._memory = self._memory, None
        self.stop()
        if memory is not None:
            with contextlib.suppress(BufferError):
                memory.close()
            with contextlib.suppress(FileNotFoundError):
                memory.unlink()


def _close_if_alive(reference: weakref.ref[ReaderPool]) -> None:
    pool = reference()
    if pool is not None:
        pool.close()
