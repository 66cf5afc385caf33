"""What the lists of answers share: a model of hits, best first, and a view that tells which one was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPainter
from PySide6.QtWidgets import QListView, QStyledItemDelegate, QWidget

from lile_desktop.hits import hit_tooltip
from lile_desktop.text import tr
from lile_desktop.theme import Theme, small_font

if TYPE_CHECKING:
    from lile_engine.retrieval.results import Hit

Index = QModelIndex | QPersistentModelIndex


SETTLED_ROLE = Qt.ItemDataRole.UserRole + 10


class HitModel(QAbstractListModel):
    """Hits, best first. What a row is called to a screen reader is `title`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._hits: tuple[Hit, ...] = ()
        self.settled = True  # False while the hits are being re-ranked: scores and order will change

    def set_hits(self, hits: Sequence[Hit], *, settled: bool = True) -> None:
        """Shows other hits."""
        self.beginResetModel()
        self._hits, self.settled = tuple(hits), settled
        self.endResetModel()

    def hits(self) -> tuple[Hit, ...]:
        """All of them, also those that have no row of their own."""
        return self._hits

    def hit_at(self, row: int) -> Hit | None:
        """The hit of a row."""
        return self._hits[row] if 0 <= row < len(self._hits) else None

    def title(self, hit: Hit) -> str:
        """A row in words."""
        return f"{hit.score:.2f} {hit.caption}"

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._hits)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        hit = self.hit_at(index.row())
        if hit is None:
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.AccessibleTextRole:
                return self.title(hit)
            case Qt.ItemDataRole.ToolTipRole:
                return hit_tooltip(hit)
            case Qt.ItemDataRole.UserRole:
                return hit
        return self.settled if role == SETTLED_ROLE else None

    def row_of(self, hit: Hit | None) -> int:
        """The row that the same patch, caption or case has now, -1 for none."""
        rows = range(self.rowCount()) if hit is not None else ()
        return next((row for row in rows if _same(self.hit_at(row), hit)), -1)


class HitView(QListView):
    """``chosen`` carries the `Hit` of a click or of Enter."""

    chosen = Signal(object)

    def __init__(
        self, model: HitModel, delegate: QStyledItemDelegate, name: str, tip: str, parent: QWidget | None
    ) -> None:
        super().__init__(parent)
        self.hits_model = model
        model.setParent(self)
        delegate.setParent(self)
        self.setModel(model)
        self.setItemDelegate(delegate)
        self.setMouseTracking(True)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setAccessibleName(tr(name))
        self.setToolTip(tr(tip))
        self.clicked.connect(self._choose)
        self.activated.connect(self._choose)

    def show_hits(self, hits: Sequence[Hit], *, settled: bool, same: bool) -> None:
        """Shows hits from the top; a better order of the ``same`` answer keeps what was chosen in it."""
        chosen = self.currentIndex().data(Qt.ItemDataRole.UserRole) if same else None
        self.hits_model.set_hits(hits, settled=settled)
        row = self.hits_model.row_of(chosen)
        if row >= 0:
            self.setCurrentIndex(self.hits_model.index(row))
        else:
            self.scrollToTop()

    def _choose(self, index: QModelIndex) -> None:
        hit = index.data(Qt.ItemDataRole.UserRole)
        if hit is not None:
            self.chosen.emit(hit)


def bold(font: QFont) -> QFont:
    """The small font, stronger: scores."""
    strong = QFont(small_font(font))
    strong.setWeight(QFont.Weight.DemiBold)
    return strong


def _same(one: Hit | None, other: Hit | None) -> bool:
    facts = [(h.kind, h.id, h.slide, h.x, h.y, h.case, h.caption) for h in (one, other) if h is not None]
    return len(facts) == 2 and facts[0] == facts[1]


def score_ink(painter: QPainter, theme: Theme, font: QFont, index: Index) -> None:
    """Font and colour of a score: strong once it stands, quiet while it may still change."""
    settled = bool(index.data(SETTLED_ROLE))
    set_ink(painter, theme, font, strong=settled, quiet=not settled)


def set_ink(painter: QPainter, theme: Theme, font: QFont, *, quiet: bool = False, strong: bool = False) -> None:
    """Font and colour of the next words."""
    painter.setFont(bold(font) if strong else small_font(font) if quiet else font)
    painter.setPen(QColor(theme.quiet if quiet else theme.text))
