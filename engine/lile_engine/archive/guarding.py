"""How a call of the archive is guarded: one at a time, errors as sentences, and looked up anew beside a writer."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar, cast

from lile_engine.archive.filesystem import explained


class Guarded(Protocol):
    """What `guarded` needs of the object whose method it guards."""

    folder: Path
    _lock: threading.RLock

    def _moved_on(self) -> bool:
        """Takes note of what was committed since; False if nothing was."""
        ...


A = TypeVar("A", bound=Guarded)
P = ParamSpec("P")
T = TypeVar("T")


def guarded(method: Callable[Concatenate[A, P], T]) -> Callable[Concatenate[A, P], T]:
    """One call at a time, and errors of disk and SQLite as `ArchiveError`.

    A writer may delete a file between a reader's look at the rows and its look at the file; then the rows say
    something else by now, and the call is made again.
    """

    @wraps(method)
    def call(self: A, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self._lock:
            try:
                while True:
                    try:
                        return method(self, *args, **kwargs)
                    except FileNotFoundError:
                        if not self._moved_on():
                            raise
            except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
                raise explained(str(self.folder), error) from error

    return cast("Callable[Concatenate[A, P], T]", call)
