"""A copy of an archive in another folder, checked as it is made."""

from __future__ import annotations

import os
import shutil
import sqlite3
import zlib
from pathlib import Path

from lile_engine.archive import database as db
from lile_engine.archive.appending import space_model
from lile_engine.archive.filesystem import clear_errors, sync_dir, write_atomic
from lile_engine.archive.index import IndexFile
from lile_engine.archive.lock import WriterLock
from lile_engine.archive.schema import check_version
from lile_engine.archive.store import token_path, vector_path
from lile_engine.archive.tokens import token_bytes
from lile_engine.archive.writer import SLIDE_FILES
from lile_engine.errors import ArchiveError
from lile_engine.paths import open_private, private_dir
from lile_engine.progress import ProgressCallback, ProgressMeter, no_progress

_TRIES = 5  # a writer that removes something takes it away under the hand
_MARK = "copying.lock"  # held while the copy is being made; whoever finds it free may delete what lies beside it


class _Changed(Exception):
    """The source lacks a file that it had when its rows were read."""


def copy_archive(source: Path, target: Path, *, progress: ProgressCallback = no_progress) -> int:
    """Copies what is committed at this moment, also while a writer works; returns the bytes of the vectors.

    The target appears whole or not at all and is private to its owner; until then it is ``TARGET.copying``. Raises
    `ArchiveError` where something is there already, the target lies in the archive, or the source is damaged.
    """
    target = Path(os.path.abspath(target))
    with clear_errors(str(target)):
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ArchiveError(f"{target} is not an empty folder; choose another one for the copy.")
        db.database_path(source)
        if any(place.exists() and place.samefile(source) for place in (target, *target.parents)):
            raise ArchiveError(f"{target} lies in the archive {source} itself; choose a folder outside it.")
        temporary = target.with_name(target.name + ".copying")
        _make_way(temporary)
        lock = WriterLock(private_dir(temporary), file=_MARK)
        try:
            for folder in (db.VECTORS, db.INDEX):
                private_dir(temporary / folder)
            for tries_left in reversed(range(_TRIES)):
                try:
                    size = _copy(source, temporary, progress)
                    break
                except _Changed as error:
                    if not tries_left:
                        raise ArchiveError(str(error)) from error
            for made in (temporary / db.VECTORS, temporary / db.INDEX, temporary):
                sync_dir(made)
            lock.release()
            if target.exists():
                target.rmdir()
            os.replace(temporary, target)
            (target / _MARK).unlink()  # last: a copy that was cut off before is known by it
            sync_dir(target)
            sync_dir(target.parent)
        except BaseException:
            lock.release()
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return size


def _make_way(temporary: Path) -> None:
    """Deletes what an interrupted copy left, and nothing else: it is known by its mark, which no process holds."""
    if not os.path.lexists(temporary):
        return
    if temporary.is_dir() and not temporary.is_symlink():
        if not any(temporary.iterdir()):
            return
        if (temporary / _MARK).is_file():
            WriterLock(temporary, file=_MARK).release()
            shutil.rmtree(temporary)
            return
    raise ArchiveError(
        f"{temporary} is in the way of the copy and is no copy that was interrupted; move it, or choose another name."
    )


def _copy(source: Path, target: Path, progress: ProgressCallback) -> int:
    for folder in (db.VECTORS, db.INDEX):  # of an attempt before
        for path in (target / folder).iterdir():
            path.unlink()
    (target / db.DATABASE).unlink(missing_ok=True)
    _copy_index(source / db.INDEX, target / db.INDEX)  # first: it may be behind the rows, never ahead of them
    reading = db.ReadConnection(source)
    try:
        check_version(reading.connection, str(source))
        os.close(open_private(target / db.DATABASE, os.O_RDWR | os.O_CREAT))
        copy = sqlite3.connect(target / db.DATABASE, isolation_level=None)
        try:
            reading.connection.backup(copy)
            copy.execute("PRAGMA journal_mode = WAL")
            copy.execute("DELETE FROM meta WHERE key = 'group'")
            total = _copy_stores(source, target, copy, progress)
        finally:
            copy.close()
    finally:
        reading.close()
    if (source / SLIDE_FILES).is_dir():
        shutil.copytree(source / SLIDE_FILES, target / SLIDE_FILES)
        for root, _, files in os.walk(target / SLIDE_FILES):
            Path(root).chmod(0o700)
            for name in files:
                (Path(root) / name).chmod(0o600)
    return total


def _copy_stores(source: Path, target: Path, rows: sqlite3.Connection, progress: ProgressCallback) -> int:
    stores = rows.execute("SELECT id, space_id FROM stores ORDER BY id").fetchall()
    meter = ProgressMeter(progress, len(stores), "files")
    total = 0
    for store, space in stores:
        model = space_model(rows, space)
        segments = rows.execute(
            "SELECT first_slot, count, vector_crc, first_token, tokens, token_crc FROM segments WHERE store_id = ?"
            " ORDER BY first_slot",
            (store,),
        ).fetchall()
        width, record = model.width * 4, token_bytes(model.token_width)
        for path_of, ranges in (
            (vector_path, [(row[0] * width, row[1] * width, row[2]) for row in segments]),
            (token_path, [(row[3] * record, row[4] * record, row[5]) for row in segments]),
        ):
            total += _copy_ranges(
                path_of(source / db.VECTORS, store), path_of(target / db.VECTORS, store), ranges, source
            )
        meter.advance()
    return total


def _copy_ranges(source: Path, target: Path, ranges: list[tuple[int, int, int]], archive: Path) -> int:
    total = 0
    if not source.exists():
        raise _Changed(
            f"The archive {archive} changed while it was copied, or lacks {source.name}; run `lile archive check` on "
            "it and copy it again."
        )
    with (
        open(source, "rb") as reading,
        os.fdopen(open_private(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as writing,
    ):
        for start, size, crc in ranges:
            reading.seek(start)
            data = reading.read(size)
            if zlib.crc32(data) != crc:
                raise ArchiveError(
                    f"The file {source} of the archive is damaged; run `lile archive check --repair {archive}` first."
                )
            writing.seek(start)
            writing.write(data)
            total += size
        writing.flush()
        os.fsync(writing.fileno())
    return total


def _copy_index(source: Path, target: Path) -> None:
    """The index is derived: one that is just being replaced is left out and built again when it is needed."""
    for description in source.glob("*.json"):
        described = IndexFile.read(description)
        if described is None:
            continue
        try:
            shutil.copy2(source / described.file, target / described.file)
        except FileNotFoundError:
            continue
        (target / described.file).chmod(0o600)
        write_atomic(target / description.name, described.to_json())
