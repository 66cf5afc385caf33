"""Regions while their file is being read, moves or is left for another: nothing is lost, nothing comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from lile_desktop.viewer.annotation_files import read_annotations, write_annotations
from lile_desktop.viewer.annotations import Annotation, AnnotationStore
from lile_desktop.viewer.autosave import Autosave
from lile_engine.slides import Region


@pytest.fixture
def store() -> AnnotationStore:
    return AnnotationStore()


@pytest.fixture
def keeper(store: AnnotationStore, qtbot: QtBot) -> Iterator[Autosave]:
    one = Autosave(store)
    yield one
    one.close()


def square(at: float) -> Region:
    return Region.rectangle(at, at, 10, 10)


def names(file: Path) -> list[str]:
    return [a.name for a in read_annotations(file)] if file.exists() else []


def kept(file: Path, *regions: tuple[str, float]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_annotations(file, [Annotation(0, square(at), name=name) for name, at in regions])
    return file


def test_what_is_drawn_while_the_file_is_read_is_saved_though_another_slide_comes_at_once(
    keeper: Autosave, store: AnnotationStore, qtbot: QtBot, tmp_path: Path
) -> None:
    first, second = kept(tmp_path / "a.geojson", ("old", 0)), tmp_path / "b.geojson"
    keeper.open(first)
    store.add(square(50), name="new")
    store.replace_all([])  # the other slide
    with qtbot.waitSignal(keeper.loaded):
        keeper.open(second)
    keeper.flush()
    assert names(first) == ["old", "new"]
    assert store.all() == []
    with qtbot.waitSignal(keeper.loaded):
        keeper.open(first)
    assert [a.name for a in store.all()] == ["old", "new"]


def test_there_and_back_before_anything_is_read(
    keeper: Autosave, store: AnnotationStore, qtbot: QtBot, tmp_path: Path
) -> None:
    first, second = kept(tmp_path / "a.geojson", ("old", 0)), tmp_path / "b.geojson"
    keeper.open(first)
    store.add(square(50), name="new")
    store.replace_all([])
    keeper.open(second)
    store.replace_all([])
    with qtbot.waitSignal(keeper.loaded):
        keeper.open(first)
    assert [a.name for a in store.all()] == ["old", "new"]


def test_the_program_ends_while_the_file_is_read(store: AnnotationStore, qtbot: QtBot, tmp_path: Path) -> None:
    file = kept(tmp_path / "a.geojson", ("old", 0))
    keeper = Autosave(store)
    keeper.open(file)
    store.add(square(50), name="new")
    keeper.close()
    assert names(file) == ["old", "new"]


def test_selection_and_undo_outlive_the_reading(
    keeper: Autosave, store: AnnotationStore, qtbot: QtBot, tmp_path: Path
) -> None:
    keeper.open(kept(tmp_path / "a.geojson", ("old", 0), ("older", 20)))
    made = store.add(square(50), name="new")
    store.select([made.id])
    with qtbot.waitSignal(keeper.loaded):
        pass
    assert [a.name for a in store.all()] == ["old", "older", "new"]
    assert [a.name for a in store.selected()] == ["new"]
    assert len({a.id for a in store.all()}) == 3
    store.undo()
    assert [a.name for a in store.all()] == ["old", "older"]
    store.redo()
    assert len(store) == 3


def test_regions_move_with_their_file_and_what_is_deleted_meanwhile_stays_deleted(
    keeper: Autosave, store: AnnotationStore, qtbot: QtBot, tmp_path: Path
) -> None:
    own, archived = kept(tmp_path / "own.geojson", ("one", 0), ("two", 20)), tmp_path / "archived.geojson"
    with qtbot.waitSignal(keeper.loaded):
        keeper.open(own)
    own.rename(archived)
    keeper.open(archived)
    store.remove([store.all()[0].id])
    with qtbot.waitSignal(keeper.loaded):
        pass
    assert [a.name for a in store.all()] == ["two"]
    keeper.flush()
    assert names(archived) == ["two"]
    assert not own.exists()


def test_regions_of_one_archive_do_not_come_into_another(
    keeper: Autosave, store: AnnotationStore, qtbot: QtBot, tmp_path: Path
) -> None:
    here, there = kept(tmp_path / "a" / "r.geojson", ("here", 0)), kept(tmp_path / "b" / "r.geojson", ("there", 20))
    with qtbot.waitSignal(keeper.loaded):
        keeper.open(here)
    store.add(square(50), name="drawn here")
    with qtbot.waitSignal(keeper.loaded):
        keeper.open(there)
    keeper.flush()
    assert [a.name for a in store.all()] == ["there"]
    assert names(here) == ["here", "drawn here"]
    assert names(there) == ["there"]


def test_regions_of_a_removed_case_are_not_written_again(
    keeper: Autosave, store: AnnotationStore, qtbot: QtBot, tmp_path: Path
) -> None:
    archived, own = kept(tmp_path / "a" / "r.geojson", ("gone", 0)), tmp_path / "own" / "r.geojson"
    with qtbot.waitSignal(keeper.loaded):
        keeper.open(archived)
    archived.unlink()
    with qtbot.waitSignal(keeper.loaded):
        keeper.open(own)
    assert store.all() == []
    store.add(square(50), name="new")
    keeper.flush()
    assert names(own) == ["new"]


def test_what_was_left_elsewhere_is_brought_in_once(
    keeper: Autosave, store: AnnotationStore, qtbot: QtBot, tmp_path: Path
) -> None:
    file, left = kept(tmp_path / "f.geojson", ("one", 0), ("two", 20)), kept(tmp_path / "l.geojson", ("two", 20))
    kept(left, ("two", 20), ("three", 40))
    with qtbot.waitSignal(keeper.loaded):
        keeper.open(file, left)
    keeper.flush()
    assert [a.name for a in store.all()] == ["one", "two", "three"]
    assert names(file) == ["one", "two", "three"]
    assert not left.exists()


def test_a_file_that_holds_more_than_can_be_shown_is_not_written_over(
    keeper: Autosave, store: AnnotationStore, qtbot: QtBot, tmp_path: Path
) -> None:
    file = kept(tmp_path / "a.geojson", ("old", 0))
    held = json.loads(file.read_text())
    held["features"].append({"type": "Feature", "geometry": None, "properties": {"note": "somebody's work"}})
    file.write_text(json.dumps(held))
    with qtbot.waitSignal(keeper.failed) as told:
        keeper.open(file)
    assert "holds 1 objects whose shape is not understood" in told.args[0]
    store.add(square(50), name="new")
    keeper.flush()
    assert json.loads(file.read_text()) == held
