"""The archive kept in order from the window: what is known of slides, what is taken out, what was left half done."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QMenu, QMessageBox
from pytestqt.qtbot import QtBot

from lile_desktop.archive_questions import OwnArchiveDialog
from lile_desktop.engine_client import EngineState
from lile_desktop.facts_dialog import FactsDialog
from lile_desktop.main_window import MainWindow
from lile_desktop.viewer.autosave import archived_file
from lile_engine import unfinished
from lile_engine.archive import open_archive
from lile_engine.demo import Demo
from lile_engine.paths import demo_dir
from lile_engine.phantom.slide import draw_slide
from lile_engine.slides import Region
from lile_engine.unfinished import UnfinishedJob
from tests.desktop.modals import Answering, press

LONG = 240_000


def rows(window: MainWindow) -> list[Any]:
    model = window.archive_page.rows_model
    return [model.row(number) for number in range(model.rowCount())]


def choose(window: MainWindow, *names: str) -> None:
    """Selects slides in the table of the archive page."""
    window.registry["page_archive"].trigger()
    window.archive_page.select({row.identity for row in rows(window) if Path(row.name).stem in names})


def answered(window: MainWindow) -> bool:
    answer = window.asker.answer
    return answer is not None and answer.final and not window.asker.busy


def ask(window: MainWindow, qtbot: QtBot, phrase: str) -> None:
    window.asker.ask_phrase(phrase, 12)
    qtbot.waitUntil(lambda: answered(window), timeout=LONG)


def test_case_and_organ_are_typed_for_two_slides_and_taken_back(ready: MainWindow, qtbot: QtBot) -> None:
    choose(ready, "one", "two")

    def type_in(dialog: QDialog) -> None:
        fields = cast("FactsDialog", dialog).fields
        assert (fields["case"].text(), fields["organ"].text()) == ("", "phantom")
        assert "differs" in fields["case"].placeholderText()
        assert fields["case"].completer().model().rowCount() == 2
        QTest.keyClicks(fields["case"], "K 12")
        fields["organ"].selectAll()
        QTest.keyClicks(fields["organ"], "colon")
        press("OK")(dialog)

    answering = Answering(type_in)
    qtbot.keyClick(ready, Qt.Key.Key_F4)
    assert answering.came
    qtbot.waitUntil(lambda: {(row.case, row.organ) for row in rows(ready)} == {("K 12", "colon")}, timeout=LONG)
    assert {row.stain for row in rows(ready)} == {"H&E"}
    assert ready.client.info is not None
    assert ready.client.info.archive is not None
    assert ready.client.info.archive.cases == 1
    assert [Path(row.name).stem for row in ready.archive_page.selected()] == ["one", "two"]
    assert ready.notices.offer_button.isVisible()
    ask(ready, qtbot, "fat")  # what is found says so at once
    assert {hit.case for hit in ready.asker.answer.patches} == {"K 12"}  # type: ignore[union-attr]
    ready.notices.offer_button.click()
    qtbot.waitUntil(lambda: {row.case for row in rows(ready)} == {"Case 1", "Case 2"}, timeout=LONG)
    assert {row.organ for row in rows(ready)} == {"phantom"}
    assert not ready.registry["archive_undo"].isEnabled()


def test_tags_are_completed_one_by_one(ready: MainWindow, qtbot: QtBot) -> None:
    ready.keeper.describe(rows(ready)[:1], {"tags": "second look; tumour"})
    qtbot.waitUntil(lambda: rows(ready)[0].tags == ("second look", "tumour"), timeout=LONG)
    dialog = FactsDialog(rows(ready)[1:], rows(ready), ready)
    qtbot.addWidget(dialog)
    field = dialog.fields["tags"]
    QTest.keyClicks(field, "frozen; tum")
    completer = field.completer()
    assert completer.currentCompletion() == "frozen; tumour"
    assert dialog.facts() == {"tags": "frozen; tum"}


def test_the_slide_list_offers_the_same_for_slides_in_the_archive(
    ready: MainWindow, qtbot: QtBot, tmp_path: Path, world: Any
) -> None:
    ready.desk.add([str(world.demo.slides[1])])
    slides = ready.page.slides
    qtbot.waitUntil(lambda: all(entry.info is not None for entry in ready.desk.slides.entries()), timeout=LONG)
    slides.list.selectAll()
    seen: list[str] = []

    def answer(dialog: QDialog) -> None:
        seen.append(cast("FactsDialog", dialog).fields["stain"].text())
        dialog.reject()

    answering = Answering(answer)
    ready.registry["archive_describe"].trigger()
    assert answering.came
    assert seen == ["H&E"]
    draw_slide(tmp_path / "three.tif", 900, 9, ("adipose",), mpp=0.5)
    ready.open_slides([str(tmp_path / "three.tif")])
    qtbot.waitUntil(lambda: ready.view.slide is not None and ready.view.slide.name == "three.tif", timeout=LONG)
    ready.registry["archive_describe"].trigger()
    assert "in the archive first" in ready.notices.sentence.text()


@pytest.mark.parametrize("by_case", [False, True])
def test_a_slide_is_taken_out_and_its_file_stays(ready: MainWindow, qtbot: QtBot, world: Any, by_case: bool) -> None:
    slide = world.demo.slides[0]
    identity = next(row.identity for row in rows(ready) if row.name == slide.name)
    ready.view.submit_region(Region.rectangle(100, 100, 300, 300))
    kept = archived_file(identity, world.demo.archive)
    qtbot.waitUntil(kept.exists, timeout=LONG)
    ask(ready, qtbot, "fat")
    assert any(hit.identity == identity for hit in ready.asker.answer.patches)  # type: ignore[union-attr]
    choose(ready, "one")
    texts: list[str] = []

    def agree(dialog: QDialog) -> None:
        box = cast("QMessageBox", dialog)
        texts.append(f"{box.text()} {box.informativeText()}")
        assert box.defaultButton().text().replace("&", "") == "Cancel"
        press("Remove")(dialog)

    answering = Answering(agree)
    ready.registry["archive_remove_case" if by_case else "archive_remove_slide"].trigger()
    qtbot.waitUntil(lambda: len(rows(ready)) == 1, timeout=LONG)
    assert answering.came
    assert ("case Case 1" in texts[0]) is by_case
    assert " tiles with their vectors" in texts[0]
    assert "file stays where it is" in texts[0]
    assert slide.exists()
    assert not kept.exists()
    assert ready.asker.answer is None
    assert str(slide) not in ready.settings.value.recent_slides
    assert ready.desk.slides.entries() == ()
    ask(ready, qtbot, "fat")
    hits = ready.asker.answer.patches  # type: ignore[union-attr]
    assert hits
    assert all(hit.identity != identity for hit in hits)
    with open_archive(world.demo.archive) as archive:
        assert [row.name for row in archive.slides()] == ["two.tif"]


def test_who_cancels_keeps_the_slide(ready: MainWindow, qtbot: QtBot) -> None:
    choose(ready, "one")
    answering = Answering(lambda dialog: dialog.reject())
    ready.registry["archive_remove_slide"].trigger()
    qtbot.waitUntil(lambda: answering.came, timeout=LONG)
    assert len(rows(ready)) == 2
    assert ready.jobs.jobs() == []
    assert len(ready.desk.slides.entries()) == 1


def test_the_table_has_a_menu(ready: MainWindow, qtbot: QtBot) -> None:
    choose(ready, "two")
    table = ready.archive_page.table
    texts: list[str] = []

    def look() -> bool:
        menu = QApplication.activePopupWidget()
        if isinstance(menu, QMenu):
            texts.extend(action.text() for action in menu.actions() if not action.isSeparator())
            menu.close()
        return bool(texts)

    timer = QTimer(interval=10)
    timer.timeout.connect(look)
    timer.start()
    table.customContextMenuRequested.emit(QPoint(10, 10))
    qtbot.waitUntil(lambda: bool(texts), timeout=LONG)
    assert texts[0] == "Show slide"
    assert "Case, organ, stain, tags…" in texts
    assert "Remove case from archive…" in texts


# -- the demo archive -----------------------------------------------------------------------------------------------
@pytest.fixture
def demo_window(bare_window: MainWindow, built_world: Any, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> MainWindow:
    """The window on the demo archive, as after a first start."""
    shutil.copytree(built_world.home / "demo", demo_dir())
    bare_window.settings.update(archive="")
    bare_window.begin([])
    qtbot.waitUntil(lambda: bare_window.client.state is EngineState.READY, timeout=LONG)
    qtbot.waitUntil(lambda: len(bare_window.shown.rows) == 2, timeout=LONG)
    return bare_window


def show_own(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    draw_slide(tmp_path / "own.tif", 900, 9, ("adipose",), mpp=0.5)
    window.open_slides([str(tmp_path / "own.tif")])
    qtbot.waitUntil(lambda: window.view.slide is not None and window.view.slide.name == "own.tif", timeout=LONG)


def test_own_slides_go_into_an_archive_of_ones_own(demo_window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    assert demo_window.archive.is_demo
    demo_window.registry["page_archive"].trigger()
    assert demo_window.archive_page.demo_note.isVisible()
    show_own(demo_window, qtbot, tmp_path)

    def make(dialog: QDialog) -> None:
        own = cast("OwnArchiveDialog", dialog)
        own.field.setText(str(tmp_path))  # where other things lie
        assert not own.own_button.isEnabled()
        own.field.setText(str(tmp_path / "mine"))
        own.own_button.click()

    answering = Answering(make)
    demo_window.registry["archive_index_this"].trigger()
    assert answering.came
    qtbot.waitUntil(
        lambda: [(row.name, row.complete) for row in demo_window.shown.rows] == [("own.tif", True)], timeout=LONG
    )
    assert demo_window.archive.archive == demo_window.settings.value.own_archive == str(tmp_path / "mine")
    demo_window.registry["page_archive"].trigger()
    assert not demo_window.archive_page.demo_note.isVisible()
    demo = Demo((), demo_dir() / "archive")
    with open_archive(demo.archive) as archive:
        assert len(archive.slides()) == 2


def test_who_adds_to_the_demo_is_asked_once(demo_window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    show_own(demo_window, qtbot, tmp_path)
    answering = Answering(press("Add to the demo archive"))
    demo_window.registry["archive_index_this"].trigger()
    assert answering.came
    qtbot.waitUntil(lambda: len(demo_window.shown.rows) == 3, timeout=LONG)
    demo_window.registry["archive_index_this"].trigger()  # nobody is asked, so nothing waits for an answer
    assert demo_window.jobs.jobs()[0].title == "Indexing own.tif"


# -- half done ------------------------------------------------------------------------------------------------------
@pytest.fixture
def half(world: Any, tmp_path: Path) -> Path:
    """A slide that is half indexed in the archive."""
    from lile_engine.errors import Cancelled
    from lile_engine.model.load import load_model
    from lile_engine.progress import CancelToken
    from lile_engine.retrieval.indexing import index_slides

    path = tmp_path / "half.tif"
    draw_slide(path, 1100, 9, ("adipose", "smooth muscle"), mpp=0.5)
    cancel = CancelToken()
    with pytest.raises(Cancelled):
        index_slides(
            world.demo.archive, [path], load_model(None), batch=4, progress=lambda _now: cancel.cancel(), cancel=cancel
        )
    return path


def test_a_half_done_slide_says_so_and_is_gone_on_with(half: Path, window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: len(window.shown.rows) == 3, timeout=LONG)
    window.registry["page_archive"].trigger()
    page = window.archive_page
    assert page.incomplete_note.isVisible()
    assert page.incomplete_note.text.text().startswith("half.tif is incomplete")
    row = next(row for row in rows(window) if row.name == "half.tif")
    assert 0 < row.tiles < row.planned
    state = next(
        page.rows_model.index(number, 7).data() for number in range(3) if page.rows_model.row(number).name == "half.tif"
    )
    assert state == f"incomplete: {row.tiles} of {row.planned} tiles"
    window.open_slides([str(half)])
    qtbot.waitUntil(lambda: window.view.slide is not None and window.view.slide.name == "half.tif", timeout=LONG)
    window.view.submit_region(Region.rectangle(100, 100, 600, 600))
    assert "partly in the archive, else about" in window.page.ask.region_text.text()
    page.incomplete_note.button.click()
    qtbot.waitUntil(lambda: all(row.complete for row in rows(window)), timeout=LONG)
    assert not page.incomplete_note.text.text()
    assert window.page.ask.region_text.text().endswith("in the archive already")
    assert not window.registry["archive_finish"].isEnabled()
    assert next(row for row in rows(window) if row.name == "half.tif").tiles == row.planned


def test_closing_while_indexing_asks_and_the_next_start_goes_on(
    ready: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    paths = [str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]
    for seed, path in enumerate(paths, 20):
        draw_slide(Path(path), 900, seed, ("adipose",), mpp=0.5)
    ready.archive.index(paths[:1])
    ready.archive.index(paths[1:])
    answering = Answering(press("Keep it running"))
    ready.close()
    assert answering.came
    assert ready.isVisible()
    assert len(ready.jobs.jobs()) == 2
    answering = Answering(press("Stop and close"))
    ready.close()
    assert answering.came
    assert not ready.isVisible()
    left = unfinished.unfinished_jobs()
    assert paths[1] in [job.slides[0] for job in left]

    again = MainWindow(ready.settings)
    qtbot.addWidget(again, before_close_func=MainWindow.shut_down)
    again.show()
    again.begin([])
    try:
        qtbot.waitUntil(
            lambda: again.notices.notice is not None and again.notices.notice.offer is not None, timeout=LONG
        )
        assert "cut off the last time" in again.notices.sentence.text()
        again.notices.offer_button.click()
        qtbot.waitUntil(
            lambda: again.jobs.jobs() == [] and {"a.tif", "b.tif"} <= {row.name for row in again.shown.rows},
            timeout=LONG,
        )
        assert unfinished.unfinished_jobs() == []
    finally:
        again.shut_down()


def test_what_was_offered_and_not_taken_is_not_offered_again(window: MainWindow, qtbot: QtBot, world: Any) -> None:
    window.cut_off.look()
    job = UnfinishedJob("Indexing one", ("index", str(world.demo.archive)), (str(world.demo.slides[0]),))
    gone = UnfinishedJob("Indexing gone", ("index", str(world.demo.archive)), ("/not/there.svs",))
    unfinished.keep([job, gone])
    assert window.cut_off.look() == [job]
    window.cut_off.forget([str(world.demo.slides[0])])
    assert window.cut_off.left == []
    window.shut_down()
    assert unfinished.unfinished_jobs() == []


def test_without_work_closing_asks_nothing(ready: MainWindow) -> None:
    ready.close()
    assert not ready.isVisible()
