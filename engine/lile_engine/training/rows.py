"""The rows of a jsonl or csv list, whatever lies in it: a row that cannot be read is told, and the next one is read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lile_engine.errors import DataError


def list_rows(source: Path) -> Iterator[tuple[int, Any]]:
    """(line from 1, row) of a ``.csv`` list, else of JSON lines; for a row that cannot be read a ValueError that says
    why, in words that fit after "line 7:". Raises `DataError` where the file is no UTF-8 text."""
    text = _read_text(source)
    return _csv_rows(text) if source.suffix.lower() == ".csv" else _jsonl_rows(text)


def _jsonl_rows(text: str) -> Iterator[tuple[int, Any]]:
    # Not splitlines(): a caption may hold what Unicode calls a line separator.
    for line, raw in enumerate(text.split("\n"), 1):
        if raw.strip():
            try:
                row = json.loads(raw)
            except (ValueError, RecursionError):  # a number of thousands of digits is a plain ValueError
                row = ValueError("is not valid JSON")
            yield line, row


def _csv_rows(text: str) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num + 1, ValueError(f"is not valid CSV ({error})")
        else:
            yield reader.line_num, {str(k).strip(): v for k, v in row.items() if k is not None and v not in (None, "")}


def _read_text(source: Path) -> str:
    try:
        return source.read_bytes().decode("utf-8-sig")  # not read_text(): the ends of lines stay as they are
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{source} cannot be read as UTF-8 text; save it as UTF-8.") from error
