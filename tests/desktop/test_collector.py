"""What is there when the engine is first up is no longer gone through by Python's collector."""

from __future__ import annotations

import gc

import pytest
from pytestqt.qtbot import QtBot

from lile_desktop.collector import spare_what_is_loaded
from lile_desktop.engine_client import EngineClient


@pytest.fixture(autouse=True)
def _thaw() -> object:
    yield
    gc.unfreeze()


def test_once_when_the_engine_is_up(qtbot: QtBot) -> None:
    client = EngineClient()
    spare_what_is_loaded(client)
    before = gc.get_freeze_count()
    client.loaded.emit(None)
    first = gc.get_freeze_count()
    assert first > before
    held = [[object()] for _ in range(1000)]
    client.loaded.emit(None)
    assert gc.get_freeze_count() <= first  # what came later is still looked after
    assert len(held) == 1000
