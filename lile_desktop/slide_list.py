"""The slides that are open, as a Qt list model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QPixmap

from lile_desktop.text import tr
from lile_engine.slides import SlideInfo
from lile_engine.slides.mpp import remembered_mpp

Index = QModelIndex | QPersistentModelIndex
ENTRY_ROLE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class SlideEntry:
    """One open slide; ``info`` is None until a reader has opened it, ``problem`` a sentence if it cannot. Its lines
    are made once: whether a scale was typed stands in a file, and rows are painted often."""

    path: str
    info: SlideInfo | None = None
    thumbnail: QPixmap | None = None
    problem: str = ""

    @property
    def name(self) -> str:
        """The name in the list; the file's ending stands in the tooltip."""
        return Path(self.info.name if self.info else self.path).stem

    @cached_property
    def subtitle(self) -> str:
        """The second line in the list: size and mpp, or what is wrong."""
        if self.problem:
            return tr("cannot be opened")
        if self.info is None:
            return "opening…"
        return f"{self.info.width} × {self.info.height}, {scale_text(self.info)}"

    @cached_property
    def short_subtitle(self) -> str:
        """What stands there where there is no room for all of it: the scale, which the answers rest on."""
        return scale_text(self.info) if self.info is not None and not self.problem else self.subtitle


def is_scale_typed(info: SlideInfo) -> bool:
    """Whether the microns per pixel are what the user said, not what the file says."""
    return info.mpp is not None and remembered_mpp(info.identity) == info.mpp


def scale_text(info: SlideInfo) -> str:
    """Microns per pixel and where they come from."""
    if info.mpp is None:
        return tr("scale not known")
    text = f"{info.mpp:.4g} µm/px"
    return tr("{0}, entered by hand").format(text) if is_scale_typed(info) else text


class SlideListModel(QAbstractListModel):
    """Open slides in the order they were opened."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._entries: list[SlideEntry] = []

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._entries)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not 0 <= index.row() < len(self._entries):
            return None
        entry = self._entries[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.AccessibleTextRole:
                return entry.name
            case Qt.ItemDataRole.ToolTipRole:
                return entry.problem or f"{entry.name}\n{entry.subtitle}\n{entry.path}"
            case Qt.ItemDataRole.UserRole:
                return entry
        return None

    def entries(self) -> tuple[SlideEntry, ...]:
        """All open slides."""
        return tuple(self._entries)

    def find(self, path: str) -> SlideEntry | None:
        """The entry of a path."""
        return next((e for e in self._entries if e.path == path), None)

    def by_identity(self, identity: str) -> SlideEntry | None:
        """The open slide with this content identity."""
        return next((e for e in self._entries if e.info is not None and e.info.identity == identity), None)

    def row_of(self, path: str) -> int:
        """The row of a path, -1 where it is not open."""
        return next((i for i, e in enumerate(self._entries) if e.path == path), -1)

    def add(self, path: str) -> bool:
        """Adds a slide that is being opened; False where it is in the list already."""
        if self.find(path) is not None:
            return False
        self.beginInsertRows(QModelIndex(), len(self._entries), len(self._entries))
        self._entries.append(SlideEntry(path))
        self.endInsertRows()
        return True

    def set_info(self, path: str, info: SlideInfo) -> None:
        """The slide has been opened."""
        self._change(path, info=info, problem="")

    def set_thumbnail(self, path: str, thumbnail: QPixmap) -> None:
        """The small picture in the list."""
        self._change(path, thumbnail=thumbnail)

    def set_problem(self, path: str, sentence: str) -> None:
        """The slide could not be opened or read."""
        self._change(path, problem=sentence)

    def remove(self, path: str) -> None:
        """Takes a slide off the list."""
        row = self.row_of(path)
        if row >= 0:
            self.beginRemoveRows(QModelIndex(), row, row)
            del self._entries[row]
            self.endRemoveRows()

    def _change(self, path: str, **fields: object) -> None:
        row = self.row_of(path)
        if row >= 0:
            self._entries[row] = replace(self._entries[row], **fields)  # type: ignore[arg-type]
            index = self.index(row)
            self.dataChanged.emit(index, index)
