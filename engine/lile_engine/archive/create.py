"""Making a new, empty archive."""

from __future__ import annotations

import sys
from pathlib import Path

from lile_engine.archive import database as db
from lile_engine.archive.filesystem import clear_errors, make_private_dir
from lile_engine.archive.lock import WriterLock
from lile_engine.archive.schema import migrate
from lile_engine.archive.writer import refuse_network_share
from lile_engine.errors import ArchiveError
from lile_engine.model.protocol import ModelIdentity


def create_local_archive(folder: Path, identity: ModelIdentity, model_path: str | None, group: str | None) -> None:
    """See `lile_engine.archive.create_archive`."""
    with clear_errors(str(folder)):
        path = folder / db.DATABASE
        if path.exists():
            raise ArchiveError(f"There is an archive in {folder} already; choose another folder.")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ArchiveError(f"{folder} is not an empty folder; choose another one for the archive.")
        refuse_network_share(folder)
        number = _group_number(group) if group else None
        try:
            for place in (folder, folder / db.VECTORS, folder / db.INDEX):
                make_private_dir(place, number)
        except OSError as error:
            raise ArchiveError(
                f"The folder {folder} cannot be made ({error.strerror or error}); choose another place for the archive."
            ) from error
        lock = WriterLock(folder, number)
        try:
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


def _group_number(group: str) -> int:
    if sys.platform == "win32":
        raise ArchiveError("On Windows an archive is shared by the folder's own permissions; leave out the group.")
    import grp

    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ArchiveError(f"There is no group {group} on this computer; `getent group` lists them.") from None
