"""The panel and the slide say which region an answer is about, and nothing of the last question stays."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from lile_desktop.layers import HEAT
from lile_desktop.main_window import MainWindow
from lile_desktop.panels.answers_panel import CAUTION, STOPPED
from lile_engine.answers import HeatAnswer
from lile_engine.slides import Region
from tests.desktop.test_window import LONG, answered, ask_region, click_patch, type_phrase

FIRST = Region.rectangle(400, 400, 448, 448)
SECOND = Region.rectangle(900, 900, 300, 300)


def lay_heat(window: MainWindow, text: str) -> None:
    slide = window.view.slide
    assert slide is not None
    window.asker.heat_ready.emit(HeatAnswer(slide.path, text, np.ones((2, 2), np.float32), 0, 0, 900, 900))


def test_the_head_names_the_region_and_the_slide_marks_it(ready: MainWindow, qtbot: QtBot) -> None:
    answers, store = ready.page.answers, ready.view.annotations
    ask_region(ready, qtbot)
    assert answers.title.text() == "Rectangle 1 on one"
    note = answers.note.text()
    assert note.startswith("4 tiles at 0.5 µm/px")
    mark = ready.view.asked
    assert mark is not None
    assert (mark.region, mark.label) == (FIRST, "Asked: Rectangle 1")
    ready.view.submit_region(SECOND)  # selected, and not asked about
    assert answers.title.text() == "Rectangle 1 on one"
    assert answers.note.text() == "Rectangle 2 is selected; this answer is not about it."
    assert answers.note.property("rank") == "warning"
    assert ready.view.asked == mark
    store.select([store.all()[0].id])
    assert answers.note.text() == note
    store.select([])
    assert answers.note.text() == note
    assert ready.view.asked == mark


def test_a_renamed_region_is_named_anew_and_a_deleted_one_keeps_its_mark(ready: MainWindow, qtbot: QtBot) -> None:
    from lile_desktop.viewer import operations as ops

    ask_region(ready, qtbot)
    ops.set_name(ready.view.annotations, ready.view.annotations.all()[0].id, "front")
    assert ready.page.answers.title.text() == "front on one"
    ready.view.annotations.remove([ready.view.annotations.all()[0].id])
    assert ready.page.answers.title.text() == "front on one"
    assert ready.view.asked is not None
    assert ready.view.asked.label == "Asked: front"


def test_the_mark_is_seen_on_the_slide(ready: MainWindow, qtbot: QtBot) -> None:
    ready.view.submit_region(FIRST)
    ready.view.annotations.select([])
    qtbot.waitUntil(lambda: ready.view.is_sharp, timeout=LONG)
    before = ready.view.picture()
    ask_region(ready, qtbot)
    ready.view.set_highlights([])
    ready.view.annotations.select([])
    qtbot.waitUntil(lambda: ready.view.is_sharp, timeout=LONG)
    assert ready.view.picture() != before
    ready.view.set_annotations_visible(False)
    hidden = ready.view.picture()
    ready.view.set_annotations_visible(True)
    assert ready.view.picture() != hidden


def test_back_from_a_patch_selects_the_region_again(ready: MainWindow, qtbot: QtBot) -> None:
    ask_region(ready, qtbot)
    here = ready.view.slide.path  # type: ignore[union-attr]
    patches = ready.asker.answer.patches  # type: ignore[union-attr]
    click_patch(ready, qtbot, next(n for n, hit in enumerate(patches) if hit.slide != here))
    qtbot.waitUntil(lambda: ready.view.slide.path != here, timeout=LONG)  # type: ignore[union-attr]
    assert ready.page.answers.title.text() == "Rectangle 1 on one"
    assert ready.page.answers.note.text() == "The slide in view is another one."
    assert ready.view.asked is None
    ready.registry["go_back"].trigger()
    qtbot.waitUntil(lambda: len(ready.view.annotations.selection) == 1, timeout=LONG)
    assert ready.view.annotations.selected()[0].region == FIRST
    assert ready.page.regions.list.currentRow() == 0
    assert ready.view.asked is not None
    assert ready.page.answers.note.text().startswith("4 tiles")
    assert ready.page.ask.ask_button.isVisible()


def test_the_region_asked_about_can_be_gone_to_from_another_slide(ready: MainWindow, qtbot: QtBot, world: Any) -> None:
    ask_region(ready, qtbot)
    ready.view.annotations.select([])
    ready.open_slides([str(world.demo.slides[1])])
    qtbot.waitUntil(lambda: ready.view.slide is not None and ready.view.slide.name == "two.tif", timeout=LONG)
    qtbot.mouseClick(ready.page.answers.asked_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: ready.view.slide is not None and ready.view.slide.name == "one.tif", timeout=LONG)
    qtbot.waitUntil(lambda: len(ready.view.annotations.selection) == 1, timeout=LONG)
    assert (ready.view.view.cx, ready.view.view.cy) == (624, 624)


def test_another_phrase_takes_heat_map_and_frames_of_the_last_one_away(ready: MainWindow, qtbot: QtBot) -> None:
    type_phrase(ready, qtbot, "fat")
    qtbot.waitUntil(lambda: answered(ready), timeout=LONG)
    lay_heat(ready, "fat")
    assert ready.view.highlights
    type_phrase(ready, qtbot, "my red tractor")
    assert HEAT not in ready.view.overlays.names()
    assert HEAT not in ready.page.layers.names()
    assert ready.view.highlights == []
    assert ready.asker.answer is None
    assert ready.page.answers.title.text() == "“my red tractor”"
    assert ready.page.answers.gallery.hits_model.rowCount() == 0
    qtbot.waitUntil(lambda: answered(ready), timeout=LONG)
    assert HEAT not in ready.view.overlays.names()


def test_a_heat_map_of_the_same_words_stays(ready: MainWindow, qtbot: QtBot) -> None:
    lay_heat(ready, "fat")
    type_phrase(ready, qtbot, "fat")
    qtbot.waitUntil(lambda: answered(ready), timeout=LONG)
    assert HEAT in ready.view.overlays.names()
    assert ready.view.highlights


def test_a_region_takes_the_heat_map_away_and_a_phrase_the_mark(ready: MainWindow, qtbot: QtBot) -> None:
    lay_heat(ready, "fat")
    ask_region(ready, qtbot)
    assert HEAT not in ready.view.overlays.names()
    type_phrase(ready, qtbot, "fat")
    assert ready.view.asked is None
    qtbot.waitUntil(lambda: answered(ready), timeout=LONG)
    assert not ready.page.answers.asked_button.isVisible()


def test_over_a_heat_map_of_other_words_only_the_chosen_patch_is_framed(ready: MainWindow, qtbot: QtBot) -> None:
    type_phrase(ready, qtbot, "fat")
    qtbot.waitUntil(lambda: answered(ready), timeout=LONG)
    assert len(ready.view.highlights) > 1
    ready.page.ask.field.setText("necrosis")
    ready.registry["heat_map"].trigger()
    assert ready.view.highlights == []
    qtbot.waitUntil(lambda: HEAT in ready.view.overlays.names(), timeout=LONG)
    assert ready.view.highlights == []
    here = ready.view.slide.path  # type: ignore[union-attr]
    patches = ready.asker.answer.patches  # type: ignore[union-attr]
    click_patch(ready, qtbot, next(n for n, hit in enumerate(patches) if hit.slide == here))
    assert [box.selected for box in ready.view.highlights] == [True]
    ready.page.layers.removed.emit(HEAT)
    assert len(ready.view.highlights) > 1


def test_a_question_that_is_stopped_says_so(ready: MainWindow, qtbot: QtBot) -> None:
    ready.view.submit_region(Region.rectangle(2, 2, 60, 60))
    ready.registry["ask_region"].trigger()
    assert ready.page.answers.note.text() == "Looking…"
    qtbot.waitUntil(lambda: not ready.asker.busy, timeout=LONG)  # there is no tissue
    assert ready.page.answers.note.text() == "No answer came."
    ask_region(ready, qtbot)
    assert ready.page.answers.caution.text() == CAUTION
    ready.asker.answered.emit(_unfinished(ready))
    ready.asker.idle.emit()
    assert ready.page.answers.caution.text() == STOPPED


def _unfinished(window: MainWindow) -> Any:
    from dataclasses import replace

    assert window.asker.answer is not None
    return replace(window.asker.answer, final=False)
