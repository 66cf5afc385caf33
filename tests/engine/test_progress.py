"""Rate and time left."""

from __future__ import annotations

import time

import pytest

from lile_engine.progress import ENOUGH_S, Progress, ProgressMeter


def _busy(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def test_rate_and_time_left() -> None:
    told: list[Progress] = []
    meter = ProgressMeter(told.append, 4, "tiles", interval=0.0)
    _busy(0.02)
    meter.advance(2, "half")
    assert (told[0].done, told[0].total, told[0].unit, told[0].message) == (2, 4, "tiles", "half")
    assert told[0].rate is not None
    assert told[0].rate <= 2 / 0.02
    assert told[0].seconds_left is None  # nobody can tell yet


def test_what_an_earlier_run_did_is_in_the_share_and_not_in_the_rate() -> None:
    told: list[Progress] = []
    meter = ProgressMeter(told.append, 1000, "steps", interval=0.0, done=990)
    _busy(0.05)
    meter.advance()
    assert told[0].done == 991
    assert told[0].rate is not None
    assert told[0].rate <= 1 / 0.05


class Clock:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def run(clock: Clock, total: int, *pieces: tuple[float, int]) -> list[Progress]:
    """What is told while each piece, its seconds and counts, is done."""
    told: list[Progress] = []
    meter = ProgressMeter(told.append, total, "tiles", interval=0.0)
    for seconds, count in pieces:
        clock.now += seconds
        meter.advance(count)
    return told


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    hand = Clock()
    monkeypatch.setattr("lile_engine.progress.time", hand)
    return hand


def test_the_time_left_is_told_once_there_is_enough_to_tell_it_from(clock: Clock) -> None:
    told = run(clock, 100, (ENOUGH_S - 2, 5), (1.5, 5), (1, 10), (1, 10))
    assert [p.seconds_left is None for p in told] == [True, True, False, False]
    one_long_count = run(clock, 100, (60, 10))
    assert one_long_count[0].seconds_left is None


def test_the_rate_is_the_recent_one(clock: Clock) -> None:
    told = run(clock, 1000, *[(1, 1)] * 60, *[(1, 20)] * 25)
    assert told[59].rate == pytest.approx(1)
    assert told[-1].rate == pytest.approx(20)
    assert told[-1].seconds_left == pytest.approx((1000 - 60 - 500) / 20)


def test_a_slow_beginning_does_not_spoil_the_estimate(clock: Clock) -> None:
    told = run(clock, 400, (90, 1), *[(1, 10)] * 30)
    assert told[-1].seconds_left == pytest.approx((400 - 301) / 10)


def test_at_the_end_the_rate_is_that_of_the_whole(clock: Clock) -> None:
    told = run(clock, 90, *[(1, 1)] * 30, *[(1, 2)] * 30)
    assert told[-1].rate == pytest.approx(90 / 60)
    assert told[-1].seconds_left == 0
