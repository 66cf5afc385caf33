"""Keeps Python's cyclic collector from stopping the window."""

from __future__ import annotations

import gc

from PySide6.QtCore import Qt

from lile_desktop.engine_client import EngineClient


def spare_what_is_loaded(client: EngineClient) -> None:
    """Takes all that lives when the engine is first up out of the collector's sight: modules, classes, the window.

    A collection of everything goes through 70,000 objects and held the GUI thread for 41 ms; of what comes later there
    is little. Cycles among the objects of the start that come apart later are not freed: the window lives as long as
    the process does.
    """
    client.loaded.connect(lambda _info: _freeze(), Qt.ConnectionType.SingleShotConnection)


def _freeze() -> None:
    gc.collect()
    gc.freeze()
