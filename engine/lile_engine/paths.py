"""Where things lie: the bundled resources, and the user's own folder (settings, models, demo, logs)."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import appdirs

APP_NAME = "LILE Desktop"
ARCHIVE_DATABASE = "archive.db"
_ARCHIVE_DEPTH = 2  # of a slide's own folder in an archive: slides/IDENTITY


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


def private_dir(path: Path, group: int | None = None) -> Path:
    """Makes ``path``, and every parent that is missing, readable by its owner only, and returns it.

    With ``group``, or within an archive that a group shares, that group may read and write what is made. A folder
    that is there already stays as it is.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    if missing and group is None:
        group = archive_group(missing[-1].parent)
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
        _leave_to_owner(folder, folder.parent)
        if group is not None and sys.platform != "win32":
            os.chown(folder, -1, group)
            folder.chmod(0o2770)  # set-group-id: what is made inside belongs to the group
    return path


def open_private(path: Path, flags: int, group: int | None = None) -> int:
    """``os.open`` that creates files with mode 0600; 0660 for a ``group``, or within an archive that one shares."""
    handle = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600)
    if flags & os.O_CREAT:
        _share(handle, archive_group(path.parent) if group is None else group)
        _leave_to_owner(handle, path.parent)
    return handle


def share_as_its_place(path: Path) -> None:
    """Lets the group read and write a file that was moved into an archive that it shares; elsewhere does nothing."""
    group = archive_group(path.parent)
    if group is not None:
        handle = os.open(path, os.O_RDONLY)
        try:
            _share(handle, group)
        finally:
            os.close(handle)


def _share(handle: int, group: int | None) -> None:
    if group is not None and sys.platform != "win32":
        with contextlib.suppress(PermissionError):  # made by another member of the group, with the right mode
            if os.fstat(handle).st_gid != group:
                os.fchown(handle, -1, group)
            os.fchmod(handle, 0o660)


def archive_group(folder: Path) -> int | None:
    """The id of the group that shares the archive ``folder`` lies in (it is told by the mode of the database);
    None outside of archives and in one that is its owner's alone."""
    stat = _database_stat(folder)
    return stat.st_gid if stat and sys.platform != "win32" and stat.st_mode & 0o060 == 0o060 else None


def _database_stat(folder: Path) -> os.stat_result | None:
    for place in (folder, *folder.parents[:_ARCHIVE_DEPTH]):
        with contextlib.suppress(OSError):
            return (place / ARCHIVE_DATABASE).stat()
    return None


def _leave_to_owner(made: int | Path, folder: Path) -> None:
    """What the superuser makes in somebody's archive belongs to whom the archive belongs, as SQLite does it too; else
    its owner could not read it."""
    if sys.platform != "win32" and os.geteuid() == 0:
        stat = _database_stat(folder)
        if stat is not None and stat.st_uid != 0:
            os.chown(made, stat.st_uid, -1)


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
