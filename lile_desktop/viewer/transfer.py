"""GeoJSON imported into and exported from a view, beside the GUI thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from lile_desktop.viewer.annotation_files import read_annotations, write_annotations
from lile_desktop.viewer.annotations import Annotation, AnnotationStore
from lile_engine.errors import LileError


class GeoJsonTransfer(QObject):
    """Reads files into a store (one undo step each) and writes its annotations to files."""

    imported = Signal(int)  # how many
    exported = Signal(str)  # path
    failed = Signal(str)  # one sentence
    _read = Signal(object)  # list of annotations

    def __init__(self, store: AnnotationStore, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="lile-geojson")
        self._read.connect(self._take_in)

    def import_file(self, path: Path) -> None:
        self._worker.submit(self._load, path)

    def export_file(self, path: Path) -> None:
        self._worker.submit(self._save, path, self._store.all())

    def _load(self, path: Path) -> None:
        try:
            self._read.emit(read_annotations(path))
        except LileError as error:
            self.failed.emit(str(error))

    def _save(self, path: Path, annotations: list[Annotation]) -> None:
        try:
            write_annotations(path, annotations)
            self.exported.emit(str(path))
        except LileError as error:
            self.failed.emit(str(error))

    def _take_in(self, annotations: list[Annotation]) -> None:
        self._store.add_many(annotations, "Import")
        self.imported.emit(len(annotations))
