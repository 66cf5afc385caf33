"""Paints a list row: a small picture, a title and a quiet second line."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from lile_desktop.theme import GRID, Theme, current_theme, small_font

Index = QModelIndex | QPersistentModelIndex


def paint_ground(painter: QPainter, option: QStyleOptionViewItem, theme: Theme, rect: QRect) -> None:
    """The ground of a row: selected, under the mouse, or none."""
    state: QStyle.StateFlag = option.state
    if state & QStyle.StateFlag.State_Selected:
        colour = theme.selected
    elif state & QStyle.StateFlag.State_MouseOver:
        colour = theme.hover
    else:
        return
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colour))
    painter.drawRoundedRect(rect, 4, 4)


def paint_picture(painter: QPainter, picture: QPixmap | None, box: QRect, theme: Theme, *, fill: bool) -> None:
    """A picture in a box with round corners: cropped to fill it, or fitted; a quiet field while it is loading."""
    path = QPainterPath()
    path.addRoundedRect(box, 4, 4)
    painter.fillPath(path, QColor("#ffffff") if picture is not None and not fill else QColor(theme.hover))
    if picture is None:
        return
    mode = Qt.AspectRatioMode.KeepAspectRatioByExpanding if fill else Qt.AspectRatioMode.KeepAspectRatio
    size = picture.size().scaled(box.size(), mode)
    target = QRect(0, 0, size.width(), size.height())
    target.moveCenter(box.center())
    painter.save()
    painter.setClipPath(path)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawPixmap(target, picture)
    painter.restore()


class RowDelegate(QStyledItemDelegate):
    """Rows of 56 px. The entry behind `ENTRY_ROLE` is a `SlideEntry`."""

    HEIGHT, PICTURE = 56, 44

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(120, self.HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        entry = index.data(Qt.ItemDataRole.UserRole)
        theme = current_theme()
        rect: QRect = option.rect
        font = option.font
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_ground(painter, option, theme, rect.adjusted(0, 1, 0, -1))
        box = QRect(rect.left() + 6, rect.top() + (self.HEIGHT - self.PICTURE) // 2, self.PICTURE, self.PICTURE)
        paint_picture(painter, entry.thumbnail, box, theme, fill=False)
        text = QRect(box.right() + GRID + 1, rect.top() + GRID, rect.right() - box.right() - 2 * GRID, 20)
        painter.setPen(QColor(theme.text))
        painter.setFont(font)
        metrics = painter.fontMetrics()
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter, _middle(metrics, entry.name, text.width()))
        painter.setFont(small_font(font))
        painter.setPen(QColor(theme.error if entry.problem else theme.quiet))
        metrics = painter.fontMetrics()
        fits = metrics.horizontalAdvance(entry.subtitle) <= text.width()
        line = entry.subtitle if fits else entry.short_subtitle
        line = metrics.elidedText(line, Qt.TextElideMode.ElideRight, text.width())
        painter.drawText(text.translated(0, 20), Qt.AlignmentFlag.AlignVCenter, line)
        painter.restore()


def _middle(metrics: object, text: str, width: int) -> str:
    # Slides of a case differ at the end of their names, so the middle is what may go.
    return metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, width)  # type: ignore[attr-defined,no-any-return]
