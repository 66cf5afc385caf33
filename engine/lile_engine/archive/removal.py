"""Which slides a removal takes, and by which names what belongs to them is known elsewhere."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lile_engine.archive.rows import SlideRow
from lile_engine.errors import ArchiveError


@dataclass(frozen=True)
class Removal:
    """``slides`` go. ``names`` mean them alone; ``bare`` ones (file names, or a path where another slide lies now) may
    mean another patient's slide as well: what has one of these goes unless it has a case of its own that is not among
    ``cases``, or one of the ``others`` names (path, identity, case of a slide that stays and shares a bare name).
    ``places`` are the paths where nothing else has lain."""

    slides: tuple[SlideRow, ...]
    names: frozenset[str]
    bare: frozenset[str]
    others: frozenset[str]
    cases: frozenset[str]
    places: frozenset[str]
    captions: tuple[int, ...] = ()  # their ids

    def takes_caption(self, slide: str, case: str | None) -> bool:
        """Whether a caption that names ``slide`` and may have a case of its own goes."""
        return slide in self.names or (slide in self.bare and (not case or case in self.cases))


_NONE: frozenset[str] = frozenset()
NOTHING = Removal((), _NONE, _NONE, _NONE, _NONE, _NONE)


def choose(
    rows: Iterable[SlideRow], slide: str | None, case: str | None, paths: Mapping[str, Iterable[str]] | None = None
) -> Removal:
    """What goes with a slide (identity, path, name, or path from here, the first that fits) or a case.

    ``paths``: every path that the slide of an identity was seen at. Raises `ArchiveError` if several slides have that
    name.
    """
    every = list(rows)
    seen = {row.identity: {row.path, *(paths or {}).get(row.identity, ())} for row in every}
    named: list[SlideRow] = []
    if slide is not None:
        here = os.path.abspath(slide)
        wanted: tuple[Callable[[SlideRow], bool], ...] = (
            lambda row: slide == row.identity,
            lambda row: slide == row.path,
            lambda row: here == row.path,
            lambda row: slide == row.name,
            lambda row: slide in seen[row.identity] or here in seen[row.identity],
        )
        named = next((found for fits in wanted if (found := [row for row in every if fits(row)])), [])
    if len({row.path for row in named}) > 1:
        places = " and ".join(sorted(row.path for row in named))
        raise ArchiveError(f"Several slides are named {slide}: {places}; name the one to remove by its path.")
    ids = {row.identity for row in named} | {row.identity for row in every if case is not None and row.case_key == case}
    gone = tuple(row for row in every if row.identity in ids)
    stay = [row for row in every if row.identity not in ids]
    stay_paths = {path for row in stay for path in seen[row.identity]}
    stay_names = {row.name for row in stay} | {file_name(path) for path in stay_paths}
    own_paths = {path for row in gone for path in seen[row.identity]}
    own_names = {row.name for row in gone} | {file_name(path) for path in own_paths}
    with_case = {row.name for row in gone if row.case is not None}
    with_case |= {file_name(path) for row in gone if row.case is not None for path in seen[row.identity]}
    bare = {name for name in own_names if name in with_case or name in stay_names} | (own_paths & stay_paths)
    names = own_paths | own_names | {row.identity for row in gone} | ({case} if case else set())
    cases = {row.case for row in gone if row.case} | ({case} if case else set())
    sharing = [row for row in stay if not bare.isdisjoint({row.name, *map(file_name, seen[row.identity])})]
    others = {name for row in sharing for name in (*seen[row.identity], row.identity, row.case) if name}
    names -= bare
    return Removal(
        gone, frozenset(names), frozenset(bare), frozenset(others - names - cases - bare), frozenset(cases),
        frozenset(own_paths - stay_paths),
    )  # fmt: skip


def drop_reports(connection: sqlite3.Connection, removal: Removal, known: set[str]) -> None:
    """Deletes, before its slides, the lines of reports on them that name no slide: of where they lie or lay in earlier
    runs, and of copies under their file names elsewhere. ``known`` are the paths of all slides."""
    earlier = set(removal.places)
    for row in removal.slides:
        earlier |= {path for (path,) in connection.execute("SELECT path FROM run_slides WHERE slide_id = ?", (row.id,))}
        # Skipped without a slide (by version 2 of the tables): a copy of some slide of that run, nothing says of which.
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
