"""Several views, layers, bookmarks, classes and regions: by menu, by key and by mouse, in the real window."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QDialogButtonBox,
    QLabel,
    QLineEdit,
    QMenu,
    QWidget,
)
from pytestqt.qtbot import QtBot

from lile_desktop.dialogs import ScaleDialog
from lile_desktop.main_window import MainWindow
from lile_desktop.palette import ShortcutSheet
from lile_desktop.panels.regions_panel import CLASS_ROLE, MEASURE_ROLE
from lile_desktop.settings import SettingsStore
from lile_desktop.slide_list import scale_text
from lile_desktop.viewer import MAGNIFICATION_PRESETS, RasterOverlay
from lile_desktop.viewer.annotations import RegionClass
from lile_desktop.viewer.display_panel import DisplayPanel
from lile_desktop.viewer.slide_menu import FIRST_CLASSES, SlideMenu, classes_to_keep, kept_classes
from lile_desktop.viewer.tools.shapes import ellipse_points
from lile_desktop.viewer.view_state import magnification
from lile_engine.slides import Region
from lile_engine.slides.mpp import remember_mpp

LONG = 120_000
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def shown(window: MainWindow, qtbot: QtBot) -> MainWindow:
    """The window once a slide is there and has the keyboard."""
    qtbot.waitUntil(lambda: window.view.slide is not None, timeout=LONG)
    window.activateWindow()
    window.view.setFocus()
    qtbot.waitUntil(lambda: window.view.hasFocus(), timeout=5_000)
    return window


def press(qtbot: QtBot, window: MainWindow, keys: str) -> None:
    """A shortcut, as it is pressed with the slide having the keyboard."""
    qtbot.keySequence(window.view, QKeySequence(keys))


def test_views_side_by_side_and_linked_by_key(shown: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, shown, "Alt+2")
    assert len(shown.panes.views) == 2
    assert shown.registry["views_2"].isChecked()
    qtbot.waitUntil(lambda: shown.panes.sync.linked, timeout=5_000)
    left, right = shown.panes.views
    scale = right.view.scale
    left.set_view(left.view.__class__(700, 700, left.view.scale * 2))
    assert right.view.scale == pytest.approx(scale * 2)
    press(qtbot, shown, "Alt+0")
    assert not shown.registry["link_views"].isChecked()
    left.pan_by(100, 0)
    still = right.view
    left.pan_by(100, 0)
    assert right.view == still
    press(qtbot, shown, "Alt+4")
    assert len(shown.panes.views) == 4
    press(qtbot, shown, "Alt+1")
    assert len(shown.panes.views) == 1


def test_views_by_the_button_over_the_slide(shown: MainWindow, qtbot: QtBot) -> None:
    buttons = {b.accessibleName(): b for b in shown.page.findChildren(QAbstractButton)}
    qtbot.mouseClick(buttons["Two views"], LEFT)
    assert len(shown.panes.views) == 2


def test_zoom_keys_are_for_the_view_used_last(shown: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, shown, "Alt+2")
    press(qtbot, shown, "Alt+0")
    left, right = shown.panes.views
    right.setFocus()
    qtbot.waitUntil(lambda: shown.panes.active is right, timeout=5_000)
    before = left.view
    qtbot.keySequence(right, QKeySequence("6"))
    assert right.slide is not None
    assert magnification(right.view, right.slide) == pytest.approx(40)
    assert left.view == before


@pytest.mark.parametrize(("key", "power"), list(zip("1234567", MAGNIFICATION_PRESETS, strict=True)))
def test_magnifications_by_key(shown: MainWindow, qtbot: QtBot, key: str, power: float) -> None:
    press(qtbot, shown, key)
    slide = shown.view.slide
    assert slide is not None
    assert magnification(shown.view.view, slide) == pytest.approx(power)


def test_turn_and_mirror_by_key(shown: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, shown, "]")
    assert shown.view.view.rotation == 90
    press(qtbot, shown, "[")
    press(qtbot, shown, "[")
    assert shown.view.view.rotation == 270
    press(qtbot, shown, "X")
    assert shown.view.view.mirrored
    press(qtbot, shown, "X")
    assert not shown.view.view.mirrored


def test_layers_regions_grid_minimap_and_scale_bar_by_key(shown: MainWindow, qtbot: QtBot) -> None:
    import numpy as np

    view = shown.view
    view.set_overlay("heat", RasterOverlay(np.ones((2, 2), np.float32), 0, 0, 500, 500))
    press(qtbot, shown, "H")
    assert not view.overlays_visible
    assert not shown.registry["toggle_overlays"].isChecked()
    press(qtbot, shown, "H")
    assert view.overlays_visible
    press(qtbot, shown, "A")
    assert not view.annotations_visible
    press(qtbot, shown, "A")
    press(qtbot, shown, "G")
    assert view.tile_grid == 224  # 224 px at 0.5 um a pixel on a slide of 0.5
    press(qtbot, shown, "G")
    assert view.tile_grid is None
    press(qtbot, shown, "N")
    assert not view.minimap_wanted
    press(qtbot, shown, "S")
    assert not view.corner_wanted


def test_the_grid_follows_the_scale_of_tiles(shown: MainWindow) -> None:
    shown.registry["toggle_grid"].trigger()
    shown.settings.update(tile_mpp=1.0)
    assert shown.view.tile_grid == 448


def test_regions_are_selected_merged_locked_and_split_by_command(shown: MainWindow, qtbot: QtBot) -> None:
    store = shown.view.annotations
    store.add(Region.rectangle(100, 100, 50, 50))
    store.add(Region.rectangle(400, 100, 50, 50))
    press(qtbot, shown, "Ctrl+A")
    assert len(store.selection) == 2
    shown.registry["merge_regions"].trigger()
    assert len(store) == 1
    shown.registry["split_region"].trigger()
    assert len(store) == 2
    shown.registry["lock_regions"].trigger()
    assert all(one.locked for one in store.selected())
    press(qtbot, shown, "Del")
    assert len(store) == 2
    shown.registry["lock_regions"].trigger()
    press(qtbot, shown, "Del")
    assert len(store) == 0
    press(qtbot, shown, "Ctrl+Z")
    assert len(store) == 2


def test_bookmarks_by_key_and_menu_lie_with_the_slide_in_the_archive(
    shown: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    qtbot.waitUntil(lambda: shown.archive_page.rows_model.rowCount() == 2, timeout=LONG)
    qtbot.waitUntil(lambda: bool(shown.viewer._known), timeout=LONG)  # the archive is loaded
    monkeypatch.setattr("lile_desktop.bookmarks.ask_text", lambda *_args: "Mitosis")
    shown.view.set_view(shown.view.view.__class__(600, 500, 2.0))
    press(qtbot, shown, "Ctrl+D")
    slide = shown.view.slide
    assert slide is not None
    assert shown.viewer._archive is not None
    kept = list(shown.viewer._archive.rglob("bookmarks.json"))
    assert [file.parent.name for file in kept] == [slide.identity]
    shown.view.fit()
    press(qtbot, shown, "Ctrl+J")
    assert (shown.view.view.cx, shown.view.view.scale) == (600, 2.0)
    shown.bookmark_menu.aboutToShow.emit()
    assert shown.bookmark_menu.actions()[0].text() == "Mitosis"


def test_a_new_class_is_kept_for_the_next_start(shown: MainWindow) -> None:
    shown.view.annotations.select([shown.view.annotations.add(Region.rectangle(0, 0, 9, 9)).id])
    shown.slide_menu.add_class("Tumour bud")
    assert shown.view.annotations.all()[0].region_class.name == "Tumour bud"  # type: ignore[union-attr]
    again = kept_classes(SettingsStore(shown.settings.path).value.region_classes)
    assert [kind.name for kind in again] == ["Tumour bud"]
    menu = SlideMenu(shown.view, again)
    menu.add_class("Tumour bud")
    assert len(menu._kept) == 1


def test_classes_are_kept_as_text_and_nonsense_is_left_out() -> None:
    assert kept_classes(classes_to_keep(FIRST_CLASSES)) == list(FIRST_CLASSES)
    assert kept_classes(["", "#12 x", "red", "#102030 Two words"])[0].name == "Two words"


def test_the_display_window_closes_with_escape(shown: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, shown, "Shift+C")
    panel = shown.view.findChild(DisplayPanel)
    assert panel is not None
    assert panel.isVisible()
    qtbot.keyClick(panel.brightness, Qt.Key.Key_Escape)
    assert not panel.isVisible()


def test_the_minimap_goes_to_another_corner(shown: MainWindow, qtbot: QtBot) -> None:
    minimap, view = shown.view.minimap, shown.view
    qtbot.waitUntil(minimap.isVisible, timeout=LONG)
    seen = {(minimap.x() > view.width() / 2, minimap.y() > view.height() / 2)}
    for _ in range(3):
        qtbot.mouseDClick(minimap, LEFT)
        seen.add((minimap.x() > view.width() / 2, minimap.y() > view.height() / 2))
        assert view.rect().contains(minimap.geometry())
    assert len(seen) == 4
    qtbot.mouseDClick(minimap, LEFT)
    assert minimap.corner is Qt.Corner.TopRightCorner


def test_all_shortcuts_and_what_the_mouse_does_are_on_one_page(
    shown: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def read(sheet: ShortcutSheet) -> int:
        opened.append("\n".join(label.text() for label in sheet.findChildren(QLabel)))
        return 0

    monkeypatch.setattr(ShortcutSheet, "exec", read)
    press(qtbot, shown, "F1")
    press(qtbot, shown, "?")
    assert len(opened) == 2
    for text in ("Rectangle", "Ctrl+Return", "Two views", "Alt+2", "Space held", "Wheel, pinch, double-click"):
        assert text in opened[0]


def test_the_menus_of_a_region_ask_about_it(shown: MainWindow, qtbot: QtBot) -> None:
    view = shown.view
    made = view.annotations.add(Region.rectangle(view.view.cx - 200, view.view.cy - 200, 400, 400))
    view.annotations.select([made.id])
    middle = QPointF(view.width() / 2, view.height() / 2)
    first = shown.slide_menu.build(middle).actions()[0]
    assert (first.text(), first.isEnabled()) == ("Ask about this region", True)
    menu = shown.page.regions.build_menu()
    offered = [action.text() for action in menu.actions() if action.text()]
    assert offered == [
        "Go there", "Ask about this region", "Class", "Name…", "Merge", "Cut smaller ones out of the largest",
        "Split into parts", "Lock", "Delete",
    ]  # fmt: skip
    menu.actions()[-1].trigger()
    assert len(view.annotations) == 0
    assert all(a.text() != "Ask about this region" for a in shown.slide_menu.build(middle).actions())


def test_one_rule_says_what_can_be_done_to_regions_in_every_menu(shown: MainWindow) -> None:
    store, registry = shown.view.annotations, shown.registry
    one = store.add(Region.rectangle(0, 0, 400, 200))
    two = store.add(Region.rectangle(900, 0, 400, 200))
    parts = store.add(Region.rectangle(0, 900, 400, 200), more=(Region.rectangle(900, 900, 400, 200),))
    locked = store.add(Region.rectangle(0, 1200, 400, 200), locked=True)
    twins = {
        "Name…": "name_region", "Merge": "merge_regions", "Cut smaller ones out of the largest": "cut_regions",
        "Split into parts": "split_region", "Delete": "delete_region",
    }  # fmt: skip
    for chosen, wanted in (
        ([one], {"Name…", "Delete"}),
        ([one, two], {"Merge", "Cut smaller ones out of the largest", "Delete"}),
        ([parts], {"Name…", "Split into parts", "Delete"}),
        ([locked], set()),
        ([one, locked], {"Delete"}),
    ):
        store.select(a.id for a in chosen)
        for menu in (shown.page.regions.build_menu(), shown.slide_menu.build(QPointF(10, 10))):
            entries = {action.text(): action.isEnabled() for action in menu.actions()}
            assert {title for title in twins if entries[title]} == wanted
            assert entries["Class"] is (chosen != [locked])
            assert ("Unlock" in entries) is (chosen == [locked])
        assert {title for title, name in twins.items() if registry[name].isEnabled()} == wanted
        assert registry["lock_regions"].isEnabled()
    store.select([])
    assert not any(registry[name].isEnabled() for name in (*twins.values(), "lock_regions"))


def test_a_class_is_given_from_the_list_of_regions_and_stands_there_in_words(shown: MainWindow) -> None:
    store, panel = shown.view.annotations, shown.page.regions
    store.select([store.add(Region.rectangle(0, 0, 400, 200)).id])
    classes = next(action.menu() for action in panel.build_menu().actions() if action.text() == "Class")
    assert isinstance(classes, QMenu)
    next(action for action in classes.actions() if action.text() == "Stroma").trigger()
    assert panel.list.item(0).data(CLASS_ROLE) == "Stroma"
    assert "Class: Stroma" in panel.list.item(0).toolTip()


def test_the_list_of_regions_says_type_and_area(shown: MainWindow) -> None:
    store, panel = shown.view.annotations, shown.page.regions
    store.add(Region.rectangle(0, 0, 400, 200), region_class=RegionClass("Tumour", (213, 94, 0)))
    store.add(Region(tuple(ellipse_points(0, 0, 400, 400))))
    store.add(Region(((0, 0), (600, 0))), kind="line")
    store.add(Region(((0, 0), (9, 9), (20, 5))), kind="points")
    store.add(Region.polygon([(0, 0), (400, 0), (0, 400)]), name="A name")
    rows = [panel.list.item(row) for row in range(panel.list.count())]
    assert [(row.text(), row.data(MEASURE_ROLE)) for row in rows] == [
        ("Rectangle 1", "20,000 µm²"), ("Ellipse 2", "31,380 µm²"), ("Line 3", "300 µm"),
        ("Points 4", "3 points"), ("A name", "20,000 µm²"),
    ]  # fmt: skip
    assert rows[0].toolTip().splitlines() == ["Rectangle 1", "Rectangle, 20,000 µm²", "200 × 100 µm", "Class: Tumour"]


def test_the_scale_is_asked_for_without_a_guess(qtbot: QtBot) -> None:
    dialog = ScaleDialog("unknown.png", None)
    qtbot.addWidget(dialog)
    ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
    assert dialog.field.text() == ""
    assert not ok.isEnabled()
    for text, mpp in (("0,25", 0.25), ("0.2465", 0.2465), ("x", None), ("-1", None), ("0", None), ("1e9", None)):
        dialog.field.setText(text)
        assert dialog.mpp() == mpp
        assert ok.isEnabled() == (mpp is not None)
    buttons = {b.text(): b for b in dialog.findChildren(QAbstractButton)}
    qtbot.mouseClick(buttons["20x"], LEFT)
    assert dialog.mpp() == 0.5


def test_a_scale_entered_by_hand_is_said_to_be_so(shown: MainWindow) -> None:
    slide = shown.view.slide
    assert slide is not None
    assert slide.mpp is not None
    assert not shown.status.scale.isVisible()
    remember_mpp(slide.identity, slide.mpp)
    shown.desk._set_current(shown.desk.current)
    assert shown.status.scale.isVisible()
    assert shown.status.scale.text() == "Scale entered by hand: 0.5 µm/px"
    assert scale_text(slide) == "0.5 µm/px, entered by hand"


def test_the_keyboard_alone_reaches_everything_in_the_window(shown: MainWindow, qtbot: QtBot) -> None:
    """Tab goes round all fields, lists and buttons that can be used; menus and commands have keys of their own."""
    wanted = {
        widget
        for kind in (QAbstractButton, QAbstractItemView, QLineEdit)
        for widget in shown.findChildren(kind)
        if widget.isVisible() and widget.isEnabled() and not isinstance(widget.parent(), QAbstractItemView)
        and widget.window() is shown and not widget.objectName().startswith("qt_") and not inside_field(widget)
    }  # fmt: skip
    wanted.add(shown.view)
    reached: set[QWidget] = set()
    for _ in range(300):
        qtbot.keyClick(QApplication.focusWidget() or shown, Qt.Key.Key_Tab)
        now = QApplication.focusWidget()
        if now is None or (now in reached and now is shown.view and len(reached) > 10):
            break
        reached.add(now)
    missed = [f"{type(w).__name__} {w.accessibleName() or w.objectName()}" for w in wanted - reached]
    assert missed == []


def inside_field(widget: QWidget) -> bool:
    """Whether it is a part of a field, such as the cross in a search box."""
    return isinstance(widget.parent(), QLineEdit)


def test_tissue_is_shown_by_key_and_follows_the_slide(shown: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, shown, "T")
    qtbot.waitUntil(lambda: "tissue" in shown.view.overlays.names(), timeout=LONG)
    overlay = shown.view.overlays.get("tissue")
    assert overlay is not None
    assert overlay.values.max() == 1 or overlay.values.size
    assert shown.page.layers.names() == ("tissue",)
    press(qtbot, shown, "Esc")
    assert shown.page.layers.names() == ("tissue",)
    shown.page.layers.removed.emit("tissue")
    assert not shown.registry["toggle_tissue"].isChecked()
    assert shown.view.overlays.names() == ()


def test_colours_and_range_of_a_layer(shown: MainWindow, qtbot: QtBot) -> None:
    import numpy as np
    from PySide6.QtWidgets import QSlider

    from lile_desktop.panels.parts import Choice

    view, layers = shown.view, shown.page.layers
    view.set_overlay("heat", RasterOverlay(np.linspace(0, 2, 16, dtype=np.float32).reshape(4, 4), 0, 0, 500, 500))
    layers.set_layer("heat", "Heat map: fat", 0.5, "viridis")
    sliders = {slider.accessibleName(): slider for slider in layers.findChildren(QSlider)}
    sliders["Lower end of Heat map: fat"].setValue(25)
    sliders["Upper end of Heat map: fat"].setValue(75)
    overlay = view.overlays.get("heat")
    assert overlay is not None
    assert overlay.range() == pytest.approx((0.5, 1.5))
    sliders["Upper end of Heat map: fat"].setValue(100)
    assert view.overlays.get("heat").range() == pytest.approx((0.5, 2.0))  # type: ignore[union-attr]
    choice = next(c for c in layers.findChildren(Choice) if c.accessibleName() == "Colours of Heat map: fat")
    choice.menu().actions()[1].trigger()
    assert view.overlays.get("heat").colormap == "cividis"  # type: ignore[union-attr]
