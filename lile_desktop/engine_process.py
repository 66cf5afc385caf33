"""The engine's process: started by spawn, spoken to through one pipe, its death noticed at once (idle or busy).

A pipe of our own instead of a `ProcessPoolExecutor`: the executor tells of a dead worker only at the next question.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from lile_engine.later import later

if TYPE_CHECKING:
    from lile_engine import worker
else:
    worker = later("lile_engine.worker")


class EngineProcess(QObject):
    """One worker process. Signals arrive in the window's thread; at most one call is under way."""

    replied = Signal(object)  # Reply
    died = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=worker.serve, args=(theirs,), name="lile-engine", daemon=True)
        self._process.start()
        theirs.close()
        self._closing = False
        self._reader = threading.Thread(target=self._read, name="engine-replies", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int | None:
        """The process id, for tests and for the log."""
        return self._process.pid

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> bool:
        """Sends one call; its `Reply` comes by signal. False where the process is gone (``died`` comes too)."""
        try:
            self._pipe.send((function, arguments))
        except (OSError, ValueError):
            return False
        return True

    def close(self) -> None:
        """Ends the process; no signal comes any more."""
        self._closing = True
        self._process.terminate()
        self._process.join(2.0)
        if self._process.is_alive():
            self._process.kill()
        self._reader.join(2.0)
        self._pipe.close()

    def _read(self) -> None:
        while True:
            try:
                reply = self._pipe.recv()
            except (EOFError, OSError):
                break
            except Exception as error:
                # A reply that cannot be unpickled must not end the thread that waits for the next one.
                reply = worker.Reply(error=error)
            if not self._closing:
                self.replied.emit(reply)
        if not self._closing:
            self.died.emit()
