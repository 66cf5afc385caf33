"""Takes a slide or a case out of an archive and out of whatever else this program keeps of it on this computer."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lile_engine.archive import SlideRow, open_archive
from lile_engine.model.library import TRAINED_ON
from lile_engine.paths import home_dir, logs_dir, models_dir


@dataclass(frozen=True)
class Erasure:
    """What went: slides, captions, lines of logs, training pairs; and the ``models`` that were trained on it, which
    stay until somebody decides about them."""

    archive: str
    slides: tuple[str, ...]
    captions: int
    log_lines: int
    pairs: int
    models: tuple[str, ...]

    def to_text(self) -> str:
        """For a person."""
        lines = [f"removed {name}" for name in self.slides]
        lines.append(
            f"{len(self.slides)} slides, {self.captions} captions, {self.pairs} training pairs and {self.log_lines} "
            "log lines removed"
        )
        lines += [f"the model {name} was trained on it: delete it if it must forget" for name in self.models]
        return "\n".join(lines)


def erase(archive_dir: Path | str, *, slide: str | None = None, case: str | None = None) -> Erasure:
    """Removes a slide (identity, name or path) or a whole case for good: rows, vectors, tokens, regions, training
    pairs with their images, saved questions, log lines, its place among recent slides.

    Raises `ArchiveError` if the archive has no such thing.
    """
    with open_archive(archive_dir, write=True) as archive:
        before = archive.status().captions
        gone = archive.remove(slide=slide, case=case)
        captions = before - archive.status().captions
    names = _names(gone, case)
    for row in gone:
        shutil.rmtree(home_dir() / "regions" / row.identity, ignore_errors=True)
        _forget_mpp(row)
    _forget_recent({row.path for row in gone})
    lines = sum(_without_lines(path, _spelled_in(names)) for path in sorted(logs_dir().glob("*.log*")))
    pairs = sum(_without_pairs(path, names) for path in sorted(home_dir().glob("pairs/**/*.jsonl")))
    _without_lines(home_dir() / "questions.jsonl", lambda line: _names_one(line, names))
    return Erasure(
        str(archive_dir), tuple(row.path for row in gone), captions, lines, pairs, tuple(_models_trained_on(names))
    )


def _names(gone: tuple[SlideRow, ...], case: str | None) -> set[str]:
    """The strings by which the slides or the case may be named elsewhere."""
    names = {name for row in gone for name in (row.path, row.name, row.identity)}
    return names | ({case} if case else set())


def _spelled_in(names: set[str]) -> Callable[[str], bool]:
    """Tells whether a line of text holds one of the names as a word of its own (case 12 is not in case 123)."""
    spelled = names | {json.dumps(name)[1:-1] for name in names}  # in JSON, backslashes and umlauts are escaped
    found = re.compile("|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in sorted(spelled)))
    return lambda line: found.search(line) is not None


def _names_one(line: str, names: set[str]) -> bool:
    """Whether a JSON line has one of the names, or a path that ends in one, among its values."""
    try:
        values = set(_strings(json.loads(line)))
    except ValueError:
        return _spelled_in(names)(line)
    return not names.isdisjoint(values | {re.split(r"[/\\]", value)[-1] for value in values})


def _strings(value: Any) -> Iterator[str]:
    """All strings in a JSON value, keys aside."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def _without_pairs(path: Path, names: set[str]) -> int:
    """Takes training pairs out of a list, and the images beside it that only they name; returns how many went."""
    gone: list[str] = []

    def goes(line: str) -> bool:
        found = _names_one(line, names)
        if found:
            gone.append(line)
        return found

    count = _without_lines(path, goes)
    left = set().union(*(_images(line) for line in path.read_text("utf-8", "surrogateescape").splitlines()))
    for image in set().union(*map(_images, gone)) - left:
        file = (path.parent / image).resolve()
        if path.parent.resolve() in file.parents:  # a slide of the user's own elsewhere is not ours to delete
            file.unlink(missing_ok=True)
    return count


def _images(line: str) -> set[str]:
    try:
        pair = json.loads(line)
    except ValueError:
        return set()
    image = pair.get("image") if isinstance(pair, dict) else None
    return {image} if isinstance(image, str) and image else set()


def _without_lines(path: Path, goes: Callable[[str], bool]) -> int:
    """Rewrites a text file without some of its lines; returns how many went."""
    try:
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
    except OSError:
        return 0
    kept = [line for line in lines if not goes(line)]
    if len(kept) < len(lines):
        # In place: a running program that appends to the file keeps the right one.
        with open(path, "r+", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write("".join(kept))
            stream.truncate()
            stream.flush()
            os.fsync(stream.fileno())
    return len(lines) - len(kept)


def _forget_recent(paths: set[str]) -> None:
    """Takes slides off the list of those that were open lately."""
    path = home_dir() / "settings.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        recent = settings["recent_slides"]
    except (OSError, ValueError, TypeError, KeyError):
        return
    if isinstance(recent, list) and not paths.isdisjoint(recent):
        settings["recent_slides"] = [one for one in recent if one not in paths]
        path.write_text(json.dumps(settings, indent=1), encoding="utf-8")


def _forget_mpp(row: SlideRow) -> None:
    """The microns per pixel that were once given for the slide."""
    path = home_dir() / "slide_mpp.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if isinstance(known, dict) and known.pop(row.identity, None) is not None:
        path.write_text(json.dumps(known), encoding="utf-8")


def _models_trained_on(names: set[str]) -> list[str]:
    """The user's models whose list of what they were trained on holds one of the names."""
    found = []
    for path in sorted(models_dir().glob(f"*/{TRAINED_ON}")):
        try:
            listed = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        values = {str(value) for part in (listed.values() if isinstance(listed, dict) else [listed]) for value in part}
        if values & names:
            found.append(path.parent.name)
    return found
