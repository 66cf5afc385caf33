"""Patches as a gallery: picture, score, slide and place. Pictures come from the reader processes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPixmap
from PySide6.QtWidgets import QListView, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from lile_desktop.hits import card_line, card_title, is_outside
from lile_desktop.panels.hit_list import HitModel, HitView, Index, score_ink, set_ink
from lile_desktop.panels.row_delegate import paint_ground, paint_picture
from lile_desktop.text import tr
from lile_desktop.theme import current_theme

if TYPE_CHECKING:
    from lile_engine.retrieval.results import Hit

PICTURE_PX = 160
KEPT_PICTURES = 600
COLUMN_PX = 100

Picture: TypeAlias = "Callable[[Hit, Callable[[QPixmap], None]], None]"


class GalleryModel(HitModel):
    """Hits, best first, with their pictures fetched when first looked at; pictures already fetched stay."""

    def __init__(self, fetch: Picture) -> None:
        super().__init__()
        self._fetch = fetch
        self._pictures: OrderedDict[tuple[object, ...], QPixmap | None] = OrderedDict()

    def title(self, hit: Hit) -> str:
        return f"{hit.score:.2f} {card_title(hit)} {card_line(hit)}"

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        hit = self.hit_at(index.row())
        if hit is not None and role == Qt.ItemDataRole.DecorationRole:
            return self._picture(hit)
        return super().data(index, role)

    def _picture(self, hit: Hit) -> QPixmap | None:
        key = (hit.slide, hit.x, hit.y, hit.size)
        if key not in self._pictures:
            self._pictures[key] = None
            self._fetch(hit, lambda pixmap: self._arrived(key, pixmap))
            while len(self._pictures) > KEPT_PICTURES:
                self._pictures.popitem(last=False)
        return self._pictures[key]

    def _arrived(self, key: tuple[object, ...], pixmap: QPixmap) -> None:
        self._pictures[key] = pixmap
        for row, hit in enumerate(self._hits):
            if (hit.slide, hit.x, hit.y, hit.size) == key:
                index = self.index(row)
                self.dataChanged.emit(index, index, [Qt.ItemDataRole.DecorationRole])


class _CardDelegate(QStyledItemDelegate):
    """A card: the picture, then score and place, then the slide in one or two lines."""

    LINE = 19
    NAME = 30  # two lines of the small font
    TEXT = LINE + NAME

    def __init__(self) -> None:
        super().__init__()
        self.side = 96

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(self.side + 8, self.side + self.TEXT + 8)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        hit: Hit = index.data(Qt.ItemDataRole.UserRole)
        theme = current_theme()
        rect: QRect = option.rect
        font: QFont = option.font
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_ground(painter, option, theme, rect)
        box = QRect(rect.left() + 4, rect.top() + 4, self.side, self.side)
        paint_picture(painter, index.data(Qt.ItemDataRole.DecorationRole), box, theme, fill=True)
        line = QRect(box.left() + 2, box.bottom() + 2, box.width() - 4, self.LINE)
        score_ink(painter, theme, font, index)
        score = f"{hit.score:.2f}"
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, score)
        used = painter.fontMetrics().horizontalAdvance(score) + 6
        set_ink(painter, theme, font, quiet=True)
        right = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        outside = is_outside(hit)
        if outside:
            painter.setPen(QColor(theme.warning))
        beside = painter.fontMetrics().elidedText(
            tr("outside") if outside else card_line(hit), Qt.TextElideMode.ElideRight, line.width() - used
        )
        painter.drawText(line, right, beside)
        set_ink(painter, theme, font, quiet=True)
        below = QRect(line.left(), line.bottom() + 1, line.width(), self.NAME)
        painter.drawText(
            below, Qt.AlignmentFlag.AlignTop, two_lines(painter.fontMetrics(), card_title(hit), line.width())
        )
        painter.restore()


def two_lines(metrics: QFontMetrics, name: str, width: int) -> str:
    """A name in one line, else in two, broken at a sign if there is one; what is longer still loses its middle."""
    if metrics.horizontalAdvance(name) <= width:
        return name
    fitting = next(n for n in range(len(name), 0, -1) if n == 1 or metrics.horizontalAdvance(name[:n]) <= width)
    at_sign = max(name[:fitting].rfind(sign) for sign in "-_. ") + 1
    # A break early in the name would leave more for the second line than fits there.
    rest = name[at_sign:] if at_sign and metrics.horizontalAdvance(name[at_sign:]) <= width else name[fitting:]
    first = name[: len(name) - len(rest)]
    return f"{first}\n{metrics.elidedText(rest, Qt.TextElideMode.ElideMiddle, width)}"


class Gallery(HitView):
    """Cards in columns."""

    def __init__(self, fetch: Picture, parent: QWidget | None = None) -> None:
        self._delegate = _CardDelegate()
        super().__init__(
            GalleryModel(fetch),
            self._delegate,
            "Patches found",
            "Click a patch to fly to it, on whichever slide it lies",
            parent,
        )
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setSpacing(0)

    def resizeEvent(self, event: object) -> None:
        """As many columns of about 100 px as fit, and no ragged edge on the right."""
        width = self.viewport().width() - 1  # Qt starts a new row for an item that ends at the very edge
        columns = max(1, width // COLUMN_PX)
        self._delegate.side = width // columns - 8
        super().resizeEvent(event)  # type: ignore[arg-type]
        self.scheduleDelayedItemsLayout()
