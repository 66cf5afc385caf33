"""The window says where an answer is none: a phrase that fits nothing, figures from too few pictures, a use note."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QLabel, QSlider
from pytestqt.qtbot import QtBot

from lile_desktop import commands
from lile_desktop.archive_desk import trained_sentence
from lile_desktop.layers import HEAT, POOR_FIT
from lile_desktop.main_window import MainWindow
from lile_engine.answers import Answer, HeatAnswer
from lile_engine.outside import PhraseRange
from tests.desktop.conftest import World
from tests.desktop.test_window import LONG, answered, type_phrase


def lay_heat(window: MainWindow, best: float, ends: PhraseRange | None) -> None:
    """As the engine answers: cosines of four tiles over the slide in view, ``best`` the highest."""
    slide = window.view.slide
    assert slide is not None
    values = np.array([[best, -0.1], [0.0, np.nan]], np.float32)
    window.asker.heat_ready.emit(HeatAnswer(slide.path, "keratin pearls", values, 0, 0, 900, 900, ends))


def shown_labels(window: MainWindow) -> list[str]:
    return [one.text() for one in window.page.layers.findChildren(QLabel) if one.isVisible()]


def test_a_phrase_that_fits_nothing_on_the_slide_stays_dark_and_is_told(ready: MainWindow, qtbot: QtBot) -> None:
    lay_heat(ready, 0.2, PhraseRange(0.0, 0.5))
    overlay = ready.view.overlays.get(HEAT)
    assert overlay is not None
    assert overlay.range() == (0.0, 0.5)  # of the phrase, not of the slide
    assert overlay.note == POOR_FIT
    qtbot.waitUntil(lambda: POOR_FIT in shown_labels(ready), timeout=LONG)
    lay_heat(ready, 0.8, PhraseRange(0.0, 0.5))
    overlay = ready.view.overlays.get(HEAT)
    assert overlay is not None
    assert overlay.note == ""
    qtbot.waitUntil(lambda: POOR_FIT not in shown_labels(ready), timeout=LONG)


def test_the_range_of_a_phrase_can_be_moved_over_all_that_the_slide_holds(ready: MainWindow, qtbot: QtBot) -> None:
    lay_heat(ready, 0.8, PhraseRange(0.0, 0.5))
    sliders = {one.accessibleName(): one for one in ready.page.layers.findChildren(QSlider)}
    upper = sliders["Upper end of Heat map: keratin pearls"]
    assert upper.value() == round(100 * 0.6 / 0.9)
    upper.setValue(100)
    overlay = ready.view.overlays.get(HEAT)
    assert overlay is not None
    assert overlay.range() == pytest.approx((0.0, 0.8), abs=0.01)


def test_without_a_range_colours_span_the_slide(ready: MainWindow, qtbot: QtBot) -> None:
    lay_heat(ready, 0.2, None)
    overlay = ready.view.overlays.get(HEAT)
    assert overlay is not None
    assert overlay.range() == pytest.approx((-0.1, 0.2))
    assert overlay.note == ""


def test_a_phrase_that_fits_nothing_in_the_archive_is_told(ready: MainWindow, qtbot: QtBot) -> None:
    type_phrase(ready, qtbot, "fat")
    qtbot.waitUntil(lambda: answered(ready), timeout=LONG)
    answer = ready.asker.answer
    assert isinstance(answer, Answer)
    assert not ready.page.answers.warning.isVisible()  # this model carries no reference to measure by
    best = max(hit.scores["cosine"] for hit in answer.patches)
    ready.asker.answered.emit(replace(answer, phrase_range=PhraseRange(best - 1.0, best + 0.5)))
    assert ready.page.answers.warning.isVisible()
    assert ready.page.answers.warning.text() == "Nothing here fits this phrase well."
    ready.asker.answered.emit(replace(answer, phrase_range=PhraseRange(best - 1.0, best - 0.1)))
    assert not ready.page.answers.warning.isVisible()


def test_the_answers_say_that_they_are_often_wrong(ready: MainWindow, qtbot: QtBot) -> None:
    type_phrase(ready, qtbot, "fat")
    qtbot.waitUntil(lambda: answered(ready), timeout=LONG)
    assert ready.page.answers.caution.isVisible()


def test_the_example_of_the_search_line_is_in_the_demo(bare_window: MainWindow) -> None:
    from lile_engine.demo import SLIDES

    example = bare_window.page.ask.field.placeholderText().removeprefix("Phrase, e.g. ")
    assert any(example in slide.tissues for slide in SLIDES)


def test_a_sum_of_recalls_over_a_few_pairs_is_not_shown() -> None:
    few = trained_sentence("mine", {"steps": 5, "pairs": 14, "best_rsum": 600.0, "validation_pairs": 2})
    assert few.endswith("only 2 pairs were kept out, too few to judge it by.")
    assert "600" not in few
    many = trained_sentence("mine", {"steps": 5, "pairs": 900, "best_rsum": 312.4, "validation_pairs": 100})
    assert many.endswith("sum of recalls on the 100 pairs kept out 312 of 600.")


def test_the_first_window_fits_the_screen(bare_window: MainWindow) -> None:
    bare_window.setMinimumSize(0, 0)  # smaller screens than the smallest window scroll in no way
    bare_window.settings.update(window_geometry="")
    bare_window._restore_layout()
    screen = bare_window.screen().availableGeometry()
    assert bare_window.height() < screen.height() or bare_window.height() == bare_window.minimumSizeHint().height()
    assert bare_window.height() <= 900


def test_a_saved_picture_says_what_it_is_for_and_names_no_slide(
    ready: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "view.png"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args, **_named: (str(file), ""))
    shown = ready.view.picture()  # before the notice of the saving makes the view lower
    ready.registry["save_picture"].trigger()
    saved = QImage(str(file))
    assert saved.width() == shown.width()
    strip = saved.copy(0, shown.height(), saved.width(), saved.height() - shown.height())
    assert strip.height() > 16
    dark = [x for x in range(strip.width()) for y in range(strip.height()) if strip.pixelColor(x, y).lightness() < 128]
    assert max(dark) > 0.9 * strip.width()  # the note to the right,
    assert min(dark) > 0.4 * strip.width()  # and no name of a file to the left


@pytest.mark.parametrize("typed", [0.5, None])
def test_indexing_a_slide_without_scale_asks_for_it(
    ready: MainWindow, qtbot: QtBot, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: float | None
) -> None:
    picture = tmp_path / "bare.png"
    image = QImage(900, 900, QImage.Format.Format_RGB32)
    image.fill(0xC080A0)
    image.save(str(picture))
    asked: list[str] = []
    started: list[tuple[str, ...]] = []

    def ask(name: str, _parent: object) -> float | None:
        asked.append(name)
        return typed

    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_args, **_named: ([str(picture)], ""))
    monkeypatch.setattr(commands.dialogs, "ask_mpp", ask)
    ready.jobs.added.connect(lambda job: started.append(job.arguments))
    ready.registry["archive_index"].trigger()
    qtbot.waitUntil(lambda: bool(asked), timeout=LONG)
    assert asked == ["bare.png"]
    if typed is None:
        assert not started
        return
    qtbot.waitUntil(lambda: ready.jobs.running is None and bool(started), timeout=LONG)
    qtbot.waitUntil(lambda: ready.archive_page.rows_model.rowCount() == 3, timeout=LONG)
    rows = [ready.archive_page.rows_model.row(number) for number in range(3)]
    assert next(row for row in rows if row.name == "bare.png").mpp == typed
