"""The main job in the real window. What is asserted is what a person would see."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QListView
from pytestqt.qtbot import QtBot

from lile_desktop.engine_client import EngineState
from lile_desktop.layers import ATTENTION, HEAT
from lile_desktop.main_window import MainWindow
from lile_desktop.panels.answers_panel import PATCHES
from lile_desktop.viewer.view_state import Rect, to_screen
from lile_engine.demo import Demo
from lile_engine.paths import models_dir, resources_dir
from lile_engine.phantom.pairs import write_pairs
from lile_engine.retrieval.results import Hit
from tests.end_to_end.truth import Truth

LONG = 180_000


@pytest.fixture
def ready(window: MainWindow, qtbot: QtBot) -> MainWindow:
    """The window once slide and engine are there and the picture is sharp."""
    qtbot.waitUntil(lambda: window.view.slide is not None, timeout=LONG)
    qtbot.waitUntil(lambda: window.client.state is EngineState.READY, timeout=LONG)
    qtbot.waitUntil(lambda: window.archive_page.rows_model.rowCount() == 2, timeout=LONG)
    qtbot.waitUntil(lambda: sharp(window), timeout=LONG)
    return window


def answered(window: MainWindow) -> bool:
    answer = window.asker.answer
    return answer is not None and answer.final and not window.asker.busy


def drag_rectangle(window: MainWindow, qtbot: QtBot, x: int, y: int, size: int) -> None:
    """Looks at the place, then draws it with the mouse."""
    view = window.view
    view.go_to(Rect(x - size / 2, y - size / 2, 2 * size, 2 * size))
    qtbot.waitUntil(lambda: sharp(window), timeout=LONG)
    window.registry["tool_rectangle"].trigger()
    first, last = (QPoint(*(round(v) for v in to_screen(view.view, *p))) for p in ((x, y), (x + size, y + size)))
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=first)
    qtbot.mouseMove(view, (first + last) / 2)
    qtbot.mouseMove(view, last)
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=last)


def type_phrase(window: MainWindow, qtbot: QtBot, phrase: str) -> tuple[Hit, ...]:
    window.page.ask.field.clear()
    qtbot.keyClicks(window.page.ask.field, phrase)
    qtbot.keyClick(window.page.ask.field, Qt.Key.Key_Return)
    qtbot.waitUntil(
        lambda: answered(window) and window.asker.answer.phrase == phrase,  # type: ignore[union-attr]
        timeout=LONG,
    )
    assert window.asker.answer is not None
    return window.asker.answer.patches


def click_row(view: QListView, qtbot: QtBot, number: int) -> None:
    index = view.model().index(number, 0)
    view.scrollTo(index)
    qtbot.waitUntil(lambda: not view.visualRect(index).isEmpty(), timeout=5_000)
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(index).center())


def sharp(window: MainWindow) -> bool:
    """Whether the picture is sharp now: `is_sharp` tells of the last frame, so one is painted first."""
    window.view.repaint()
    return window.view.is_sharp and not window.view.moving


def arrive(window: MainWindow, qtbot: QtBot, hit: Hit) -> tuple[float, float]:
    """Waits until the view has flown to a hit and is sharp; the hit's middle in level-0 pixels."""
    view = window.view
    assert hit.x is not None
    assert hit.y is not None
    assert hit.size is not None
    middle = (hit.x + hit.size / 2, hit.y + hit.size / 2)
    qtbot.waitUntil(lambda: view.slide is not None and view.slide.path == hit.slide, timeout=LONG)
    qtbot.waitUntil(lambda: abs(view.view.cx - middle[0]) < 2 and abs(view.view.cy - middle[1]) < 2, timeout=LONG)
    qtbot.waitUntil(lambda: sharp(window), timeout=LONG)
    return middle


def tissue_share(hit: Hit, tissue: str) -> float:
    """How much of a hit's tile is of the tissue, by the ground truth of its slide."""
    assert hit.slide is not None
    assert hit.x is not None
    assert hit.y is not None
    assert hit.size is not None
    return Truth(Path(hit.slide)).share(tissue, hit.x, hit.y, hit.size)


