"""Places kept with the slide."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot

from lile_desktop.bookmarks import Bookmark, Bookmarks, bookmark_of, read_bookmarks, write_bookmarks
from lile_desktop.viewer import SlideView, ViewState
from lile_engine.slides import SlideInfo, open_slide
from lile_engine.slides.readers import ReaderPool


@pytest.fixture
def info(tmp_path: Path) -> SlideInfo:
    path = tmp_path / "plain.png"
    Image.fromarray(np.full((1200, 1500, 3), 200, np.uint8)).save(path)
    with open_slide(path, mpp=0.5) as slide:
        return slide.info


@pytest.fixture
def marks(qtbot: QtBot, info: SlideInfo, tmp_path: Path) -> Bookmarks:
    view = SlideView(ReaderPool(1))
    qtbot.addWidget(view, before_close_func=lambda view: view.loader._source.close())
    view.resize(500, 400)
    view.set_slide(info)
    return Bookmarks(view, lambda slide: tmp_path / slide.identity / "bookmarks.json", view)


def test_written_read_and_private(tmp_path: Path) -> None:
    file = tmp_path / "one" / "bookmarks.json"
    kept = [Bookmark("Mitosis", 10.5, 20.25, 2.0, 45.0, True), Bookmark("Grenze ä", 1, 2, 0.5)]
    write_bookmarks(file, kept)
    assert read_bookmarks(file) == kept
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    write_bookmarks(file, [])
    assert not file.exists()
    assert read_bookmarks(file) == []


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"name": 3}]', '[{"name": "a", "cx": 0, "cy": 0, "scale": 0}]'])
def test_a_damaged_file_is_no_bookmark(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bookmarks.json"
    file.write_text(text, encoding="utf-8")
    assert read_bookmarks(file) == []


def test_a_place_is_found_again_and_back_returns(marks: Bookmarks) -> None:
    view = marks._view
    view.set_view(ViewState(700, 600, 1.5, rotation=20))
    place = view.view
    marks.add("here")
    view.fit()
    fitted = view.view
    marks.visit(marks.all()[0])
    assert (view.view.cx, view.view.cy, view.view.scale, view.view.rotation) == (
        place.cx, place.cy, place.scale, place.rotation,
    )  # fmt: skip
    view.go_back()
    assert view.view == fitted


def test_next_goes_round(marks: Bookmarks) -> None:
    view, places = marks._view, ((300, 300), (900, 800))
    for x, y in places:
        view.set_view(ViewState(x, y, 1.0))
        marks.add(f"at {x}")
    seen = []
    for _ in range(3):
        marks.next()
        seen.append((view.view.cx, view.view.cy))
    assert seen == [places[0], places[1], places[0]]


def test_the_menu_lists_visits_and_forgets(marks: Bookmarks, qtbot: QtBot) -> None:
    menu = QMenu()
    qtbot.addWidget(menu)
    marks.fill(menu)
    assert not menu.actions()[0].isEnabled()
    marks._view.set_view(ViewState(400, 500, 2.0))
    marks.add("Mitosis")
    marks._view.fit()
    marks.fill(menu)
    menu.actions()[0].trigger()
    assert marks._view.view.cx == 400
    menu.actions()[-1].menu().actions()[0].trigger()
    assert marks.all() == []


def test_a_place_that_cannot_be_written_is_told(marks: Bookmarks, tmp_path: Path, qtbot: QtBot) -> None:
    slide = marks._view.slide
    assert slide is not None
    (tmp_path / slide.identity).write_text("a file where the folder should be", encoding="utf-8")
    with qtbot.waitSignal(marks.failed) as failed:
        marks.add("nowhere")
    assert failed.args[0].startswith("The bookmark could not be kept")


def test_a_bookmark_keeps_the_viewport_of_now() -> None:
    view = bookmark_of(ViewState(1, 2, 3, 100, 100, 40, True), "x").view(ViewState(0, 0, 1, 640, 480))
    assert view == ViewState(1, 2, 3, 640, 480, 40, True)
