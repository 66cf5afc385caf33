"""The regions drawn on the slide in view: class, name, type, and area or length."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFontMetrics, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QStackedLayout,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from lile_desktop.panels.parts import heading, quiet
from lile_desktop.panels.row_delegate import Index, paint_ground
from lile_desktop.regions import region_size_text
from lile_desktop.text import tr
from lile_desktop.theme import GRID, current_theme, small_font
from lile_desktop.viewer.annotations import UNCLASSED, Annotation, AnnotationStore
from lile_desktop.viewer.measures import kind_text, measure_text, region_title

MOST_LISTED = 1000  # an imported file may hold 100,000 nuclei, which nobody reads as a list
MEASURE_ROLE = Qt.ItemDataRole.UserRole
COLOR_ROLE = Qt.ItemDataRole.UserRole + 1
CLASS_ROLE = Qt.ItemDataRole.UserRole + 2


class RegionsPanel(QWidget):
    """A list of the regions; those chosen in it are those selected on the slide, and the other way round. ``visited``
    carries the number of one on a double click."""

    visited = Signal(int)

    def __init__(self, store: AnnotationStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._fill_menu: Callable[[QMenu], None] | None = None
        self._mpp: float | None = None
        self.list = QListWidget()
        self.list.setItemDelegate(_RegionDelegate(self.list))
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setAccessibleName(tr("Regions on this slide"))
        self.list.setToolTip(tr("Click to select a region, with Ctrl or Shift several; double-click to go there"))
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.customContextMenuRequested.connect(self._menu)
        self.list.itemSelectionChanged.connect(self._on_chosen)
        self.list.itemDoubleClicked.connect(lambda _item: self._visit())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, 0)
        layout.setSpacing(GRID // 2)
        layout.addWidget(heading(tr("Regions")))
        self._stack = QStackedLayout()
        layout.addLayout(self._stack)  # before its first widget, which would be shown as a window of its own
        hint = quiet(tr("Press R and draw a rectangle on the slide."))
        hint.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._stack.addWidget(hint)
        self._stack.addWidget(self.list)
        store.changed.connect(self.refresh)
        store.selection_changed.connect(self._mark)

    def set_mpp(self, mpp: float | None) -> None:
        """Microns per level-0 pixel of the slide in view, for the sizes shown."""
        self._mpp = mpp
        self.refresh()

    def refresh(self) -> None:
        """Lists the regions again."""
        self.list.blockSignals(True)
        self.list.clear()
        for annotation in self._store.all()[:MOST_LISTED]:
            self._add(annotation)
        self.list.blockSignals(False)
        self._stack.setCurrentIndex(1 if len(self._store) else 0)
        self._mark()

    def _add(self, annotation: Annotation) -> None:
        kind, measure = kind_text(annotation), measure_text(annotation, self._mpp)
        name = region_title(annotation)
        given = annotation.region_class.name if annotation.region_class is not None else ""
        item = QListWidgetItem(name, self.list)
        item.setData(MEASURE_ROLE, measure)
        item.setData(COLOR_ROLE, QColor(*(annotation.color or UNCLASSED)) if annotation.region_class else None)
        item.setData(CLASS_ROLE, given)
        item.setData(Qt.ItemDataRole.AccessibleTextRole, ", ".join(filter(None, (name, kind, given, measure))))
        lines = [name, f"{kind}, {measure}"]
        if annotation.kind == "region":
            lines.append(region_size_text(annotation.region, self._mpp))
        if given:
            lines.append(tr("Class: {0}").format(given))
        if annotation.locked:
            lines.append(tr("Locked"))
        item.setToolTip("\n".join(dict.fromkeys(lines)))

    def build_menu(self) -> QMenu:
        """What can be done to the regions that are chosen."""
        menu = QMenu(self)
        menu.addAction(tr("Go there")).triggered.connect(lambda _checked=False: self._visit())
        menu.addSeparator()
        if self._fill_menu is not None:
            self._fill_menu(menu)
        return menu

    def offer(self, fill: Callable[[QMenu], None]) -> None:
        """``fill`` puts into a row's menu what can be done to the selected regions."""
        self._fill_menu = fill

    def _menu(self, place: QPoint) -> None:
        item = self.list.itemAt(place)
        if item is not None:
            if not item.isSelected():
                self.list.setCurrentItem(item)
            menu = self.build_menu()
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(self.list.viewport().mapToGlobal(place))

    def _listed(self) -> list[int]:
        return [annotation.id for annotation in self._store.all()[:MOST_LISTED]]

    def _chosen_rows(self) -> list[int]:
        return [index.row() for index in self.list.selectionModel().selectedIndexes()]

    def _mark(self) -> None:
        """Marks the rows of all regions that are selected on the slide."""
        rows = {number: row for row, number in enumerate(self._listed())}
        chosen = [rows[number] for number in self._store.selection if number in rows]
        if sorted(chosen) == sorted(self._chosen_rows()):
            return  # chosen here: the row that Shift extends from stays
        model, rows_model = self.list.selectionModel(), self.list.model()
        marked = QItemSelection()
        for row in chosen:
            marked.select(rows_model.index(row, 0), rows_model.index(row, 0))
        self.list.blockSignals(True)
        last = rows_model.index(chosen[-1], 0) if chosen else QModelIndex()
        model.setCurrentIndex(last, QItemSelectionModel.SelectionFlag.NoUpdate)
        model.select(marked, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self.list.blockSignals(False)

    def _on_chosen(self) -> None:
        """The region of the row used last is the last one: it is what a question is about."""
        listed, current = self._listed(), self.list.currentRow()
        chosen = sorted(self._chosen_rows(), key=lambda row: (row == current, row))
        self._store.select(listed[row] for row in chosen if row < len(listed))

    def _visit(self) -> None:
        listed, row = self._listed(), self.list.currentRow()
        if 0 <= row < len(listed):
            self.visited.emit(listed[row])


class _RegionDelegate(QStyledItemDelegate):
    """A dot in the colour of the class, the name, the class in words, and at the right what it measures."""

    HEIGHT, DOT = 28, 8

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(120, self.HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        theme = current_theme()
        rect: QRect = option.rect
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_ground(painter, option, theme, rect)
        color = index.data(COLOR_ROLE)
        if color is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color)
            dot = QRect(0, 0, self.DOT, self.DOT)
            dot.moveCenter(QPoint(rect.left() + GRID, rect.center().y()))
            painter.drawEllipse(dot)
        text = rect.adjusted(2 * GRID, 0, -GRID, 0)
        painter.setFont(small_font(option.font))
        painter.setPen(QColor(theme.quiet))
        measure, given = index.data(MEASURE_ROLE), index.data(CLASS_ROLE)
        whole = QFontMetrics(option.font).horizontalAdvance(index.data()) + 2 * GRID
        if given and whole + painter.fontMetrics().horizontalAdvance(given + measure) > text.width():
            measure = ""  # the class says more; the tooltip has both
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, measure)
        room = text.width() - painter.fontMetrics().horizontalAdvance(measure) - GRID
        painter.setFont(option.font)
        painter.setPen(QColor(theme.text))
        name = painter.fontMetrics().elidedText(index.data(), Qt.TextElideMode.ElideMiddle, room)
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter, name)
        after = painter.fontMetrics().horizontalAdvance(name) + GRID
        if given and after < room:
            painter.setFont(small_font(option.font))
            painter.setPen(QColor(theme.quiet))
            given = painter.fontMetrics().elidedText(given, Qt.TextElideMode.ElideRight, room - after)
            painter.drawText(text.adjusted(after, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, given)
        painter.restore()
