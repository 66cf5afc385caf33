"""Pairs of image and text: read from a folder with a jsonl or csv list, each bad row named by its line.

One row is one image with one or more captions. The image is a file beside the list (``image``, also ``file``) or a
rectangle of a slide (``slide, x, y, w, h`` in level-0 pixels, ``mpp`` where the slide does not know its own).
Optional: ``phrases`` (short texts that are true of the image too; training shows them, evaluation does not ask for
them), ``tissues`` (terms), ``group`` (all rows of one group describe the same thing and count as matches of each
other), ``case`` (rows of one case are never split between training and validation). Rows of the same picture (one row
a caption, as many sets come) are one pair.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lile_engine.errors import DataError, LileError
from lile_engine.training.pictures import check_picture, is_file, short
from lile_engine.training.pictures import load_file as load_file  # read with the pairs, by many
from lile_engine.training.rows import list_rows

BadRows = Literal["skip", "refuse"]
LIST_NAMES = ("pairs.jsonl", "captions.jsonl", "pairs.csv", "captions.csv")


@dataclass(frozen=True)
class SlidePlace:
    """A rectangle of a slide: level-0 pixels; ``mpp`` only where the slide does not know its own."""

    x: float
    y: float
    w: float
    h: float
    mpp: float | None = None


@dataclass(frozen=True)
class Pair:
    """One image and its captions. ``path`` is an image file, or a slide when ``place`` is given."""

    path: Path
    captions: tuple[str, ...]
    place: SlidePlace | None = None
    tissues: tuple[str, ...] = ()
    group: str = ""
    case: str = ""
    phrases: tuple[str, ...] = ()

    @property
    def picture(self) -> tuple[str, SlidePlace | None]:
        """Pairs that are equal in this show the same picture."""
        return os.path.normpath(self.path), self.place


@dataclass(frozen=True)
class BadRow:
    """A row that was left out: which line of the list (1 is the first) and why."""

    source: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.source} line {self.line}: {self.reason}"


@dataclass(frozen=True)
class PairDataset:
    """Pairs in the order of their lists, and the rows that were left out."""

    pairs: tuple[Pair, ...]
    bad_rows: tuple[BadRow, ...] = ()

    def __len__(self) -> int:
        return len(self.pairs)

    def subset(self, indices: Sequence[int]) -> PairDataset:
        """The pairs at ``indices``, in that order."""
        return PairDataset(tuple(self.pairs[i] for i in indices))

    def __add__(self, other: PairDataset) -> PairDataset:
        return PairDataset(self.pairs + other.pairs, self.bad_rows + other.bad_rows)


def read_pairs(path: Path, *, bad_rows: BadRows = "skip") -> PairDataset:
    """Reads a folder (with one of `LIST_NAMES` in it) or a ``.jsonl``/``.csv`` list.

    Raises `DataError` when there is no list, when nothing in it is usable, or, with ``bad_rows="refuse"``, at the
    first bad row, naming its line.
    """
    source = _find_list(path)
    pairs: dict[tuple[str, SlidePlace | None], Pair] = {}
    bad: list[BadRow] = []
    pictures: set[Path] = set()
    slides: dict[Path, tuple[int, int]] = {}
    for line, row in list_rows(source):
        try:
            pair = _pair_of(row, source.parent, pictures, slides)
            known = pairs.get(pair.picture)
            pairs[pair.picture] = pair if known is None else _joined(known, pair)
        except ValueError as error:
            problem = BadRow(source.name, line, str(error))
            if bad_rows == "refuse":
                raise DataError(f"{problem}; mend the row or read the list with bad rows skipped.") from error
            bad.append(problem)
    if not pairs:
        first = f" (first problem: line {bad[0].line}, {bad[0].reason})" if bad else ""
        raise DataError(f"{source} holds no usable pair{first}; each row needs an image and a caption.")
    return PairDataset(tuple(_with_case(pair) for pair in pairs.values()), tuple(bad))


def load_image(pair: Pair, px: int) -> NDArray[np.uint8]:
    """The pair's pixels, uint8 RGB ``[H, W, 3]``, not smaller than needed for ``px`` where the source has more.

    Large pictures are reduced so that the short side is about ``2 * px``. Raises `DataError` naming the file.
    """
    if pair.place is not None:
        from lile_engine.slides import open_slide  # only pairs that lie in slides need OpenSlide

        place = pair.place
        scale = max(1.0, min(place.w, place.h) / (2 * px))
        try:
            with open_slide(pair.path, mpp=place.mpp) as slide:
                w, h = max(1, round(place.w / scale)), max(1, round(place.h / scale))
                return np.asarray(slide.read_area(place.x, place.y, place.w, place.h, w, h), np.uint8)
        except LileError as error:
            raise DataError(f"{pair.path} cannot be read at {place.x:g}, {place.y:g}: {error}") from error
    return load_file(pair.path, px)


def _find_list(path: Path) -> Path:
    if path.is_file():
        if path.suffix.lower() not in (".jsonl", ".csv"):
            raise DataError(f"{path} is no list of pairs; it must be a .jsonl or .csv file, or a folder with one.")
        return path
    if path.is_dir():
        for name in LIST_NAMES:
            if (path / name).is_file():
                return path / name
        raise DataError(f"{path} holds no {' or '.join(LIST_NAMES)}; write one row for each image there.")
    raise DataError(f"{path} does not exist; name a folder of pairs or its .jsonl or .csv list.")


def _pair_of(row: Any, folder: Path, pictures: set[Path], slides: dict[Path, tuple[int, int]]) -> Pair:
    """Raises ValueError with the reason, in words that fit after "line 7:". ``pictures`` and the sizes of ``slides``
    were looked at before, and are added to."""
    if isinstance(row, ValueError):
        raise row
    if not isinstance(row, dict):
        raise ValueError("is not an object with an image and a caption")
    captions = _texts(row.get("captions", row.get("caption")), "caption")
    if not captions:
        raise ValueError("has no caption")
    tissues = _texts(row.get("tissues", row.get("tissue")), "tissues")
    group, case = _label(row, "group"), _label(row, "case")
    place = None
    if row.get("slide"):
        path = folder / str(row["slide"])
        if not is_file(path):
            raise ValueError(f"names {short(path.name)}, which is not there")
        x, y, w, h = (_number(row, key) for key in ("x", "y", "w", "h"))
        if w <= 0 or h <= 0:
            raise ValueError("has a rectangle without width or height")
        place = SlidePlace(x, y, w, h, _number(row, "mpp") if row.get("mpp") not in (None, "") else None)
        if place.mpp is not None and place.mpp <= 0:
            raise ValueError(f"has mpp = {place.mpp:g}, which must be above 0")
        _check_place(path, place, slides)
    else:
        name = row.get("image", row.get("file"))
        if not isinstance(name, str) or not name.strip():
            raise ValueError("names neither an image nor a slide")
        path = folder / name.strip()
        if path not in pictures:
            check_picture(path)
            pictures.add(path)
    return Pair(path, captions, place, tissues, group, case, _texts(row.get("phrases"), "phrases"))


def _check_place(path: Path, place: SlidePlace, slides: dict[Path, tuple[int, int]]) -> None:
    """Raises ValueError where the slide cannot be opened or nothing of it lies in the rectangle."""
    from lile_engine.slides import open_slide  # only pairs that lie in slides need OpenSlide

    if path not in slides:
        try:
            with open_slide(path, mpp=place.mpp) as slide:
                slides[path] = slide.info.width, slide.info.height
        except LileError as error:
            raise ValueError(f"names a slide that cannot be opened ({short(str(error))})") from error
    width, height = slides[path]
    if place.x >= width or place.y >= height or place.x + place.w <= 0 or place.y + place.h <= 0:
        raise ValueError(f"has a rectangle that lies outside the slide ({width} x {height} pixels)")
    if place.w > 2 * width or place.h > 2 * height:
        raise ValueError(f"has a rectangle far larger than the slide ({width} x {height} pixels)")


def _joined(pair: Pair, more: Pair) -> Pair:
    """Two rows of one picture as one pair; raises ValueError where they contradict each other."""
    for name in ("group", "case"):
        one, other = getattr(pair, name), getattr(more, name)
        if one and other and one != other:
            raise ValueError(f"has the {name} {short(other)!r}, but an earlier row of the same picture {short(one)!r}")

    def both(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*one, *other)))

    return replace(
        pair,
        captions=both(pair.captions, more.captions),
        phrases=both(pair.phrases, more.phrases),
        tissues=both(pair.tissues, more.tissues),
        group=pair.group or more.group,
        case=pair.case or more.case,
    )


def _with_case(pair: Pair) -> Pair:
    """What lies in a slide of which no row names the case belongs to the slide."""
    return pair if pair.case or pair.place is None else replace(pair, case=pair.path.name)


def _label(row: dict[str, Any], key: str) -> str:
    """A name that may be missing, and may be written as a number."""
    value = row.get(key)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or value != value:
        raise ValueError(f"has a {key} that is neither text nor a number")
    return str(value).strip()


def _texts(value: Any, what: str) -> tuple[str, ...]:
    if value is None:
        return ()
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"has {what} that are not text")
    return tuple(" ".join(item.split()) for item in items if item.strip())


def _number(row: dict[str, Any], key: str) -> float:
    try:
        number = float(row[key])
    except KeyError:
        raise ValueError(f"names a slide but no {key}") from None
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"has {key} = {short(repr(row[key]))}, which is no number")
    return number


def warn_bad_rows(dataset: PairDataset, warn: Callable[[str], None], most: int = 10) -> None:
    """Tells each left-out row, the first ``most`` of them in words and the rest as a count."""
    for problem in dataset.bad_rows[:most]:
        warn(f"{problem}; left out.")
    if len(dataset.bad_rows) > most:
        warn(f"{len(dataset.bad_rows) - most} more rows were left out for reasons of the same kind.")
