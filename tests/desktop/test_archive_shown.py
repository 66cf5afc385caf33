"""The archive changes under what is shown: another one is opened, a dialog is open, a job fails, a second window."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import QProcess, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog
from pytestqt.qtbot import QtBot

from lile_desktop.archive_keeping import ArchiveKeeper, Change, Going
from lile_desktop.cut_off import CutOffJobs
from lile_desktop.engine_client import EngineState
from lile_desktop.facts_dialog import FactsDialog
from lile_desktop.jobs import Job, JobQueue, JobState
from lile_desktop.main_window import MainWindow
from lile_desktop.notices import Level, Notice, Offer
from lile_desktop.panels.notice_bar import NoticeBar
from lile_engine import unfinished
from lile_engine.archive import open_archive
from lile_engine.archive.rows import SlideRow
from lile_engine.slides import Region
from lile_engine.unfinished import UnfinishedJob
from tests.desktop.modals import Answering, press
from tests.desktop.test_archive_keeping import LONG, ask, choose, rows


@pytest.fixture
def other(world: Any, tmp_path: Path) -> Path:
    """Another archive of the same slides and cases."""
    return Path(shutil.copytree(world.demo.archive, tmp_path / "other"))


def names(archive: Path) -> list[tuple[str, str | None]]:
    with open_archive(archive) as opened:
        return [(row.name, row.organ) for row in opened.slides()]


def test_nothing_can_be_done_to_slides_of_an_archive_that_is_being_left(
    ready: MainWindow, qtbot: QtBot, other: Path
) -> None:
    ask(ready, qtbot, "fat")
    choose(ready, "one")
    assert ready.registry["archive_remove_case"].isEnabled()
    ready.archive.use_archive(str(other))
    assert ready.shown.chosen() == ready.shown.rows == rows(ready) == []
    assert ready.archive_page.title.text() == "No archive open yet"
    assert not ready.registry["archive_remove_case"].isEnabled()
    assert not ready.registry["archive_describe"].isEnabled()
    assert ready.asker.answer is None  # its tiles bear numbers that mean others in the archive to come
    qtbot.waitUntil(lambda: len(rows(ready)) == 2, timeout=LONG)
    assert str(other) in ready.archive_page.line.text()
    assert ready.registry["archive_remove_case"].isEnabled()


def test_an_archive_that_cannot_be_opened_shows_no_slides(ready: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    ready.registry["page_archive"].trigger()
    ready.archive.use_archive(str(tmp_path / "none"))
    qtbot.waitUntil(lambda: ready.client.state is EngineState.FAILED, timeout=LONG)
    assert rows(ready) == []


def test_what_was_asked_about_one_archive_is_not_done_to_another(
    ready: MainWindow, qtbot: QtBot, world: Any, other: Path
) -> None:
    choose(ready, "one")

    def switch_meanwhile(dialog: QDialog) -> None:
        ready.archive.use_archive(str(other))  # as the end of Archive, New archive does
        cast("FactsDialog", dialog).fields["organ"].setText("lung")
        press("OK")(dialog)

    answering = Answering(switch_meanwhile)
    ready.registry["archive_describe"].trigger()
    assert answering.came
    qtbot.waitUntil(lambda: not ready.jobs.jobs(), timeout=LONG)
    assert ("one.tif", "lung") in names(world.demo.archive)
    assert ("one.tif", "phantom") in names(other)
    qtbot.waitUntil(lambda: len(rows(ready)) == 2, timeout=LONG)
    choose(ready, "one")

    def back_meanwhile(dialog: QDialog) -> None:
        ready.archive.use_archive(str(world.demo.archive))
        press("Remove")(dialog)

    answering = Answering(back_meanwhile)
    ready.registry["archive_remove_case"].trigger()
    qtbot.waitUntil(lambda: answering.came and not ready.jobs.jobs(), timeout=LONG)
    qtbot.waitUntil(lambda: ready.client.state is EngineState.READY, timeout=LONG)
    assert [name for name, _ in names(other)] == ["two.tif"]
    assert len(names(world.demo.archive)) == 2


def test_a_removal_that_the_engine_did_not_look_at_says_so(ready: MainWindow, qtbot: QtBot) -> None:
    choose(ready, "one")
    ready.archive.restart_engine()
    ready.registry["archive_remove_slide"].trigger()
    qtbot.waitUntil(lambda: len(ready.client._open_tickets()) == 2, timeout=LONG)  # it waits behind the loading
    ready.archive.restart_engine()
    qtbot.waitUntil(lambda: "nothing was removed" in ready.notices.sentence.text(), timeout=LONG)
    assert ready.jobs.jobs() == []


def test_an_offer_takes_back_its_own_change_and_no_other(ready: MainWindow, qtbot: QtBot) -> None:
    row = rows(ready)[0]
    for organ in ("colon", "lung"):
        ready.keeper.describe([row], {"organ": organ})
        qtbot.waitUntil(lambda organ=organ: rows(ready)[0].organ == organ, timeout=LONG)  # type: ignore[misc]
        row = rows(ready)[0]
    ready.registry["archive_undo"].trigger()
    qtbot.waitUntil(lambda: rows(ready)[0].organ == "colon", timeout=LONG)
    ready.notices.offer_button.click()  # which still stands there, for "lung"
    assert ready.jobs.jobs() == []
    assert ready.keeper.can_undo


# -- without an engine ----------------------------------------------------------------------------------------------
class Desk:
    """What `ArchiveKeeper` needs of an `ArchiveDesk`, with jobs that end as the test says."""

    def __init__(self) -> None:
        self.archive = "/a"
        self.jobs: list[Job] = []
        self.looked = 0

    def run(self, title: str, arguments: list[str], *, resume: UnfinishedJob) -> Job:
        self.jobs.append(Job(title, arguments, resume=resume))
        return self.jobs[-1]

    def look_again(self) -> None:
        self.looked += 1

    def end(self, *states: JobState) -> None:
        jobs, self.jobs = self.jobs, []
        for job, state in zip(jobs, states, strict=True):
            job.state = state
        for job in jobs:
            job.finished.emit()


ROWS = [
    SlideRow(n, f"/s/{name}.svs", name, f"{name}.svs", 9, 9, 0.5, case=f"case {name}", organ="colon", tiles=5)
    for n, name in enumerate(("one", "two"))
]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def keeper(qapp: QApplication, desk: Desk) -> ArchiveKeeper:
    return ArchiveKeeper(cast("Any", desk), cast("Any", None))


def test_an_undo_that_fails_can_be_tried_again(keeper: ArchiveKeeper, desk: Desk) -> None:
    keeper.describe(ROWS, {"case": "K"})
    desk.end(JobState.DONE)
    keeper.undo()
    assert not keeper.can_undo
    desk.end(JobState.DONE, JobState.FAILED)  # a job for each case that there was
    assert keeper.can_undo
    keeper.undo()
    assert [job.resume.slides for job in desk.jobs if job.resume is not None] == [("two",)]


def test_changes_of_each_archive_are_taken_back_there(keeper: ArchiveKeeper, desk: Desk) -> None:
    keeper.describe(ROWS[:1], {"organ": "lung"})
    desk.end(JobState.DONE)
    keeper.describe(ROWS[1:], {"organ": "lung"}, "/b")
    desk.end(JobState.DONE)
    assert keeper.can_undo
    keeper.undo()
    assert desk.jobs[-1].arguments[-2:] == ("/a", "one")
    desk.end(JobState.DONE)
    assert not keeper.can_undo
    desk.archive = "/b"
    assert keeper.can_undo


def test_where_not_all_goes_that_is_told_which_did(keeper: ArchiveKeeper, desk: Desk) -> None:
    keeper._changes = [Change("/a", tuple(ROWS), ("organ",))]
    gone: list[Any] = []
    keeper.gone.connect(gone.append)
    told: list[Notice] = []
    keeper.notice.connect(told.append)
    keeper.remove(Going("/a", ("one", "two"), (), tuple(ROWS), 0))
    assert [job.title for job in desk.jobs] == ["Removing one.svs", "Removing two.svs"]
    desk.end(JobState.DONE, JobState.CANCELLED)
    assert gone == [(ROWS[0],)] * len(gone)
    assert gone
    assert told[0].sentence == "1 slide of the archive removed, 5 tiles."
    assert keeper._changes == [Change("/a", (ROWS[1],), ("organ",))]
    assert desk.looked


# -- cut off --------------------------------------------------------------------------------------------------------
def test_an_erased_slide_is_taken_out_of_what_was_cut_off(qapp: QApplication, lile_home: Path) -> None:
    cut_off = CutOffJobs(JobQueue())
    cut_off.left = [
        UnfinishedJob("Indexing 2 slides", ("index", "/a"), ("/s/one.svs", "/s/two.svs")),
        UnfinishedJob("Describing one.svs", ("archive", "describe", "/a"), ("identity-one",)),
    ]
    cut_off.forget(["/s/one.svs", "identity-one"])
    assert [job.slides for job in cut_off.left] == [("/s/two.svs",)]
    cut_off.close()


def test_a_second_window_neither_offers_nor_forgets_what_the_first_is_at(qapp: QApplication, lile_home: Path) -> None:
    running = UnfinishedJob("Indexing one", ("index", "/a"))
    unfinished.keep([running])
    first = CutOffJobs(JobQueue())
    assert first.look() == [running]
    second = CutOffJobs(JobQueue())
    assert second.look() == []
    second.close()
    assert unfinished.unfinished_jobs() == [running]
    assert (lile_home / "unfinished.lock").stat().st_mode & 0o077 == 0
    first.close()
    third = CutOffJobs(JobQueue())
    assert third.look() == []
    third.close()
    assert not (lile_home / "unfinished.lock").exists()


def test_an_offer_that_lasts_comes_back_after_other_messages(qtbot: QtBot) -> None:
    bar, taken = NoticeBar(), []
    qtbot.addWidget(bar)
    lasting = Notice("Cut off.", level=Level.WARNING, offer=Offer("Go on", "", lambda: taken.append(1), lasting=True))
    bar.show_notice(lasting)
    bar.show_notice(Notice("First."))
    bar.show_notice(Notice("Second.", offer=Offer("Undo", "", lambda: None)))
    bar.set_icons()
    assert bar.sentence.text() == "Second."
    bar.dismiss()
    assert bar.notice is lasting
    assert bar.isVisible()
    bar.offer_button.click()
    assert taken == [1]
    assert bar.notice is None


# -- the window -----------------------------------------------------------------------------------------------------
def test_closing_is_asked_about_once_at_a_time(ready: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    ready.archive.go_on(UnfinishedJob("Drawing", ("phantom", str(tmp_path / "a.tif"), "--size", "20000"), ()))
    seen: list[int] = []

    def close_again(dialog: QDialog) -> None:
        ready.close()  # Ctrl+C in the terminal, or the desktop's session ends
        seen.append(sum(1 for one in ready.findChildren(QDialog) if one.isVisible()))
        press("Keep it running")(dialog)

    answering = Answering(close_again)
    ready.close()
    assert answering.came
    assert seen == [1]
    assert ready.isVisible()


def test_ctrl_del_deletes_a_word_where_one_types(ready: MainWindow, qtbot: QtBot) -> None:
    called: list[int] = []
    ready.registry["archive_remove_slide"].triggered.connect(lambda: called.append(1))
    ready.activateWindow()
    qtbot.waitUntil(ready.isActiveWindow, timeout=LONG)
    field = ready.page.ask.field
    field.setFocus()
    field.setText("smooth muscle")
    field.home(False)
    QTest.keyClick(field, Qt.Key.Key_Delete, Qt.KeyboardModifier.ControlModifier)
    assert "smooth" not in field.text()
    assert called == []


def test_many_selected_regions_are_selected_again_at_once(ready: MainWindow, qtbot: QtBot, world: Any) -> None:
    """Region by region against each other these would be some 10^9 comparisons: minutes."""
    store = ready.view.annotations
    from lile_desktop.viewer.annotations import Annotation

    many = 30_000
    store.add_many([Annotation(0, Region.rectangle(n % 1500, n // 1500, 3, 3)) for n in range(many)])
    store.select(one.id for one in store.all())
    ready.open_slides([str(world.demo.slides[1])])
    qtbot.waitUntil(lambda: ready.view.slide is not None and ready.view.slide.name == "two.tif", timeout=LONG)
    ready.open_slides([str(world.demo.slides[0])])
    qtbot.waitUntil(lambda: len(ready.view.annotations.selection) == many, timeout=LONG)


def test_a_job_that_waited_says_when_it_begins(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> None:
    from lile_desktop.panels.jobs_bar import JobsBar

    queue = JobQueue()
    bar = JobsBar(queue)
    qtbot.addWidget(bar)
    first, second = (
        queue.add(Job(f"Job {n}", ["phantom", str(tmp_path / f"{n}.tif"), "--size", "20000"])) for n in (1, 2)
    )
    assert [row.text.text() for row in bar.rows()] == ["starting…", "waiting"]
    first.cancel()
    qtbot.waitUntil(lambda: second.state is JobState.RUNNING, timeout=LONG)
    assert bar.rows()[0].text.text() == "starting…"
    queue.stop_all()
    assert second._process.state() is QProcess.ProcessState.NotRunning
