"""What a person does in the first half hour: asks too early, leaves a field, comes back the next day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytestqt.qtbot import QtBot

from lile_desktop.layers import HEAT
from lile_desktop.main_window import MainWindow
from lile_engine.slides import Region

LONG = 120_000


def test_a_question_asked_before_the_engine_is_there_is_answered(
    bare_window: MainWindow, qtbot: QtBot, world: Any, monkeypatch: Any
) -> None:
    begin = bare_window.archive.begin
    monkeypatch.setattr(bare_window.archive, "begin", lambda: None)  # the demo is still being prepared
    bare_window.begin([str(world.demo.slides[0])])
    qtbot.waitUntil(lambda: bare_window.view.slide is not None, timeout=LONG)
    bare_window.view.submit_region(Region.rectangle(400, 400, 448, 448))
    bare_window.registry["ask_region"].trigger()
    assert bare_window.asker.busy
    begin()
    qtbot.waitUntil(lambda: bare_window.asker.answer is not None and bare_window.asker.answer.final, timeout=LONG)


def test_escape_in_the_search_line_only_leaves_it(ready: MainWindow, qtbot: QtBot) -> None:
    ready.page.ask.field.setText("fat")
    ready.registry["heat_map"].trigger()
    qtbot.waitUntil(lambda: HEAT in ready.view.overlays.names(), timeout=LONG)
    field = ready.page.ask.field
    ready.activateWindow()
    field.setFocus()
    qtbot.waitUntil(field.hasFocus, timeout=LONG)
    ready.registry["clear_layers"].trigger()
    assert HEAT in ready.view.overlays.names()
    assert not field.hasFocus()
    ready.registry["clear_layers"].trigger()
    assert HEAT not in ready.view.overlays.names()


def test_asking_without_a_region_says_what_to_do_first(ready: MainWindow) -> None:
    assert ready.registry["ask_region"].isEnabled()
    ready.registry["ask_region"].trigger()
    assert ready.notices.sentence.text().startswith("Draw a rectangle")


def test_slides_that_fail_together_are_all_named(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    for name in ("a.svs", "b.svs"):
        (tmp_path / name).write_bytes(b"not a slide")
    window.open_slides([str(tmp_path / "a.svs"), str(tmp_path / "b.svs")])
    told = window.notices.sentence
    qtbot.waitUntil(lambda: "a.svs" in told.text() and "b.svs" in told.text(), timeout=LONG)
