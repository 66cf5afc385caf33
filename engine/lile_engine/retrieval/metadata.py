"""What is known of slides beside their pixels: case, organ, stain, tags, from a CSV or the file's name."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from lile_engine.errors import ConfigError, DataError

_COLUMNS = ("slide", "case", "organ", "stain", "tags")


@dataclass(frozen=True)
class SlideFacts:
    """What a row of the CSV says of a slide; None where it says nothing."""

    case: str | None = None
    organ: str | None = None
    stain: str | None = None
    tags: tuple[str, ...] = ()


class SlideMetadata:
    """Facts by slide, from a CSV and from the file's name.

    The CSV has the columns slide (a path, a file name, or one without its ending), case, organ, stain, tags (parted
    by ; or |); the pattern's group ``case``, or its first, is the case.
    """

    def __init__(self, csv_file: Path | None = None, case_from: str | None = None) -> None:
        self._facts = _read_csv(csv_file) if csv_file is not None else {}
        try:
            self._pattern = re.compile(case_from) if case_from else None
        except re.error as error:
            raise ConfigError(f"The pattern {case_from!r} of --case-from is no regular expression ({error}).") from None
        if self._pattern is not None and not self._pattern.groups:
            raise ConfigError(f"The pattern {case_from!r} of --case-from needs a group, such as '^([A-Z]+-\\d+)'.")

    def of(self, path: Path, properties: dict[str, str] | None = None) -> SlideFacts:
        """What is known of a slide: the CSV's word first, then the pattern's, then DICOM's own attributes."""
        for name in (str(path), path.as_posix(), path.name, path.stem):
            if name in self._facts:
                facts = self._facts[name]
                break
        else:
            facts = SlideFacts()
        return SlideFacts(
            facts.case or self._case_in(path) or _dicom_case(properties or {}), facts.organ, facts.stain, facts.tags
        )

    def _case_in(self, path: Path) -> str | None:
        found = self._pattern.search(path.name) if self._pattern else None
        if found is None or self._pattern is None:
            return None
        value = found["case"] if "case" in self._pattern.groupindex else found[1]
        return value or None


def _dicom_case(properties: dict[str, str]) -> str | None:
    for name in ("dicom.AccessionNumber", "dicom.ContainerIdentifier", "dicom.PatientID"):
        if properties.get(name, "").strip():
            return properties[name].strip()
    return None


def _read_csv(path: Path) -> dict[str, SlideFacts]:
    if not path.is_file():
        raise DataError(f"There is no metadata file {path}; check the name.")
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            names = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
            if "slide" not in names:
                raise DataError(f"The metadata {path} need a column named slide; known are {', '.join(_COLUMNS)}.")
            facts = {}
            for row in reader:
                values = {key: (row.get(name) or "").strip() for key, name in names.items()}
                if not values["slide"]:
                    raise DataError(f"{path}, line {reader.line_num}: the column slide is empty.")
                tags = tuple(tag.strip() for tag in re.split(r"[;|]", values.get("tags", "")) if tag.strip())
                facts[values["slide"]] = SlideFacts(
                    values.get("case") or None, values.get("organ") or None, values.get("stain") or None, tags
                )
            return facts
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The metadata {path} cannot be read; give a CSV file in UTF-8.") from error
