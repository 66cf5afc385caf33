"""Nothing moves under the mouse when a question, a message or a job comes or goes, or an answer gets better."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QPoint, QRect
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from lile_desktop.jobs import Job
from lile_desktop.main_window import MainWindow
from lile_desktop.notices import Level, Notice
from lile_desktop.panels.answers_panel import CAUTION, RANKING
from lile_engine.progress import Progress
from lile_engine.slides import Region
from tests.desktop.test_window import LONG, answered, ask_region, click_patch

LONG_SENTENCE = "The regions of this slide could not be read; mend the file or move it away, then open it again. " * 2


def places(window: MainWindow) -> dict[str, QRect]:
    """Where the parts lie that one clicks on, in the window."""
    page = window.page
    parts: dict[str, QWidget] = {
        "field": page.ask.field,
        "ask": page.ask.ask_button,
        "answers": page.answers.gallery if page.answers.gallery.isVisible() else page.answers.captions,
        "tab": page.answers.tab_buttons[1],
        "slides": page.slides.list,
        "regions": page.regions.list,
        "slide": window.view,
        "stack": window.pages.stack,
    }
    QApplication.processEvents()
    return {name: QRect(part.mapTo(window, QPoint(0, 0)), part.size()) for name, part in parts.items()}


def test_a_question_under_way_moves_nothing(ready: MainWindow, qtbot: QtBot) -> None:
    ask_region(ready, qtbot)
    before = places(ready)
    ready.page.ask.show_progress("Looking at the region", None)
    assert ready.page.ask.progress_text.isVisible()
    assert places(ready) == before
    ready.page.ask.show_progress("Looking at the region", Progress(34, 1200, "tiles", 22.5, 140.0))
    assert places(ready) == before
    ready.page.ask.show_idle()
    assert not ready.page.ask.progress_text.isVisible()
    assert places(ready) == before


def test_an_answer_that_gets_better_keeps_its_place(ready: MainWindow, qtbot: QtBot) -> None:
    ask_region(ready, qtbot)
    answer = ready.asker.answer
    assert answer is not None
    ready.asker.answered.emit(replace(answer, final=False))
    assert ready.page.answers.caution.text() == RANKING
    before = places(ready)
    ready.asker.answered.emit(answer)
    assert ready.page.answers.caution.text() == CAUTION
    assert places(ready) == before


def test_another_region_or_none_selected_moves_nothing(ready: MainWindow, qtbot: QtBot) -> None:
    ready.view.submit_region(Region.rectangle(900, 900, 300, 300))
    ask_region(ready, qtbot)
    before = places(ready)
    ready.view.annotations.select([ready.view.annotations.all()[0].id])
    assert places(ready) == before
    ready.view.annotations.select([])
    assert places(ready) == before


def test_a_patch_of_another_slide_leaves_the_gallery_where_it_is(ready: MainWindow, qtbot: QtBot) -> None:
    ask_region(ready, qtbot)
    here = ready.view.slide.path  # type: ignore[union-attr]
    patches = ready.asker.answer.patches  # type: ignore[union-attr]
    ready.page.answers.show_page(1)
    before = places(ready)["answers"].top()
    click_patch(ready, qtbot, next(n for n, hit in enumerate(patches) if hit.slide != here))
    qtbot.waitUntil(lambda: ready.view.slide.path != here, timeout=LONG)  # type: ignore[union-attr]
    assert answered(ready)
    assert places(ready)["answers"].top() == before


def test_a_message_lies_over_the_slide_and_moves_nothing(ready: MainWindow, qtbot: QtBot) -> None:
    before = places(ready)
    ready.notices.show_notice(Notice(LONG_SENTENCE, "details", Level.ERROR))
    assert places(ready) == before
    notice = QRect(ready.notices.mapTo(ready, QPoint(0, 0)), ready.notices.size())
    assert before["slide"].contains(notice)
    inside = ready.notices.sentence
    assert inside.height() >= inside.heightForWidth(inside.width())  # all of the sentence is seen
    ready.resize(1100, 720)
    qtbot.waitUntil(lambda: places(ready)["slide"].contains(_place(ready.notices, ready)), timeout=LONG)
    ready.registry["page_archive"].trigger()
    QApplication.processEvents()
    assert ready.notices.isVisible()
    ready.notices.dismiss()
    assert not ready.notices.isVisible()


def _place(part: QWidget, window: MainWindow) -> QRect:
    return QRect(part.mapTo(window, QPoint(0, 0)), part.size())


def test_a_job_stands_in_the_line_at_the_bottom_and_moves_nothing(
    ready: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    before, height = places(ready), ready.status.height()
    for number in range(3):
        arguments = ["phantom", str(tmp_path / f"{number}.tif"), "--size", "20000", "--seed", "1"]
        ready.jobs.add(Job(f"A job with a title of some length, number {number}", arguments))
    assert ready.jobs_bar.isVisible()
    assert not ready.status.hint.isVisible()
    assert [row.isVisible() for row in ready.jobs_bar.rows()] == [True, False, False]
    assert ready.jobs_bar.more.text().startswith("2 waiting")
    assert places(ready) == before
    assert ready.status.height() == height
    assert ready.width() == 1280
    for label in ready.status.labels()[1:]:
        assert label.width() >= label.sizeHint().width() or not label.isVisible()
    menu = ready.jobs_bar.more.menu()
    menu.aboutToShow.emit()
    assert [action.text()[-1] for action in menu.actions()] == ["1", "2"]
    menu.actions()[0].trigger()
    qtbot.waitUntil(lambda: len(ready.jobs_bar.rows()) == 2, timeout=LONG)
    assert ready.jobs_bar.more.text().startswith("1 waiting")
    for job in ready.jobs.jobs():
        job.cancel()
    qtbot.waitUntil(lambda: not ready.jobs_bar.isVisible(), timeout=LONG)
    assert ready.status.hint.isVisible()
    assert places(ready) == before
