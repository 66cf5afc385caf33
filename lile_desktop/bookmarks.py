"""Places on a slide that a person wants to find again; kept with the slide's regions, and gone with them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMenu, QWidget

from lile_desktop.text import tr
from lile_desktop.viewer.ask_text import ask_text
from lile_desktop.viewer.scale_bar import magnification_text, place_text
from lile_desktop.viewer.slide_view import SlideView
from lile_desktop.viewer.view_state import ViewState
from lile_engine.paths import open_private, private_dir
from lile_engine.slides import SlideInfo

FILE_NAME = "bookmarks.json"
MOST = 100


@dataclass(frozen=True)
class Bookmark:
    """A named view: centre in level-0 px, scale in screen px per level-0 px, rotation in degrees."""

    name: str
    cx: float
    cy: float
    scale: float
    rotation: float = 0.0
    mirrored: bool = False

    def view(self, now: ViewState) -> ViewState:
        """The view to show, in the viewport that there is now."""
        return replace(now, cx=self.cx, cy=self.cy, scale=self.scale, rotation=self.rotation, mirrored=self.mirrored)


def bookmark_of(view: ViewState, name: str) -> Bookmark:
    """The place that a view shows."""
    return Bookmark(name, view.cx, view.cy, view.scale, view.rotation, view.mirrored)


def suggested_name(view: ViewState, info: SlideInfo) -> str:
    """Magnification and place, where nobody gives a name."""
    return f"{magnification_text(view, info)}  {place_text(view.cx, view.cy, info.mpp)}"


def read_bookmarks(file: Path) -> list[Bookmark]:
    """The bookmarks of a slide; none where there is no file or it is damaged (which the log tells)."""
    try:
        kept = [Bookmark(**fields) for fields in json.loads(file.read_text("utf-8"))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        logging.getLogger(__name__).warning("bookmarks %s not used: %s", file, error)
        return []
    return [one for one in kept if isinstance(one.name, str) and one.scale > 0]


def write_bookmarks(file: Path, bookmarks: list[Bookmark]) -> None:
    """Keeps the bookmarks, readable by their owner only (or the group that shares the archive); without any the file
    goes. Raises OSError."""
    if not bookmarks:
        file.unlink(missing_ok=True)
        return
    private_dir(file.parent)
    temporary = file.with_suffix(".new")
    handle = open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump([asdict(one) for one in bookmarks], stream)
    temporary.replace(file)


class Bookmarks(QObject):
    """The bookmarks of the slide in view. ``file_of`` tells where those of a slide lie."""

    failed = Signal(str)  # one sentence
    changed = Signal()

    def __init__(self, view: SlideView, file_of: Callable[[SlideInfo], Path], parent: QWidget) -> None:
        super().__init__(parent)
        self._view, self._file_of, self._parent = view, file_of, parent
        self._visited = -1

    def all(self) -> list[Bookmark]:
        """Those of the slide in view, in the order they were made."""
        slide = self._view.slide
        return read_bookmarks(self._file_of(slide)) if slide is not None else []

    def ask(self) -> None:
        """Asks for a name and keeps the place in view."""
        slide = self._view.slide
        if slide is None:
            return
        suggested = suggested_name(self._view.view, slide)
        name = ask_text(self._parent, tr("Bookmark"), tr("Name of this place:"), suggested)
        if name is not None:
            self.add(name or suggested)

    def add(self, name: str) -> None:
        """Keeps the place in view."""
        self._write([*self.all(), bookmark_of(self._view.view, name)][-MOST:])

    def remove(self, bookmark: Bookmark) -> None:
        """Forgets a place."""
        self._write([one for one in self.all() if one != bookmark])

    def visit(self, bookmark: Bookmark) -> None:
        """Goes there; Back returns."""
        self._view.visit(bookmark.view(self._view.view))

    def next(self) -> None:
        """The bookmark after the one visited last, round and round."""
        places = self.all()
        if places:
            self._visited = (self._visited + 1) % len(places)
            self.visit(places[self._visited])

    def fill(self, menu: QMenu) -> None:
        """An entry for each place, and a submenu to forget them."""
        menu.clear()
        places = self.all()
        for bookmark in places:
            menu.addAction(bookmark.name).triggered.connect(lambda _checked=False, b=bookmark: self.visit(b))
        if not places:
            menu.addAction(tr("No bookmark on this slide yet")).setEnabled(False)
            return
        menu.addSeparator()
        forget = menu.addMenu(tr("Remove"))
        for bookmark in places:
            forget.addAction(bookmark.name).triggered.connect(lambda _checked=False, b=bookmark: self.remove(b))

    def _write(self, bookmarks: list[Bookmark]) -> None:
        slide = self._view.slide
        if slide is None:
            return
        try:
            write_bookmarks(self._file_of(slide), bookmarks)
        except OSError as error:
            self.failed.emit(tr("The bookmark could not be kept: {0}.").format(error.strerror or error))
            return
        self.changed.emit()
