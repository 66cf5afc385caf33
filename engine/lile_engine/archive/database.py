"""Opening the archive's SQLite file, for writing and for reading, and what is read from it in several places."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from lile_engine.archive.filesystem import network_type
from lile_engine.archive.rows import CaptionRow, Ids, Kind, RunRecord, RunSlide, SlideRow
from lile_engine.errors import ArchiveError
from lile_engine.model.protocol import ModelIdentity
from lile_engine.paths import ARCHIVE_DATABASE, open_private

DATABASE = ARCHIVE_DATABASE
VECTORS = "vectors"
INDEX = "index"
_SNAPSHOT_TRIES = 5
_WAIT_MS = 30_000  # for another connection to commit
_READERS_WAIT_MS = 5_000  # for a reader to come to an end

SLIDE_COLUMNS = 'id, path, identity, name, width, height, mpp, "case", organ, stain, tags, tiles'
CAPTION_COLUMNS = 'id, text, source, "case", tags, slide, x, y, size'


def database_path(folder: Path) -> Path:
    """The SQLite file; raises `ArchiveError` where there is no archive."""
    path = folder / DATABASE
    if not path.is_file():
        raise ArchiveError(f"There is no archive in {folder}; make one with `lile archive init {folder}`.")
    return path


def is_unfinished(path: Path) -> bool:
    """Whether a database is one that `create_archive` was killed over: no model stands in it yet.

    It is looked at as it is, without its log taken in, so nothing is changed; a writer at work is not disturbed.
    """
    reading = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True, timeout=30)
    try:
        if reading.execute("SELECT 1 FROM sqlite_master WHERE name = 'spaces'").fetchone() is None:
            return reading.execute("SELECT 1 FROM sqlite_master").fetchone() is None
        return reading.execute("SELECT 1 FROM spaces").fetchone() is None
    except sqlite3.DatabaseError:  # damaged, or none
        return False
    finally:
        reading.close()


def connect_to_write(path: Path, group: int | None = None) -> sqlite3.Connection:
    """A connection that waits for the disk at every commit, in WAL mode, and wipes what it deletes."""
    os.close(open_private(path, os.O_RDWR | os.O_CREAT, group))  # SQLite gives -wal and -shm the same mode
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout = {_WAIT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    return connection


class StillRead(ArchiveError):
    """A reader keeps the log of the database from being emptied."""


def empty_log(connection: sqlite3.Connection) -> None:
    """Brings the log into the database and empties it; raises `StillRead` while somebody reads an older state."""
    connection.execute(f"PRAGMA busy_timeout = {_READERS_WAIT_MS}")
    try:
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        connection.execute(f"PRAGMA busy_timeout = {_WAIT_MS}")
    if busy:
        raise StillRead(
            "Erasing is not finished: another program is reading the archive; close it and run the same command again."
        )


class ReadConnection:
    """A connection for reading. Where SQLite cannot share the file (read-only disk, network share, a folder that only
    others may write) it reads a private copy of the database, which is small beside the vectors; later commits stay
    unseen then."""

    def __init__(self, folder: Path) -> None:
        path = database_path(folder)
        self._copy: Path | None = None
        if network_type(folder) is None and os.access(
            folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids
        ):
            self.connection = _connect(path)
            return
        self._copy = Path(tempfile.mkdtemp(prefix="lile-archive-"))  # mode 0700
        try:
            self.connection = _snapshot(path, self._copy)
        except BaseException:
            shutil.rmtree(self._copy, ignore_errors=True)
            raise

    def close(self) -> None:
        self.connection.close()
        if self._copy:
            shutil.rmtree(self._copy, ignore_errors=True)


def _connect(path: Path) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.resolve()))}?mode=ro"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=30)


def _snapshot(path: Path, folder: Path) -> sqlite3.Connection:
    """Copies database and WAL; tries again if a writer was at work meanwhile."""
    names = (path.name, path.name + "-wal")
    for _ in range(_SNAPSHOT_TRIES):
        before = _stamps(path.parent, names)
        for name in names:
            (folder / name).unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(path.parent / name, folder / name)
        if _stamps(path.parent, names) == before:
            return sqlite3.connect(folder / path.name, isolation_level=None, check_same_thread=False)
    raise ArchiveError(f"The archive {path.parent} is being written right now; try again when that has finished.")


def _stamps(folder: Path, names: tuple[str, ...]) -> list[tuple[int, int] | None]:
    stamps: list[tuple[int, int] | None] = []
    for name in names:
        try:
            stat = (folder / name).stat()
            stamps.append((stat.st_size, stat.st_mtime_ns))
        except FileNotFoundError:
            stamps.append(None)
    return stamps


def get_meta(connection: sqlite3.Connection, key: str, default: str = "") -> str:
    """A value of the table ``meta``."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else default


