"""Long jobs from the window on a small archive: indexing, captions, a new archive, training and switching the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from lile_desktop.engine_client import EngineState
from lile_desktop.main_window import MainWindow
from lile_desktop.training import TrainRequest, check_request, half_done, suggested_name, taken_names
from lile_engine.paths import models_dir
from lile_engine.phantom.pairs import write_pairs
from lile_engine.phantom.slide import draw_slide

LONG = 240_000


@pytest.fixture
def ready(window: MainWindow, qtbot: QtBot) -> MainWindow:
    """The window once the archive is listed."""
    qtbot.waitUntil(lambda: window.archive_page.rows_model.rowCount() == 2, timeout=LONG)
    return window


def test_an_indexed_slide_is_in_the_table_and_found(ready: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    draw_slide(tmp_path / "three.tif", 900, 9, ("adipose",), mpp=0.5)
    ready.archive.index([str(tmp_path / "three.tif")])
    qtbot.waitUntil(lambda: ready.archive_page.rows_model.rowCount() == 3, timeout=LONG)
    assert ready.archive_page.title.text().startswith("3 slides")
    assert ready.status.archive.text().startswith("3 slides")
    assert ready.notices.notice is None


def test_imported_captions_are_counted(ready: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    before = ready.client.info.archive.captions  # type: ignore[union-attr]
    file = tmp_path / "more.jsonl"
    file.write_text(json.dumps({"text": "fat of the mesentery"}) + "\n", encoding="utf-8")
    ready.archive.import_captions(str(file))
    qtbot.waitUntil(
        lambda: (
            ready.client.info is not None
            and ready.client.info.archive is not None
            and ready.client.info.archive.captions == before + 1
        ),
        timeout=LONG,
    )


@pytest.mark.parametrize("content", ["", "not a caption\n"])
def test_a_file_without_captions_is_one_clear_sentence(
    ready: MainWindow, qtbot: QtBot, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_text(content, encoding="utf-8")
    ready.archive.import_captions(str(file))
    qtbot.waitUntil(lambda: ready.notices.isVisible(), timeout=LONG)
    assert "broken.jsonl" in ready.notices.sentence.text()
    assert "Traceback" not in ready.notices.sentence.text()


def test_a_new_archive_holds_the_programs_captions_and_no_slide_and_says_so(
    ready: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    def captions() -> int:
        info = ready.client.info
        return info.archive.captions if info is not None and info.archive is not None else 0

    fresh = tmp_path / "fresh"
    ready.archive.new_archive(str(fresh))
    qtbot.waitUntil(
        lambda: ready.archive.archive == str(fresh) and ready.client.state is EngineState.READY and captions() > 0,
        timeout=LONG,
    )
    assert ready.archive_page.rows_model.rowCount() == 0
    ready.asker.ask_phrase("fat", 8)
    qtbot.waitUntil(lambda: ready.notices.isVisible(), timeout=LONG)
    assert "no tiles yet" in ready.notices.sentence.text()


@pytest.mark.slow
def test_a_model_is_trained_and_used(ready: MainWindow, qtbot: QtBot, tmp_path: Path, world: Any) -> None:
    write_pairs(tmp_path / "pairs", 6, seed=1, tissues=("adipose", "smooth muscle", "necrosis", "normal mucosa"))
    ended: list[tuple[str, str]] = []
    ready.archive.trained.connect(lambda folder, sentence: ended.append((folder, sentence)))
    ready.archive.train(TrainRequest(tmp_path / "pairs", 6, 8, "mine"))
    qtbot.waitUntil(lambda: bool(ended), timeout=LONG)
    folder, sentence = ended[0]
    assert folder == str(world.home / "models" / "mine"), sentence
    assert [s.step for s in ready.training_page.plot.steps] == [1, 2, 3, 4, 5, 6]
    assert ready.training_page.use_button.isVisibleTo(ready.training_page)
    ready.archive.use_model(folder)
    qtbot.waitUntil(lambda: ready.client.info is not None and ready.client.info.model.name == "mine", timeout=LONG)
    assert ready.archive.model_folder() == folder
    ready.asker.ask_phrase("fat", 8)
    qtbot.waitUntil(lambda: ready.asker.answer is not None and ready.asker.answer.final, timeout=LONG)


def test_pairs_that_name_no_image_end_the_training_with_a_sentence(
    ready: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    (tmp_path / "pairs.jsonl").write_text(json.dumps({"image": "gone.png", "caption": "fat"}) + "\n", encoding="utf-8")
    ended: list[tuple[str, str]] = []
    ready.archive.trained.connect(lambda folder, sentence: ended.append((folder, sentence)))
    ready.archive.train(TrainRequest(tmp_path, 4, 4, "mine"))
    qtbot.waitUntil(lambda: bool(ended), timeout=LONG)
    assert ended[0][0] == ""
    assert "Traceback" not in ended[0][1]
    assert ready.training_page.train_button.isVisibleTo(ready.training_page)


@pytest.mark.slow
def test_a_training_that_was_stopped_is_gone_on_with(ready: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs", 6, seed=1, tissues=("adipose", "smooth muscle", "necrosis", "normal mucosa"))
    ended: list[tuple[str, str]] = []
    ready.archive.trained.connect(lambda folder, sentence: ended.append((folder, sentence)))
    page = ready.training_page
    assert not page.half_line.isVisibleTo(page)
    ready.archive.train(TrainRequest(tmp_path / "pairs", 3_000, 8, "mine"))
    qtbot.waitUntil(lambda: len(page.plot.steps) >= 2, timeout=LONG)
    page.cancel_button.click()
    qtbot.waitUntil(lambda: bool(ended), timeout=LONG)
    left = half_done()
    assert left is not None
    assert (left.name, left.steps) == ("mine", 3_000)
    assert 0 < left.done < 3_000
    assert page.half_line.isVisibleTo(page)
    assert f"stopped after {left.done} of 3000 steps" in page.half_text.text()
    page.resume_button.click()
    assert not page.half_line.isVisibleTo(page)
    qtbot.waitUntil(lambda: bool(page.plot.steps), timeout=LONG)
    assert page.plot.steps[0].step == left.done + 1
    page.cancel_button.click()
    qtbot.waitUntil(lambda: len(ended) == 2, timeout=LONG)


@pytest.mark.parametrize("content", [b"", b"12345678{", b"\x02\0\0\0\0\0\0\0{}", b"\xff" * 20])
def test_a_state_that_cannot_be_read_is_not_offered(lile_home: Path, content: bytes) -> None:
    folder = models_dir() / "broken.run"
    folder.mkdir(parents=True)
    (folder / "state.safetensors").write_bytes(content)
    (models_dir() / "broken.toml").write_text("")
    assert half_done() is None
    assert taken_names() == ()


def test_a_training_that_can_be_gone_on_with_keeps_its_name(lile_home: Path, tmp_path: Path) -> None:
    """A new one under the same name would write over what it has learned so far."""
    folder = models_dir() / "my-model.run"
    folder.mkdir(parents=True)
    record = {"config": {"optim": {"steps": 10}, "run": {"patience": 0}}, "step": 5, "stale": 0}
    head = json.dumps({"__metadata__": {"record": json.dumps(record)}}).encode()
    (folder / "state.safetensors").write_bytes(len(head).to_bytes(8, "little") + head)
    (models_dir() / "my-model.toml").write_text("")
    assert half_done() is not None
    assert suggested_name(taken_names()) == "my-model-2"
    (tmp_path / "pairs.jsonl").write_text("{}")
    assert "can be gone on with" in check_request(TrainRequest(tmp_path, 10, 8, "my-model"))
    assert check_request(TrainRequest(tmp_path, 10, 8, "my-model-2")) == ""
    (models_dir() / "my-model.toml").unlink()  # it cannot be gone on with any more
    assert check_request(TrainRequest(tmp_path, 10, 8, "my-model")) == ""
