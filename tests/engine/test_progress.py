"""Rate and time left."""

from __future__ import annotations

import time

import pytest

from lile_engine.progress import Progress, ProgressMeter


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
    assert told[0].seconds_left == pytest.approx(2 / told[0].rate)


def test_what_an_earlier_run_did_is_in_the_share_and_not_in_the_rate() -> None:
    told: list[Progress] = []
    meter = ProgressMeter(told.append, 1000, "steps", interval=0.0, done=990)
    _busy(0.05)
    meter.advance()
    assert told[0].done == 991
    assert told[0].rate is not None
    assert told[0].rate <= 1 / 0.05
    assert told[0].seconds_left == pytest.approx(9 / told[0].rate)
