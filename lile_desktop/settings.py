"""Every setting of the window in one typed place, kept in the user's folder and readable by its owner only."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from PySide6.QtCore import QObject, Signal

from lile_engine.paths import home_dir, private_dir

RECENT_LIMIT = 12


@dataclass(frozen=True)
class Settings:
    """What the user chose; the defaults are a first start. Lengths in pixels of the screen, mpp in µm per pixel."""

    appearance: str = "system"  # "system", "light" or "dark"
    archive: str = ""  # folder of the archive in use; "" is the demo archive
    own_archive: str = ""  # the user's own that was in use last
    demo_takes_slides: bool = False  # own slides are added to the demo archive: the user was asked once
    device: str = "auto"  # "auto", "cpu" or "cuda"
    tile_mpp: float = 0.5
    tile_px: int = 224
    results: int = 24
    cache_mb: int = 512
    open_slides: tuple[str, ...] = ()  # those of the last time, the one in view first
    recent_slides: tuple[str, ...] = ()
    last_folder: str = ""
    pairs_folder: str = ""
    window_geometry: str = ""  # Qt's own bytes, in hex
    splitter: tuple[int, ...] = ()
    region_classes: tuple[str, ...] = ()  # "#rrggbb name", those that the user made


APPEARANCES = ("system", "light", "dark")
DEVICES = ("auto", "cpu", "cuda")


def settings_from_json(text: str) -> Settings:
    """Settings from a stored file; unknown names are dropped and values of a wrong kind fall back to the default.

    Raises ValueError where ``text`` is not a JSON object.
    """
    raw = json.loads(text)
    if not isinstance(raw, dict):
        raise ValueError("the settings file holds no JSON object")
    hints, default, kept = get_type_hints(Settings), Settings(), {}
    for field in fields(Settings):
        if field.name in raw:
            kept[field.name] = _fitting(raw[field.name], hints[field.name], getattr(default, field.name))
    settings = replace(default, **kept)
    if settings.appearance not in APPEARANCES:
        settings = replace(settings, appearance=default.appearance)
    if settings.device not in DEVICES:
        settings = replace(settings, device=default.device)
    positive = {name: getattr(default, name) for name in ("tile_mpp", "tile_px", "results", "cache_mb")}
    return replace(settings, **{n: d for n, d in positive.items() if getattr(settings, n) <= 0})


def _fitting(value: Any, hint: Any, default: Any) -> Any:
    if hint is float:
        return float(value) if type(value) in (int, float) else default
    if hint in (int, str, bool):
        return value if type(value) is hint else default
    member = hint.__args__[0]
    if isinstance(value, list) and all(type(v) is member for v in value):
        return tuple(value)
    return default


def with_recent(recent: tuple[str, ...], path: str) -> tuple[str, ...]:
    """``recent`` with ``path`` first, each path once, no more than `RECENT_LIMIT`."""
    return (path, *(p for p in recent if p != path))[:RECENT_LIMIT]


def without_places(settings: Settings, paths: Collection[str]) -> dict[str, Any]:
    """The fields that name slides or where they lie, without those at ``paths``."""
    folders = {str(Path(path).parent) for path in paths}
    return {
        "open_slides": tuple(path for path in settings.open_slides if path not in paths),
        "recent_slides": tuple(path for path in settings.recent_slides if path not in paths),
        "last_folder": "" if settings.last_folder in folders else settings.last_folder,
    }


class SettingsStore(QObject):
    """The settings now, and the one way to change them; ``changed`` carries the new `Settings`."""

    changed = Signal(object)

    def __init__(self, path: Path | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.path = path or home_dir() / "settings.json"
        self.value = self._read()

    def _read(self) -> Settings:
        try:
            return settings_from_json(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return Settings()
        except (OSError, ValueError) as error:
            # A damaged file must not keep the program from starting; it is kept for who wants to look.
            logging.getLogger(__name__).warning("settings %s not used: %s", self.path, error)
            if self.path.exists():
                self.path.replace(self.path.with_suffix(".damaged.json"))
            return Settings()

    def update(self, **changes: Any) -> None:
        """Changes some settings and writes the file (to a temporary name first, so a crash loses nothing)."""
        new = replace(self.value, **changes)
        if new == self.value:
            return
        self.value = new
        private_dir(self.path.parent)
        temporary = self.path.with_suffix(".new")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(new), file, indent=1)
        temporary.replace(self.path)
        self.changed.emit(new)
