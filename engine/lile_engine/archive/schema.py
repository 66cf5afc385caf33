"""The tables of an archive and how an older archive becomes a newer one.

A *space* holds the vectors of one model; one is active, a second exists while the archive is re-embedded. A *store*
is a pair of append-only files (vectors, tokens) of one slide or of the captions. A *segment* is one batch within a
store: ids ``first_id ..`` lie in its slots ``first_slot ..``; its checksums are of the bytes on disk. What no segment
names does not exist.
"""

from __future__ import annotations

import sqlite3

from lile_engine.errors import ArchiveError

_FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE spaces (
    id INTEGER PRIMARY KEY, model_id TEXT NOT NULL, model TEXT NOT NULL, model_path TEXT,
    active INTEGER NOT NULL
);
CREATE UNIQUE INDEX one_active_space ON spaces (active) WHERE active = 1;
CREATE TABLE slides (
    id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, path TEXT NOT NULL, name TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, mpp REAL,
    "case" TEXT, organ TEXT, stain TEXT, tags TEXT NOT NULL DEFAULT '[]', tiles INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX slides_by_case ON slides ("case");
CREATE TABLE grids (
    slide_id INTEGER NOT NULL REFERENCES slides ON DELETE CASCADE,
    mpp REAL NOT NULL, px INTEGER NOT NULL, overlap REAL NOT NULL, min_tissue REAL NOT NULL,
    PRIMARY KEY (slide_id, mpp, px, overlap, min_tissue)
) WITHOUT ROWID;
CREATE TABLE tiles (
    id INTEGER PRIMARY KEY, slide_id INTEGER NOT NULL REFERENCES slides ON DELETE CASCADE,
    x INTEGER NOT NULL, y INTEGER NOT NULL, size INTEGER NOT NULL, mpp REAL NOT NULL
);
CREATE UNIQUE INDEX tile_places ON tiles (slide_id, x, y, size);
CREATE TABLE captions (
    id INTEGER PRIMARY KEY, text TEXT NOT NULL, source TEXT NOT NULL, "case" TEXT, tags TEXT NOT NULL,
    slide TEXT, x INTEGER, y INTEGER, size INTEGER, key TEXT NOT NULL UNIQUE
);
CREATE TABLE stores (
    id INTEGER PRIMARY KEY AUTOINCREMENT, space_id INTEGER NOT NULL REFERENCES spaces ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('tile', 'caption')), slide_id INTEGER REFERENCES slides ON DELETE CASCADE
);
CREATE TABLE segments (
    store_id INTEGER NOT NULL REFERENCES stores ON DELETE CASCADE, first_slot INTEGER NOT NULL,
    first_id INTEGER NOT NULL, count INTEGER NOT NULL, first_token INTEGER NOT NULL, tokens INTEGER NOT NULL,
    vector_crc INTEGER NOT NULL, token_crc INTEGER NOT NULL,
    PRIMARY KEY (store_id, first_slot)
) WITHOUT ROWID;
CREATE TABLE caption_tokens (
    store_id INTEGER NOT NULL REFERENCES stores ON DELETE CASCADE, caption_id INTEGER NOT NULL,
    first_token INTEGER NOT NULL, tokens INTEGER NOT NULL,
    PRIMARY KEY (store_id, caption_id)
) WITHOUT ROWID;
"""

# What an index run did, kept so that a person can look it up later.
_RUNS = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, started TEXT NOT NULL, seconds REAL NOT NULL
);
CREATE TABLE run_slides (
    run_id INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    slide_id INTEGER REFERENCES slides ON DELETE CASCADE,
    path TEXT NOT NULL, state TEXT NOT NULL, tiles INTEGER NOT NULL, seconds REAL NOT NULL, message TEXT NOT NULL
);
CREATE INDEX run_slides_by_slide ON run_slides (slide_id);
CREATE INDEX run_slides_by_run ON run_slides (run_id);
"""

# Every path a slide was seen at, so that erasing it reaches what was written while it lay there; what was known of
# slides whose tiles went because their file holds something else now; how many tiles of a grid could not be read; and
# the whole content of large files, of which an identity takes samples only.
_HISTORY = """
CREATE TABLE slide_paths (identity TEXT NOT NULL, path TEXT NOT NULL, PRIMARY KEY (identity, path)) WITHOUT ROWID;
INSERT INTO slide_paths SELECT identity, path FROM slides;
INSERT OR IGNORE INTO slide_paths
    SELECT identity, run_slides.path FROM run_slides JOIN slides ON slides.id = slide_id;
CREATE TABLE former_slides (
    identity TEXT PRIMARY KEY, path TEXT NOT NULL, name TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    mpp REAL, "case" TEXT, organ TEXT, stain TEXT, tags TEXT NOT NULL
) WITHOUT ROWID;
ALTER TABLE grids ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
CREATE TABLE contents (
    slide_id INTEGER PRIMARY KEY REFERENCES slides ON DELETE CASCADE, digest TEXT NOT NULL, mtime_ns INTEGER NOT NULL
);
"""

# How many tiles a slide that is being indexed will have, so that one cut off can say how far it came.
_PLANS = """
CREATE TABLE plans (slide_id INTEGER PRIMARY KEY REFERENCES slides ON DELETE CASCADE, tiles INTEGER NOT NULL);
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _RUNS, _HISTORY, _PLANS)
SCHEMA_VERSION = len(MIGRATIONS)


def schema_version(connection: sqlite3.Connection) -> int:
    """The schema version the database was left at; 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_version(connection: sqlite3.Connection, name: str) -> int:
    """The version, or `ArchiveError` if a newer program made the archive."""
    version = schema_version(connection)
    if version > SCHEMA_VERSION:
        raise ArchiveError(
            f"The archive {name} was written by a newer LILE Desktop (schema {version}, this one knows "
            f"{SCHEMA_VERSION}); update the program to open it."
        )
    return version


def migrate(connection: sqlite3.Connection, name: str) -> None:
    """Brings the tables to `SCHEMA_VERSION`, one version a transaction: killed in between, it goes on next time."""
    for version in range(check_version(connection, name), SCHEMA_VERSION):
        connection.executescript(f"BEGIN IMMEDIATE;{MIGRATIONS[version]}PRAGMA user_version = {version + 1};COMMIT;")
