"""The engine client: who goes first, what a cancel does, and what happens when the worker dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from lile_desktop.engine_client import Call, EngineClient, EngineState, Partial, Priority, Steps, Ticket
from lile_desktop.notices import Notice
from lile_engine.answers import EngineSetup
from lile_engine.errors import QueryError
from lile_engine.progress import Progress

START_MS = 120_000  # a new process imports torch; on a busy machine that takes its time


def sleep_and_name(seconds: float, name: str) -> str:
    """A call for the worker."""
    time.sleep(seconds)
    return name


def fail_with_sentence() -> None:
    """A call that fails as the engine's own do."""
    raise QueryError("The phrase is empty; type what to look for.")


def fail_with_fault() -> None:
    """A call that fails as nobody foresaw."""
    raise ZeroDivisionError("division by zero")


def die() -> None:
    """A call that takes its process with it, as a crash in native code does."""
    os._exit(3)


def which_process() -> int:
    """The worker's process id."""
    return os.getpid()


def ask_for(function: object, *arguments: object, priority: Priority = Priority.TYPED) -> Steps:
    value = yield Call(function, arguments, priority)  # type: ignore[arg-type]
    return value


class Ends:
    """How tickets ended, in the order they did."""

    def __init__(self) -> None:
        self.order: list[tuple[str, object]] = []

    def watch(self, ticket: Ticket, name: str) -> Ticket:
        ticket.answered.connect(lambda value: self.order.append((f"{name} answered", value)))
        ticket.failed.connect(lambda notice: self.order.append((f"{name} failed", notice)))
        ticket.cancelled.connect(lambda: self.order.append((f"{name} cancelled", None)))
        return ticket

    def names(self) -> list[str]:
        return [name for name, _ in self.order]


@pytest.fixture(scope="module")
def shared_client(qapp: QApplication, built_world: Any) -> Iterator[EngineClient]:
    """A client whose worker has the tiny model loaded. Starting one takes seconds, so the tests share it."""
    made = EngineClient()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LILE_RESOURCES", str(built_world.resources))
        patch.setenv("LILE_HOME", str(built_world.home))
        yield made
        made.stop()


