"""The one writer of an archive.

The lock is the operating system's on ``writer.lock`` (it goes with the process, so a dead writer's lock is free at
once); the file says who holds it, for people and for other computers, whose locks cannot be checked from here.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from lile_engine.errors import ArchiveLockedError
from lile_engine.paths import open_private

WRITER_LOCK = "writer.lock"
_LOCK_BYTE = 1 << 20  # Windows locks bytes and keeps others from reading them; this one lies far behind the text


class WriterLock:
    """Holds the right to write from construction to `release`. Raises `ArchiveLockedError` if another has it."""

    def __init__(self, folder: Path, group: int | None = None, file: str = WRITER_LOCK) -> None:
        self._path = folder / file
        self._handle = open_private(self._path, os.O_RDWR | os.O_CREAT, group)
        try:
            if not _lock_patiently(self._handle):
                raise ArchiveLockedError(_held_sentence(folder, _read_holder(self._path)))
            holder = _read_holder(self._path)
            if holder and holder.get("host") != socket.gethostname():
                _unlock(self._handle)
                raise ArchiveLockedError(
                    f"The archive {folder} is being written by {_who(holder)}, which cannot be checked from this "
                    f"computer; wait for it, or if it no longer runs delete the file {self._path}."
                )
            self._write({"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat()})
        except BaseException:
            os.close(self._handle)
            raise

    def release(self) -> None:
        """Gives the right back; a second call does nothing."""
        if self._handle < 0:
            return
        try:
            self._write(None)
        finally:
            _unlock(self._handle)
            os.close(self._handle)
            self._handle = -1

    def _write(self, holder: dict[str, object] | None) -> None:
        os.lseek(self._handle, 0, os.SEEK_SET)
        os.ftruncate(self._handle, 0)
        if holder:
            os.write(self._handle, json.dumps(holder).encode())


def current_writer(folder: Path) -> str | None:
    """Who writes to the archive now, in words, or None. Takes nothing."""
    path = folder / WRITER_LOCK
    holder = _read_holder(path)
    if not holder:
        return None
    if holder.get("host") == socket.gethostname():
        try:
            handle = os.open(path, os.O_RDONLY if sys.platform != "win32" else os.O_RDWR)
        except OSError:
            return _who(holder)
        try:
            if _try_lock(handle):
                _unlock(handle)
                return None  # it died
        finally:
            os.close(handle)
    return _who(holder)


def _lock_patiently(handle: int) -> bool:
    """Tries for a moment: who only asks whether the lock is held holds it for microseconds."""
    for _ in range(5):
        if _try_lock(handle):
            return True
        time.sleep(0.02)
    return False


def _held_sentence(folder: Path, holder: dict[str, object]) -> str:
    return f"The archive {folder} is being written by {_who(holder)}; wait until it has finished or stop it."


def _who(holder: dict[str, object]) -> str:
    if not holder:
        return "another process"
    return f"process {holder.get('pid')} on {holder.get('host')} (since {str(holder.get('since'))[:19]} UTC)"


def _read_holder(path: Path) -> dict[str, object]:
    try:
        holder = json.loads(path.read_text(encoding="utf-8") or "{}")
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        os.lseek(handle, _LOCK_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(handle: int) -> None:
        os.lseek(handle, _LOCK_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
