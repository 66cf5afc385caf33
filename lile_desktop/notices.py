"""What the window tells a person about a failure: one sentence, and the details behind a button."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass
from enum import Enum

from lile_desktop.text import tr
from lile_engine.errors import LileError


class Level(Enum):
    """How loud a notice is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Notice:
    """One sentence for the user and, if there is more to know, details."""

    sentence: str
    details: str = ""
    level: Level = Level.ERROR


def notice_from(error: BaseException, doing: str) -> Notice:
    """A notice for ``error`` that happened while ``doing`` ("opening the slide"); the log gets the traceback."""
    details = "".join(traceback.format_exception(error))
    logging.getLogger("lile_desktop").error("while %s\n%s", doing, details)
    if isinstance(error, LileError):
        return Notice(str(error), details)
    return Notice(tr("An unexpected problem came up while {0}: {1}.").format(doing, _first_line(error)), details)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")
