"""Looks an archive over, byte by byte, and mends what can be mended."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lile_engine.archive import database as db
from lile_engine.archive.appending import space_model
from lile_engine.archive.filesystem import clear_errors
from lile_engine.archive.index import IndexFile, file_is_whole
from lile_engine.archive.mending import MendableArchive
from lile_engine.archive.runs import count, merge, subtract
from lile_engine.archive.schema import check_version
from lile_engine.archive.segments import load_segments
from lile_engine.archive.store import token_path, vector_path
from lile_engine.archive.tokens import token_bytes
from lile_engine.errors import ArchiveError
from lile_engine.progress import ProgressCallback, ProgressMeter, no_progress

Level = Literal["note", "problem"]
_LOOKS = 5


@dataclass(frozen=True)
class Finding:
    """One thing found. A note is what a killed writer leaves and the next one tidies; a problem has cost something.

    ``what``: "database", "vectors", "rows", "leftover", "index", "count".
    """

    level: Level
    what: str
    where: str
    message: str
    mended: bool = False


@dataclass(frozen=True)
class CheckReport:
    """All findings; `clean` when no problem is left."""

    archive: str
    findings: tuple[Finding, ...]
    vectors: int
    bytes: int

    @property
    def clean(self) -> bool:
        return all(finding.level == "note" or finding.mended for finding in self.findings)

    def to_text(self) -> str:
        """For a person."""
        lines = [
            f"{'mended' if finding.mended else finding.level}: {finding.where}: {finding.message}"
            for finding in self.findings
        ]
        lines.append(f"{self.vectors} vectors, {self.bytes} bytes read: {'sound' if self.clean else 'not sound'}")
        return "\n".join(lines)


@dataclass(frozen=True)
class _BadSegment:
    store: int
    first_slot: int
    kind: str
    slide: int | None
    first_id: int
    count: int


def check_archive(folder: Path, *, repair: bool = False, progress: ProgressCallback = no_progress) -> CheckReport:
    """Reads everything and compares it with its checksums. With ``repair`` it opens the archive for writing and
    drops what is damaged, so that the next `lile index` embeds it again, and builds a bad index anew.

    Raises `ArchiveError` where the database itself cannot be read.
    """
    with clear_errors(str(folder)):
        if repair:
            return _repair(folder, progress)
        reading = db.ReadConnection(folder)
        try:
            check_version(reading.connection, str(folder))
            for _ in range(_LOOKS):
                before = _committed(reading.connection)
                report = _Check(folder, reading.connection, progress).report()
                if report.clean or _committed(reading.connection) == before:
                    break  # else a writer was at work, and what seemed to be missing may just have been removed
            return report
        finally:
            reading.close()


def _committed(connection: sqlite3.Connection) -> int:
    """A number that changes with every commit of another connection."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _repair(folder: Path, progress: ProgressCallback) -> CheckReport:
    # The lock first: what is looked at must not change under the hand. Opening tidies leftovers.
    try:
        archive = MendableArchive(folder)
    except ArchiveError as error:
        if "check --repair" not in str(error):
            raise
        raise ArchiveError(f"The archive {folder} is too damaged to be opened; restore it from a copy.") from error
    try:
        check = _Check(folder, archive.connection, progress)
        report = check.report()
        archive.drop_segments([(bad.store, bad.first_slot) for bad in check.bad])
        archive.mend_rows()
        if any(finding.what == "index" and finding.level == "problem" for finding in report.findings) or check.bad:
            archive.rebuild_index()
        archive.close()
    except BaseException:
        archive.abandon()
        raise
    return after_mending(report, check_archive(folder))


def after_mending(before: CheckReport, again: CheckReport) -> CheckReport:
    """What was found ``before``, each finding mended or not, and what is left that was not seen then."""
    left = {(finding.what, finding.where): finding for finding in again.findings if finding.level == "problem"}
    findings = [replace(finding, mended=(finding.what, finding.where) not in left) for finding in before.findings]
    seen = {(finding.what, finding.where) for finding in before.findings}
    findings += [finding for key, finding in left.items() if key not in seen]
    return CheckReport(before.archive, tuple(findings), again.vectors, before.bytes)


