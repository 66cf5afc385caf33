"""What the window tells a person about a failure: one sentence, and the details behind a button."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable, Sequence
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
class Offer:
    """What can be done about a notice: the word on its button, and what that does. One that is ``lasting`` comes back
    after other notices until it is taken or closed."""

    text: str
    tip: str
    take: Callable[[], object]
    lasting: bool = False


@dataclass(frozen=True)
class Notice:
    """One sentence for the user and, if there is more to know, details; and perhaps what can be done about it."""

    sentence: str
    details: str = ""
    level: Level = Level.ERROR
    offer: Offer | None = None


# What the engine's sentences name for the shell, and what a person in the window chooses for the same.
_IN_THE_WINDOW = (
    (
        r"make one with `lile archive init[^`]*`",
        "choose Archive, Open archive, where it lies now, or Archive, Use demo archive",
    ),
    (r"`lile index`", "Archive, Index slides"),
    (r"`lile archive reembed`", "Archive, Use another model"),
    (r"[;,] see: lile models list", "; choose Archive, Use the bundled model, or put the model's folder back."),
)


def for_the_window(sentence: str) -> str:
    """An engine's sentence with the menu in place of a shell command that the menu has too."""
    for command, choice in _IN_THE_WINDOW:
        sentence = re.sub(command, tr(choice), sentence)
    return sentence


def notice_from(error: BaseException, doing: str) -> Notice:
    """A notice for ``error`` that happened while ``doing`` ("opening the slide"); the log gets the traceback."""
    details = "".join(traceback.format_exception(error))
    logging.getLogger("lile_desktop").error("while %s\n%s", doing, details)
    if isinstance(error, LileError):
        return Notice(for_the_window(str(error)), details)
    return Notice(tr("An unexpected problem came up while {0}: {1}.").format(doing, _first_line(error)), details)


MOST_TOGETHER = 4


def together(notices: Sequence[Notice], heading: str) -> Notice:
    """What one command could not do as one notice: under ``heading`` each in a line of its own while they are few, all
    of them in the details. One alone is told as it is."""
    if len(notices) == 1:
        return notices[0]
    lines = [heading, *(f"\u2013 {notice.sentence}" for notice in notices[:MOST_TOGETHER])]
    if len(notices) > MOST_TOGETHER:
        lines.append(tr("\u2013 and {0} more, see Details").format(len(notices) - MOST_TOGETHER))
    details = "\n".join(f"{notice.sentence}\n{notice.details}".rstrip() for notice in notices)
    return Notice("\n".join(lines), details, notices[0].level)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")
