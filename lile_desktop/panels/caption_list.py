"""Captions as a list: score, text in full, where it comes from."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import QListView, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from lile_desktop.hits import caption_source, hit_tooltip
from lile_desktop.panels.row_delegate import paint_ground
from lile_desktop.theme import GRID, current_theme, small_font
from lile_engine.retrieval.results import Hit

Index = QModelIndex | QPersistentModelIndex
_WRAP = Qt.TextFlag.TextWordWrap


class CaptionModel(QAbstractListModel):
    """Caption hits, best first."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._hits: tuple[Hit, ...] = ()

    def set_hits(self, hits: Sequence[Hit]) -> None:
        self.beginResetModel()
        self._hits = tuple(hits)
        self.endResetModel()

    def hits(self) -> tuple[Hit, ...]:
        return self._hits

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._hits)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not 0 <= index.row() < len(self._hits):
            return None
        hit = self._hits[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.AccessibleTextRole:
                return f"{hit.score:.2f} {hit.caption}"
            case Qt.ItemDataRole.ToolTipRole:
                return hit_tooltip(hit)
            case Qt.ItemDataRole.UserRole:
                return hit
        return None


class _CaptionDelegate(QStyledItemDelegate):
    SCORE = 36

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        hit: Hit = index.data(Qt.ItemDataRole.UserRole)
        font: QFont = option.font
        width = option.widget.viewport().width()  # type: ignore[attr-defined]
        text = QFontMetrics(font).boundingRect(QRect(0, 0, self._text_width(width), 10_000), _WRAP, hit.caption or "")
        second = QFontMetrics(small_font(font)).height() + 2 if caption_source(hit) else 0
        return QSize(width, text.height() + second + 2 * GRID)

    def _text_width(self, width: int) -> int:
        return width - self.SCORE - 2 * GRID

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        hit: Hit = index.data(Qt.ItemDataRole.UserRole)
        theme = current_theme()
        rect: QRect = option.rect
        font: QFont = option.font
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_ground(painter, option, theme, rect.adjusted(0, 1, 0, -1))
        bold = QFont(small_font(font))
        bold.setWeight(QFont.Weight.DemiBold)
        painter.setFont(bold)
        painter.setPen(QColor(theme.text))
        top = rect.top() + GRID
        painter.drawText(
            QRect(rect.left() + GRID, top + 1, self.SCORE, 20), Qt.AlignmentFlag.AlignTop, f"{hit.score:.2f}"
        )
        painter.setFont(font)
        box = QRect(rect.left() + GRID + self.SCORE, top, self._text_width(rect.width()), rect.height())
        used = painter.boundingRect(box, _WRAP, hit.caption or "")
        painter.drawText(box, _WRAP, hit.caption or "")
        painter.setFont(small_font(font))
        painter.setPen(QColor(theme.quiet))
        painter.drawText(box.translated(0, used.height() + 2), Qt.AlignmentFlag.AlignTop, caption_source(hit))
        painter.restore()


class CaptionList(QListView):
    """``chosen`` carries the caption `Hit` of a click or of Enter."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.hits_model = CaptionModel(self)
        self.setModel(self.hits_model)
        self.setItemDelegate(_CaptionDelegate(self))
        self.setMouseTracking(True)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setAccessibleName("Captions found")
        self.setToolTip("Click a caption, then one of its words below, to see where it fits")
        self.clicked.connect(self._choose)
        self.activated.connect(self._choose)

    def set_hits(self, hits: Sequence[Hit]) -> None:
        """Shows these captions from the top."""
        self.hits_model.set_hits(hits)
        self.scrollToTop()

    def _choose(self, index: QModelIndex) -> None:
        self.chosen.emit(index.data(Qt.ItemDataRole.UserRole))
