"""Which of some slide files have no known scale, so that it must be asked before they are indexed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject

from lile_desktop.futures import when_done
from lile_desktop.slide_desk import Readers
from lile_engine.slides import SlideInfo


def without_scale(
    readers: Readers, owner: QObject, paths: Sequence[str], then: Callable[[list[SlideInfo]], object]
) -> None:
    """Looks into files and calls ``then`` with those whose scale neither the file nor the user has said, if ``owner``
    still lives. What cannot be opened is not among them: whoever reads it next says why."""
    found: list[SlideInfo | None] = []

    def take(info: SlideInfo | None) -> None:
        found.append(info)
        if len(found) == len(paths):
            then([one for one in found if one is not None and one.mpp is None])

    for path in paths:
        when_done(readers.open(path), owner, take, lambda _error: take(None))
