"""A slide without scale is asked about, and regions that are drawn or kept while something is still being loaded."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from lile_desktop.engine_client import EngineState
from lile_desktop.main_window import MainWindow
from lile_desktop.settings import SettingsStore
from lile_desktop.viewer.annotation_files import read_annotations, write_annotations
from lile_desktop.viewer.annotations import Annotation
from lile_desktop.viewer.autosave import archived_file, own_file
from lile_engine.slides import Region

LONG = 120_000


@pytest.fixture
def scaleless(tmp_path: Path) -> str:
    """A picture of tissue colours that says nothing of its scale."""
    rng = np.random.default_rng(0)
    tissue = rng.normal((200, 120, 170), 25, (900, 900, 3)).clip(0, 255).astype(np.uint8)
    path = tmp_path / "scaleless.png"
    assert QImage(tissue.tobytes(), 900, 900, 2700, QImage.Format.Format_RGB888).save(str(path))
    return str(path)


def show(window: MainWindow, qtbot: QtBot, path: str) -> None:
    window.open_slides([path])
    qtbot.waitUntil(lambda: window.view.slide is not None and window.view.slide.path == path, timeout=LONG)


def test_a_question_that_waited_for_the_scale_goes_on_by_itself(
    ready: MainWindow, qtbot: QtBot, scaleless: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(ready, qtbot, scaleless)
    assert ready.view.slide is not None
    assert ready.view.slide.mpp is None
    ready.view.submit_region(Region.rectangle(200, 200, 448, 448))
    typed: list[float | None] = [None, 0.5]
    monkeypatch.setattr("lile_desktop.commands.dialogs.ask_mpp", lambda _name, _parent: typed.pop(0))
    ready.registry["ask_region"].trigger()
    assert typed == [0.5]
    assert not ready.asker.busy  # who gives no scale asks nothing
    ready.registry["ask_region"].trigger()
    ready.view.annotations.select([])  # nothing needs to stay selected meanwhile
    qtbot.waitUntil(lambda: ready.asker.answer is not None and ready.asker.answer.final, timeout=LONG)
    answer = ready.asker.answer
    assert answer is not None
    assert answer.region is not None
    assert answer.region.slide == scaleless
    assert ready.view.slide.mpp == 0.5
    assert len(ready.view.annotations) == 1
    assert typed == []


def test_indexing_that_waited_for_the_scale_goes_on_by_itself(
    ready: MainWindow, qtbot: QtBot, scaleless: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(ready, qtbot, scaleless)
    asked: list[tuple[list[str], float | None]] = []
    monkeypatch.setattr(ready.archive, "index", lambda paths, mpp=None: asked.append((list(paths), mpp)))
    monkeypatch.setattr("lile_desktop.commands.dialogs.ask_mpp", lambda _name, _parent: 0.25)
    ready.registry["archive_index_this"].trigger()
    qtbot.waitUntil(lambda: bool(asked), timeout=LONG)
    assert asked == [([scaleless], 0.25)]


def test_a_region_drawn_before_the_saved_ones_are_read_stays_and_stays_selected(
    window: MainWindow, qtbot: QtBot, world: Any
) -> None:
    qtbot.waitUntil(lambda: window.view.slide is not None, timeout=LONG)
    window.view.submit_region(Region.rectangle(100, 100, 300, 300))
    show(window, qtbot, str(world.demo.slides[1]))
    window.viewer._autosave.flush()
    # Back again: drawn at once, while the file with the first one is still being read.
    window.desk.show(str(world.demo.slides[0]))
    assert window.viewer._autosave._loading
    window.view.submit_region(Region.rectangle(500, 500, 300, 300))
    with qtbot.waitSignal(window.viewer._autosave.loaded, timeout=LONG):
        pass
    store = window.view.annotations
    assert [a.region.bounds[:2] for a in store.all()] == [(100, 100), (500, 500)]
    assert [a.region.bounds[:2] for a in store.selected()] == [(500, 500)]
    assert store.undo_title == "Draw"
    store.undo()
    assert [a.region.bounds[:2] for a in store.all()] == [(100, 100)]


def test_regions_are_shown_though_the_archive_cannot_be_loaded(
    bare_window: MainWindow, qtbot: QtBot, world: Any
) -> None:
    slide = str(world.demo.slides[0])
    info = bare_window.readers.open(slide).result(timeout=60)
    kept = archived_file(info.identity, world.demo.archive)
    kept.parent.mkdir(parents=True, exist_ok=True)
    own = own_file(info.identity)
    own.parent.mkdir(parents=True, exist_ok=True)
    write_annotations(kept, [Annotation(0, Region.rectangle(10, 10, 50, 50), name="kept")])
    write_annotations(own, [Annotation(0, Region.rectangle(90, 90, 50, 50), name="drawn meanwhile")])
    (world.demo.archive / "archive.db").write_bytes(b"damaged")
    bare_window.begin([slide])
    qtbot.waitUntil(lambda: bare_window.client.state is EngineState.FAILED, timeout=LONG)
    qtbot.waitUntil(lambda: len(bare_window.view.annotations) == 2, timeout=LONG)
    assert {a.name for a in bare_window.view.annotations.all()} == {"kept", "drawn meanwhile"}
    bare_window.viewer._autosave.flush()
    assert {a.name for a in read_annotations(kept)} == {"kept", "drawn meanwhile"}
    assert not own.exists()


def test_an_archive_that_is_gone_is_told_with_the_menu_that_helps(
    bare_window: MainWindow, qtbot: QtBot, world: Any
) -> None:
    shutil.rmtree(world.demo.archive)
    bare_window.begin([str(world.demo.slides[0])])
    qtbot.waitUntil(lambda: bare_window.client.state is EngineState.FAILED, timeout=LONG)
    told = bare_window.notices.sentence.text()
    assert "Archive, Open archive" in told
    assert "lile archive init" not in told
    bare_window.page.ask.field.setText("fat")
    bare_window.page.ask.field.returnPressed.emit()
    qtbot.waitUntil(lambda: not bare_window.asker.busy, timeout=LONG)
    assert "Archive, Open archive" in bare_window.notices.sentence.text()


def test_a_typed_scale_holds_for_the_next_start(
    bare_window: MainWindow, qtbot: QtBot, scaleless: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare_window.begin([scaleless])
    qtbot.waitUntil(lambda: bare_window.view.slide is not None, timeout=LONG)
    monkeypatch.setattr("lile_desktop.commands.dialogs.ask_mpp", lambda _name, _parent: 0.5)
    bare_window.commands.give_mpp()
    qtbot.waitUntil(lambda: bare_window.view.slide is not None and bare_window.view.slide.mpp == 0.5, timeout=LONG)
    bare_window.close()

    again = MainWindow(SettingsStore())
    qtbot.addWidget(again)
    again.show()
    try:
        again.begin([])  # the slides of the last time
        qtbot.waitUntil(lambda: again.view.slide is not None and again.view.slide.path == scaleless, timeout=LONG)
        assert again.view.slide is not None
        assert again.view.slide.mpp == 0.5
    finally:
        again.shut_down()
