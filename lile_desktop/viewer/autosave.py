"""Regions saved by themselves, beside the archive, a moment after every change. Never into the slide's own folder."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from lile_desktop.viewer.annotation_files import read_annotations, write_annotations
from lile_desktop.viewer.annotations import Annotation, AnnotationStore, Prepared, prepared
from lile_engine.errors import LileError
from lile_engine.paths import home_dir, private_dir, share_as_its_place

DELAY_MS = 800
FILE_NAME = "regions.geojson"

Key = tuple[object, ...]


def own_file(identity: str, name: str = FILE_NAME) -> Path:
    """Where the regions of a slide lie that is in no archive: in the user's own folder."""
    return home_dir() / "regions" / identity / name


def archived_file(identity: str, archive: Path, name: str = FILE_NAME) -> Path:
    """Where the regions of a slide lie that is in an archive."""
    return archive / "slides" / identity / name


def regions_file(identity: str, archive: Path | None, name: str = FILE_NAME) -> Path:
    """Where the regions of a slide lie (or what else ``name`` is kept of it): with its files in the archive, or in
    the user's own folder without one.

    What was made before the slide came into an archive moves there, so that it goes when the case is removed.
    """
    own = own_file(identity, name)
    if archive is None:
        return own
    file = archived_file(identity, archive, name)
    if own.exists() and not file.exists():
        with contextlib.suppress(OSError):
            private_dir(file.parent)
            shutil.move(own, file)
            share_as_its_place(file)
    return file


class Autosave(QObject):
    """Keeps the annotations of the slide in view in a file. Reading and writing are done beside the GUI thread.

    Call `open` when another slide is shown (after `SlideView.set_slide`), and `close` before the program ends.
    """

    failed = Signal(str)  # one sentence
    loaded = Signal()  # what was saved before is in the store
    saved = Signal()
    _read = Signal(int, object)  # which reading, annotations or error

    def __init__(self, store: AnnotationStore, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._file: Path | None = None
        self._left: Path | None = None  # further regions of the slide, to be brought into the file
        self._before: frozenset[Key] = frozenset()  # what was there as reading began
        self._loading = False
        self._readings = 0
        self._dirty = False
        self._closed = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="lile-regions")
        self._written: Future[None] | None = None
        self._timer = QTimer(self, interval=DELAY_MS, singleShot=True)
        self._timer.timeout.connect(self._save)
        self._read.connect(self._take_in)
        store.edited.connect(self._on_edit)
        store.resetting.connect(self._save)

    @property
    def file(self) -> Path | None:
        """The file in use, None where no slide is shown."""
        return self._file

    def open(self, file: Path | None, left: Path | None = None) -> None:
        """Load the regions of a slide from its file, and save there from now on; None: there is no slide.

        What lies in ``left`` as well (drawn while the archive was out of reach) is brought into ``file``. Where the
        store holds regions still, they are of the same slide: they stay if their file has moved to ``file``.
        """
        self.flush() if len(self._store) else self._save()
        before, self._file, self._left = self._file, file, left
        self._dirty = False
        self._timer.stop()
        if file is None or self._closed:
            return
        moved = before is None or (file.exists() and not before.exists())
        if len(self._store) and not moved:
            self._store.replace_all([])  # what was kept with another archive stays there
        self._before = frozenset(map(key_of, self._store.all()))
        self._loading = True
        self._readings += 1
        self._worker.submit(self._load, self._readings, file, left, self._store.set_aside())

    def flush(self) -> None:
        """Save now and wait until it is on the disk."""
        self._save()
        if self._written is not None:
            self._written.result()

    def close(self) -> None:
        """`flush`, then end the thread."""
        self.flush()
        self._closed = True
        self._file = None
        self._worker.shutdown()

    def _load(self, reading: int, file: Path, left: Path | None, first: int) -> None:
        outcome: Prepared | LileError
        try:
            outcome = prepared(_read_all(file, left), first)
        except LileError as error:
            outcome = error
        self._read.emit(reading, outcome)

    def _take_in(self, reading: int, outcome: Prepared | LileError) -> None:
        if reading != self._readings or self._file is None:
            return  # another slide was opened meanwhile
        self._loading = False
        if isinstance(outcome, LileError):
            # A file that cannot be read is never written over: it may be all there is of somebody's work.
            self._file = None
            self.failed.emit(f"{outcome} New regions on this slide are not saved until it is mended or moved away.")
            return
        known = self._known()
        if known:
            first = next(iter(outcome.items), 1)
            outcome = prepared(beside(outcome.items.values(), known), first)
        if outcome.items:
            self._store.take_in(outcome)
        if self._left is not None and self._left.exists():
            self._dirty = True
        if self._dirty:
            self._timer.start()
        self.loaded.emit()

    def _known(self) -> frozenset[Key]:
        """What the file need not bring: it is here, or was here and has been changed or deleted since."""
        return self._before | frozenset(map(key_of, self._store.all()))

    def _on_edit(self) -> None:
        if self._file is not None:
            self._dirty = True
            self._timer.start()

    def _save(self) -> None:
        self._timer.stop()
        if self._file is None or not self._dirty:
            return
        self._dirty = False
        # While the file is being read it holds more than is here: what is new is added to it.
        known = self._known() if self._loading else None
        self._written = self._worker.submit(self._write, self._file, self._left, self._store.all(), known)

    def _write(
        self, file: Path, left: Path | None, annotations: list[Annotation], known: frozenset[Key] | None
    ) -> None:
        try:
            if known is not None:
                annotations = [*beside(_read_all(file, left), known), *annotations]
            if not annotations:
                file.unlink(missing_ok=True)
            else:
                private_dir(file.parent)
                write_annotations(file, annotations)
            if left is not None:
                left.unlink(missing_ok=True)
        except (LileError, OSError) as error:
            self.failed.emit(str(error))
        else:
            self.saved.emit()


def key_of(annotation: Annotation) -> Key:
    """What makes two annotations the same one to a person: all but the number."""
    return (
        annotation.kind, annotation.parts, annotation.name, annotation.region_class, annotation.locked,
    )  # fmt: skip


def beside(annotations: Iterable[Annotation], known: frozenset[Key]) -> list[Annotation]:
    """Those that are not known."""
    return [one for one in annotations if key_of(one) not in known]


def _read_all(file: Path, left: Path | None) -> list[Annotation]:
    """The annotations of a file, and those of another that it does not hold. Raises `LileError`."""
    found = read_annotations(file) if file.exists() else []
    if left is not None and left.exists():
        found += beside(read_annotations(left), frozenset(map(key_of, found)))
    return found
