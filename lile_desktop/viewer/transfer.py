"""GeoJSON imported into and exported from a view, beside the GUI thread."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from lile_desktop.notices import Level, Notice
from lile_desktop.text import tr
from lile_desktop.viewer.annotation_files import read_known, write_annotations
from lile_desktop.viewer.annotations import Annotation, AnnotationStore
from lile_desktop.viewer.autosave import key_of
from lile_engine.errors import LileError


@dataclass(frozen=True)
class Imported:
    """How many objects of a file were read, how many of them were here already as they are, or otherwise before, and
    how many it holds beside them that are not understood."""

    file: str
    read: int
    known: int
    replaced: int
    left_out: int = 0


def merged(here: Sequence[Annotation], read: Sequence[Annotation]) -> tuple[int, list[int], list[Annotation]]:
    """What of a file is here already (how many), which of those here it replaces (their numbers), and what comes.

    An object is the same one where its identity in the file is, or its outline. One that is locked here stays.
    """
    by_key = {key_of(one) for one in here}
    by_identity = {one.source.identity: one for one in here if one.source is not None}
    by_outline = {(one.kind, one.parts): one for one in here}
    known, gone, fresh = 0, dict[int, None](), []
    for one in read:
        identity = one.source.identity if one.source is not None else ""
        before = by_identity.get(identity) or by_outline.get((one.kind, one.parts))
        if key_of(one) in by_key or (before is not None and (before.locked or before.id in gone)):
            known += 1
            continue
        if before is not None:
            gone[before.id] = None
        fresh.append(one if before is None else replace(one, number=before.number))
    return known, list(gone), fresh


class GeoJsonTransfer(QObject):
    """Reads files into a store (one undo step each) and writes its annotations to files."""

    imported = Signal(object)  # Imported
    exported = Signal(str, int)  # path, how many
    failed = Signal(str)  # one sentence
    told = Signal(object)  # Notice: what was read, written or done to regions
    _read = Signal(str, object, int)  # name of the file, list of annotations, how many were left out

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
            self._read.emit(path.name, *read_known(path))
        except LileError as error:
            self.failed.emit(str(error))

    def _save(self, path: Path, annotations: list[Annotation]) -> None:
        try:
            write_annotations(path, annotations)
            self.exported.emit(str(path), len(annotations))
            sentence = tr("{0} regions are written to {1}.").format(len(annotations), path)
            self.told.emit(Notice(sentence, level=Level.INFO))
        except LileError as error:
            self.failed.emit(str(error))

    def _take_in(self, file: str, annotations: list[Annotation], left_out: int) -> None:
        known, gone, fresh = merged(self._store.all(), annotations)
        self._store.exchange(gone, fresh, "Import")
        self.imported.emit(Imported(file, len(annotations), known, len(gone), left_out))
        sentence = tr("{0} regions read from {1}: {2} were here already, {3} were replaced.")
        text = sentence.format(len(annotations), file, known, len(gone))
        if left_out:
            text += " " + tr("{0} are not understood and were left out.").format(left_out)
        self.told.emit(Notice(text, level=Level.WARNING if left_out else Level.INFO))
