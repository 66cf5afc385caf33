from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from lile_desktop.viewer.annotation_files import read_annotations, write_annotations
from lile_desktop.viewer.annotations import Annotation, AnnotationStore, RegionClass
from lile_desktop.viewer.autosave import Autosave, regions_file
from lile_engine.errors import DataError
from lile_engine.slides import Region

SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
HOLE = [[2, 2], [4, 2], [4, 4], [2, 2]]
FAR = [[100, 100], [110, 100], [110, 110], [100, 100]]
QUPATH = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "id": "a1",
            "geometry": {"type": "MultiPolygon", "coordinates": [[SQUARE, HOLE], [FAR]]},
            "properties": {
                "objectType": "annotation",
                "name": "edge",
                "classification": {"name": "Tumor", "color": [200, 0, 0]},
                "isLocked": True,
                "measurements": {"Area": 96.0},
                "metadata": {"by": "me"},
            },
        },
        {
            "type": "Feature",
            "id": "p1",
            "geometry": {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]},
            "properties": {"objectType": "annotation"},
        },
        {
            "type": "Feature",
            "id": "l1",
            "geometry": {"type": "LineString", "coordinates": [[1, 2], [3, 4], [9, 9]]},
            "properties": {"objectType": "annotation"},
        },
    ],
}


@pytest.fixture
def qupath_file(tmp_path: Path) -> Path:
    path = tmp_path / "q.geojson"
    path.write_text(json.dumps(QUPATH))
    return path


def test_what_qupath_wrote_comes_back_as_it_was(qupath_file: Path, tmp_path: Path) -> None:
    annotations = read_annotations(qupath_file)
    assert [a.kind for a in annotations] == ["region", "points", "line"]
    first = annotations[0]
    assert (first.name, first.locked, first.region_class) == ("edge", True, RegionClass("Tumor", (200, 0, 0)))
    assert len(first.parts) == 2
    assert len(first.region.holes) == 1
    write_annotations(tmp_path / "out.geojson", annotations)
    written = json.loads((tmp_path / "out.geojson").read_text())
    assert written == QUPATH


def test_a_change_is_written_and_the_rest_kept(qupath_file: Path, tmp_path: Path) -> None:
    first = read_annotations(qupath_file)[0]
    changed = replace(
        first, region=Region.rectangle(5, 5, 20, 20), more=(), region_class=RegionClass("Other", (0, 0, 9))
    )
    write_annotations(tmp_path / "out.geojson", [changed])
    feature = json.loads((tmp_path / "out.geojson").read_text())["features"][0]
    assert feature["geometry"]["type"] == "Polygon"
    assert feature["geometry"]["coordinates"][0][0] == [5, 5]
    assert feature["properties"]["classification"] == {"name": "Other", "color": [0, 0, 9]}
    assert feature["properties"]["metadata"] == {"by": "me"}
    assert feature["id"] == "a1"


def test_own_regions_points_and_lines_round_trip(tmp_path: Path) -> None:
    made = [
        Annotation(0, Region.ellipse(0, 0, 50, 30), name="nest", region_class=RegionClass("Stroma", (0, 158, 115))),
        Annotation(0, Region(((1.0, 2.0), (3.0, 4.0))), "points"),
        Annotation(0, Region(((1.0, 2.0), (3.0, 4.0))), "line"),
    ]
    write_annotations(tmp_path / "own.geojson", made)
    read = read_annotations(tmp_path / "own.geojson")
    for before, after in zip(made, read, strict=True):
        assert (after.parts, after.kind, after.name, after.region_class) == (
            before.parts,
            before.kind,
            before.name,
            before.region_class,
        )


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="choose another place"):
        write_annotations(tmp_path / "none" / "x.geojson", [])


def test_regions_are_saved_by_themselves_and_found_again(qtbot: QtBot, tmp_path: Path) -> None:
    store = AnnotationStore()
    keeper = Autosave(store)
    file_a, file_b = regions_file("a" * 8, tmp_path), regions_file("b" * 8, tmp_path)
    with qtbot.waitSignal(keeper.loaded):
        keeper.open(file_a)
    made = store.add(Region.rectangle(1, 2, 3, 4), name="first")
    with qtbot.waitSignal(keeper.saved, timeout=5000):
        pass
    assert os.stat(file_a).st_mode & 0o077 == 0
    store.change([replace(made, name="second")])
    store.replace_all([])  # another slide comes at once: what is not yet saved must not be lost
    with qtbot.waitSignal(keeper.loaded):
        keeper.open(file_b)
    assert store.all() == []
    store.replace_all([])
    with qtbot.waitSignal(keeper.loaded):
        keeper.open(file_a)
    assert [(a.name, a.region) for a in store.all()] == [("second", made.region)]
    assert not file_b.exists()
    keeper.close()


def test_regions_move_into_the_archive_with_the_slide(qtbot: QtBot, lile_home: Path, tmp_path: Path) -> None:
    store = AnnotationStore()
    keeper = Autosave(store)
    own = regions_file("slide", None)
    assert own.is_relative_to(lile_home)
    with qtbot.waitSignal(keeper.loaded):
        keeper.open(own)
    made = store.add(Region.rectangle(1, 2, 3, 4))
    keeper.flush()
    moved = regions_file("slide", tmp_path)
    with qtbot.waitSignal(keeper.loaded):
        keeper.open(moved)
    assert store.all() == [made]
    assert moved.exists()
    assert not own.exists()
    keeper.close()


def test_a_damaged_file_is_told_and_never_written_over(qtbot: QtBot, tmp_path: Path) -> None:
    file = tmp_path / "regions.geojson"
    file.write_text("{ not json")
    store = AnnotationStore()
    keeper = Autosave(store)
    with qtbot.waitSignal(keeper.failed) as told:
        keeper.open(file)
    assert "regions.geojson" in told.args[0]
    store.add(Region.rectangle(1, 2, 3, 4))
    keeper.close()
    assert file.read_text() == "{ not json"


def test_deleting_the_last_region_takes_the_file_away(qtbot: QtBot, tmp_path: Path) -> None:
    file = tmp_path / "x" / "regions.geojson"
    store = AnnotationStore()
    keeper = Autosave(store)
    with qtbot.waitSignal(keeper.loaded):
        keeper.open(file)
    made = store.add(Region.rectangle(1, 2, 3, 4))
    keeper.flush()
    assert file.exists()
    store.remove([made.id])
    keeper.close()
    assert not file.exists()


def test_numbers_of_unnamed_regions_are_kept_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "regions.geojson"
    box = Region.rectangle(1, 2, 3, 4)
    named = Annotation(0, box, name="edge", number=9)
    write_annotations(file, [Annotation(0, box, number=7), named, Annotation(0, box)])
    assert [one.number for one in read_annotations(file)] == [7, 0, 0]
    held = json.loads(file.read_text())
    assert [feature["properties"].get("lileNumber") for feature in held["features"]] == [7, None, None]
    write_annotations(file, [replace(read_annotations(file)[0], name="named")])
    assert "lileNumber" not in file.read_text()


@pytest.mark.parametrize("number", [-1, 0, True, 1.5, "3", None, 10**12])
def test_a_number_that_is_none_is_not_taken_from_a_file(tmp_path: Path, number: object) -> None:
    file = tmp_path / "regions.geojson"
    write_annotations(file, [Annotation(0, Region.rectangle(1, 2, 3, 4), number=7)])
    held = json.loads(file.read_text())
    held["features"][0]["properties"]["lileNumber"] = number
    file.write_text(json.dumps(held))
    assert read_annotations(file)[0].number == 0
