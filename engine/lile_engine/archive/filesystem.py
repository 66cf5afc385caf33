"""What the archive asks of the file system: private files, safe writes, and whether it is a network share."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lile_engine.errors import ArchiveError
from lile_engine.paths import open_private

_NETWORK_TYPES = {
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "drvfs", "fuse.sshfs", "fuse.glusterfs", "fuse.rclone",
    "fuse.davfs2", "fuse.ceph", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "pvfs2", "smb3", "smbfs",
    "virtiofs", "vboxsf", "prl_fs", "vmhgfs", "fuse.vmhgfs-fuse", "webdav", "afpfs",
}  # fmt: skip


def network_type(path: Path, mounts: str | None = None) -> str | None:
    """The kind of network share ``path`` lies on ("nfs4", "cifs"), or None for a local disk.

    ``mounts`` is the text of /proc/self/mountinfo, read from there if not given.
    """
    path = path.resolve()
    if sys.platform == "win32":
        return _windows_network_type(path)
    if mounts is None and sys.platform == "darwin":
        return _macos_network_type(path)
    if mounts is None:
        try:
            mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    best, kind = "", None
    for line in mounts.splitlines():
        left, separator, right = line.partition(" - ")
        fields = left.split()
        if not separator or len(fields) < 5:
            continue
        point = fields[4].encode().decode("unicode_escape")  # spaces stand there as \040
        inside = path == Path(point) or Path(point) in path.parents
        if inside and len(point) >= len(best):  # later mounts lie over earlier ones
            best, kind = point, right.split()[0]
    return kind if kind in _NETWORK_TYPES else None


def _windows_network_type(path: Path) -> str | None:
    if sys.platform != "win32":
        return None
    import ctypes

    remote = 4  # DRIVE_REMOTE
    if str(path).startswith("\\\\"):
        return "SMB"
    return "SMB" if ctypes.windll.kernel32.GetDriveTypeW(path.anchor) == remote else None


def _macos_network_type(path: Path) -> str | None:
    """Reads ``mount``'s lines: ``//user@host/share on /Volumes/share (smbfs, ...)``."""
    try:
        table = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    best, kind = "", None
    for line in table.splitlines():
        point, _, options = line.partition(" on ")[2].rpartition(" (")
        inside = bool(point) and (path == Path(point) or Path(point) in path.parents)
        if inside and len(point) >= len(best):
            best, kind = point, options.split(",")[0].rstrip(")")
    return kind if kind in _NETWORK_TYPES else None


def refuse_network_share(folder: Path) -> None:
    """Raises `ArchiveError` where SQLite's log and the lock cannot be relied on."""
    kind = network_type(folder)
    if kind:
        raise ArchiveError(
            f"The archive {folder} lies on a network share ({kind}) and can be read but not written there; "
            "copy it to a local disk with `lile archive copy`."
        )


def write_atomic(path: Path, data: bytes, group: int | None = None) -> None:
    """Replaces a file by a whole new one or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    handle = open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, group)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_dir(path.parent)


def remove_tree(folder: Path) -> None:
    """Deletes a folder if it is there; raises `ArchiveError` if anything of it cannot be deleted."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        if folder.exists():
            raise
    except OSError as error:
        raise ArchiveError(
            f"The folder {folder} cannot be deleted ({error.strerror or error}); have its owner allow it or delete it, "
            "and run the same command again."
        ) from error


def sync_dir(path: Path) -> None:
    """Makes a new, renamed or deleted name in a folder last through a power cut (Windows needs no such call)."""
    if sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def folder_bytes(path: Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for root, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(root) / name).stat().st_size
    return total


@contextlib.contextmanager
def clear_errors(name: str) -> Iterator[None]:
    """Turns what the disk and SQLite say into an `ArchiveError` a person can act on."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise explained(name, error) from error


def explained(name: str, error: sqlite3.Error | OSError | UnicodeDecodeError) -> ArchiveError:
    """What the disk or SQLite said of the archive ``name``, as an `ArchiveError` a person can act on."""
    if isinstance(error, UnicodeDecodeError):  # in SQLite's own words on tables that make no sense
        return ArchiveError(f"The database of the archive {name} is damaged; restore it from a copy.")
    if isinstance(error, OSError):
        text, code = error.strerror or str(error), errno.errorcode.get(error.errno or 0, "")
    else:
        text, code = str(error), getattr(error, "sqlite_errorname", "") or ""
    if code in {"ENOSPC", "EDQUOT", "SQLITE_FULL"}:
        return ArchiveError(
            f"The disk of the archive {name} is full; free some space and run the command again: "
            "what was committed is kept."
        )
    if code in {"EACCES", "EPERM", "SQLITE_PERM"}:
        return ArchiveError(f"The archive {name} is closed to you; ask its owner to let you in, or use a copy.")
    if code in {"EROFS", "SQLITE_READONLY", "SQLITE_READONLY_DBMOVED"}:
        return ArchiveError(f"The archive {name} cannot be written: its disk or folder is read-only for you.")
    if code == "ENOENT":
        return ArchiveError(
            f"A file of the archive {name} is missing, or was taken away while it was read; try again, and if it stays "
            "so run `lile archive check` on it."
        )
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return ArchiveError(f"The archive {name} is busy in another program; try again in a moment.")
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return ArchiveError(f"The database of the archive {name} is damaged ({text}); restore it from a copy.")
    return ArchiveError(f"The archive {name} cannot be used ({text}); run `lile archive check` on it.")
