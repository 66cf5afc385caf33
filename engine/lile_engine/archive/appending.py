"""Writing vectors and tokens into stores, within a transaction of the writer."""

from __future__ import annotations

import itertools
import json
import sqlite3
import unicodedata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lile_engine.archive.rows import Bools, CaptionRow, Floats, Ids, Kind
from lile_engine.archive.store import StoreAppender, read_scattered, token_path, vector_path
from lile_engine.archive.tokens import pack_tokens, token_bytes
from lile_engine.errors import ArchiveError
from lile_engine.model.protocol import ModelIdentity


def space_model(connection: sqlite3.Connection, space: int) -> ModelIdentity:
    """The model whose vectors a space holds."""
    row = connection.execute("SELECT model FROM spaces WHERE id = ?", (space,)).fetchone()
    return ModelIdentity(**json.loads(row[0]))


class SegmentWriter:
    """Appends to the stores in ``folder`` and enters the segments. Keeps the store it last wrote to open."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, group: int | None) -> None:
        self._db, self._folder, self._group = connection, folder, group
        self._appender: StoreAppender | None = None
        self._key: tuple[int, Kind, int | None] | None = None

    def close(self) -> None:
        """Closes the files; after a transaction that failed this must be called, since its bytes do not count."""
        if self._appender is not None:
            self._appender.close()
        self._appender, self._key = None, None

    def append(
        self, space: int, kind: Kind, slide: int | None, ids: Ids, vectors: Floats, tokens: Floats, mask: Bools | None
    ) -> None:
        """Appends vectors [n, d] and float tokens [n, M, w] of ``ids`` [n]; of a mask the trailing False are cut."""
        records = pack_tokens(tokens, mask)
        if mask is None:
            lengths = [records.shape[1]] * len(ids)
            flat = records.reshape(-1, records.shape[-1])
        else:
            lengths = [int(np.flatnonzero(row)[-1]) + 1 if row.any() else 0 for row in mask]
            flat = np.concatenate([row[:length] for row, length in zip(records, lengths, strict=True)])
        self.append_records(space, kind, slide, ids, vectors, flat, lengths)

    def append_records(
        self,
        space: int,
        kind: Kind,
        slide: int | None,
        ids: Ids,
        vectors: Floats,
        records: NDArray[np.uint8],
        lengths: list[int],
    ) -> None:
        """The same with packed tokens [sum of lengths, w + 2]: one segment for each run of neighbouring ids."""
        appender = self._appender_for(space, kind, slide)
        ends = np.cumsum([0, *lengths])
        cuts = [0, *(np.flatnonzero(np.diff(ids) != 1) + 1).tolist(), len(ids)]
        for start, stop in itertools.pairwise(cuts):
            written = appender.append(vectors[start:stop], records[ends[start] : ends[stop]])
            self._db.execute(
                "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (appender.store, written.first_slot, int(ids[start]), stop - start, written.first_token,
                 int(ends[stop] - ends[start]), written.vector_crc, written.token_crc),
            )  # fmt: skip
            if kind == "caption":
                self._db.executemany(
                    "INSERT INTO caption_tokens VALUES (?, ?, ?, ?)",
                    [
                        (appender.store, int(ids[at]), written.first_token + int(ends[at] - ends[start]), lengths[at])
                        for at in range(start, stop)
                    ],
                )
        appender.flush()

    def drop_captions(self, space: int, removed: set[int]) -> None:
        """Copies what stays of the captions into a new store and lets the old one go."""
        self.close()
        model = space_model(self._db, space)
        width, record = model.width * 4, token_bytes(model.token_width)
        stores = self._db.execute("SELECT id FROM stores WHERE space_id = ? AND kind = 'caption'", (space,)).fetchall()
        for (store,) in stores:
            rows = self._db.execute(
                "SELECT caption_id, first_slot + caption_id - first_id, t.first_token, t.tokens"
                " FROM caption_tokens AS t JOIN segments AS s ON s.store_id = t.store_id"
                " AND caption_id >= first_id AND caption_id < first_id + count"
                " WHERE t.store_id = ? ORDER BY caption_id",
                (store,),
            ).fetchall()
            kept = np.array([row for row in rows if row[0] not in removed], np.int64).reshape(-1, 4)
            ids, slots, firsts, lengths = kept.T
            vectors = read_scattered(vector_path(self._folder, store), width, slots)
            places = [np.arange(first, first + length) for first, length in zip(firsts, lengths, strict=True)]
            tokens = read_scattered(token_path(self._folder, store), record, np.concatenate([ids[:0], *places]))
            self._db.execute("DELETE FROM stores WHERE id = ?", (store,))
            if len(kept):
                floats = vectors.view("<f4").astype(np.float32, copy=False)
                self.append_records(space, "caption", None, ids, floats, tokens, lengths.tolist())

    def _appender_for(self, space: int, kind: Kind, slide: int | None) -> StoreAppender:
        key = (space, kind, slide)
        if self._appender is not None and self._key == key:
            return self._appender
        self.close()
        found = self._db.execute(
            "SELECT id FROM stores WHERE space_id = ? AND kind = ? AND slide_id IS ?", (space, kind, slide)
        ).fetchone()
        if found is None:
            self._db.execute("INSERT INTO stores (space_id, kind, slide_id) VALUES (?, ?, ?)", key)
            found = self._db.execute("SELECT last_insert_rowid()").fetchone()
        slots, tokens = self._db.execute(
            "SELECT COALESCE(MAX(first_slot + count), 0), COALESCE(MAX(first_token + tokens), 0) FROM segments"
            " WHERE store_id = ?",
            found,
        ).fetchone()
        model = space_model(self._db, space)
        self._appender = StoreAppender(
            self._folder, found[0], model.width, token_bytes(model.token_width), slots, tokens, self._group
        )
        self._key = key
        return self._appender


def check_shapes(folder: Path, model: ModelIdentity, vectors: Floats, tokens: Floats, n: int, *, image: bool) -> None:
    """Raises `ArchiveError` unless vectors [n, d] and tokens are what the model makes."""
    tokens_fit = tokens.ndim == 3 and len(tokens) == n and tokens.shape[2] == model.token_width
    if image:
        tokens_fit = tokens_fit and tokens.shape[1] == model.image_tokens
    if vectors.shape != (n, model.width) or not tokens_fit:
        raise ArchiveError(
            f"The archive {folder} takes vectors of {model.name} ({model.width} numbers, tokens of "
            f"{model.token_width}); what came has shapes {vectors.shape} and {tokens.shape}."
        )
    if not np.isfinite(vectors).all() or np.abs(np.linalg.norm(vectors, axis=1) - 1).max(initial=0.0) > 1e-2:
        raise ArchiveError(f"The archive {folder} takes finite vectors of unit length only.")


def caption_key(row: CaptionRow) -> str:
    """Captions with the same key are the same: words (case and spaces aside) and place."""
    words = " ".join(unicodedata.normalize("NFKC", row.text).casefold().split())
    return json.dumps([words, row.slide, row.x, row.y, row.size])
