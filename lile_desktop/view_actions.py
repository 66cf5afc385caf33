"""Binds the actions about views, layers and regions; those about zoom and angle are for the view used last."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QKeyCombination, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence

from lile_desktop.actions import ActionRegistry
from lile_desktop.bookmarks import Bookmarks
from lile_desktop.viewer import operations as ops
from lile_desktop.viewer.panes import MOST_VIEWS, Panes
from lile_desktop.viewer.slide_menu import SlideMenu
from lile_desktop.viewer.slide_view import SlideView
from lile_desktop.viewer.tools import TOOLS
from lile_desktop.viewer.view_state import MAGNIFICATION_PRESETS

NEEDS_SLIDE = (
    "fit", "zoom_in", "zoom_out", *(f"mag_{power:g}" for power in MAGNIFICATION_PRESETS), "turn_left", "turn_right",
    "mirror", "display", "go_to_place", "bookmark", "next_bookmark", "toggle_grid", "toggle_tissue",
    "import_regions", "export_regions",
    "select_all", "key_press", *(f"views_{count}" for count in range(2, MOST_VIEWS + 1)),
)  # fmt: skip

# Keys of these are for the slide that is seen; on other pages they belong to what is there.
FOR_SLIDE = (
    "fit", "zoom_in", "zoom_out", *(f"mag_{power:g}" for power in MAGNIFICATION_PRESETS), "turn_left", "turn_right",
    "mirror", "display", "toggle_regions", "toggle_overlays", "toggle_tissue", "toggle_grid", "toggle_minimap",
    "toggle_scale_bar", "undo", "redo", "delete_region", "select_all", "name_region", "key_press",
    *(f"tool_{name}" for name in TOOLS),
)  # fmt: skip


def is_for_slide(actions: ActionRegistry, event: QKeyEvent) -> bool:
    """Whether a key does something to the slide in view."""
    keys = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    plain = keys & ~Qt.KeyboardModifier.ShiftModifier  # "+" takes Shift on some keyboards
    pressed = [QKeySequence(QKeyCombination(held, Qt.Key(event.key()))) for held in (keys, plain)]
    return any(shortcut in pressed for name in FOR_SLIDE for shortcut in actions[name].shortcuts())


def take_tool(view: SlideView, name: str) -> None:
    """Takes a tool; the keys that follow are for the slide."""
    view.set_tool(name)
    view.setFocus()


def press_key_pointer(view: SlideView) -> None:
    """Uses the tool at the middle of a view; the keys that follow are for it."""
    view.setFocus()
    view.key_pointer.press()


def bind_view(actions: ActionRegistry, panes: Panes, menu: SlideMenu, bookmarks: Bookmarks) -> None:
    """Zoom, magnification, angle, places, several views, what lies over the slide."""
    main = panes.views[0]
    actions.bind("fit", panes.fit)
    actions.bind("zoom_in", lambda: panes.active.zoom_by(2.0))
    actions.bind("zoom_out", lambda: panes.active.zoom_by(0.5))
    for power in MAGNIFICATION_PRESETS:
        actions.bind(f"mag_{power:g}", partial(panes.set_magnification, power))
    actions.bind("turn_left", lambda: turn(panes.active, -90))
    actions.bind("turn_right", lambda: turn(panes.active, 90))
    actions.bind("mirror", lambda: panes.active.set_mirrored(not panes.active.view.mirrored))
    actions.bind("key_press", lambda: press_key_pointer(panes.active))
    actions.bind("display", menu.show_display)
    actions.bind("go_to_place", menu.go_to)
    actions.bind("bookmark", bookmarks.ask)
    actions.bind("next_bookmark", bookmarks.next)
    for count in range(1, MOST_VIEWS + 1):
        actions.bind(f"views_{count}", partial(panes.set_count, count))
    actions.bind("link_views", panes.set_linked)
    actions.bind("toggle_regions", main.set_annotations_visible)
    actions.bind("toggle_overlays", main.set_overlays_visible)
    actions.bind("toggle_minimap", panes.set_minimaps_visible)
    actions.bind("toggle_scale_bar", panes.set_scale_bars_visible)
    for name in TOOLS:
        actions.bind(f"tool_{name}", partial(take_tool, main, name))
    for name in ("link_views", "toggle_regions", "toggle_overlays", "toggle_minimap", "toggle_scale_bar", "views_1"):
        actions[name].setChecked(True)
    main.layers_changed.connect(lambda: show_layers(actions, main))


def bind_regions(actions: ActionRegistry, view: SlideView, menu: SlideMenu) -> None:
    """What can be done to the regions of the slide in view."""
    store = view.annotations
    actions.bind("undo", store.undo)
    actions.bind("redo", store.redo)
    actions.bind("delete_region", lambda: store.remove(store.selection))
    actions.bind("select_all", lambda: store.select(one.id for one in store.all()))
    actions.bind("name_region", menu.name_region)
    actions.bind("merge_regions", lambda: ops.merge_selected(store))
    actions.bind("cut_regions", menu.cut_regions)
    actions.bind("split_region", lambda: ops.split_selected(store))
    actions.bind("lock_regions", lambda: ops.set_locked(store, not all(one.locked for one in store.selected())))
    actions.bind("import_regions", menu.import_regions)
    actions.bind("export_regions", menu.export_regions)


def turn(view: SlideView, degrees: float) -> None:
    """Turns the picture clockwise by so much."""
    view.set_rotation(view.view.rotation + degrees)


def show_layers(actions: ActionRegistry, view: SlideView) -> None:
    """The marks in the menu follow what was shown or hidden elsewhere."""
    for name, on in (("toggle_regions", view.annotations_visible), ("toggle_overlays", view.overlays_visible)):
        actions[name].setChecked(on)


def enable(actions: ActionRegistry, view: SlideView) -> None:
    """What can be done now."""
    store = view.annotations
    for name in NEEDS_SLIDE:
        actions[name].setEnabled(view.slide is not None)
    can = ops.possible(store)
    for name, on in (
        ("delete_region", can.deleted),
        ("name_region", can.named),
        ("merge_regions", can.merged),
        ("cut_regions", can.cut),
        ("split_region", can.split),
        ("lock_regions", can.locked or can.unlocked),
    ):
        actions[name].setEnabled(on)
    actions["export_regions"].setEnabled(len(store) > 0)
    actions["undo"].setEnabled(store.undo_title is not None)
    actions["redo"].setEnabled(store.redo_title is not None)
