"""The window says where an answer is none: a phrase that fits nothing, figures from too few pictures, a use note."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtWidgets import QLabel, QSlider
from pytestqt.qtbot import QtBot

from lile_desktop.layers import HEAT, POOR_FIT
from lile_desktop.main_window import MainWindow
from lile_engine.answers import Answer, HeatAnswer
from lile_engine.outside import PhraseRange
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
