"""Captions as a list: score, text in full, where it comes from; those in other words are folded under the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem, QWidget

from lile_desktop.hits import caption_source
from lile_desktop.panels.hit_list import HitModel, HitView, Index, score_ink, set_ink
from lile_desktop.panels.row_delegate import paint_ground
from lile_desktop.similar import Group, grouped
from lile_desktop.text import tr
from lile_desktop.theme import GRID, current_theme, small_font

if TYPE_CHECKING:
    from lile_engine.retrieval.results import Hit

FOLDED_ROLE = Qt.ItemDataRole.UserRole + 1  # how many captions are folded under a row
INDENTED_ROLE = Qt.ItemDataRole.UserRole + 2  # whether a row stands under another one
_WRAP = Qt.TextFlag.TextWordWrap


class CaptionModel(HitModel):
    """Captions in groups; a group that was chosen shows all of its captions."""

    def __init__(self) -> None:
        super().__init__()
        self._groups: list[Group] = []
        self._open: set[int] = set()
        self._rows: list[tuple[int, Hit]] = []  # number of the group and the hit

    def set_hits(self, hits: Sequence[Hit], *, settled: bool = True) -> None:
        """Shows other captions, groups folded."""
        self.beginResetModel()
        self._hits, self.settled = tuple(hits), settled
        self._groups = grouped(hits)
        self._open = set()
        self._rows = [(number, group.best) for number, group in enumerate(self._groups)]
        self.endResetModel()

    def unfold(self, row: int) -> None:
        """Shows the captions folded under a row."""
        if not 0 <= row < len(self._rows):
            return
        number, hit = self._rows[row]
        group = self._groups[number]
        if hit is not group.best or number in self._open or not group.others:
            return
        self.beginInsertRows(QModelIndex(), row + 1, row + len(group.others))
        self._open.add(number)
        self._rows[row + 1 : row + 1] = [(number, other) for other in group.others]
        self.endInsertRows()
        self.dataChanged.emit(self.index(row), self.index(row))

    def hit_at(self, row: int) -> Hit | None:
        return self._rows[row][1] if 0 <= row < len(self._rows) else None

    def title(self, hit: Hit) -> str:
        folded = next((self._folded(row) for row, (_, one) in enumerate(self._rows) if one is hit), 0)
        return f"{super().title(hit)}{folded_text(folded, ', ')}"

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if role == FOLDED_ROLE:
            return self._folded(index.row())
        if role == INDENTED_ROLE:
            number, hit = self._rows[index.row()]
            return hit is not self._groups[number].best
        return super().data(index, role)

    def _folded(self, row: int) -> int:
        number, hit = self._rows[row]
        group = self._groups[number]
        return len(group.others) if hit is group.best and number not in self._open else 0


def folded_text(count: int, before: str = "") -> str:
    """What stands under a caption that others are folded under; "" for none."""
    if not count:
        return ""
    return before + (tr("1 more in similar words") if count == 1 else tr("{0} more in similar words").format(count))


class _CaptionDelegate(QStyledItemDelegate):
    SCORE = 36

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        hit: Hit = index.data(Qt.ItemDataRole.UserRole)
        font: QFont = option.font
        width = option.widget.viewport().width()  # type: ignore[attr-defined]
        room = self._text_box(QRect(0, 0, width, 10_000), index)
        text = QFontMetrics(font).boundingRect(room, _WRAP, hit.caption or "")
        second = QFontMetrics(small_font(font)).height() + 2 if _second_line(index, hit) else 0
        return QSize(width, text.height() + second + 2 * GRID)

    def _text_box(self, rect: QRect, index: Index) -> QRect:
        left = GRID + self.SCORE + (2 * GRID if index.data(INDENTED_ROLE) else 0)
        return QRect(rect.left() + left, rect.top() + GRID, rect.width() - left - GRID, rect.height())

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        hit: Hit = index.data(Qt.ItemDataRole.UserRole)
        theme = current_theme()
        rect: QRect = option.rect
        font: QFont = option.font
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_ground(painter, option, theme, rect.adjusted(0, 1, 0, -1))
        box = self._text_box(rect, index)
        score_ink(painter, theme, font, index)
        score = QRect(box.left() - self.SCORE, box.top() + 1, self.SCORE, 20)
        painter.drawText(score, Qt.AlignmentFlag.AlignTop, f"{hit.score:.2f}")
        set_ink(painter, theme, font)
        used = painter.boundingRect(box, _WRAP, hit.caption or "")
        painter.drawText(box, _WRAP, hit.caption or "")
        set_ink(painter, theme, font, quiet=True)
        painter.drawText(box.translated(0, used.height() + 2), Qt.AlignmentFlag.AlignTop, _second_line(index, hit))
        painter.restore()


def _second_line(index: Index, hit: Hit) -> str:
    parts = (caption_source(hit), folded_text(index.data(FOLDED_ROLE)))
    return "   ".join(part for part in parts if part)


class CaptionList(HitView):
    """Choosing a caption also shows those folded under it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(
            CaptionModel(),
            _CaptionDelegate(),
            "Captions found",
            "Click a caption, then one of its words below, to see where it fits",
            parent,
        )

    def _choose(self, index: QModelIndex) -> None:
        assert isinstance(self.hits_model, CaptionModel)
        self.hits_model.unfold(index.row())
        super()._choose(index)

    def resizeEvent(self, event: object) -> None:
        """Rows are as high as their text at this width."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self.scheduleDelayedItemsLayout()
