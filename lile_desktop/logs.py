"""The log file: details of what went wrong, for who asks. Owner-only, bounded in size."""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import threading
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from lile_engine.paths import logs_dir, private_dir


class _PrivateFileHandler(RotatingFileHandler):
    """Slide and case names may stand in a log, so nobody else may read it."""

    def _open(self) -> TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(handle, "a", encoding="utf-8")


def log_file() -> Path:
    """Where the window's log lies."""
    return logs_dir() / "desktop.log"


def start_logging() -> Path:
    """Sends warnings and errors of this process, also uncaught ones, to the log file; returns its path."""
    path = log_file()
    private_dir(path.parent)
    handler = _PrivateFileHandler(path, maxBytes=1_000_000, backupCount=2, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger()
    logger.addHandler(handler)
    if logger.level > logging.INFO or logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    # What native code does to the process is written by the interpreter itself, on its way out.
    crash = os.open(_crash_file(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    faulthandler.enable(os.fdopen(crash, "w"), all_threads=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    return path


def take_crash_report() -> str:
    """What a crash of the last run left behind, "" for none; it is told once and then kept beside the log."""
    path = _crash_file()
    try:
        report = path.read_text("utf-8", errors="replace")
    except OSError:
        return ""
    if report.strip():
        path.with_suffix(".last.txt").write_text(report, encoding="utf-8")
        path.with_suffix(".last.txt").chmod(0o600)
        os.truncate(path, 0)
    return report.strip()


def _crash_file() -> Path:
    return logs_dir() / "crash.txt"


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    sys.__excepthook__(kind, error or kind(), trace)
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("lile_desktop").critical("uncaught", exc_info=(kind, error or kind(), trace))
