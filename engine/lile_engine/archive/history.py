"""What an archive remembers of slides beside what they are now: where they lay, what was known of those that went,
which tiles failed, and what their whole files held.

Kept so that a slide that comes again has its case, and so that erasing it reaches what names an earlier path of it.
"""

from __future__ import annotations

import json
import sqlite3

from lile_engine.archive.database import has_table, slide_row
from lile_engine.archive.rows import GridSpec, SlideRow

_FACTS = ('"case"', "organ", "stain")


def note_path(connection: sqlite3.Connection, slide_id: int, path: str) -> None:
    """The slide lies, or a copy of it, at ``path``."""
    connection.execute(
        "INSERT OR IGNORE INTO slide_paths SELECT identity, ? FROM slides WHERE id = ?", (path, slide_id)
    )


def unchanged(connection: sqlite3.Connection, row: SlideRow) -> int | None:
    """The id of a slide of which ``row`` says nothing new, None otherwise."""
    found = connection.execute(
        "SELECT id FROM slides JOIN slide_paths USING (identity, path) WHERE identity = ?1 AND path = ?2 AND name = ?3"
        ' AND COALESCE(?4 = mpp, ?4 IS NULL) AND COALESCE(?5 = "case", ?5 IS NULL) AND COALESCE(?6 = organ, ?6 IS NULL)'
        " AND COALESCE(?7 = stain, ?7 IS NULL) AND ?8 IN (tags, '[]')",
        (row.identity, row.path, row.name, row.mpp, row.case, row.organ, row.stain, json.dumps(row.tags)),
    ).fetchone()
    return int(found[0]) if found else None


def paths_of(connection: sqlite3.Connection) -> dict[str, set[str]]:
    """Every path that a slide was seen at, by its identity; none from tables that are older than that."""
    paths: dict[str, set[str]] = {}
    if not has_table(connection, "slide_paths"):
        return paths
    for identity, path in connection.execute("SELECT identity, path FROM slide_paths"):
        paths.setdefault(identity, set()).add(path)
    return paths


def failed_tiles(connection: sqlite3.Connection, identity: str, spec: GridSpec) -> int:
    """How many tiles of a finished grid could not be read when it was last tried."""
    found = connection.execute(
        "SELECT failed FROM grids JOIN slides ON slides.id = slide_id WHERE identity = ? AND grids.mpp = ?"
        " AND px = ? AND overlap = ? AND min_tissue = ?",
        (identity, spec.mpp, spec.px, spec.overlap, spec.min_tissue),
    ).fetchone()
    return int(found[0]) if found else 0


def content_of(connection: sqlite3.Connection, slide_id: int) -> tuple[str, int] | None:
    """(digest, mtime_ns) of a slide's whole file, None where nothing was told."""
    found = connection.execute("SELECT digest, mtime_ns FROM contents WHERE slide_id = ?", (slide_id,)).fetchone()
    return (str(found[0]), int(found[1])) if found else None


def former_slides(connection: sqlite3.Connection) -> list[SlideRow]:
    """Slides that went without being erased, as they were last; their id is 0."""
    if not has_table(connection, "former_slides"):
        return []
    rows = connection.execute(
        'SELECT 0, path, identity, name, width, height, mpp, "case", organ, stain, tags, 0 FROM former_slides'
    )
    return [slide_row(row) for row in rows]


def keep(connection: sqlite3.Connection, row: SlideRow) -> None:
    """Remembers a slide whose row goes."""
    connection.execute(
        "INSERT OR REPLACE INTO former_slides VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (row.identity, row.path, row.name, row.width, row.height, row.mpp, row.case, row.organ, row.stain,
         json.dumps(row.tags)),
    )  # fmt: skip


def take_up(connection: sqlite3.Connection, identity: str) -> None:
    """Gives a slide that is there again what was known of it and is not told anew."""
    for name in _FACTS:
        connection.execute(
            f"UPDATE slides SET {name} = COALESCE({name}, (SELECT {name} FROM former_slides WHERE identity = ?1))"
            " WHERE identity = ?1",
            (identity,),
        )
    connection.execute(
        "UPDATE slides SET tags = COALESCE((SELECT tags FROM former_slides WHERE identity = ?1), tags)"
        " WHERE identity = ?1 AND tags = '[]'",
        (identity,),
    )
    connection.execute("DELETE FROM former_slides WHERE identity = ?", (identity,))


def forget(connection: sqlite3.Connection, identity: str) -> None:
    """Leaves no trace of a slide here."""
    connection.execute("DELETE FROM former_slides WHERE identity = ?", (identity,))
    connection.execute("DELETE FROM slide_paths WHERE identity = ?", (identity,))
