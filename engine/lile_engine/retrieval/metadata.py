"""What is known of slides beside their pixels: case, organ, stain, tags, from a CSV or the file's name."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from lile_engine.archive.interface import WritableArchive
from lile_engine.archive.rows import SlideRow, split_tags
from lile_engine.errors import ArchiveError, ConfigError, DataError

_MOST_NOTES = 20  # a table may be meant for a whole laboratory
_COLUMNS = ("slide", "case", "organ", "stain", "tags")


@dataclass(frozen=True)
class SlideFacts:
    """What a row of the CSV says of a slide; None where it says nothing."""

    case: str | None = None
    organ: str | None = None
    stain: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Row:
    """A row of the CSV: its line, the name it gives the slide, and what it says of it."""

    line: int
    name: str
    facts: SlideFacts


class SlideMetadata:
    """Facts by slide, from a CSV and from the file's name.

    The CSV has the columns slide (a path, which may be relative to the CSV's own folder, a file name, or one without
    its ending), case, organ, stain, tags (see `split_tags`), parted by commas, semicolons or tabs; the pattern's group
    ``case``, or its first, is the case.
    """

    def __init__(self, csv_file: Path | None = None, case_from: str | None = None) -> None:
        self._file = csv_file
        self._rows = _read_csv(csv_file) if csv_file is not None else {}
        self._used: set[str] = set()
        self._told = False
        try:
            self._pattern = re.compile(case_from) if case_from else None
        except re.error as error:
            raise ConfigError(f"The pattern {case_from!r} of --case-from is no regular expression ({error}).") from None
        if self._pattern is not None and not self._pattern.groups:
            raise ConfigError(f"The pattern {case_from!r} of --case-from needs a group, such as '^([A-Z]+-\\d+)'.")

    def of(self, path: Path, properties: dict[str, str] | None = None, known_case: str | None = None) -> SlideFacts:
        """What is known of a slide: the CSV's word first, then the pattern's, then the case that it has already (by
        whoever set it), then DICOM's own attributes."""
        facts = SlideFacts()
        for name in (os.path.abspath(path), str(path), path.as_posix(), path.name, path.stem):
            if name in self._rows:
                facts = self._rows[name].facts
                self._used.add(name)
                break
        return SlideFacts(
            facts.case or self._case_in(path) or known_case or _dicom_case(properties or {}),
            facts.organ,
            facts.stain,
            facts.tags,
        )

    def take_notes(self) -> tuple[str, ...]:
        """A sentence for each row of the CSV that no slide has asked for so far, the first 20 of them, once."""
        if self._told:
            return ()
        self._told = True
        used = {self._rows[name].line for name in self._used}
        rows = {row.line: row.name for row in self._rows.values() if row.line not in used}
        notes = [f"{self._file}, line {line}: no slide of this run is {name}" for line, name in sorted(rows.items())]
        more = [f"and {len(notes) - _MOST_NOTES} more rows of it"] if len(notes) > _MOST_NOTES else []
        return (*notes[:_MOST_NOTES], *more)

    def _case_in(self, path: Path) -> str | None:
        found = self._pattern.search(path.name) if self._pattern else None
        if found is None or self._pattern is None:
            return None
        value = found["case"] if "case" in self._pattern.groupindex else found[1]
        return value or None


def _dicom_case(properties: dict[str, str]) -> str | None:
    """The accession number is a laboratory's name of a case; a study holds the slides of one where both names were
    taken out of the file. (The container is one glass slide.)"""
    for name in ("dicom.AccessionNumber", "dicom.PatientID", "dicom.StudyInstanceUID"):
        if properties.get(name, "").strip():
            return properties[name].strip()
    return None


def describe_slides(archive: WritableArchive, names: Iterable[str], facts: dict[str, str | None]) -> list[SlideRow]:
    """Sets what is known of slides that are in an archive: ``facts`` has new values for ``case``, ``organ``, ``stain``
    or ``tags`` (as `split_tags` reads them); "" and None take a value away, what is not named stays. Returns the rows
    as they are now.

    Raises `ArchiveError` before anything is changed, where a slide is not in the archive.
    """
    rows = []
    for name in names:
        row = archive.find_slide(name)
        if row is None:
            raise ArchiveError(f"There is no slide {name} in the archive; `lile archive status` lists them.")
        rows.append(row)
    values: dict[str, str | tuple[str, ...] | None] = {
        name: split_tags(value or "") if name == "tags" else (value or "").strip() or None
        for name, value in facts.items()
    }
    for row in rows:
        archive.update_slide(row.id, values)
    found = (archive.find_slide(row.identity) for row in rows)
    return [row for row in found if row is not None]


def _read_csv(path: Path) -> dict[str, _Row]:
    """The rows by every name that a slide may be asked for by. Rows of one name add to each other; raises `DataError`
    where they contradict each other: a slide would go to another patient's case without a word."""
    if not path.is_file():
        raise DataError(f"There is no metadata file {path}; check the name.")
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter=delimiter_of(stream))
            names = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
            if "slide" not in names:
                raise DataError(f"The metadata {path} need a column named slide; known are {', '.join(_COLUMNS)}.")
            # By name as it stands there, by place (a path counts from the table's folder), and by path from here.
            rows: dict[str, _Row] = {}
            placed: dict[str, _Row] = {}
            from_here: dict[str, _Row] = {}
            for cells in reader:
                values = {key: (cells.get(name) or "").strip() for key, name in names.items()}
                if not values["slide"]:
                    raise DataError(f"{path}, line {reader.line_num}: the column slide is empty.")
                facts = SlideFacts(
                    values.get("case") or None, values.get("organ") or None, values.get("stain") or None,
                    split_tags(values.get("tags", "")),
                )  # fmt: skip
                row = _Row(reader.line_num, values["slide"], facts)
                place = os.path.abspath(path.parent / row.name) if _is_path(row.name) else row.name
                if place in placed:
                    row = _joined(path, placed[place], row)
                placed[place] = rows[row.name] = row
                if _is_path(row.name):
                    from_here[os.path.abspath(row.name)] = row
            return {**from_here, **rows, **placed}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The metadata {path} cannot be read; give a CSV file in UTF-8.") from error


def _joined(path: Path, first: _Row, second: _Row) -> _Row:
    for column in ("case", "organ", "stain"):
        before, after = getattr(first.facts, column), getattr(second.facts, column)
        if before and after and before != after:
            raise DataError(
                f"{path}, line {second.line}: the slide {second.name} has the {column} {after} here and {before} in "
                f"line {first.line}; keep one of them."
            )
    one, two = first.facts, second.facts
    facts = SlideFacts(
        one.case or two.case, one.organ or two.organ, one.stain or two.stain,
        tuple(dict.fromkeys([*one.tags, *two.tags])),
    )  # fmt: skip
    return _Row(second.line, second.name, facts)


def _is_path(name: str) -> bool:
    return "/" in name or os.sep in name


def delimiter_of(stream: TextIO) -> str:
    """What parts the columns, by the first line: spreadsheets of many countries write semicolons."""
    first = stream.readline()
    stream.seek(0)
    return max(",;\t", key=first.count)