def set_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Sets a value of the table ``meta``."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def new_ids(connection: sqlite3.Connection, kind: Kind, number: int) -> Ids:
    """Ids never used before, in one run."""
    first = int(get_meta(connection, f"next_{kind}", "1"))
    set_meta(connection, f"next_{kind}", str(first + number))
    return np.arange(first, first + number)


def model_json(identity: ModelIdentity) -> str:
    """An identity as it is stored."""
    return json.dumps(identity.__dict__)


def active_space(connection: sqlite3.Connection) -> tuple[int, ModelIdentity, str | None]:
    """(space id, model, folder of the model) of the vectors in use."""
    try:
        found = connection.execute("SELECT id, model, model_path FROM spaces WHERE active = 1").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        found = None
    if found is None:
        raise ArchiveError("The making of this archive was interrupted; run the same `lile archive init` again.")
    space, model, path = found
    return int(space), ModelIdentity(**json.loads(model)), path


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether a table is there: in an archive that an older program made, later ones are not."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone() is not None


def run_records(connection: sqlite3.Connection, last: int) -> list[RunRecord]:
    """The last runs, newest first; none from tables that are older than runs."""
    if not has_table(connection, "run_slides"):
        return []
    runs = connection.execute(
        "SELECT id, kind, started, seconds FROM runs ORDER BY id DESC LIMIT ?", (last,)
    ).fetchall()
    return [RunRecord(kind, started, seconds, _run_slides(connection, run)) for run, kind, started, seconds in runs]


def _run_slides(connection: sqlite3.Connection, run: int) -> tuple[RunSlide, ...]:
    columns = "path, state, tiles, seconds, message, slide_id"
    rows = connection.execute(f"SELECT {columns} FROM run_slides WHERE run_id = ? ORDER BY rowid", (run,))
    return tuple(RunSlide(*row) for row in rows)


def plans(connection: sqlite3.Connection) -> dict[int, int]:
    """How many tiles each slide was last to have, by its id; none from tables that are older than plans."""
    if not has_table(connection, "plans"):
        return {}
    return dict(connection.execute("SELECT slide_id, tiles FROM plans").fetchall())


def slide_row(row: tuple[Any, ...], complete: bool = False, planned: int = 0) -> SlideRow:
    """A row of `SLIDE_COLUMNS`."""
    *plain, tags, tiles = row
    values = dict(zip((field.name for field in fields(SlideRow)), plain, strict=False))
    return SlideRow(**values, tags=tuple(json.loads(tags)), tiles=tiles, complete=complete, planned=planned)


def slide_by_identity(connection: sqlite3.Connection, identity: str) -> SlideRow | None:
    """The row of a slide, found by the index over identities."""
    found = connection.execute(f"SELECT {SLIDE_COLUMNS} FROM slides WHERE identity = ?", (identity,)).fetchone()
    return slide_row(found) if found else None


def caption_row(row: tuple[Any, ...]) -> CaptionRow:
    """A row of `CAPTION_COLUMNS`."""
    number, text, source, case, tags, *place = row
    return CaptionRow(number, text, source, case, tuple(json.loads(tags)), *place)
