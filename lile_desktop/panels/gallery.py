"""Patches as a gallery: picture, score, slide and place. Pictures come from the reader processes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPainter, QPixmap
from PySide6.QtWidgets import QListView, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from lile_desktop.hits import card_line, card_title, hit_tooltip, is_outside
from lile_desktop.panels.row_delegate import paint_ground, paint_picture
from lile_desktop.theme import current_theme, small_font
from lile_engine.retrieval.results import Hit

Index = QModelIndex | QPersistentModelIndex
PICTURE_PX = 160
KEPT_PICTURES = 600
COLUMN_PX = 100

Picture = Callable[[Hit, Callable[[QPixmap], None]], None]


class GalleryModel(QAbstractListModel):
    """Hits, best first, with their pictures fetched when first looked at."""

    def __init__(self, fetch: Picture, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._fetch = fetch
        self._hits: tuple[Hit, ...] = ()
        self._pictures: OrderedDict[tuple[object, ...], QPixmap | None] = OrderedDict()

    def set_hits(self, hits: Sequence[Hit]) -> None:
        """Shows other hits; pictures already fetched stay."""
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
            case Qt.ItemDataRole.AccessibleTextRole | Qt.ItemDataRole.DisplayRole:
                return f"{hit.score:.2f} {card_title(hit)} {card_line(hit)}"
            case Qt.ItemDataRole.ToolTipRole:
                return hit_tooltip(hit)
            case Qt.ItemDataRole.UserRole:
                return hit
            case Qt.ItemDataRole.DecorationRole:
                return self._picture(hit)
        return None

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
    """A card: the picture, then score and place, then the slide."""

    TEXT = 40

    def __init__(self, view: QListView) -> None:
        super().__init__(view)
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
        line = QRect(box.left() + 2, box.bottom() + 2, box.width() - 4, self.TEXT // 2 - 1)
        bold = QFont(small_font(font))
        bold.setWeight(QFont.Weight.DemiBold)
        painter.setFont(bold)
        painter.setPen(QColor(theme.text))
        score = f"{hit.score:.2f}"
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, score)
        used = painter.fontMetrics().horizontalAdvance(score) + 6
        painter.setFont(small_font(font))
        right = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        outside = is_outside(hit)
        painter.setPen(QColor(theme.warning if outside else theme.quiet))
        beside = painter.fontMetrics().elidedText(
            "unlike training" if outside else card_line(hit), Qt.TextElideMode.ElideRight, line.width() - used
        )
        painter.drawText(line, right, beside)
        painter.setPen(QColor(theme.quiet))
        name = painter.fontMetrics().elidedText(card_title(hit), Qt.TextElideMode.ElideMiddle, line.width())
        painter.drawText(line.translated(0, line.height()), Qt.AlignmentFlag.AlignVCenter, name)
        painter.restore()


class Gallery(QListView):
    """Cards in columns. ``chosen`` carries the `Hit` of a click or of Enter."""

    chosen = Signal(object)

    def __init__(self, fetch: Picture, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.hits_model = GalleryModel(fetch, self)
        self.setModel(self.hits_model)
        self._delegate = _CardDelegate(self)
        self.setItemDelegate(self._delegate)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setSpacing(0)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setAccessibleName("Patches found")
        self.setToolTip("Click a patch to fly to it, on whichever slide it lies")
        self.clicked.connect(self._choose)
        self.activated.connect(self._choose)

    def set_hits(self, hits: Sequence[Hit]) -> None:
        """Shows these hits from the top."""
        self.hits_model.set_hits(hits)
        self.scrollToTop()

    def resizeEvent(self, event: object) -> None:
        """As many columns of about 100 px as fit, and no ragged edge on the right."""
        width = self.viewport().width() - 1  # Qt starts a new row for an item that ends at the very edge
        columns = max(1, width // COLUMN_PX)
        self._delegate.side = width // columns - 8
        super().resizeEvent(event)  # type: ignore[arg-type]
        self.scheduleDelayedItemsLayout()

    def _choose(self, index: QModelIndex) -> None:
        self.chosen.emit(index.data(Qt.ItemDataRole.UserRole))
