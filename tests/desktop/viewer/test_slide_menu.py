from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot

from lile_desktop.viewer import Adjustment, SlideView
from lile_desktop.viewer.display_panel import DisplayPanel
from lile_desktop.viewer.slide_menu import SlideMenu, parse_place
from lile_desktop.viewer.transfer import Imported
from lile_engine.slides import Region


@pytest.fixture
def menu(view: SlideView) -> SlideMenu:
    return SlideMenu(view)


def entry(menu: QMenu, title: str) -> QAction:
    return next(action for action in menu.actions() if action.text() == title)


def test_classes_merge_lock_and_delete_from_the_menu(menu: SlideMenu, view: SlideView) -> None:
    store = view.annotations
    made = [store.add(Region.rectangle(x, 900, 300, 300)) for x in (900, 1100)]
    store.select(a.id for a in made)
    built = menu.build(QPointF(400, 300))
    classes = entry(built, "Class").menu()
    assert isinstance(classes, QMenu)
    entry(classes, "Tumour").trigger()
    assert {a.region_class.name for a in store.all() if a.region_class} == {"Tumour"}
    entry(menu.build(QPointF(400, 300)), "Merge").trigger()
    assert len(store) == 1
    entry(menu.build(QPointF(400, 300)), "Lock").trigger()
    locked = menu.build(QPointF(400, 300))
    assert not entry(locked, "Delete").isEnabled()
    entry(locked, "Unlock").trigger()
    entry(menu.build(QPointF(400, 300)), "Delete").trigger()
    assert len(store) == 0


def test_cutting_from_the_menu_tells_what_it_left_alone(qtbot: QtBot, menu: SlideMenu, view: SlideView) -> None:
    store = view.annotations
    made = [store.add(Region.rectangle(*box)) for box in ((0, 0, 900, 900), (100, 100, 300, 300), (2000, 0, 99, 99))]
    store.select(a.id for a in made)
    with qtbot.waitSignal(menu.transfer.told) as told:
        entry(menu.build(QPointF(400, 300)), "Cut smaller ones out of the largest").trigger()
    assert told.args[0].sentence == "1 region does not overlap the largest one and stays as it is."
    assert len(store) == 2


def test_a_right_click_selects_what_is_under_it(qtbot: QtBot, menu: SlideMenu, view: SlideView) -> None:
    made = view.annotations.add(Region.rectangle(1400, 1000, 200, 200))
    qtbot.mouseClick(view, Qt.MouseButton.RightButton, pos=view.rect().center())
    assert view.annotations.selection == (made.id,)
    for child in view.findChildren(QMenu):
        child.close()


def test_turned_mirrored_and_position_copied(menu: SlideMenu, view: SlideView) -> None:
    built = menu.build(QPointF(400, 300))
    entry(built, "Turn right").trigger()
    entry(built, "Mirrored").trigger()
    assert (view.view.rotation, view.view.mirrored) == (90, True)
    entry(built, "Copy position").trigger()
    assert "µm" in QGuiApplication.clipboard().text()


def test_regions_go_out_and_come_in(qtbot: QtBot, menu: SlideMenu, view: SlideView, tmp_path: Path) -> None:
    made = view.annotations.add(Region.rectangle(10, 20, 30, 40))
    with qtbot.waitSignal(menu.transfer.exported):
        menu.transfer.export_file(tmp_path / "out.geojson")
    view.annotations.remove([made.id])
    with qtbot.waitSignal(menu.transfer.imported) as told:
        menu.transfer.import_file(tmp_path / "out.geojson")
    assert told.args == [Imported("out.geojson", 1, 0, 0)]
    assert view.annotations.all()[0].region == made.region
    with qtbot.waitSignal(view.slide_failed) as failed:
        menu.transfer.import_file(tmp_path / "none.geojson")
    assert "none.geojson" in failed.args[0]


def test_an_import_says_what_it_left_out(qtbot: QtBot, menu: SlideMenu, view: SlideView, tmp_path: Path) -> None:
    file, known = tmp_path / "theirs.geojson", {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]}
    features = [{"type": "Feature", "geometry": shape, "properties": {}} for shape in (known, None)]
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with qtbot.waitSignal(menu.transfer.told) as told:
        menu.transfer.import_file(file)
    assert told.args[0].sentence.endswith("1 are not understood and were left out.")
    assert len(view.annotations) == 1


def test_an_own_export_that_is_imported_doubles_nothing(
    qtbot: QtBot, menu: SlideMenu, view: SlideView, tmp_path: Path
) -> None:
    store, file = view.annotations, tmp_path / "out.geojson"
    made = [store.add(Region.rectangle(10.25 + x, 20, 33.3, 40)) for x in (0, 100, 200)]
    with qtbot.waitSignal(menu.transfer.exported) as written:
        menu.transfer.export_file(file)
    assert written.args == [str(file), 3]
    store.remove([made[2].id])
    store.select([made[1].id])
    menu.add_class("Tumour")  # otherwise than in the file now
    with qtbot.waitSignal(menu.transfer.imported) as told:
        menu.transfer.import_file(file)
    assert told.args == [Imported("out.geojson", 3, 1, 1)]
    assert {a.region for a in store.all()} == {a.region for a in made}
    assert [a.region_class for a in store.all()] == [None, None, None]
    with qtbot.waitSignal(menu.transfer.imported) as told:
        menu.transfer.import_file(file)
    assert told.args == [Imported("out.geojson", 3, 3, 0)]
    assert len(store) == 3
    store.undo()  # the import before, as one step
    assert [a.region_class.name for a in store.all() if a.region_class] == ["Tumour"]


def test_display_sliders(qtbot: QtBot, view: SlideView) -> None:
    panel = DisplayPanel(view)
    panel.brightness.setValue(20)
    panel.gamma.setValue(50)
    panel.rotation.setValue(-90)
    panel.mirrored.setChecked(True)
    panel.profile.setChecked(True)
    assert view.adjustment.brightness == pytest.approx(0.2)
    assert view.adjustment.gamma == pytest.approx(2.0)
    assert (view.view.rotation, view.view.mirrored, view.color_profile_on) == (270, True, True)
    panel.refresh()
    assert (panel.gamma.value(), panel.rotation.value()) == (50, -90)
    panel.reset.click()
    assert view.adjustment == Adjustment()
    assert view.view.upright
    assert panel.brightness.value() == 0


@pytest.mark.parametrize(
    ("text", "place"),
    [("1200, 800", (1200, 800)), ("1 2", (1, 2)), ("3.5;4 µm", (3.5, 4)), ("12", None), ("a, b", None), ("", None)],
)
def test_places_as_people_write_them(text: str, place: tuple[float, float] | None) -> None:
    assert parse_place(text) == place
