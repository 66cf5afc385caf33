"""Caption libraries in and out of an archive: jsonl, csv, ARCH folders."""

from __future__ import annotations

import contextlib
import csv
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lile_engine.archive import Archive, CaptionRow, open_archive
from lile_engine.archive.rows import join_tags, split_tags
from lile_engine.errors import DataError
from lile_engine.model.protocol import ImageTextModel
from lile_engine.paths import archive_group, open_private
from lile_engine.progress import CancelToken, ProgressCallback, ProgressMeter, no_progress
from lile_engine.retrieval.metadata import delimiter_of
from lile_engine.retrieval.search import check_model

_BATCH = 128
_LONGEST = 10_000
_FARTHEST = 10_000_000  # level-0 pixels; at 0.1 um each, a slide of one metre
FIELDS = ("text", "source", "case", "tags", "slide", "x", "y", "size")


@dataclass(frozen=True)
class BadRow:
    """A row that was left out: its line, counted from 1, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class ImportReport:
    """What became of the rows: ``added`` new captions, ``merged`` into one that was there, ``bad`` left out."""

    file: str
    added: int
    merged: int
    bad: tuple[BadRow, ...]

    def to_text(self) -> str:
        """For a person."""
        lines = [f"line {row.line}: {row.reason}" for row in self.bad]
        lines.append(f"{self.added} captions added, {self.merged} merged with one there, {len(self.bad)} left out")
        return "\n".join(lines)


Rows = Iterator[CaptionRow | BadRow]


def import_captions(
    archive_dir: Path | str,
    file: Path | str,
    model: ImageTextModel,
    *,
    progress: ProgressCallback = no_progress,
    cancel: CancelToken | None = None,
) -> ImportReport:
    """Embeds the captions of a file and adds them; the same file twice changes nothing.

    Raises `DataError` for a file without any usable caption.
    """
    path = Path(file)
    good: list[CaptionRow] = []
    bad: list[BadRow] = []
    for row in read_captions(path):
        if isinstance(row, BadRow):
            bad.append(row)
        else:
            good.append(row)
    if not good:
        why = f" (line {bad[0].line}: {bad[0].reason})" if bad else ""
        raise DataError(f"There is no caption in {path} that can be used{why}.")
    added = 0
    with open_archive(archive_dir, write=True) as archive:
        check_model(archive, model)
        meter = ProgressMeter(progress, len(good), "captions")
        for start in range(0, len(good), _BATCH):
            if cancel is not None:
                cancel.raise_if_cancelled()
            part = good[start : start + _BATCH]
            encoded = model.encode_texts([row.text for row in part])
            added += len(archive.add_captions(part, encoded.vectors, encoded.tokens, encoded.mask))
            meter.advance(len(part))
    return ImportReport(str(path), added, len(good) - added, tuple(bad))


def export_captions(archive: Archive, file: Path | str) -> int:
    """Writes all captions as .jsonl or .csv (by the ending), whole or not at all; returns how many.

    Only their owner can read them, or the group that shares the archive. Tags that hold a ``;`` or ``|`` are written to
    a .csv as a JSON list, the others parted by ``;``.
    """
    path = Path(file)
    rows = archive.all_captions()
    plain = [{name: getattr(row, name) for name in FIELDS} for row in rows]
    if path.suffix.lower() not in {".csv", ".jsonl"}:
        raise DataError(f"Captions are written as .jsonl or .csv; {path.name} ends in neither.")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = open_private(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, archive_group(Path(archive.summary().path)))
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            if path.suffix.lower() == ".csv":
                writer = csv.DictWriter(stream, FIELDS)
                writer.writeheader()
                writer.writerows({**row, "tags": join_tags(row["tags"])} for row in plain)
            else:
                for row in plain:
                    kept = {name: value for name, value in row.items() if value not in (None, (), "")}
                    stream.write(json.dumps(kept, ensure_ascii=False) + "\n")
        os.replace(draft, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise DataError(f"The captions cannot be written to {path} ({error.strerror}).") from error
    return len(rows)


def read_captions(path: Path) -> Rows:
    """The rows of a jsonl or csv file, or of an ARCH folder. Raises `DataError` if it cannot be read at all."""
    if not path.exists():
        raise DataError(f"There is no file {path}; check the name.")
    if path.is_dir():
        return _read_arch(path)
    readers: dict[str, Callable[[Path], Rows]] = {".jsonl": _read_jsonl, ".ndjson": _read_jsonl, ".csv": _read_csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"Captions come as .jsonl, .csv or an ARCH folder; {path} is none of these.")
    try:
        return iter(list(reader(path)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The captions {path} cannot be read; give a text file in UTF-8.") from error


def _read_jsonl(path: Path) -> Rows:
    with open(path, encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                raw = json.loads(line)
            except (ValueError, RecursionError):
                yield BadRow(number, "this is not a JSON object")
                continue
            if not isinstance(raw, dict):
                yield BadRow(number, "this is not a JSON object")
                continue
            texts = raw.get("captions")
            if isinstance(texts, list) and texts:
                yield from (_row({**raw, "text": text}, number, path) for text in texts)
            else:
                yield _row(raw, number, path)


def _read_csv(path: Path) -> Rows:
    with open(path, encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, delimiter=delimiter_of(stream))
        names = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
        if not {"text", "caption"} & set(names):
            raise DataError(f"The captions {path} need a column named text or caption.")
        for raw in reader:
            yield _row({key: raw.get(name) for key, name in names.items()}, reader.line_num, path)


def _row(raw: dict[str, Any], line: int, path: Path) -> CaptionRow | BadRow:
    text = raw.get("text") or raw.get("caption")
    if not isinstance(text, str) or not text.strip():
        return BadRow(line, "the caption is missing or empty")
    if not _is_unicode(raw):
        return BadRow(line, "it holds characters that are no valid Unicode")
    if len(text) > _LONGEST:
        return BadRow(line, f"the caption is longer than {_LONGEST} characters")
    tags = raw.get("tags") or raw.get("tissues") or ()
    if isinstance(tags, str):
        tags = split_tags(tags)
    if not isinstance(tags, (list, tuple)) or not all(isinstance(tag, str) for tag in tags):
        return BadRow(line, "tags must be a list of words")
    try:
        x, y, size, w, h = (_number(raw.get(name), name) for name in ("x", "y", "size", "w", "h"))
    except ValueError as error:
        return BadRow(line, str(error))
    if size is None:  # training pairs give w and h instead
        size = max((side for side in (w, h) if side is not None), default=None)
    if size is not None and size < 1:
        return BadRow(line, "size must be at least one level-0 pixel")
    if x is None or y is None or size is None:
        if (x, y, size) != (None, None, None):
            return BadRow(line, "a place needs x, y and size, all in level-0 pixels")
    elif min(x, y) + size <= 0:
        return BadRow(line, "the place lies outside of any slide: x and y are counted from its top left corner")
    strings = {name: raw.get(name) for name in ("source", "case", "slide")}
    if not all(value is None or isinstance(value, str) for value in strings.values()):
        return BadRow(line, "source, case and slide must be words")
    return CaptionRow(
        0, text.strip(), (strings["source"] or path.name).strip(), strings["case"] or None,
        tuple(tag.strip() for tag in tags if tag.strip()), strings["slide"] or None, x, y, size,
    )  # fmt: skip


def _is_unicode(raw: dict[str, Any]) -> bool:
    """Whether the texts of a row can be written as UTF-8 (JSON may hold halves of surrogate pairs)."""
    texts = [part for value in raw.values() for part in (value if isinstance(value, (list, tuple)) else (value,))]
    try:
        "".join(text for text in texts if isinstance(text, str)).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _number(value: Any, name: str) -> int | None:
    if value is None or value == "":
        return None
    try:
        number = float(value)
        if isinstance(value, bool) or not abs(number) <= _FARTHEST:  # NaN fails every comparison
            raise ValueError
        return round(number)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} must be a number of level-0 pixels") from None


def _read_arch(path: Path) -> Rows:
    """ARCH as published: ``captions.json`` (one per set: books, pubmed), {number: {"caption", "uuid" or
    "figure_id", "letter"}}. Several pictures of one figure share its caption; a letter names the picture."""
    files = sorted(path.rglob("captions.json"))
    if not files:
        raise DataError(f"There is no captions.json in {path}; give the folder of an ARCH set.")
    rows: list[CaptionRow | BadRow] = []
    for file in files:
        try:
            table = json.loads(file.read_text(encoding="utf-8"))
            entries = list(table.values() if isinstance(table, dict) else table)
        except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
            raise DataError(f"The file {file} cannot be read as ARCH captions.") from error
        for number, entry in enumerate(entries, 1):
            if not isinstance(entry, dict):
                rows.append(BadRow(number, f"entry {number} of {file.name} is not an object"))
                continue
            figure = str(entry.get("figure_id") or entry.get("uuid") or number)
            letter = str(entry.get("letter") or "").strip()
            source = f"ARCH {file.parent.name} {figure}{' ' + letter if letter else ''}"
            rows.append(_row({"text": entry.get("caption"), "source": source}, number, file))
    return iter(rows)
