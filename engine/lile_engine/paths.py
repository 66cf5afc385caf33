"""Where things lie: the bundled resources, and the user's own folder (settings, models, demo, logs)."""

from __future__ import annotations

import os
from pathlib import Path

import appdirs

APP_NAME = "LILE Desktop"


def resources_dir() -> Path:
    """The bundled resources: ``LILE_RESOURCES`` if set, else ``resources/`` of the checkout or installation."""
    override = os.environ.get("LILE_RESOURCES")
    if override:
        return Path(override)
    return Path(__file__).resolve().parents[2] / "resources"


def bundled_model_dir() -> Path:
    """The checkpoint that comes with the program."""
    return resources_dir() / "models" / "lile-base"


def home_dir() -> Path:
    """The user's folder of this program: ``LILE_HOME`` if set (tests do), else appdirs' data folder."""
    override = os.environ.get("LILE_HOME")
    return Path(override) if override else Path(appdirs.user_data_dir(APP_NAME, appauthor=False))


def private_dir(path: Path) -> Path:
    """Makes ``path`` (and its parents) readable by its owner only, and returns it."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def models_dir() -> Path:
    """The user's own checkpoints, one folder each."""
    return home_dir() / "models"


def demo_dir() -> Path:
    """Demo slides and demo archive, drawn and built at first start."""
    return home_dir() / "demo"


def logs_dir() -> Path:
    """Log files; names of slides and cases may stand in them, so they are removed with a case."""
    return home_dir() / "logs"


def printable(text: str) -> str:
    """``text`` with what cannot be written as UTF-8 (bytes of a file name that are none) spelled out: ``\\udcff``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