class _Check:
    def __init__(self, folder: Path, connection: sqlite3.Connection, progress: ProgressCallback) -> None:
        self._folder, self._db, self._progress = folder, connection, progress
        self._bytes = 0
        self.bad: list[_BadSegment] = []

    def report(self) -> CheckReport:
        # Rows first: a writer may go on meanwhile, and what it adds after this moment is not looked at.
        self._db.execute("BEGIN")
        try:
            findings = [*self._database(), *self._stores(), *self._rows(), *self._leftovers(), *self._indexes()]
            space = db.active_space(self._db)[0]
            vectors = sum(load_segments(self._db, space, kind).total() for kind in ("tile", "caption"))
        finally:
            self._db.execute("ROLLBACK")
        return CheckReport(str(self._folder), tuple(findings), vectors, self._bytes)

    def _database(self) -> Iterator[Finding]:
        for (message,) in self._db.execute("PRAGMA quick_check(5)"):
            if message != "ok":
                yield Finding("problem", "database", db.DATABASE, f"SQLite says: {message}; restore it from a copy")
        if self._db.execute("PRAGMA foreign_key_check").fetchone():
            yield Finding("problem", "database", db.DATABASE, "rows point at rows that are gone")

    def _stores(self) -> Iterator[Finding]:
        stores = self._db.execute("SELECT id, space_id, kind, slide_id FROM stores ORDER BY id").fetchall()
        meter = ProgressMeter(self._progress, len(stores), "files")
        for store, space, kind, slide in stores:
            model = space_model(self._db, space)
            segments = self._db.execute(
                "SELECT first_slot, first_id, count, first_token, tokens, vector_crc, token_crc FROM segments"
                " WHERE store_id = ? ORDER BY first_slot",
                (store,),
            ).fetchall()
            width, record = model.width * 4, token_bytes(model.token_width)
            vectors = [(row[0] * width, row[2] * width, row[5]) for row in segments]
            tokens = [(row[3] * record, row[4] * record, row[6]) for row in segments]
            paths = (vector_path(self._folder / db.VECTORS, store), token_path(self._folder / db.VECTORS, store))
            bad = self._bad_ranges(paths[0], vectors) | self._bad_ranges(paths[1], tokens)
            lost = sum(segments[at][2] for at in bad)
            self.bad += [
                _BadSegment(store, segments[at][0], kind, slide, segments[at][1], segments[at][2]) for at in sorted(bad)
            ]
            if bad:
                what = f"slide {slide}" if kind == "tile" else "captions"
                yield Finding(
                    "problem", "vectors", f"{db.VECTORS}/{store}",
                    f"{lost} vectors of {what} are damaged or cut off; index it again after the repair",
                )  # fmt: skip
            for path, ranges in zip(paths, (vectors, tokens), strict=True):
                counted = max((start + size for start, size, _ in ranges), default=0)
                if path.exists() and path.stat().st_size > counted:
                    yield Finding("note", "leftover", f"{db.VECTORS}/{path.name}", "a batch that was never committed")
            meter.advance()

    def _bad_ranges(self, path: Path, ranges: list[tuple[int, int, int]]) -> set[int]:
        bad = set()
        try:
            with open(path, "rb") as stream:
                for at, (start, size, crc) in enumerate(ranges):
                    stream.seek(start)
                    data = stream.read(size)
                    self._bytes += len(data)
                    if len(data) != size or zlib.crc32(data) != crc:
                        bad.add(at)
        except FileNotFoundError:
            return set(range(len(ranges)))
        return bad

    def _rows(self) -> Iterator[Finding]:
        space = db.active_space(self._db)[0]
        for kind in ("tile", "caption"):
            rows = merge((row[0], row[0] + 1) for row in self._db.execute(f"SELECT id FROM {kind}s ORDER BY id"))
            vectors = load_segments(self._db, space, kind).runs()
            without = count(subtract(rows, vectors))
            if without:
                yield Finding("problem", "rows", f"{kind}s", f"{without} {kind}s have no vector")
            orphans = count(subtract(vectors, rows))
            if orphans:
                yield Finding("problem", "rows", f"{kind}s", f"{orphans} vectors belong to no {kind}")
        wrong = self._db.execute(
            "SELECT COUNT(*) FROM slides WHERE tiles != (SELECT COUNT(*) FROM tiles WHERE slide_id = slides.id)"
        ).fetchone()[0]
        if wrong:
            yield Finding("problem", "count", "slides", f"{wrong} slides count their tiles wrongly")

    def _leftovers(self) -> Iterator[Finding]:
        named = {str(row[0]) for row in self._db.execute("SELECT id FROM stores")}
        for path in sorted((self._folder / db.VECTORS).glob("*")):
            if path.stem not in named:
                yield Finding("note", "leftover", f"{db.VECTORS}/{path.name}", "no row names this file")

    def _indexes(self) -> Iterator[Finding]:
        space = db.active_space(self._db)[0]
        generation = int(db.get_meta(self._db, "generation", "0"))
        folder = self._folder / db.INDEX
        for kind in ("tile", "caption"):
            name = f"{kind}-{space}"
            described = IndexFile.read(folder / f"{name}.json")
            wanted = load_segments(self._db, space, kind).runs()
            whole = described is not None and file_is_whole(folder, described, thorough=True)
            while not whole and (now := IndexFile.read(folder / f"{name}.json")) != described:  # a writer saved it
                described, whole = now, now is not None and file_is_whole(folder, now, thorough=True)
            if described is None:
                if db.get_meta(self._db, f"index_{name}") and wanted:
                    yield Finding("problem", "index", f"{db.INDEX}/{name}", "the search index is missing or unreadable")
                elif wanted:
                    yield Finding("note", "index", f"{db.INDEX}/{name}", "the search index was never saved")
            elif not whole:
                yield Finding("problem", "index", f"{db.INDEX}/{name}", "the search index is damaged or missing")
            elif described.generation > generation:
                yield Finding(
                    "problem", "index", f"{db.INDEX}/{name}",
                    f"the search index is of generation {described.generation}, the archive only of {generation}",
                )  # fmt: skip
            else:
                behind = count(subtract(wanted, list(described.live)))
                if behind:
                    yield Finding("note", "index", f"{db.INDEX}/{name}", f"the search index lacks {behind} new vectors")
                gone = count(subtract(list(described.live), wanted))
                if gone:
                    yield Finding(
                        "note",
                        "index",
                        f"{db.INDEX}/{name}",
                        f"the search index still has {gone} vectors that are gone",
                    )
