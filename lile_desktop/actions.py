"""One registry of what a user can do: it makes the menus, shortcuts, tooltips, palette and shortcut sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from lile_desktop.icons import blank, icon
from lile_desktop.text import tr

OTHER_WORDS = "appearance dark light theme device preferences options"  # that settings go by
MENUS = ("File", "Edit", "View", "Search", "Archive", "Tools", "Help")


@dataclass(frozen=True)
class ActionSpec:
    """One thing to do. A change of ``section`` within a menu draws a separator; ``choice`` groups exclusive ones; those
    with the same ``submenu`` stand together in it."""

    id: str
    menu: str
    section: int
    text: str
    tip: str
    shortcuts: tuple[str, ...] = ()
    icon: str = ""
    checkable: bool = False
    choice: str = ""
    submenu: str = ""
    words: str = ""  # other words that a user may type for it in the palette


ACTIONS: tuple[ActionSpec, ...] = (
    ActionSpec(
        "open", "File", 0, "Open slides…", "Open whole-slide images or plain pictures", ("Ctrl+O",), "folder-open"
    ),
    ActionSpec("close_slide", "File", 0, "Close slide", "Take the slide in view off the list", ("Ctrl+W",)),
    ActionSpec("properties", "File", 1, "Slide properties…", "All that the file says about this slide", ("Ctrl+I",)),
    ActionSpec("save_picture", "File", 1, "Save view as picture…", "Save what the canvas shows as PNG", ("Ctrl+E",)),
    ActionSpec("import_regions", "File", 1, "Import regions…", "Add the regions of a GeoJSON file"),
    ActionSpec("export_regions", "File", 1, "Export regions…", "Write the regions as GeoJSON, as QuPath reads it"),
    ActionSpec("quit", "File", 2, "Quit", "Close LILE Desktop", ("Ctrl+Q",)),
    ActionSpec("undo", "Edit", 0, "Undo", "Take back the last change of a region", ("Ctrl+Z",)),
    ActionSpec("redo", "Edit", 0, "Redo", "Do again what was taken back", ("Ctrl+Shift+Z",)),
    ActionSpec("delete_region", "Edit", 1, "Delete region", "Delete the selected region", ("Del",), "trash"),
    ActionSpec("select_all", "Edit", 1, "Select all regions", "Select every region of this slide", ("Ctrl+A",)),
    ActionSpec("name_region", "Edit", 1, "Name region…", "Name the selected region", ("F2",)),
    ActionSpec("merge_regions", "Edit", 1, "Merge regions", "Make one region of the selected ones"),
    ActionSpec("cut_regions", "Edit", 1, "Cut smaller ones out", "Cut the smaller selected regions out of the largest"),
    ActionSpec("split_region", "Edit", 1, "Split region", "Make a region of each part of the selected ones"),
    ActionSpec("lock_regions", "Edit", 1, "Lock regions", "Guard the selected regions against change, or free them"),
    ActionSpec("settings", "Edit", 2, "Settings…", "Appearance, tiles, device", ("Ctrl+,",), "gear", words=OTHER_WORDS),
    ActionSpec("page_viewer", "View", 0, "Viewer", "Show the slide", ("Ctrl+1",), "", True, "page"),
    ActionSpec("page_archive", "View", 0, "Archive", "Show the archive", ("Ctrl+2",), "", True, "page"),
    ActionSpec("page_training", "View", 0, "Training", "Show fine-tuning", ("Ctrl+3",), "", True, "page"),
    ActionSpec("fit", "View", 1, "Whole slide", "Fit the whole slide into the view", ("0",), "frame-corners"),
    ActionSpec("zoom_in", "View", 1, "Zoom in", "Twice as large", ("+", "="), "magnifying-glass-plus"),
    ActionSpec("zoom_out", "View", 1, "Zoom out", "Half as large", ("-",), "magnifying-glass-minus"),
    ActionSpec("mag_1", "View", 1, "1x", "Objective magnification 1x", ("1",), submenu="Magnification"),
    ActionSpec("mag_2", "View", 1, "2x", "Objective magnification 2x", ("2",), submenu="Magnification"),
    ActionSpec("mag_5", "View", 1, "5x", "Objective magnification 5x", ("3",), submenu="Magnification"),
    ActionSpec("mag_10", "View", 1, "10x", "Objective magnification 10x", ("4",), submenu="Magnification"),
    ActionSpec("mag_20", "View", 1, "20x", "Objective magnification 20x", ("5",), submenu="Magnification"),
    ActionSpec("mag_40", "View", 1, "40x", "Objective magnification 40x", ("6",), submenu="Magnification"),
    ActionSpec("mag_80", "View", 1, "80x", "Objective magnification 80x", ("7",), submenu="Magnification"),
    ActionSpec("turn_left", "View", 2, "Turn left", "Turn the picture by 90 degrees to the left", ("[",)),
    ActionSpec("turn_right", "View", 2, "Turn right", "Turn the picture by 90 degrees to the right", ("]",)),
    ActionSpec("mirror", "View", 2, "Mirror", "Exchange left and right", ("X",)),
    ActionSpec("display", "View", 2, "Brightness and colour…", "Brightness, contrast, gamma, any angle", ("Shift+C",)),
    ActionSpec("go_back", "View", 3, "Back", "To the place looked at before", ("Alt+Left",), "arrow-left"),
    ActionSpec("go_forward", "View", 3, "Forward", "To the place gone back from", ("Alt+Right",), "arrow-right"),
    ActionSpec("go_to_place", "View", 3, "Go to position…", "Go to a place given in microns", ("Ctrl+G",)),
    ActionSpec("bookmark", "View", 3, "Bookmark this place…", "Keep this place under a name", ("Ctrl+D",)),
    ActionSpec("next_bookmark", "View", 3, "Next bookmark", "Visit the bookmarks of this slide in turn", ("Ctrl+J",)),
    ActionSpec("views_1", "View", 4, "One view", "Show one slide", ("Alt+1",), "", True, "views", "Side by side"),
    ActionSpec(
        "views_2",
        "View",
        4,
        "Two views",
        "Two slides side by side",
        ("Alt+2",),
        "columns",
        True,
        "views",
        "Side by side",
    ),
    ActionSpec(
        "views_3", "View", 4, "Three views", "Three slides side by side", ("Alt+3",), "", True, "views", "Side by side"
    ),
    ActionSpec(
        "views_4", "View", 4, "Four views", "Four slides side by side", ("Alt+4",), "", True, "views", "Side by side"
    ),
    ActionSpec(
        "link_views",
        "View",
        4,
        "Link views",
        "Views move together as they stand",
        ("Alt+0",),
        "link",
        True,
        "",
        "Side by side",
    ),
    ActionSpec("clear_layers", "View", 5, "Clear overlays", "Take heat map and attention off the slide", ("Esc",)),
    ActionSpec(
        "toggle_regions", "View", 5, "Show regions", "Show or hide the regions", ("A",), "", True, "", "On the slide"
    ),
    ActionSpec(
        "toggle_overlays",
        "View",
        5,
        "Show layers",
        "Show or hide heat map and attention",
        ("H",),
        "",
        True,
        "",
        "On the slide",
    ),
    ActionSpec(
        "toggle_tissue",
        "View",
        5,
        "Tissue",
        "Show what is taken for tissue, and not for background",
        ("T",),
        "",
        True,
        "",
        "On the slide",
    ),
    ActionSpec(
        "toggle_grid",
        "View",
        5,
        "Tile grid",
        "Show the tiles that the archive cuts here",
        ("G",),
        "",
        True,
        "",
        "On the slide",
    ),
    ActionSpec(
        "toggle_minimap",
        "View",
        5,
        "Minimap",
        "Show or hide the whole slide in the corner",
        ("N",),
        "",
        True,
        "",
        "On the slide",
    ),
    ActionSpec(
        "toggle_scale_bar",
        "View",
        5,
        "Scale bar",
        "Show or hide scale bar and position",
        ("S",),
        "",
        True,
        "",
        "On the slide",
    ),
    ActionSpec("toggle_left", "View", 6, "Left panel", "Show or hide slides, regions and layers", ("F7",), "", True),
    ActionSpec("toggle_right", "View", 6, "Right panel", "Show or hide search and answers", ("F8",), "", True),
    ActionSpec("full_screen", "View", 6, "Full screen", "Use the whole screen", ("F11",), "", True),
    ActionSpec(
        "focus_search",
        "Search",
        0,
        "Search for a phrase",
        "Go to the phrase field",
        ("Ctrl+F", "/"),
        "magnifying-glass",
    ),
    ActionSpec(
        "ask_region",
        "Search",
        0,
        "Ask about this region",
        "Captions and sibling patches of the region",
        ("Ctrl+Return",),
        "question",
    ),
    ActionSpec(
        "heat_map",
        "Search",
        1,
        "Heat map of the phrase",
        "Where on this slide the phrase is likely",
        ("Ctrl+H",),
        "fire",
    ),
    ActionSpec("cancel_question", "Search", 2, "Stop the question", "Stop what the engine is working on", ("Ctrl+.",)),
    ActionSpec("archive_open", "Archive", 0, "Open archive…", "Use another archive folder", ()),
    ActionSpec("archive_new", "Archive", 0, "New archive…", "Make an empty archive in a folder", ()),
    ActionSpec("archive_demo", "Archive", 0, "Use demo archive", "Go back to the demo archive", ()),
    ActionSpec("archive_own", "Archive", 0, "My own archive…", "Make or open an archive of your own slides", ()),
    ActionSpec("archive_index", "Archive", 1, "Index slides…", "Embed slides and add them to the archive", (), "stack"),
    ActionSpec("archive_index_this", "Archive", 1, "Index this slide", "Add the slide in view to the archive", ()),
    ActionSpec(
        "captions_import", "Archive", 1, "Import captions…", "Add a caption library (jsonl, csv)", (), "text-aa"
    ),
    ActionSpec(
        "archive_finish", "Archive", 1, "Go on indexing", "Finish slides whose indexing was stopped or cut off", ()
    ),
    ActionSpec("archive_show", "Archive", 2, "Show slide", "Open the selected slides of the archive"),
    ActionSpec(
        "archive_describe",
        "Archive",
        2,
        "Case, organ, stain, tags…",
        "Set what is known of the selected slides",
        ("F4",),
    ),
    ActionSpec("archive_undo", "Archive", 2, "Undo setting case, organ…", "Give back what was known before"),
    ActionSpec(
        "archive_remove_slide",
        "Archive",
        2,
        "Remove from archive…",
        "Take the selected slides out of the archive for good; their files stay",
        ("Ctrl+Del",),
    ),
    ActionSpec(
        "archive_remove_case",
        "Archive",
        2,
        "Remove case from archive…",
        "Take all slides of the case out of the archive for good; their files stay",
        ("Ctrl+Shift+Del",),
    ),
    ActionSpec("model_use", "Archive", 3, "Use another model…", "Embed the archive again with a model from a folder"),
    ActionSpec(
        "model_bundled", "Archive", 3, "Use the bundled model", "Embed the archive again with the bundled model"
    ),
    ActionSpec("tool_move", "Tools", 0, "Move", "Drag the slide", ("M",), "hand", True, "tool"),
    ActionSpec(
        "tool_rectangle", "Tools", 0, "Rectangle", "Draw a rectangle to ask about", ("R",), "rectangle", True, "tool"
    ),
    ActionSpec("tool_ellipse", "Tools", 0, "Ellipse", "Draw an ellipse", ("O",), "circle", True, "tool"),
    ActionSpec(
        "tool_polygon", "Tools", 0, "Polygon", "Draw a polygon, corner by corner", ("P",), "polygon", True, "tool"
    ),
    ActionSpec("tool_freehand", "Tools", 0, "Freehand", "Draw around tissue", ("F",), "scribble-loop", True, "tool"),
    ActionSpec("tool_brush", "Tools", 0, "Brush", "Paint a region", ("B",), "paint-brush", True, "tool"),
    ActionSpec(
        "tool_polyline", "Tools", 0, "Polyline", "Draw a line of several pieces", ("V",), "line-segments", True, "tool"
    ),
    ActionSpec("tool_points", "Tools", 0, "Points", "Set points", (".",), "crosshair", True, "tool"),
    ActionSpec(
        "tool_line", "Tools", 0, "Ruler", "Measure a distance; it stays until deleted", ("L",), "ruler", True, "tool"
    ),
    ActionSpec(
        "key_press", "Tools", 1, "Press at the middle", "Use the tool at the middle of the view; arrows move it", ("C",)
    ),
    ActionSpec("restart_engine", "Tools", 2, "Restart engine", "Start the engine process anew", ()),
    ActionSpec("open_log", "Tools", 2, "Show log file", "Open the folder of the log file", ()),
    ActionSpec("palette", "Help", 0, "Command palette…", "Find any command by typing", ("Ctrl+K", "Ctrl+L"), "command"),
    ActionSpec("shortcuts", "Help", 0, "Keyboard shortcuts", "All shortcuts on one page", ("F1", "?")),
    ActionSpec("about", "Help", 1, "About LILE Desktop", "Version, model, licence; research use only", ()),
)


class ActionRegistry(QObject):
    """The actions of one window, by id. A spec without a bound function is not shown anywhere."""

    def __init__(self, window: QWidget, specs: Iterable[ActionSpec] = ACTIONS) -> None:
        super().__init__(window)
        self._window = window
        self._blank = blank()
        self.specs = {spec.id: spec for spec in specs}
        self._actions: dict[str, QAction] = {}
        self._groups: dict[str, QActionGroup] = {}

    def bind(self, action_id: str, function: Callable[..., object]) -> QAction:
        """Makes the action ``action_id`` call ``function`` (with its checked state where checkable)."""
        spec = self.specs[action_id]
        action = QAction(tr(spec.text), self._window)
        action.setObjectName(spec.id)
        action.setShortcuts([QKeySequence(s) for s in spec.shortcuts])
        action.setCheckable(spec.checkable)
        action.setProperty("icon_name", spec.icon)
        if spec.icon:
            action.setIcon(self._blank)
            action.setIconVisibleInMenu(False)
        keys = f" ({shortcut_text(spec)})" if spec.shortcuts else ""
        action.setToolTip(tr(spec.tip) + keys)
        action.setStatusTip(tr(spec.tip))
        if spec.checkable and not spec.choice:
            action.toggled.connect(function)
        else:
            action.triggered.connect(lambda _checked=False: function())
        if spec.choice:
            group = self._groups.setdefault(spec.choice, QActionGroup(self))
            group.addAction(action)
        self._window.addAction(action)
        self._actions[action_id] = action
        return action

    def __getitem__(self, action_id: str) -> QAction:
        return self._actions[action_id]

    def bound(self) -> list[ActionSpec]:
        """The specs that do something, in menu order."""
        return [spec for spec in self.specs.values() if spec.id in self._actions]

    def set_icons(self) -> None:
        """Gives the actions their icons in the theme's colour (again after a change of theme)."""
        for spec in self.bound():
            if spec.icon:
                self._actions[spec.id].setIcon(icon(spec.icon))
                self._actions[spec.id].setIconVisibleInMenu(False)

    def fill_menu_bar(self, bar: QMenuBar) -> dict[str, QMenu]:
        """One menu for each name in `MENUS` that has an action, and the submenus; all of them by name."""
        menus: dict[str, QMenu] = {}
        for name in MENUS:
            specs = [spec for spec in self.bound() if spec.menu == name]
            if not specs:
                continue
            menu = menus[name] = bar.addMenu("&" + tr(name))
            for before, spec in zip([None, *specs], specs, strict=False):
                if before is not None and before.section != spec.section:
                    menu.addSeparator()
                if spec.submenu and (before is None or before.submenu != spec.submenu):
                    menus[spec.submenu] = menu.addMenu(tr(spec.submenu))
                menus[spec.submenu or name].addAction(self._actions[spec.id])
        return menus