def caption_tissues() -> dict[str, set[str]]:
    """Which tissues each caption of the bundled library speaks of."""
    said: dict[str, set[str]] = {}
    for file in sorted((resources_dir() / "captions").glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            row = json.loads(line)
            said.setdefault(row["text"], set()).update(row.get("tissues", []))
    return said


def pixels(image: QImage) -> np.ndarray:
    """float [h, w, 3] of a picture."""
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    raw = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    return raw[:, : image.width(), :3].astype(float)


def test_a_region_is_named_rightly_and_has_siblings_of_its_kind(ready: MainWindow, qtbot: QtBot, demo: Demo) -> None:
    x, y = Truth(demo.slides[0]).square("normal mucosa", 448)
    drag_rectangle(ready, qtbot, x, y, 448)
    assert len(ready.view.annotations.all()) == 1
    assert "tiles" in ready.page.ask.region_text.text()
    qtbot.mouseClick(ready.page.ask.ask_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: answered(ready), timeout=LONG)
    answer = ready.asker.answer
    assert answer is not None
    said = caption_tissues()
    best = said[answer.captions[0].caption or ""]
    assert "normal mucosa" in best, f"{answer.captions[0].caption}: {best}"
    siblings = answer.patches[:5]
    assert np.mean([tissue_share(hit, "normal mucosa") for hit in siblings]) > 0.6
    assert all(hit.outside is not None for hit in siblings)


def test_a_click_on_a_patch_centres_the_view_on_it_on_whichever_slide_it_lies(
    ready: MainWindow, qtbot: QtBot, demo: Demo
) -> None:
    hits = type_phrase(ready, qtbot, "lymphoid aggregate")
    number = next(n for n, hit in enumerate(hits) if hit.slide == str(demo.slides[1]))
    ready.page.answers.show_page(PATCHES)
    click_row(ready.page.answers.gallery, qtbot, number)
    view, hit = ready.view, hits[number]
    middle = arrive(ready, qtbot, hit)
    shown = to_screen(view.view, *middle)
    assert shown[0] == pytest.approx(view.width() / 2, abs=2)
    assert shown[1] == pytest.approx(view.height() / 2, abs=2)


@pytest.mark.parametrize(
    ("phrase", "tissue"),
    [("fat cells", "adipose"), ("lymphocytes", "lymphoid aggregate"), ("keratin", "keratinising squamous epithelium"),
     ("necrosis", "necrosis")],
)  # fmt: skip
def test_a_phrase_brings_tiles_of_its_tissue(ready: MainWindow, qtbot: QtBot, phrase: str, tissue: str) -> None:
    shares = [tissue_share(hit, tissue) for hit in type_phrase(ready, qtbot, phrase)[:5]]
    assert np.mean(shares) > 0.6, shares


def test_the_attention_of_a_word_colours_the_tissue_where_it_is_high(ready: MainWindow, qtbot: QtBot) -> None:
    hits = type_phrase(ready, qtbot, "fat beside smooth muscle")
    ready.page.answers.show_page(PATCHES)
    click_row(ready.page.answers.gallery, qtbot, 0)
    qtbot.waitUntil(lambda: bool(ready.page.answers.words.buttons()), timeout=LONG)
    arrive(ready, qtbot, hits[0])
    plain = pixels(ready.view.picture(chrome=False))
    button = next(b for b in ready.page.answers.words.buttons() if b.text() == "fat")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: ATTENTION in ready.view.overlays.names(), timeout=LONG)
    overlay = ready.view.overlays.get(ATTENTION)
    assert overlay is not None
    change = np.abs(pixels(ready.view.picture(chrome=False)) - plain).mean(axis=2)
    rows, columns = overlay.values.shape
    seen, values = [], []
    for row in range(rows):
        for column in range(columns):
            x = overlay.x + (column + 0.5) * overlay.w / columns
            y = overlay.y + (row + 0.5) * overlay.h / rows
            px, py = (round(v) for v in to_screen(ready.view.view, x, y))
            if 2 <= px < change.shape[1] - 2 and 2 <= py < change.shape[0] - 2:
                seen.append(change[py - 2 : py + 3, px - 2 : px + 3].mean())
                values.append(overlay.values[row, column])
    order = np.argsort(values)
    quarter = max(1, len(order) // 4)
    assert np.array(seen)[order[-quarter:]].mean() > 10
    corner = change[:20, :20]
    assert corner.max() == 0, "the map must not reach beyond its patch"


def test_the_heat_map_of_a_phrase_is_hottest_on_its_tissue(ready: MainWindow, qtbot: QtBot, demo: Demo) -> None:
    ready.page.ask.field.setText("adipose tissue")
    ready.registry["heat_map"].trigger()
    qtbot.waitUntil(lambda: HEAT in ready.view.overlays.names(), timeout=LONG)
    overlay = ready.view.overlays.get(HEAT)
    assert overlay is not None
    truth = Truth(demo.slides[0])
    rows, columns = overlay.values.shape
    width, height = overlay.w / columns, overlay.h / rows
    fat, other = [], []
    for row, column in zip(*np.nonzero(np.isfinite(overlay.values)), strict=True):
        share = truth.share("adipose", overlay.x + column * width, overlay.y + row * height, width)
        (fat if share > 0.9 else other if share < 0.1 else []).append(overlay.values[row, column])
    assert fat
    assert np.mean(fat) > np.quantile(other, 0.9)


def test_training_and_switching_to_what_came_out(ready: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs", 3, seed=5)
    before = ready.client.info
    assert before is not None
    page = ready.training_page
    ready.registry["page_training"].trigger()
    page.folder.setText(str(tmp_path / "pairs"))
    page.steps.setValue(20)
    page.batch.setValue(16)
    page.name.setText("trained here")
    qtbot.mouseClick(page.train_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.use_button.isVisible(), timeout=2 * LONG)
    assert len(page.plot.steps) == 20, "the curve has every step"
    assert (models_dir() / "trained here" / "model.safetensors").is_file()
    qtbot.mouseClick(page.use_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(
        lambda: ready.client.info is not None and ready.client.info.model.name == "trained here", timeout=2 * LONG
    )
    after = ready.client.info
    assert after is not None
    assert after.archive is not None
    assert before.archive is not None
    assert after.model.id != before.model.id
    assert after.archive.model.id == after.model.id, "the archive is of the new model"
    assert after.archive.tiles == before.archive.tiles
    ready.registry["page_viewer"].trigger()
    shares = [tissue_share(hit, "adipose") for hit in type_phrase(ready, qtbot, "fat cells")[:5]]
    assert np.mean(shares) > 0.6, shares
