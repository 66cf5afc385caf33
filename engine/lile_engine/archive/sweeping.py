"""What a writer puts in order when it opens an archive, and after it removed something."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from lile_engine.archive.database import INDEX, VECTORS
from lile_engine.paths import private_dir

_INDEX_FILE = re.compile(r"(?:tile|caption)-(\d+)(?:-\d+)?\.(?:json|hnsw)(\.tmp)?")  # as `HnswIndex` names them


def sweep(connection: sqlite3.Connection, folder: Path, group: int | None) -> None:
    """Deletes files that no row names: a removed slide's, or a store whose first batch was never committed. Makes the
    folders where they are missing: what copies files may leave out empty ones."""
    for place in (VECTORS, INDEX):
        private_dir(folder / place, group)
    named = {str(row[0]) for row in connection.execute("SELECT id FROM stores")}
    for path in (folder / VECTORS).iterdir():
        if path.suffix in {".vec", ".tok"} and path.stem not in named:
            path.unlink(missing_ok=True)
    spaces = {str(row[0]) for row in connection.execute("SELECT id FROM spaces")}
    for path in (folder / INDEX).iterdir():
        ours = _INDEX_FILE.fullmatch(path.name)  # what a file manager leaves there is none of our business
        if ours is not None and (ours[1] not in spaces or ours[2]):
            path.unlink(missing_ok=True)