def shortcut_text(spec: ActionSpec) -> str:
    """The shortcuts as they are written on this system, "Ctrl+K or Ctrl+L"."""
    native = QKeySequence.SequenceFormat.NativeText
    return " or ".join(QKeySequence(s).toString(native) for s in spec.shortcuts)


def shortcut_of(action: QAction) -> str:
    """The first shortcut of an action as it is written on this system."""
    return action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)


def match_score(spec: ActionSpec, typed: str) -> float | None:
    """How well ``typed`` names the action, higher is better; None where a letter of it is missing.

    A word that starts with what was typed beats letters scattered in order; its other words stand between.
    """
    text, typed = f"{spec.text} {spec.menu}".lower(), typed.strip().lower()
    if not typed:
        return 0.0
    if text.startswith(typed):
        return 3.0
    if any(word.startswith(typed) for word in text.split()):
        return 2.0
    if typed in text:
        return 1.5
    if any(word.startswith(typed) for word in tr(spec.words).split()):
        return 1.2
    place, gaps = -1, 0
    for letter in typed:
        found = text.find(letter, place + 1)
        if found < 0:
            return None
        gaps += found - place - 1
        place = found
    return 1.0 / (1.0 + gaps)


def matching(specs: Iterable[ActionSpec], typed: str) -> list[ActionSpec]:
    """The actions that ``typed`` may mean, best first, else in menu order."""
    scored = [(match_score(spec, typed), spec) for spec in specs]
    kept = [(score, spec) for score, spec in scored if score is not None]
    return [spec for _, spec in sorted(kept, key=lambda pair: -pair[0])]
