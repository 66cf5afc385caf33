"""Opens slides in the reader processes, keeps the list of them, and brings pictures of tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QPixmap

from lile_desktop.futures import pixmap_from_bgra, when_done
from lile_desktop.notices import Level, Notice, notice_from, together
from lile_desktop.panels.gallery import PICTURE_PX
from lile_desktop.slide_list import SlideEntry, SlideListModel
from lile_desktop.text import tr
from lile_desktop.viewer.view_state import Rect
from lile_engine.later import later
from lile_engine.slides.mpp import remember_mpp

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from lile_engine.retrieval.results import Hit
    from lile_engine.slides import SlideInfo
else:
    np = later("numpy")

THUMBNAIL_PX = 96
CONTEXT = 3.0  # a hit is flown to with so many times its own width in view
SLIDE_SUFFIXES = frozenset(
    [".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", ".dcm", ".qptiff"]
) | frozenset([".png", ".jpg", ".jpeg", ".bmp", ".webp"])

Pixels: TypeAlias = "npt.NDArray[np.uint8]"


class Readers(Protocol):
    """What is used here of `lile_engine.slides.readers.ReaderPool`; pixels are uint8 [h, w, 4] BGRA."""

    def open(self, path: str, mpp: float | None = None) -> Future[SlideInfo]: ...
    def thumbnail(self, path: str, max_px: int) -> Future[Pixels]: ...
    def read_area(
        self, path: str, x: int, y: int, w: int, h: int, out_w: int, out_h: int, priority: int = 0
    ) -> Future[Pixels]: ...
    def associated(self, path: str, name: str) -> Future[Pixels]: ...
    def forget(self, path: str) -> None: ...


def slides_in(paths: Iterable[str | Path]) -> list[str]:
    """Absolute paths of the slides named, folders replaced by the slide files in them (not in their subfolders)."""
    found: list[str] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SLIDE_SUFFIXES and p.is_file())
            found += [str(p.resolve()) for p in inside]
        else:
            found.append(str(path.resolve()))
    return list(dict.fromkeys(found))


class SlideDesk(QObject):
    """``current_changed`` carries the `SlideEntry` to show or None, ``fly_asked`` the level-0 `Rect` to bring up."""

    current_changed = Signal(object)
    fly_asked = Signal(object)
    landed = Signal(object)  # the same, on a slide that has just come for it
    opened = Signal(object)  # SlideEntry
    notice = Signal(object)

    def __init__(self, readers: Readers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.readers = self._readers = readers
        self.slides = SlideListModel(self)
        self.current: SlideEntry | None = None
        self._wanted = ""  # the path to show as soon as it is open
        self._else: list[str] = []  # opened with it, to be shown in its place where it cannot be
        self._flight: tuple[str, Rect] | None = None  # where to fly as soon as that slide is shown

    def open(self, paths: Iterable[str | Path]) -> None:
        """Opens slides and shows the first of them that can be."""
        found = self.add(paths)
        if found:
            self.show(found[0])
            self._else = found[1:]

    def add(self, paths: Iterable[str | Path]) -> list[str]:
        """Opens slides into the list; what is shown, or will be as soon as it is open, stays. Gives their paths."""
        found = slides_in(paths)
        failures: list[Notice] = []  # of those opened together
        for path in found:
            if self.slides.add(path):
                failed = partial(self._on_failure, path, failures)
                when_done(self._readers.open(path), self, partial(self._on_open, path), failed)
        return found

    def show(self, path: str) -> None:
        """Shows an open slide, or one that is being opened as soon as it is."""
        self._wanted, self._else = path, []
        entry = self.slides.find(path)
        if entry is None:
            return
        if entry.problem:
            self.notice.emit(Notice(entry.problem))
        elif entry.info is not None and (self.current is None or self.current.path != path):
            self._set_current(entry)

    def open_infos(self) -> list[SlideInfo]:
        """What is known of the slides that are open and can be shown."""
        return [entry.info for entry in self.slides.entries() if entry.info is not None and not entry.problem]

    def path_of(self, path: str, identity: str | None) -> str:
        """Where a slide is open already under another path (a copy, a share), that path; else ``path``."""
        same = self.slides.by_identity(identity) if identity else None
        return same.path if same is not None else path

    def fly_to(self, path: str, x: float, y: float, size: float) -> None:
        """Brings a tile into the middle of the view, on whichever slide it lies; opens that if need be."""
        margin = size * (CONTEXT - 1) / 2
        rect = Rect(x - margin, y - margin, size * CONTEXT, size * CONTEXT)
        if self.current is not None and self.current.path == path:
            self.fly_asked.emit(rect)
            return
        if not Path(path).exists():
            self.notice.emit(
                Notice(
                    tr("The slide {0} is not at {1} any more; put it back to look at it.").format(
                        Path(path).name, Path(path).parent
                    )
                )
            )
            return
        self._flight = (path, rect)
        self.open([path])

    def reopen(self, path: str, mpp: float, then: Callable[[], object] | None = None) -> None:
        """Opens a slide again with the scale that the user says it has, in microns per level-0 pixel, and keeps that,
        so that it is asked once; ``then`` is called if it is still the slide in view."""
        entry = self.slides.find(path)
        if entry is not None and entry.info is not None:
            try:
                remember_mpp(entry.info.identity, mpp)
            except OSError as error:
                sentence = tr("The scale of {0} cannot be kept ({1}); it will be asked again.")
                reason = error.strerror or error
                self.notice.emit(Notice(sentence.format(entry.name, reason), level=Level.WARNING))
        when_done(
            self._readers.open(path, mpp),
            self,
            lambda info: self._on_reopened(path, info, then),
            lambda error: self.notice.emit(notice_from(error, f"opening {Path(path).name}")),
        )

    def close(self, path: str) -> None:
        """Takes a slide off the list and shows the one beside it."""
        row = self.slides.row_of(path)
        self.slides.remove(path)
        self._readers.forget(path)
        if self.current is not None and self.current.path == path:
            entries = self.slides.entries()
            beside = entries[min(row, len(entries) - 1)] if entries else None
            self._set_current(beside if beside is not None and beside.info is not None else None)

    def picture(self, hit: Hit, deliver: Callable[[QPixmap], None]) -> None:
        """Reads the small picture of a hit; one that cannot be read stays empty."""
        if hit.slide is None or hit.x is None or hit.y is None or hit.size is None:
            return
        self._read(
            self._readers.read_area(hit.slide, hit.x, hit.y, hit.size, hit.size, PICTURE_PX, PICTURE_PX, priority=5),
            lambda pixels: deliver(pixmap_from_bgra(pixels)),
        )

    def associated(self, path: str, name: str, deliver: Callable[[QPixmap], None]) -> None:
        """Reads the macro, thumbnail or label image of a slide."""
        self._read(self._readers.associated(path, name), lambda pixels: deliver(pixmap_from_bgra(pixels)))

    def _read(self, future: Future[Any], deliver: Callable[[Any], object]) -> None:
        when_done(future, self, deliver)

    def _on_open(self, path: str, info: SlideInfo) -> None:
        self.slides.set_info(path, info)
        entry = self.slides.find(path)
        if entry is None:
            return
        self.opened.emit(entry)
        if info.note:
            self.notice.emit(Notice(info.note, level=Level.WARNING))
        if self._wanted == path:
            self._set_current(entry)
        self._read(
            self._readers.thumbnail(path, THUMBNAIL_PX),
            lambda pixels: self.slides.set_thumbnail(path, pixmap_from_bgra(pixels)),
        )

    def _on_reopened(self, path: str, info: SlideInfo, then: Callable[[], object] | None) -> None:
        self.slides.set_info(path, info)
        if self.current is not None and self.current.path == path:
            self._set_current(self.slides.find(path))
            if then is not None:
                then()

    def _on_failure(self, path: str, failures: list[Notice], error: BaseException) -> None:
        """Tells of every slide of those opened together that cannot be."""
        failures.append(notice_from(error, f"opening {Path(path).name}"))
        self.slides.remove(path)
        self.notice.emit(together(failures, tr("{0} slides cannot be opened:").format(len(failures))))
        if path == self._wanted:
            there = [other for other in self._else if self.slides.find(other) is not None]
            if there:
                self.show(there[0])
                self._else = there[1:]

    def _set_current(self, entry: SlideEntry | None) -> None:
        self.current = entry
        self.current_changed.emit(entry)
        flight, self._flight = self._flight, None
        if entry is not None and flight is not None and flight[0] == entry.path:
            self.landed.emit(flight[1])
