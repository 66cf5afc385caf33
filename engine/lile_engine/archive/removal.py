"""Which slides a removal takes, and by which names what belongs to them is known elsewhere."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from lile_engine.archive.rows import SlideRow
from lile_engine.errors import ArchiveError


@dataclass(frozen=True)
class Removal:
    """``slides`` go. ``names`` mean them alone; ``bare`` file names may mean another patient's slide as well: what has
    one of these goes unless it has a case of its own that is not among ``cases``, or one of the ``others`` names
    (path, identity, case of a slide that stays and shares a bare name)."""

    slides: tuple[SlideRow, ...]
    names: frozenset[str]
    bare: frozenset[str]
    others: frozenset[str]
    cases: frozenset[str]

    def takes_caption(self, slide: str, case: str | None) -> bool:
        """Whether a caption that names ``slide`` and may have a case of its own goes."""
        return slide in self.names or (slide in self.bare and (not case or case in self.cases))


def choose(rows: Iterable[SlideRow], slide: str | None, case: str | None) -> Removal:
    """What goes with a slide (identity, path or name, the first that fits) or a case.

    Raises `ArchiveError` if several slides have that name.
    """
    every = list(rows)
    named = [row for row in every if slide is not None and slide == row.identity]
    named = named or [row for row in every if slide is not None and slide == row.path]
    named = named or [row for row in every if slide is not None and slide == row.name]
    if len({row.path for row in named}) > 1:
        paths = " and ".join(sorted(row.path for row in named))
        raise ArchiveError(f"Several slides are named {slide}: {paths}; name the one to remove by its path.")
    ids = {row.id for row in named} | {row.id for row in every if case is not None and row.case_key == case}
    gone = tuple(row for row in every if row.id in ids)
    stay = [row for row in every if row.id not in ids]
    shared = {row.name for row in stay}
    bare = {row.name for row in gone if row.case is not None or row.name in shared}
    names = {name for row in gone for name in (row.path, row.name, row.identity)} | ({case} if case else set())
    cases = {row.case for row in gone if row.case} | ({case} if case else set())
    others = {name for row in stay if row.name in bare for name in (row.path, row.identity, row.case) if name}
    names -= bare
    return Removal(gone, frozenset(names), frozenset(bare), frozenset(others - names - cases), frozenset(cases))


def drop_reports(connection: sqlite3.Connection, removal: Removal, known: set[str]) -> None:
    """Deletes, before its slides, the lines of reports on them that name no slide: of where they lie or lay in earlier
    runs, and of copies under their file names elsewhere. ``known`` are the paths of all slides."""
    earlier: set[str] = set()
    for row in removal.slides:
        earlier |= {path for (path,) in connection.execute("SELECT path FROM run_slides WHERE slide_id = ?", (row.id,))}
        # Skipped without a slide: a copy of some slide of that run, and nothing says of which.
        connection.execute(
            "DELETE FROM run_slides WHERE slide_id IS NULL AND state = 'skipped'"
            " AND run_id IN (SELECT run_id FROM run_slides WHERE slide_id = ?)",
            (row.id,),
        )
    own = {row.path for row in removal.slides} | earlier
    names = {row.name for row in removal.slides} | {file_name(path) for path in own}
    stay = known - {row.path for row in removal.slides}
    for (path,) in connection.execute("SELECT DISTINCT path FROM run_slides WHERE slide_id IS NULL").fetchall():
        if path not in stay and (path in own or file_name(path) in names):
            connection.execute("DELETE FROM run_slides WHERE slide_id IS NULL AND path = ?", (path,))


def file_name(path: str) -> str:
    """The last part of a path of any system."""
    return re.split(r"[/\\]", path)[-1]
