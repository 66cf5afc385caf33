"""Making a new, empty archive."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lile_engine.archive import database as db
from lile_engine.archive.filesystem import clear_errors, refuse_network_share
from lile_engine.archive.lock import WRITER_LOCK, WriterLock
from lile_engine.archive.schema import migrate
from lile_engine.errors import ArchiveError
from lile_engine.model.protocol import ModelIdentity
from lile_engine.paths import private_dir

_DATABASE_FILES = tuple(db.DATABASE + ending for ending in ("", "-wal", "-shm", "-journal"))


def create_local_archive(folder: Path, identity: ModelIdentity, model_path: str | None, group: str | None) -> None:
    """See `lile_engine.archive.create_archive`."""
    with clear_errors(str(folder)):
        path = folder / db.DATABASE
        if folder.exists() and not _is_left_by_a_killed_call(folder):
            if path.exists():
                raise ArchiveError(f"There is an archive in {folder} already; choose another folder.")
            if not folder.is_dir() or any(folder.iterdir()):
                raise ArchiveError(f"{folder} is not an empty folder; choose another one for the archive.")
        refuse_network_share(folder)
        number = _group_number(group) if group else None
        try:
            for place in (folder, folder / db.VECTORS, folder / db.INDEX):
                private_dir(place, number)
                _allow(place, number)
        except OSError as error:
            raise ArchiveError(
                f"The folder {folder} cannot be made ({error.strerror or error}); choose another place for the archive."
            ) from error
        lock = WriterLock(folder, number)
        try:
            for name in _DATABASE_FILES:  # of a call that was killed; nothing is in it
                (folder / name).unlink(missing_ok=True)
            connection = db.connect_to_write(path, number)
            try:
                migrate(connection, str(folder))
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(
                    "INSERT INTO spaces (model_id, model, model_path, active) VALUES (?, ?, ?, 1)",
                    (identity.id, db.model_json(identity), model_path),
                )
                db.set_meta(connection, "generation", "0")
                if number is not None:
                    db.set_meta(connection, "group", str(number))
                connection.execute("COMMIT")
            finally:
                connection.close()
        finally:
            lock.release()


def _is_left_by_a_killed_call(folder: Path) -> bool:
    """Whether a folder holds nothing but what this module makes, and no archive yet: the same call may go on."""
    if not folder.is_dir():
        return False
    known = {WRITER_LOCK, db.VECTORS, db.INDEX, *_DATABASE_FILES}
    if not {path.name for path in folder.iterdir()} <= known:
        return False
    if any(place.is_dir() and any(place.iterdir()) for place in (folder / db.VECTORS, folder / db.INDEX)):
        return False
    return not (folder / db.DATABASE).exists() or db.is_unfinished(folder / db.DATABASE)


def _allow(folder: Path, group: int | None) -> None:
    """Closes a folder, which may have been there, to all but its owner, or opens it to the group."""
    if sys.platform == "win32":
        return
    if group is not None:
        os.chown(folder, -1, group)
    folder.chmod(0o700 if group is None else 0o2770)


def _group_number(group: str) -> int:
    if sys.platform == "win32":
        raise ArchiveError("On Windows an archive is shared by the folder's own permissions; leave out the group.")
    import grp

    try:
        number = grp.getgrnam(group).gr_gid
    except KeyError:
        raise ArchiveError(f"There is no group {group} on this computer; `getent group` lists them.") from None
    if os.geteuid() != 0 and number not in {os.getegid(), *os.getgroups()}:
        raise ArchiveError(
            f"You are not in the group {group}; have yourself added to it and log in again, or ask one who is."
        )
    return number
