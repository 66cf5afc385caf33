"""Two to four views side by side over one cache: the main one, and others that only show."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from PySide6.QtCore import QAbstractItemModel, QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QMenu, QToolButton, QVBoxLayout, QWidget

from lile_desktop.text import tr
from lile_desktop.viewer.scale_bar import magnification_text
from lile_desktop.viewer.slide_view import SlideView
from lile_desktop.viewer.sync import ViewSync
from lile_desktop.viewer.tile_loader import PixelSource
from lile_desktop.viewer.view_state import magnification
from lile_engine.slides import SlideInfo

MOST_VIEWS = 4
GAP = 2  # pixels between views
GRID = 8
HEAD_PX = 28
MARK_PX = 2
SAME_POWER = 0.02  # magnifications that differ by less, as a share, look the same

Open = Callable[[], list[SlideInfo]]  # the slides that can be chosen


class Pane(QWidget):
    """A view under a line that names its slide. ``picker`` is the button to choose another one, on companions."""

    def __init__(self, view: SlideView, slides: Open | None) -> None:
        super().__init__()
        self.view = view
        self._slides = slides
        self.title = QLabel()
        self.picker = QToolButton()
        self.power_label = QLabel()
        self.head = QWidget()
        self.head.setProperty("area", "bar")
        self.head.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        line = QHBoxLayout(self.head)
        line.setContentsMargins(GRID if slides is None else 0, 0, GRID, 0)
        self.head.setFixedHeight(HEAD_PX)
        self.mark = QFrame()
        self.mark.setFixedHeight(MARK_PX)
        self.mark.setProperty("area", "mark")
        if slides is None:
            line.addWidget(self.title, 1)
        else:
            self.picker.setAccessibleName(tr("Slide of this view"))
            self.picker.setToolTip(tr("Choose the open slide that this view shows"))
            self.picker.setAutoRaise(True)
            self.picker.setFixedHeight(HEAD_PX - 4)
            self.picker.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
            menu = QMenu(self.picker)
            menu.aboutToShow.connect(self._fill)
            self.picker.setMenu(menu)
            line.addWidget(self.picker)
            line.addStretch(1)
        line.addWidget(self.power_label)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.head)
        layout.addWidget(self.mark)
        layout.addWidget(view, 1)
        self.set_active(False)
        view.slide_changed.connect(self._name)
        self._name()

    def set_active(self, active: bool) -> None:
        """Whether the keys for zoom, magnification and angle are for this view: a line in the accent colour says so."""
        self.mark.setProperty("active", active)
        self.mark.style().unpolish(self.mark)
        self.mark.style().polish(self.mark)
        keys = tr("Zoom and turn keys are for this view") if active else tr("Click a view to use the keys in it")
        self.title.setToolTip(keys)
        self.view.setAccessibleDescription(keys)

    @property
    def power(self) -> float | None:
        """The magnification, None where the slide's scale is not known."""
        return magnification(self.view.view, self.view.slide) if self.view.slide is not None else None

    def show_power(self, other: float | None = None) -> None:
        """The magnification at the right of the line; ``other`` is that of the first view where the two are linked
        and unequal."""
        slide = self.view.slide
        text = magnification_text(self.view.view, slide) if slide is not None else ""
        rank, tip = ("warning" if other else "quiet"), tr("Magnification of this view")
        if other:
            text = tr("{0}, first view {1:.3g}×").format(text, other)
            tip = tr("The views are linked and move as one, each at its own magnification. A key from 1 to 7 "
                     "sets all of them to the same.")  # fmt: skip
        self.power_label.setText(text)
        self.power_label.setToolTip(tip)
        if self.power_label.property("rank") != rank:
            self.power_label.setProperty("rank", rank)
            self.power_label.style().unpolish(self.power_label)
            self.power_label.style().polish(self.power_label)

    def _name(self) -> None:
        name = self.view.slide.name if self.view.slide is not None else tr("No slide")
        self.title.setText(name)
        self.picker.setText(f"{name}  ▾")

    def _fill(self) -> None:
        menu = self.picker.menu()
        menu.clear()
        for info in self._slides() if self._slides is not None else []:
            action = menu.addAction(info.name)
            action.triggered.connect(lambda _checked=False, info=info: self.view.set_slide(info))


