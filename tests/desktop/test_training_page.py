"""The training page says what the training is really at: waiting, reading, learning, stopping."""

from __future__ import annotations

import json
from pathlib import Path

from pytestqt.qtbot import QtBot

from lile_desktop.jobs import Job, JobState, TrainStep
from lile_desktop.panels.training_page import TrainingPage
from lile_desktop.training import HalfDone
from lile_engine.paths import models_dir


def _half_done() -> None:
    folder = models_dir() / "mine.run"
    folder.mkdir(parents=True)
    config = {"optim": {"steps": 40, "batch": 16}, "run": {"patience": 0}, "data": {"train": ["/my/pairs"]}}
    head = json.dumps({"__metadata__": {"record": json.dumps({"config": config, "step": 3, "stale": 0})}}).encode()
    (folder / "state.safetensors").write_bytes(len(head).to_bytes(8, "little") + head)
    (models_dir() / "mine.toml").write_text("")


def test_a_training_that_waits_says_for_what(qtbot: QtBot, lile_home: Path) -> None:
    page = TrainingPage(())
    qtbot.addWidget(page)
    job = Job("Training mine", ["train"])
    page.show_running(job, "Indexing one")
    assert "Indexing one" in page.status.text()
    assert "Waiting" in page.status.text()
    assert not page.name.isEnabled()
    job.begun.emit()
    assert page.status.text() == "Reading the pairs…"


def test_stopping_is_said_at_once_and_stays_said(qtbot: QtBot, lile_home: Path) -> None:
    page = TrainingPage(())
    qtbot.addWidget(page)
    job = Job("Training mine", ["train"])
    job.state = JobState.RUNNING
    page.show_running(job)
    page.cancel_asked.connect(job.cancel)
    page.cancel_button.click()
    assert page.status.text().startswith("Stopping…")
    assert not page.cancel_button.isEnabled()
    job.stepped.emit(TrainStep(1, 1.0, 0.5, 0.5, 1e-4))  # the step that it was at
    assert page.status.text().startswith("Stopping…")
    page.show_finished("", "The training was stopped.")
    assert page.status.text() == "The training was stopped."
    page.show_running(Job("Training again", ["train"]))
    assert page.cancel_button.isEnabled()


def test_going_on_shows_what_is_trained(qtbot: QtBot, lile_home: Path) -> None:
    _half_done()
    page = TrainingPage(("mine",))
    qtbot.addWidget(page)
    assert page.name.text() != "mine"
    asked: list[HalfDone] = []
    page.resume_asked.connect(asked.append)
    page.resume_button.click()
    assert [one.name for one in asked] == ["mine"]
    request = page.request()
    assert (request.name, request.steps, request.batch, request.pairs) == ("mine", 40, 16, Path("/my/pairs"))
    page.show_finished("", "The training was stopped.")
    assert page.name.text() not in ("mine", "")  # a new one may not write over it


def test_what_it_starts_from_is_never_empty(qtbot: QtBot, lile_home: Path) -> None:
    page = TrainingPage(())
    qtbot.addWidget(page)
    assert page.model_text.text()
