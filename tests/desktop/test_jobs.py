"""Long jobs: what is read from a child's lines, and children that work, fail and are stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from lile_desktop.jobs import (
    Job,
    JobQueue,
    JobResult,
    JobState,
    JobWarning,
    TrainStep,
    duration_text,
    failure_notice,
    parse_event,
    progress_text,
)
from lile_desktop.panels.jobs_bar import JobsBar
from lile_engine.progress import Progress


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ('{"event": "progress", "done": 3, "total": 12, "unit": "slides", "rate": 2.5, "seconds_left": 4,'
         ' "message": "m"}',
         Progress(3, 12, "slides", 2.5, 4, "m")),
        ('{"event": "step", "step": 7, "loss": 1.5, "cross": 1.0, "self": 0.5, "lr": 0.001}',
         TrainStep(7, 1.5, 1.0, 0.5, 0.001)),
        ('{"event": "warning", "message": "line 3: no image"}', JobWarning("line 3: no image")),
        ('{"event": "result", "result": {"output": "x"}}', JobResult({"output": "x"})),
        ('{"event": "progress", "done": null, "total": null, "unit": "x"}', Progress(0, 0, "x")),
        ('{"event": "something new"}', None),
        ("[1, 2]", None),
        ("not json", None),
    ],
)  # fmt: skip
def test_a_line_becomes_an_event(line: str, event: object) -> None:
    assert parse_event(line) == event


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (8.1, "9 s"),
        (61, "1 min"),
        (240, "4 min"),
        (7800, "2 h 10 min"),
        (7200, "2 h"),
        (33, "35 s"),
        (56, "1 min"),
        (1380, "25 min"),
        (3500, "1 h"),
        (8000, "2 h 10 min"),
    ],
)
def test_times_read_like_a_person_says_them(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_progress_names_count_rate_and_time_left() -> None:
    assert progress_text(Progress(3, 12, "tiles", 212.0, 240.0, "")) == "3/12 tiles   212 tiles/s   4 min left"
    assert progress_text(Progress(12, 12, "tiles", 5.25, 0.0, "done")) == "done   12/12 tiles   5.2 tiles/s"


def test_the_sentence_of_a_failure_is_the_command_s_own() -> None:
    assert (
        failure_notice("Indexing", 1, "noise\nlile: There is no archive in x.\n").sentence
        == "There is no archive in x."
    )
    assert "ended unexpectedly" in failure_notice("Indexing", -9, "").sentence
    assert "ended unexpectedly" in failure_notice("Indexing", 2, "lile: error: invalid choice").sentence


def test_a_job_that_works_gives_its_result(qtbot: QtBot, lile_home: Path, tmp_path: Path) -> None:
    queue = JobQueue()
    job = Job("Drawing", ["phantom", str(tmp_path / "p.tif"), "--size", "512", "--seed", "1"])
    progress: list[Progress] = []
    job.progressed.connect(progress.append)
    ends: list[JobState] = []
    job.finished.connect(lambda: ends.append(job.state))
    queue.add(job)
    qtbot.waitUntil(lambda: bool(ends), timeout=60_000)
    assert ends == [JobState.DONE]
    assert progress[-1].done == progress[-1].total
    assert (tmp_path / "p.tif").is_file()


def test_a_job_that_fails_says_why_in_one_sentence(qtbot: QtBot, lile_home: Path, tmp_path: Path) -> None:
    queue = JobQueue()
    job = Job("Drawing", ["phantom", str(tmp_path / "p.tif"), "--size", "3", "--seed", "1"])
    notices: list[object] = []
    job.finished.connect(lambda: notices.append((job.state, job.notice)))
    queue.add(job)
    qtbot.waitUntil(lambda: bool(notices), timeout=60_000)
    state, notice = notices[0]  # type: ignore[misc]
    assert state is JobState.FAILED
    assert "pixels wide" in notice.sentence
    assert "Traceback" not in notice.sentence


def test_a_stopped_job_leaves_no_half_file_and_the_next_one_runs(qtbot: QtBot, lile_home: Path, tmp_path: Path) -> None:
    queue = JobQueue()
    bar = JobsBar(queue)
    qtbot.addWidget(bar)
    long = Job("Long", ["phantom", str(tmp_path / "long.tif"), "--size", "20000", "--seed", "1"])
    short = Job("Short", ["phantom", str(tmp_path / "short.tif"), "--size", "512", "--seed", "1"])
    progress: list[Progress] = []
    long.progressed.connect(progress.append)
    ends: list[str] = []
    for job in (long, short):
        job.finished.connect(lambda j=job: ends.append(f"{j.title} {j.state.value}"))
        queue.add(job)
    assert [row.title.text() for row in bar.rows()] == ["Long", "Short"]
    qtbot.waitUntil(lambda: bool(progress), timeout=60_000)
    bar.rows()[0].cancel.click()
    qtbot.waitUntil(lambda: len(ends) == 2, timeout=60_000)
    assert ends == ["Long cancelled", "Short done"]
    assert not (tmp_path / "long.tif").exists()
    assert bar.isHidden()


def test_a_waiting_job_can_be_taken_off(qtbot: QtBot, lile_home: Path, tmp_path: Path) -> None:
    queue = JobQueue()
    first = Job("First", ["phantom", str(tmp_path / "a.tif"), "--size", "512", "--seed", "1"])
    second = Job("Second", ["phantom", str(tmp_path / "b.tif"), "--size", "512", "--seed", "1"])
    ends: list[str] = []
    for job in (first, second):
        job.finished.connect(lambda j=job: ends.append(f"{j.title} {j.state.value}"))
        queue.add(job)
    second.cancel()
    qtbot.waitUntil(lambda: len(ends) == 2, timeout=60_000)
    assert ends == ["Second cancelled", "First done"]
    assert queue.jobs() == []


def test_a_job_that_is_stopping_says_so_until_it_has(qtbot: QtBot, lile_home: Path, tmp_path: Path) -> None:
    queue = JobQueue()
    bar = JobsBar(queue)
    qtbot.addWidget(bar)
    job = Job("Long", ["phantom", str(tmp_path / "long.tif"), "--size", "20000", "--seed", "1"])
    progress: list[Progress] = []
    job.progressed.connect(progress.append)
    queue.add(job)
    qtbot.waitUntil(lambda: bool(progress), timeout=60_000)
    (row,) = bar.rows()
    row.cancel.click()
    assert row.text.text() == "stopping…"
    job.progressed.emit(Progress(3, 12, "tiles"))  # what was under way still
    assert row.text.text() == "stopping…"
    with qtbot.waitSignal(job.finished, timeout=60_000):
        pass