class Panes(QWidget):
    """``active`` is the view that was used last; ``sync`` links all of them."""

    files_dropped = Signal(list)
    active_changed = Signal()

    def __init__(self, main: SlideView, source: PixelSource, slides: Open, model: QAbstractItemModel) -> None:
        super().__init__()
        self._source, self._slides = source, slides
        self.active = main
        self.sync = ViewSync(self)
        self.sync.set_linked(True)
        self.sync.add(main)
        self._link_again = False
        self._wanted: tuple[SlideView, str] | None = None  # a view, and the slide that it shows as soon as it is open
        self._panes = [Pane(main, None)]
        main.installEventFilter(self)
        self._watch(main)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(GAP)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        model.rowsRemoved.connect(self._on_closed)
        model.dataChanged.connect(self._show_wanted)
        main.slide_changed.connect(self._on_main)
        self._arrange()

    @property
    def views(self) -> list[SlideView]:
        """The main view first."""
        return [pane.view for pane in self._panes]

    @property
    def panes(self) -> list[Pane]:
        return list(self._panes)

    def set_count(self, count: int) -> None:
        """Show this many views, 1 to 4; a new one shows an open slide that no other view shows, else the main one's."""
        count = min(max(count, 1), MOST_VIEWS)
        while len(self._panes) > count:
            self._drop(self._panes.pop())
        # While the views find their sizes none follows another; then they are linked from where they stand.
        self._link_again = self._link_again or self.sync.linked
        self.sync.set_linked(False)
        while len(self._panes) < count:
            self._panes.append(self._companion())
        self._arrange()
        QTimer.singleShot(0, self, self._settle)

    def _settle(self) -> None:
        if self._link_again:
            self._link_again = False
            self.sync.set_linked(True)
        self._tell_powers()

    def set_linked(self, linked: bool) -> None:
        """Let the views follow each other from where they stand, or move on their own."""
        self._link_again = False
        self.sync.set_linked(linked)
        self._tell_powers()

    def fit(self) -> None:
        """The whole slide in the view used last; in every view where they are linked, which are linked anew so."""
        linked = self.sync.linked or self._link_again
        self.sync.set_linked(False)
        for view in self.views if linked else [self.active]:
            view.fit()
        self.sync.set_linked(linked)
        self._tell_powers()

    def set_magnification(self, power: float) -> None:
        """This magnification in the view used last; in every view where they are linked, whatever each slide's scale,
        and they are linked anew so."""
        linked = self.sync.linked or self._link_again
        self.sync.set_linked(False)
        for view in self.views if linked else [self.active]:
            view.set_magnification(power)
        self.sync.set_linked(linked)
        self._tell_powers()

    def show_beside(self, paths: Sequence[str]) -> None:
        """Shows the first of these in the view used last, as soon as it is open."""
        self._wanted = (self.active, paths[0]) if paths else None
        self._show_wanted()

    def _show_wanted(self) -> None:
        if self._wanted is None:
            return
        view, path = self._wanted
        info = next((info for info in self._slides() if info.path == path), None)
        if info is not None:
            self._wanted = None
            if view in self.views:
                view.set_slide(info)

    def _on_main(self) -> None:
        """Another slide in the main view, which list, title and regions are about: that one is in use now."""
        main = self._panes[0].view
        if self.active is not main:
            if self.active.hasFocus():
                main.setFocus()
            self._activate(main)

    def set_minimaps_visible(self, visible: bool) -> None:
        """The whole slide in the corner of each view, those still to come included."""
        for view in self.views:
            view.set_minimap_visible(visible)

    def set_scale_bars_visible(self, visible: bool) -> None:
        """Scale bar and position in each view, those still to come included."""
        for view in self.views:
            view.set_corner_visible(visible)

    def _watch(self, view: SlideView) -> None:
        view.view_changed.connect(lambda _state: self._tell_powers())
        view.slide_changed.connect(self._tell_powers)

    def _tell_powers(self) -> None:
        """The magnification of each view in its line, marked where linked views differ in it."""
        if len(self._panes) < 2:
            return
        first = self._panes[0].power
        for pane in self._panes:
            own = pane.power
            unequal = first and own and abs(own - first) > SAME_POWER * first and self.sync.linked
            pane.show_power(first if unequal else None)

    def _companion(self) -> Pane:
        main = self._panes[0].view
        view = SlideView(self._source, cache=main.cache, drawing=False)
        view.setAccessibleName(tr("Slide beside"))
        view.set_minimap_visible(main.minimap_wanted)
        view.set_corner_visible(main.corner_wanted)
        view.files_dropped.connect(self.files_dropped)
        view.installEventFilter(self)
        self._watch(view)
        shown = {one.slide.path for one in self.views if one.slide is not None}
        other = next((info for info in self._slides() if info.path not in shown), main.slide)
        pane = Pane(view, self._slides)
        view.set_slide(other)
        if other is not None and main.slide is not None and other.path == main.slide.path:
            view.set_view(main.view)
        self.sync.add(view)
        return pane

    def _drop(self, pane: Pane) -> None:
        self.sync.remove(pane.view)
        if self.active is pane.view:
            self._activate(self._panes[0].view)
        pane.view.set_slide(None)
        self._grid.removeWidget(pane)
        pane.hide()
        pane.deleteLater()

    def _arrange(self) -> None:
        columns = math.ceil(math.sqrt(len(self._panes)))
        for number, pane in enumerate(self._panes):
            self._grid.removeWidget(pane)
            last = number == len(self._panes) - 1
            wide = columns - number % columns if last else 1  # three views: the third is as wide as two
            self._grid.addWidget(pane, number // columns, number % columns, 1, wide)
            pane.head.setVisible(len(self._panes) > 1)
            pane.mark.setVisible(len(self._panes) > 1)
            pane.set_active(pane.view is self.active)
            pane.show()
        for index in range(2):
            self._grid.setColumnStretch(index, 1 if index < columns else 0)

    def _on_closed(self) -> None:
        open_paths = {info.path for info in self._slides()}
        for pane in self._panes[1:]:
            if pane.view.slide is not None and pane.view.slide.path not in open_paths:
                pane.view.set_slide(None)

    def _activate(self, view: SlideView) -> None:
        self.active = view
        for pane in self._panes:
            pane.set_active(pane.view is view)
        self.active_changed.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The view that has the focus is the one that zoom and turn commands are for."""
        if event.type() == QEvent.Type.FocusIn and isinstance(watched, SlideView) and watched is not self.active:
            self._activate(watched)
        return super().eventFilter(watched, event)
