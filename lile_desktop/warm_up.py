"""What the window needs right after its first frame, loaded in a thread so that it answers meanwhile."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable, Iterable

from PySide6.QtCore import QObject, Signal


class WarmUp(QObject):
    """``done`` comes in the window's thread once everything is there, whether or not all of it could be loaded."""

    done = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread: threading.Thread | None = None

    def start(self, first: Callable[[], object], modules: Iterable[str]) -> None:
        """Calls ``first`` and then imports ``modules``; what fails is told again where it is used."""
        self._thread = threading.Thread(target=self._run, args=(first, tuple(modules)), name="warm-up", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Waits for the thread, which tells an object that must still be there."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, first: Callable[[], object], modules: tuple[str, ...]) -> None:
        try:
            first()
            for name in modules:
                importlib.import_module(name)
        except Exception:
            logging.getLogger(__name__).exception("the warm-up did not end")
        self.done.emit()
