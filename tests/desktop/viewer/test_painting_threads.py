"""Where readers keep all cores busy, the window paints by itself."""

from __future__ import annotations

import pytest

from lile_desktop.viewer import painting_threads
from lile_desktop.viewer.painting_threads import choose_painting_threads

NAME = "QT_NO_GUI_THREADPOOL"


@pytest.mark.parametrize(("cores", "alone"), [(1, True), (2, True), (4, False)])
def test_the_pool_is_left_out_on_few_cores(monkeypatch: pytest.MonkeyPatch, cores: int, alone: bool) -> None:
    monkeypatch.setenv(NAME, "")  # so that what is set here goes with the test
    monkeypatch.delenv(NAME)
    monkeypatch.setattr(painting_threads, "core_count", lambda: cores)
    choose_painting_threads()
    assert (NAME in painting_threads.os.environ) is alone


def test_this_machine_has_cores() -> None:
    assert painting_threads.core_count() >= 1
