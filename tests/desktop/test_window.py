"""The whole window on a small archive: what a person does with mouse and keyboard, and what she sees."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent, QMimeData, QObject, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QLineEdit,
    QSlider,
    QWidget,
)
from pytestqt.qtbot import QtBot

from lile_desktop.layers import ATTENTION, HEAT
from lile_desktop.main_window import MainWindow
from lile_desktop.notices import Notice
from lile_desktop.panels.answers_panel import CAPTIONS, PATCHES, AnswersPanel
from lile_desktop.panels.archive_page import ArchivePage
from lile_desktop.panels.ask_panel import AskPanel
from lile_desktop.panels.regions_panel import RegionsPanel
from lile_desktop.panels.slides_panel import SlidesPanel
from lile_desktop.panels.training_page import TrainingPage
from lile_engine.slides import Region

LONG = 120_000


def answered(window: MainWindow) -> bool:
    answer = window.asker.answer
    return answer is not None and answer.final and not window.asker.busy


def ask_region(window: MainWindow, qtbot: QtBot) -> None:
    window.view.submit_region(Region.rectangle(400, 400, 448, 448))
    qtbot.mouseClick(window.page.ask.ask_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: answered(window), timeout=LONG)


def type_phrase(window: MainWindow, qtbot: QtBot, phrase: str) -> None:
    window.page.ask.field.setText(phrase)
    qtbot.keyClick(window.page.ask.field, Qt.Key.Key_Return)


def click_patch(window: MainWindow, qtbot: QtBot, number: int) -> None:
    gallery = window.page.answers.gallery
    window.page.answers.show_page(PATCHES)
    index = gallery.hits_model.index(number)
    gallery.scrollTo(index)
    qtbot.waitUntil(lambda: not gallery.visualRect(index).isEmpty(), timeout=5_000)
    qtbot.mouseClick(gallery.viewport(), Qt.MouseButton.LeftButton, pos=gallery.visualRect(index).center())


def test_a_region_brings_captions_and_patches(ready: MainWindow, qtbot: QtBot) -> None:
    assert ready.page.ask.ask_button.property("rank") == ""  # nothing to ask about yet
    ready.view.submit_region(Region.rectangle(400, 400, 448, 448))
    assert ready.page.ask.region_text.text().startswith("Rectangle 1: 224 × 224 µm, at most ")
    assert ready.page.ask.region_text.text().endswith("in the archive already")
    assert ready.page.ask.ask_button.property("rank") == "primary"
    ask_region(ready, qtbot)
    assert ready.page.answers.page() == CAPTIONS
    assert len(ready.page.answers.captions.hits_model.hits()) == 12  # some of them folded under others
    assert ready.page.answers.gallery.hits_model.rowCount() == 12
    assert ready.page.answers.title.text() == "Rectangle 2 on one"
    assert ready.page.ask.progress_bar.isHidden() or not ready.page.ask.progress_bar.isVisible()
    assert ready.view.tool == "move"


def test_a_click_on_a_patch_of_another_slide_opens_it_and_flies_there(ready: MainWindow, qtbot: QtBot) -> None:
    type_phrase(ready, qtbot, "fat")
    qtbot.waitUntil(lambda: answered(ready), timeout=LONG)
    answer = ready.asker.answer
    assert answer is not None
    here = ready.view.slide.path  # type: ignore[union-attr]
    number = next(n for n, hit in enumerate(answer.patches) if hit.slide != here)
    hit = answer.patches[number]
    click_patch(ready, qtbot, number)
    qtbot.waitUntil(lambda: ready.view.slide is not None and ready.view.slide.path == hit.slide, timeout=LONG)
    assert hit.x is not None
    assert hit.y is not None
    assert hit.size is not None
    qtbot.waitUntil(lambda: abs(ready.view.view.cx - (hit.x + hit.size / 2)) < 2, timeout=LONG)  # type: ignore[operator]
    assert ready.view.view.cy == pytest.approx(hit.y + hit.size / 2, abs=2)
    selected = [box for box in ready.view.highlights if box.selected]
    assert [(box.x, box.y) for box in selected] == [(hit.x, hit.y)]
    assert "two" in ready.windowTitle() or "one" in ready.windowTitle()


def test_back_returns_to_the_slide_and_place_one_flew_from(ready: MainWindow, qtbot: QtBot) -> None:
    here = ready.view.slide.path  # type: ignore[union-attr]
    ready.view.zoom_by(2.0)
    qtbot.waitUntil(lambda: not ready.view.moving, timeout=LONG)
    left = ready.view.view
    type_phrase(ready, qtbot, "fat")
    qtbot.waitUntil(lambda: answered(ready), timeout=LONG)
    patches = ready.asker.answer.patches  # type: ignore[union-attr]
    click_patch(ready, qtbot, next(n for n, hit in enumerate(patches) if hit.slide != here))
    qtbot.waitUntil(lambda: ready.view.slide.path != here, timeout=LONG)  # type: ignore[union-attr]
    assert ready.registry["go_back"].isEnabled()
    while ready.view.slide.path != here:  # type: ignore[union-attr]
        assert ready.viewer.can_go_back
        ready.registry["go_back"].trigger()
    assert (ready.view.view.cx, ready.view.view.cy) == pytest.approx((left.cx, left.cy))
    assert ready.view.view.scale == pytest.approx(left.scale)
    assert ready.registry["go_forward"].isEnabled()


def test_a_word_of_the_phrase_lays_its_attention_over_the_patch(ready: MainWindow, qtbot: QtBot) -> None:
    type_phrase(ready, qtbot, "normal mucosa")
    qtbot.waitUntil(lambda: answered(ready), timeout=LONG)
    click_patch(ready, qtbot, 0)
    words = ready.page.answers.words
    assert [b.text() for b in words.buttons()] == ["whole phrase", "normal", "mucosa"]
    qtbot.mouseClick(words.buttons()[2], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: ATTENTION in ready.view.overlays.names(), timeout=LONG)
    overlay = ready.view.overlays.get(ATTENTION)
    hit = ready.asker.answer.patches[0]  # type: ignore[union-attr]
    assert overlay is not None
    assert (overlay.x, overlay.y, overlay.w) == (hit.x, hit.y, hit.size)
    assert words.buttons()[2].isChecked()
    assert "of the attention" in words.buttons()[1].toolTip()
    ready.registry["clear_layers"].trigger()
    assert ready.view.overlays.names() == ()
    assert ready.page.layers.names() == ()


def test_a_word_of_a_caption_lays_its_attention_over_the_region(ready: MainWindow, qtbot: QtBot) -> None:
    ask_region(ready, qtbot)
    captions = ready.page.answers.captions
    captions.chosen.emit(captions.hits_model.hits()[0])
    qtbot.mouseClick(ready.page.answers.words.buttons()[1], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: ATTENTION in ready.view.overlays.names(), timeout=LONG)
    overlay = ready.view.overlays.get(ATTENTION)
    assert overlay is not None
    assert overlay.w >= 448


def test_a_phrase_is_a_heat_map_over_the_slide(ready: MainWindow, qtbot: QtBot) -> None:
    ready.page.ask.field.setText("fat")
    ready.registry["heat_map"].trigger()
    qtbot.waitUntil(lambda: HEAT in ready.view.overlays.names(), timeout=LONG)
    assert ready.page.layers.names() == (HEAT,)


def test_who_asks_for_a_map_sees_it_though_layers_were_hidden(ready: MainWindow, qtbot: QtBot) -> None:
    view = ready.view
    ready.page.ask.field.setText("fat")
    view.set_overlays_visible(False)
    ready.registry["heat_map"].trigger()
    qtbot.waitUntil(lambda: HEAT in view.overlays.names(), timeout=LONG)
    assert view.overlays_visible
    assert ready.registry["toggle_overlays"].isChecked()
    assert view.overlays.is_visible(HEAT)
    view.set_overlay_visible(HEAT, False)  # the box in the list of layers
    ready.registry["heat_map"].trigger()
    qtbot.waitUntil(lambda: view.overlays.is_visible(HEAT), timeout=LONG)
    qtbot.waitUntil(lambda: not ready.asker.busy, timeout=LONG)
    type_phrase(ready, qtbot, "normal mucosa")
    qtbot.waitUntil(lambda: answered(ready), timeout=LONG)
    click_patch(ready, qtbot, 0)
    view.set_overlays_visible(False)
    view.set_overlay_visible(ATTENTION, False)
    qtbot.mouseClick(ready.page.answers.words.buttons()[2], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: view.overlays.is_visible(ATTENTION), timeout=LONG)
    assert view.overlays_visible


@pytest.mark.parametrize("phrase", ["", "the of with"])
def test_a_phrase_without_content_is_one_clear_sentence(ready: MainWindow, qtbot: QtBot, phrase: str) -> None:
    type_phrase(ready, qtbot, phrase)
    qtbot.waitUntil(lambda: ready.notices.isVisible(), timeout=LONG)
    assert "phrase" in ready.notices.sentence.text()
    assert not ready.asker.busy


def test_a_region_without_tissue_is_one_clear_sentence(ready: MainWindow, qtbot: QtBot) -> None:
    ready.view.submit_region(Region.rectangle(2, 2, 50, 50))
    ready.registry["ask_region"].trigger()
    qtbot.waitUntil(lambda: ready.notices.isVisible(), timeout=LONG)
    assert "no tissue" in ready.notices.sentence.text()


def test_a_killed_engine_leaves_the_window_up_and_the_next_question_works(ready: MainWindow, qtbot: QtBot) -> None:
    assert ready.client.pid is not None
    os.kill(ready.client.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    qtbot.waitUntil(lambda: ready.notices.isVisible(), timeout=LONG)
    assert ready.notices.sentence.text().startswith("The engine stopped unexpectedly")
    assert ready.isVisible()
    type_phrase(ready, qtbot, "fat")
    qtbot.waitUntil(lambda: answered(ready), timeout=LONG)
    assert ready.page.answers.gallery.hits_model.rowCount() == 12


@pytest.mark.parametrize(("name", "content"), [("empty.svs", b""), ("text.svs", b"not a slide"), ("gone.svs", None)])
def test_what_is_no_slide_is_one_clear_sentence(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, name: str, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    window.open_slides([str(tmp_path / name)])
    qtbot.waitUntil(lambda: window.notices.isVisible(), timeout=LONG)
    assert name in window.notices.sentence.text()
    assert window.desk.slides.find(str(tmp_path / name)) is None


def test_slides_are_dropped_onto_the_window(window: MainWindow, qtbot: QtBot, world: Any) -> None:
    qtbot.waitUntil(lambda: window.view.slide is not None, timeout=LONG)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(world.demo.slides[1]))])
    event = QDropEvent(
        QPointF(10, 10), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    window.view.dropEvent(event)
    qtbot.waitUntil(lambda: window.view.slide is not None and window.view.slide.name == "two.tif", timeout=LONG)
    assert [e.name for e in window.desk.slides.entries()] == ["one", "two"]
    window.page.slides.filter.setText("tw")
    assert window.page.slides.list.model().rowCount() == 1
    assert window.settings.value.recent_slides[0].endswith("two.tif")


def test_a_slide_named_at_the_start_is_shown_and_not_the_demo(
    bare_window: MainWindow, qtbot: QtBot, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, demo = str(world.demo.slides[1]), str(world.demo.slides[0])
    archive = bare_window.archive
    monkeypatch.setattr(archive, "begin", lambda: archive.demo_ready.emit([demo]))  # the demo is there already
    bare_window.begin([named])
    qtbot.waitUntil(lambda: len(bare_window.desk.open_infos()) == 2, timeout=LONG)
    assert bare_window.view.slide is not None
    assert bare_window.view.slide.path == named
    assert [entry.path for entry in bare_window.desk.slides.entries()] == [named, demo]


def test_the_demo_is_shown_where_no_slide_was_named(
    bare_window: MainWindow, qtbot: QtBot, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = [str(path) for path in world.demo.slides]
    archive = bare_window.archive
    monkeypatch.setattr(archive, "begin", lambda: archive.demo_ready.emit(demo))
    bare_window.begin([])
    qtbot.waitUntil(lambda: len(bare_window.desk.open_infos()) == 2, timeout=LONG)
    assert bare_window.view.slide is not None
    assert bare_window.view.slide.path == demo[0]


def test_regions_stay_with_their_slide(window: MainWindow, qtbot: QtBot, world: Any) -> None:
    qtbot.waitUntil(lambda: window.view.slide is not None, timeout=LONG)
    window.view.submit_region(Region.rectangle(400, 400, 300, 300))
    window.open_slides([str(world.demo.slides[1])])
    qtbot.waitUntil(lambda: window.view.slide is not None and window.view.slide.name == "two.tif", timeout=LONG)
    assert window.view.annotations.all() == []
    window.desk.show(str(world.demo.slides[0]))
    qtbot.waitUntil(lambda: len(window.view.annotations.all()) == 1, timeout=LONG)


def test_every_control_has_a_name_and_a_tooltip(window: MainWindow) -> None:
    controls = (QAbstractButton, QLineEdit, QAbstractSpinBox, QSlider, QAbstractItemView)
    bare = [
        f"{type(widget).__name__} {widget.objectName()} in {type(widget.parent()).__name__}"
        for kind in controls
        for widget in window.centralWidget().findChildren(kind)
        if not _inside(widget) and not (widget.accessibleName() and widget.toolTip())
    ]
    assert bare == []


def _inside(widget: QWidget) -> bool:
    """A part that Qt itself puts into a control (the field of a spin box, the header of a table)."""
    parent = widget.parent()
    return isinstance(parent, QAbstractSpinBox | QAbstractItemView | QLineEdit)


def test_nothing_is_cut_off_at_the_smallest_usual_size(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(1280, 800)
    for name in ("page_archive", "page_training", "page_viewer"):
        window.registry[name].trigger()
        page = window.pages.stack.currentWidget()
        assert page.minimumSizeHint().width() <= 1280
        assert page.minimumSizeHint().height() <= 700


def test_making_panels_and_pages_shows_no_window_of_their_own(bare_window: MainWindow, qtbot: QtBot) -> None:
    seen: list[str] = []

    class Watch(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if event.type() == QEvent.Type.Show and isinstance(watched, QWidget) and watched.isWindow():
                seen.append(type(watched).__name__)
            return False

    watch, application = Watch(), QApplication.instance()
    assert application is not None
    application.installEventFilter(watch)
    registry = bare_window.registry
    kept = (
        RegionsPanel(bare_window.view.annotations),
        SlidesPanel(bare_window.desk.slides, registry),
        ArchivePage(registry),
        TrainingPage(()),
        AskPanel(registry),
        AnswersPanel(bare_window.desk.picture),
    )
    application.removeEventFilter(watch)
    assert seen == []
    for widget in kept:
        widget.deleteLater()


@pytest.mark.parametrize("appearance", ["light", "dark"])
def test_light_and_dark_can_be_chosen(window: MainWindow, qtbot: QtBot, appearance: str) -> None:
    window.settings.update(appearance=appearance)
    shade = window.palette().window().color().lightness()
    assert (shade < 128) is (appearance == "dark")


def test_a_notice_shows_its_details_only_when_asked(window: MainWindow) -> None:
    window.notices.show_notice(Notice("One sentence.", "Traceback"))
    assert window.notices.details_button.isVisible()
    window.notices.show_notice(Notice("One sentence."))
    assert not window.notices.details_button.isVisible()
    window.notices.close_button.click()
    assert not window.notices.isVisible()