@pytest.fixture
def client(
    shared_client: EngineClient, built_world: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> EngineClient:
    """The shared client, ready, whatever the test before did to it."""
    # A worker that is started anew takes its resources from the environment of the moment.
    monkeypatch.setenv("LILE_RESOURCES", str(built_world.resources))
    monkeypatch.setenv("LILE_HOME", str(built_world.home))
    if shared_client.state is not EngineState.READY and shared_client.state is not EngineState.LOADING:
        shared_client.start(EngineSetup(str(built_world.demo.archive)))
    qtbot.waitUntil(lambda: shared_client.state is EngineState.READY, timeout=START_MS)
    return shared_client


def test_what_is_urgent_steps_in_between_the_batches_of_what_is_not(client: EngineClient, qtbot: QtBot) -> None:
    def embed() -> Steps:
        for number in range(20):
            yield Call(sleep_and_name, (0.05, "batch"), Priority.EMBED)
            yield Progress(number + 1, 20, "tiles")
        return "embedded"

    ends, seen = Ends(), []
    slow = ends.watch(client.ask("embedding", embed()), "embedding")
    slow.progressed.connect(lambda p: seen.append(p.done))
    qtbot.waitUntil(lambda: len(seen) >= 2, timeout=20_000)
    ends.watch(client.ask("searching", ask_for(sleep_and_name, 0.0, "found")), "typed")
    qtbot.waitUntil(lambda: len(ends.order) == 2, timeout=20_000)
    assert ends.names() == ["typed answered", "embedding answered"]
    assert seen == list(range(1, 21))


def test_a_cancelled_question_ends_before_its_next_call(client: EngineClient, qtbot: QtBot) -> None:
    calls: list[int] = []

    def long() -> Steps:
        for number in range(100):
            calls.append(number)
            yield Call(sleep_and_name, (0.02, "x"), Priority.EMBED)

    ends = Ends()
    ticket = ends.watch(client.ask("embedding", long()), "long")
    qtbot.waitUntil(lambda: len(calls) >= 2, timeout=20_000)
    ticket.cancel()
    qtbot.waitUntil(lambda: bool(ends.order), timeout=5_000)
    assert ends.names() == ["long cancelled"]
    assert len(calls) < 10


def test_partial_answers_come_before_the_last(client: EngineClient, qtbot: QtBot) -> None:
    def steps() -> Steps:
        first = yield Call(sleep_and_name, (0.0, "first"), Priority.TYPED)
        yield Partial(first)
        last = yield Call(sleep_and_name, (0.0, "last"), Priority.RERANK)
        return last

    seen: list[object] = []
    ticket = client.ask("searching", steps())
    ticket.partial.connect(seen.append)
    ticket.answered.connect(seen.append)
    qtbot.waitUntil(lambda: len(seen) == 2, timeout=10_000)
    assert seen == ["first", "last"]


def test_an_error_of_the_engine_is_its_own_sentence(client: EngineClient, qtbot: QtBot) -> None:
    ends = Ends()
    ends.watch(client.ask("searching", ask_for(fail_with_sentence)), "q")
    qtbot.waitUntil(lambda: bool(ends.order), timeout=10_000)
    notice = ends.order[0][1]
    assert isinstance(notice, Notice)
    assert notice.sentence == "The phrase is empty; type what to look for."


def test_an_unforeseen_error_is_one_sentence_with_details(client: EngineClient, qtbot: QtBot) -> None:
    ends = Ends()
    ends.watch(client.ask("searching", ask_for(fail_with_fault)), "q")
    qtbot.waitUntil(lambda: bool(ends.order), timeout=10_000)
    notice = ends.order[0][1]
    assert isinstance(notice, Notice)
    assert notice.sentence == ("An unexpected problem came up while searching: ZeroDivisionError: division by zero.")
    assert "Traceback" in notice.details


def test_a_question_that_fails_before_its_first_call_is_told_too(client: EngineClient, qtbot: QtBot) -> None:
    def steps() -> Steps:
        raise QueryError("Nothing was asked.")
        yield  # it is a generator all the same

    ends = Ends()
    ends.watch(client.ask("searching", steps()), "q")
    qtbot.waitUntil(lambda: ends.names() == ["q failed"], timeout=5_000)


def test_a_worker_that_dies_at_work_fails_that_question_and_the_next_one_works(
    client: EngineClient, qtbot: QtBot
) -> None:
    ends = Ends()
    before = client.pid
    ends.watch(client.ask("searching for the phrase", ask_for(die)), "fatal")
    ends.watch(client.ask("searching", ask_for(which_process)), "waiting")
    qtbot.waitUntil(lambda: len(ends.order) == 2, timeout=START_MS)
    assert ends.names() == ["fatal failed", "waiting answered"]
    notice = ends.order[0][1]
    assert isinstance(notice, Notice)
    assert notice.sentence == (
        "The engine stopped unexpectedly while searching for the phrase; it was started again, so ask once more."
    )
    assert ends.order[1][1] == client.pid != before


def test_a_worker_killed_while_idle_is_noticed_at_once(client: EngineClient, qtbot: QtBot) -> None:
    notices: list[Notice] = []
    client.notice.connect(notices.append)
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    qtbot.waitUntil(lambda: bool(notices), timeout=5_000)
    assert notices[0].sentence == "The engine stopped unexpectedly; it was started again."
    ends = Ends()
    ends.watch(client.ask("searching", ask_for(sleep_and_name, 0.0, "works")), "next")
    qtbot.waitUntil(lambda: bool(ends.order), timeout=START_MS)
    assert ends.order == [("next answered", "works")]


def test_a_missing_archive_is_one_sentence_and_can_be_put_right(
    client: EngineClient, qtbot: QtBot, built_world: Any
) -> None:
    notices: list[Notice] = []
    client.notice.connect(notices.append)
    client.start(EngineSetup("/no/such/archive"))
    qtbot.waitUntil(lambda: client.state is EngineState.FAILED, timeout=START_MS)
    assert "/no/such/archive" in notices[0].sentence
    ends = Ends()
    ends.watch(client.ask("searching", ask_for(which_process)), "early")
    qtbot.waitUntil(lambda: ends.names() == ["early failed"], timeout=5_000)
    client.start(EngineSetup(str(built_world.demo.archive)))
    qtbot.waitUntil(lambda: client.state is EngineState.READY, timeout=START_MS)
    assert client.info is not None
    assert client.info.archive is not None
    assert client.info.archive.tiles > 20


def test_stopping_ends_what_is_open_and_the_process(client: EngineClient, qtbot: QtBot) -> None:
    ends = Ends()
    ends.watch(client.ask("searching", ask_for(sleep_and_name, 30.0, "never")), "open")
    qtbot.wait(100)
    started = time.monotonic()
    client.stop()
    assert time.monotonic() - started < 5
    assert ends.names() == ["open cancelled"]
    assert client.pid is None
