"""Several slides at once, some of them bad: all are told, the first good one is shown, counts are what they say."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from lile_desktop.facts_dialog import FactsDialog
from lile_desktop.hits import answer_texts
from lile_desktop.main_window import MainWindow
from lile_desktop.notices import Level, Notice, together
from lile_desktop.panels.archive_page import state_text, status_texts
from lile_desktop.text import counted
from lile_engine.slides import Region
from tests.desktop.conftest import LONG, World


def test_the_first_that_can_be_opened_is_shown_and_the_rest_is_told_in_lines(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, world: World
) -> None:
    for name in ("a.svs", "b.tiff"):
        (tmp_path / name).write_bytes(b"not a slide")
    good = [shutil.copy(world.demo.slides[0], tmp_path / f"good{n}.tif") for n in range(2)]
    window.open_slides([str(tmp_path / "a.svs"), str(tmp_path / "b.tiff"), *map(str, good)])
    qtbot.waitUntil(lambda: window.desk.current is not None, timeout=LONG)
    assert window.desk.current is not None
    assert window.desk.current.path == str(good[0])
    told = window.notices.sentence
    qtbot.waitUntil(lambda: "a.svs" in told.text() and "b.tiff" in told.text(), timeout=LONG)
    lines = told.text().split("\n")
    assert lines[0] == "2 slides cannot be opened:"
    assert len(lines) == 3


def test_many_failures_stay_readable() -> None:
    notices = [Notice(f"{n}.svs is broken.") for n in range(9)]
    assert together(notices[:1], "Never read:") is notices[0]
    told = together(notices, "9 slides:")
    assert told.sentence.count("\n") < 7
    assert all(one.sentence in told.details for one in notices)


def test_indexing_tells_of_every_bad_slide_and_of_one_without_tissue(
    ready: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    for name in ("a.svs", "b.svs"):
        (tmp_path / name).write_bytes(b"not a slide")
    grey = tmp_path / "grey.tif"
    Image.fromarray(np.full((600, 600, 3), 255, np.uint8)).save(grey, resolution_unit=3, resolution=20_000)
    notices: list[Notice] = []
    ready.archive.notice.connect(notices.append)
    ended: list[object] = []
    job = ready.archive.run(
        "Indexing",
        ["index", ready.archive.archive, *map(str, (tmp_path / "a.svs", tmp_path / "b.svs", grey)), "--device", "cpu"],
    )
    job.finished.connect(lambda: ended.append(job.state))
    qtbot.waitUntil(lambda: bool(ended), timeout=LONG)
    assert all(name in notices[-1].sentence for name in ("a.svs", "b.svs", "grey.tif")), notices
    assert "No tissue" in notices[-1].sentence
    ready.archive.look_again()
    qtbot.waitUntil(lambda: any(row.name == "grey.tif" for row in ready.shown.rows), timeout=LONG)
    (row,) = [row for row in ready.shown.rows if row.name == "grey.tif"]
    assert state_text(row) == "no tissue found"


def test_a_dark_slide_is_indexed_and_asked_about_with_a_remark(ready: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    pixels = np.full((900, 900, 3), 4, np.uint8)
    pixels[200:700, 200:700, 2] = np.random.default_rng(0).integers(60, 250, (500, 500), np.uint8)
    dark = tmp_path / "dark.tif"
    Image.fromarray(pixels).save(dark, resolution_unit=3, resolution=20_000)
    notices: list[Notice] = []
    ready.archive.notice.connect(notices.append)
    ready.open_slides([str(dark)])
    qtbot.waitUntil(lambda: ready.view.slide is not None and ready.view.slide.path == str(dark), timeout=LONG)
    ready.view.submit_region(Region.rectangle(250, 250, 400, 400))
    ready.registry["ask_region"].trigger()
    qtbot.waitUntil(lambda: ready.asker.answer is not None and ready.asker.answer.final, timeout=LONG)
    assert "learned from H&E" in ready.page.answers.warning.text()
    ended: list[object] = []
    job = ready.archive.run("Indexing", ["index", ready.archive.archive, str(dark), "--device", "cpu"])
    job.finished.connect(lambda: ended.append(job.state))
    qtbot.waitUntil(lambda: bool(ended), timeout=LONG)
    assert "dark.tif is dark, as in fluorescence" in notices[-1].sentence


def test_captions_that_do_not_fit_are_told_above_them(ready: MainWindow, qtbot: QtBot) -> None:
    """By the rule of the maps: the words of the first captions, over the tiles that were asked about."""
    ready.view.submit_region(Region.rectangle(300, 300, 300, 300))
    ready.registry["ask_region"].trigger()
    qtbot.waitUntil(lambda: ready.asker.answer is not None and ready.asker.answer.final, timeout=LONG)
    answer = ready.asker.answer
    assert answer is not None
    assert answer.captions
    for fits in (True, False):
        warning = answer_texts(replace(answer, captions_fit=fits)).warning
        assert ("None of the first captions fits" in warning) is not fits


def test_escape_closes_a_message_first(ready: MainWindow) -> None:
    ready.view.setFocus()
    ready.notices.show_notice(Notice("It is broken."))
    ready.registry["clear_layers"].trigger()
    assert ready.notices.isHidden()


def test_cases_are_those_that_were_named(ready: MainWindow) -> None:
    assert ready.client.info is not None
    status, rows = ready.client.info.archive, ready.shown.rows
    assert status is not None
    assert "2 slides, 2 cases, " in status_texts(status, rows)[0]
    assert ", 1 case, " in status_texts(status, [replace(row, case="7") for row in rows])[0]
    assert ", no case set, " in status_texts(status, [replace(row, case=None) for row in rows])[0]
    assert counted(1, "slide", "slides") == "1 slide"


def test_a_selected_slide_that_is_not_in_the_archive_is_told_of(
    ready: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.png"
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(own)
    ready.open_slides([str(own)])
    qtbot.waitUntil(lambda: ready.desk.current is not None and ready.desk.current.path == str(own), timeout=LONG)
    asked: list[list[str]] = []

    def refuse(dialog: FactsDialog) -> bool:
        asked.append([dialog.windowTitle()])
        return False

    monkeypatch.setattr("lile_desktop.archive_actions.accepted", refuse)
    ready.registry["archive_describe"].trigger()
    assert asked == []
    assert ready.notices.sentence.text().startswith("Not in this archive: own. Choose a slide")
    ready.notices.dismiss()
    ready.page.slides.list.selectAll()
    ready.registry["archive_describe"].trigger()
    assert len(asked) == 1
    assert ready.notices.notice is not None
    assert ready.notices.notice.level is Level.WARNING
    assert "left out: own" in ready.notices.notice.sentence


def test_a_filter_that_hides_every_slide_says_so(ready: MainWindow) -> None:
    page = ready.archive_page
    ready.registry["page_archive"].trigger()
    assert page.table.isVisible()
    page.filter.setText("qqqq")
    assert not page.table.isVisible()
    page.show_archive(None, ready.shown.rows)  # slides came or went: the filter stays
    assert not page.table.isVisible()
    page.filter.clear()
    assert page.table.isVisible()
