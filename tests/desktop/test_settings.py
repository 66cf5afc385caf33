"""Settings: typed, private, and never in the way of a start."""

from __future__ import annotations

import json
import stat
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from lile_desktop.settings import RECENT_LIMIT, Settings, SettingsStore, settings_from_json, with_recent


def test_what_is_written_is_read_back(tmp_path: Path, qapp: object) -> None:
    store = SettingsStore(tmp_path / "settings.json")
    store.update(appearance="dark", tile_mpp=1.0, recent_slides=("a", "b"))
    assert SettingsStore(tmp_path / "settings.json").value == store.value


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are another thing on Windows")
def test_nobody_else_may_read_them(tmp_path: Path, qapp: object) -> None:
    store = SettingsStore(tmp_path / "home" / "settings.json")
    store.update(appearance="dark")
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_a_damaged_file_is_put_aside(tmp_path: Path, qapp: object) -> None:
    path = tmp_path / "settings.json"
    path.write_text("{ not json")
    assert SettingsStore(path).value == Settings()
    assert (tmp_path / "settings.damaged.json").read_text() == "{ not json"


@pytest.mark.parametrize(
    "wrong",
    [
        {"appearance": "pink"}, {"tile_mpp": "half"}, {"tile_mpp": -1}, {"results": 1.5}, {"recent_slides": "a"},
        {"recent_slides": [1]}, {"unknown": 3}, {"splitter": [1.5]}, {"device": "tpu"}, {"cache_mb": True},
    ],
)  # fmt: skip
def test_wrong_values_fall_back_to_the_default(wrong: dict[str, object]) -> None:
    assert settings_from_json(json.dumps({**asdict(Settings()), **wrong})) == Settings()


def test_the_change_is_told_once_and_only_if_there_is_one(tmp_path: Path, qapp: object) -> None:
    store = SettingsStore(tmp_path / "settings.json")
    told: list[Settings] = []
    store.changed.connect(told.append)
    store.update(results=10)
    store.update(results=10)
    assert [s.results for s in told] == [10]


def test_recent_slides_come_first_once_and_not_too_many() -> None:
    recent: tuple[str, ...] = ()
    for name in [f"s{n}" for n in range(20)] + ["s5"]:
        recent = with_recent(recent, name)
    assert recent[0] == "s5"
    assert len(recent) == len(set(recent)) == RECENT_LIMIT
