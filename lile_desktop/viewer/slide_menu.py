"""The menu of a right click (or the menu key) on the slide: regions, their classes, the view, files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QPointF, Qt, Signal
from PySide6.QtGui import QAction, QColor, QGuiApplication, QIcon, QPixmap
from PySide6.QtWidgets import QFileDialog, QMenu

from lile_desktop.notices import Level, Notice
from lile_desktop.text import tr
from lile_desktop.viewer import operations as ops
from lile_desktop.viewer.annotation_files import color_for
from lile_desktop.viewer.annotations import PALETTE, RegionClass
from lile_desktop.viewer.ask_text import ask_text
from lile_desktop.viewer.display_panel import DisplayPanel
from lile_desktop.viewer.scale_bar import place_text
from lile_desktop.viewer.slide_view import SlideView
from lile_desktop.viewer.transfer import GeoJsonTransfer
from lile_desktop.viewer.view_state import to_slide

FIRST_CLASSES = tuple(
    RegionClass(name, color)
    for name, color in zip(("Tumour", "Stroma", "Immune cells", "Necrosis", "Normal", "Other"), PALETTE, strict=False)
)
FILTER = "GeoJSON (*.geojson *.json)"
SWATCH_PX = 12


class SlideMenu(QObject):
    """Opens on ``view.context_asked``. Failures are told by ``view.slide_failed``. ``kept`` are classes made before."""

    classes_changed = Signal(list)  # list[RegionClass]: all that were made, to be kept

    def __init__(self, view: SlideView, kept: Sequence[RegionClass] = ()) -> None:
        super().__init__(view)
        self._view = view
        self._kept = list(kept)
        self.transfer = GeoJsonTransfer(view.annotations, self)
        self.transfer.failed.connect(view.slide_failed)
        self._panel: DisplayPanel | None = None
        self._offered: list[QAction] = []
        view.context_asked.connect(self.open_at)

    def offer(self, action: QAction) -> None:
        """One more thing to do with the selected region; it stands first in the menu."""
        self._offered.append(action)

    def open_at(self, at: QPointF) -> None:
        """Select the region under the pointer, if there is one, and show the menu there."""
        view = self._view
        if view.slide is None:
            return
        under = view.annotation_at(at.x(), at.y()) if view.annotations_visible else None
        if under is not None and under.id not in view.annotations.selection:
            view.annotations.select([under.id])
        menu = self.build(at)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(view.mapToGlobal(at).toPoint())

    def build(self, at: QPointF) -> QMenu:
        """The menu for a place in the view (widget pixels)."""
        menu = QMenu(self._view)
        menu.setToolTipsVisible(True)
        if self._view.annotations.selection:
            self.add_region_part(menu)
            menu.addSeparator()
        self._add_place_part(menu, at)
        menu.addSeparator()
        self._add_view_part(menu)
        menu.addSeparator()
        self._add(menu, tr("Import regions…"), self.import_regions)
        self._add(menu, tr("Export regions…"), self.export_regions, enabled=len(self._view.annotations) > 0)
        return menu

    def _add(self, menu: QMenu, title: str, act: Callable[[], None], *, enabled: bool = True) -> QAction:
        action = menu.addAction(title)
        action.triggered.connect(lambda _checked=False: act())
        action.setEnabled(enabled)
        return action

    def add_region_part(self, menu: QMenu) -> None:
        """What can be done to the selected regions, in this menu and in that of the list of regions."""
        store = self._view.annotations
        can = ops.possible(store)
        if self._offered:
            menu.addActions(self._offered)
            menu.addSeparator()
        classes = menu.addMenu(tr("Class"))
        known = {kind.name: kind for kind in (*FIRST_CLASSES, *self._kept, *ops.classes_in_use(store))}
        for kind in known.values():
            action = self._add(classes, kind.name, partial(self._set_class, kind))
            action.setIcon(swatch(kind.color))
        classes.addSeparator()
        self._add(classes, tr("New class…"), self._new_class)
        self._add(classes, tr("No class"), partial(self._set_class, None))
        classes.setEnabled(can.classed)
        self._add(menu, tr("Name…"), self.name_region, enabled=can.named)
        self._add(menu, tr("Merge"), partial(ops.merge_selected, store), enabled=can.merged)
        cut = tr("Cut smaller ones out of the largest")
        self._add(menu, cut, self.cut_regions, enabled=can.cut)
        self._add(menu, tr("Split into parts"), partial(ops.split_selected, store), enabled=can.split)
        lock = tr("Unlock") if can.unlocked else tr("Lock")
        self._add(menu, lock, partial(ops.set_locked, store, not can.unlocked))
        self._add(menu, tr("Delete"), lambda: store.remove(store.selection), enabled=can.deleted)

    def _add_place_part(self, menu: QMenu, at: QPointF) -> None:
        view = self._view
        x, y = to_slide(view.view, at.x(), at.y())
        mpp = view.slide.mpp if view.slide is not None else None
        self._add(menu, tr("Copy position"), lambda: QGuiApplication.clipboard().setText(place_text(x, y, mpp)))
        self._add(menu, tr("Go to position…"), self.go_to)

    def _add_view_part(self, menu: QMenu) -> None:
        view = self._view
        self._add(menu, tr("Turn left"), lambda: view.set_rotation(view.view.rotation - 90))
        self._add(menu, tr("Turn right"), lambda: view.set_rotation(view.view.rotation + 90))
        mirror = self._add(menu, tr("Mirrored"), lambda: view.set_mirrored(not view.view.mirrored))
        mirror.setCheckable(True)
        mirror.setChecked(view.view.mirrored)
        self._add(menu, tr("Display…"), self.show_display)

    def show_display(self) -> None:
        """The sliders for brightness, contrast, gamma, colour profile and rotation."""
        if self._panel is None:
            self._panel = DisplayPanel(self._view)
        self._panel.refresh()
        self._panel.show()
        self._panel.raise_()

    def _set_class(self, kind: RegionClass | None) -> None:
        ops.set_class(self._view.annotations, kind)

    def _new_class(self) -> None:
        name = ask_text(self._view, tr("New class"), tr("Name of the class:"))
        if name:
            self.add_class(name)

    def add_class(self, name: str) -> None:
        """Makes a class, gives it to the selected regions and keeps it for other slides and the next start."""
        known = {kind.name: kind for kind in (*FIRST_CLASSES, *self._kept)}
        kind = known.get(name) or RegionClass(name, color_for(name))
        if name not in known:
            self._kept.append(kind)
            self.classes_changed.emit(list(self._kept))
        self._set_class(kind)

    def cut_regions(self) -> None:
        """Cuts the smaller selected regions out of the largest, and tells of those that do not overlap it."""
        apart = ops.cut_out_selected(self._view.annotations)
        if apart:
            one = tr("1 region does not overlap the largest one and stays as it is.")
            several = tr("{0} regions do not overlap the largest one and stay as they are.")
            self.transfer.told.emit(Notice(one if apart == 1 else several.format(apart), level=Level.INFO))

    def name_region(self) -> None:
        """Asks for the name of the selected region."""
        chosen = self._view.annotations.selected()
        if not chosen:
            return
        annotation = chosen[0]
        name = ask_text(self._view, tr("Name of the region"), tr("Name of the region:"), annotation.name)
        if name is not None:
            ops.set_name(self._view.annotations, annotation.id, name)

    def go_to(self) -> None:
        """Asks for a place in microns and goes there."""
        unit = "µm" if self._view.slide is not None and self._view.slide.mpp else "px"
        text = ask_text(self._view, tr("Go to position"), tr("x, y in {0}:").format(unit))
        place = parse_place(text) if text is not None else None
        if place is not None:
            self._view.go_to_microns(*place)
        elif text is not None:
            self._view.slide_failed.emit(f"{text!r} is no place; write two numbers, as in 1200, 800.")

    def import_regions(self) -> None:
        """Asks for a GeoJSON file and adds its regions."""
        path, _ = QFileDialog.getOpenFileName(self._view, tr("Import regions"), "", FILTER)
        if path:
            self.transfer.import_file(Path(path))

    def export_regions(self) -> None:
        """Asks where to write the regions as GeoJSON."""
        name = Path(self._view.slide.name).stem if self._view.slide is not None else "regions"
        path, _ = QFileDialog.getSaveFileName(self._view, tr("Export regions"), f"{name}.geojson", FILTER)
        if path:
            self.transfer.export_file(Path(path))


def classes_to_keep(classes: Sequence[RegionClass]) -> tuple[str, ...]:
    """Classes as the settings keep them, "#rrggbb name"."""
    return tuple(f"{QColor(*kind.color).name()} {kind.name}" for kind in classes)


def kept_classes(kept: Sequence[str]) -> list[RegionClass]:
    """The classes that the settings keep; what is no class is left out."""
    found = []
    for text in kept:
        color, _, name = text.partition(" ")
        if QColor.isValidColorName(color) and name:
            shade = QColor(color)
            found.append(RegionClass(name, (shade.red(), shade.green(), shade.blue())))
    return found


def parse_place(text: str) -> tuple[float, float] | None:
    """Two numbers, apart by a comma, semicolon or space; None where it is anything else."""
    parts = text.replace(";", " ").replace(",", " ").replace("µm", " ").replace("px", " ").split()
    try:
        x, y = (float(part) for part in parts)
    except ValueError:
        return None
    return x, y


def swatch(color: tuple[int, int, int]) -> QIcon:
    """A small square in the colour of a class."""
    pixmap = QPixmap(SWATCH_PX, SWATCH_PX)
    pixmap.fill(QColor(*color))
    return QIcon(pixmap)
