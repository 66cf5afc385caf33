"""Regions saved by themselves, beside the archive, a moment after every change. Never into the slide's own folder."""

from __future__ import annotations

import contextlib
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from lile_desktop.viewer.annotation_files import read_annotations, write_annotations
from lile_desktop.viewer.annotations import Annotation, AnnotationStore, Prepared, prepared
from lile_engine.errors import LileError
from lile_engine.paths import home_dir, private_dir

DELAY_MS = 800
FILE_NAME = "regions.geojson"


def regions_file(identity: str, archive: Path | None, name: str = FILE_NAME) -> Path:
    """Where the regions of a slide lie (or what else ``name`` is kept of it): with its files in the archive, or in
    the user's own folder without one.

    What was made before the slide came into an archive moves there, so that it goes when the case is removed.
    """
    own = home_dir() / "regions" / identity / name
    if archive is None:
        return own
    file = archive / "slides" / identity / name
    if own.exists() and not file.exists():
        with contextlib.suppress(OSError):
            private_dir(file.parent)
            shutil.move(own, file)
    return file


class Autosave(QObject):
    """Keeps the annotations of the slide in view in a file. Reading and writing are done beside the GUI thread.

    Call `open` when another slide is shown (after `SlideView.set_slide`), and `close` before the program ends.
    """

    failed = Signal(str)  # one sentence
    loaded = Signal()  # what was saved before is in the store
    saved = Signal()
    _read = Signal(object, object)  # file, annotations or error

    def __init__(self, store: AnnotationStore, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._file: Path | None = None
        self._loading = False
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

    def open(self, file: Path | None) -> None:
        """Load the regions of a slide from its file, and save there from now on; None: there is no slide."""
        self._save()
        self._file = file
        self._dirty = False
        self._timer.stop()
        if file is None or self._closed:
            return
        self._loading = True
        self._worker.submit(self._load, file)

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

    def _load(self, file: Path) -> None:
        outcome: Prepared | LileError
        try:
            outcome = prepared(read_annotations(file) if file.exists() else [])
        except LileError as error:
            outcome = error
        self._read.emit(file, outcome)

    def _take_in(self, file: Path, outcome: Prepared | LileError) -> None:
        if file != self._file:
            return  # another slide was opened meanwhile
        here = self._store.all()
        if isinstance(outcome, LileError):
            # A file that cannot be read is never written over: it may be all there is of somebody's work.
            self._file = None
            self._loading = False
            self.failed.emit(f"{outcome} New regions on this slide are not saved until it is mended or moved away.")
            return
        read = list(outcome.items.values())
        known = {(a.kind, a.parts) for a in read} if here else set()
        drawn = [a for a in here if (a.kind, a.parts) not in known]  # while the file was read, or before it was moved
        if drawn:
            self._store.replace_all([*read, *drawn])
        elif len(read) > len(here):
            self._store.replace_with(outcome)
        self._loading = False
        self._dirty = bool(drawn)
        if drawn:
            self._timer.start()
        self.loaded.emit()

    def _on_edit(self) -> None:
        if self._file is not None and not self._loading:
            self._dirty = True
            self._timer.start()

    def _save(self) -> None:
        self._timer.stop()
        if self._file is None or not self._dirty or self._loading:
            return
        self._dirty = False
        self._written = self._worker.submit(self._write, self._file, self._store.all())

    def _write(self, file: Path, annotations: list[Annotation]) -> None:
        try:
            if not annotations:
                file.unlink(missing_ok=True)
            else:
                private_dir(file.parent)
                write_annotations(file, annotations)
        except (LileError, OSError) as error:
            self.failed.emit(str(error))
        else:
            self.saved.emit()
