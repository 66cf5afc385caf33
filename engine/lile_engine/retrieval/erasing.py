"""Takes a slide or a case out of an archive and out of whatever else this program keeps of it on this computer."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lile_engine import unfinished
from lile_engine.archive import open_archive
from lile_engine.archive.filesystem import clear_errors, remove_tree, write_atomic
from lile_engine.archive.removal import Removal, file_name
from lile_engine.model.library import TRAINED_ON
from lile_engine.paths import home_dir, logs_dir, models_dir
from lile_engine.slides import remembered


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

    What this computer keeps goes before the archive forgets whose it is, and so an interrupted call is finished by the
    same call again. Raises `ArchiveError` if the archive has no such thing, or something cannot be deleted.
    """
    with open_archive(archive_dir, write=True) as archive:
        removal = archive.removal(slide=slide, case=case)
        lines = pairs = 0
        if removal.slides or removal.captions:
            with clear_errors(str(home_dir())):
                lines, pairs = _clean_home(removal)
        before = archive.status().captions
        gone = archive.remove(slide=slide, case=case)
        captions = before - archive.status().captions
    models = _models_trained_on(removal.names | removal.bare)
    return Erasure(str(archive_dir), tuple(row.path for row in gone), captions, lines, pairs, tuple(models))


def _clean_home(removal: Removal) -> tuple[int, int]:
    """Takes the slides out of the user's folder; returns how many log lines and training pairs went."""
    for row in removal.slides:
        remove_tree(home_dir() / "regions" / row.identity)
        remembered.forget(row.identity)
    _forget_places(removal.places)
    lines = sum(_without_lines(path, _spelled_in(removal)) for path in sorted(logs_dir().glob("*.log*")))
    pairs = sum(_without_pairs(path, removal) for path in sorted(home_dir().glob("pairs/**/*.jsonl")))
    _without_lines(home_dir() / "questions.jsonl", lambda line: _names_one(line, removal))
    return lines, pairs


def _spelled_in(removal: Removal) -> Callable[[str], bool]:
    """Tells whether a line of text holds one of the names as a word of its own (case 12 is not in case 123)."""
    sure, bare, others = (_words(names) for names in (removal.names, removal.bare, removal.others))
    return lambda line: sure(line) or (bare(line) and not others(line))


def _words(names: frozenset[str]) -> Callable[[str], bool]:
    spelled = names | {json.dumps(name)[1:-1] for name in names}  # in JSON, backslashes and umlauts are escaped
    found = re.compile("|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in sorted(spelled)) or r"(?!)")
    return lambda line: found.search(line) is not None


def _names_one(line: str, removal: Removal) -> bool:
    """Whether a JSON line has one of the names, or a path that ends in one, among its values."""
    try:
        content = json.loads(line)
    except ValueError:
        return _spelled_in(removal)(line)
    values = set(_strings(content))
    values |= {file_name(value) for value in values}
    if not values.isdisjoint(removal.names):
        return True
    case = content.get("case") if isinstance(content, dict) else None
    other = bool(case) and case not in removal.cases
    return not other and not values.isdisjoint(removal.bare) and values.isdisjoint(removal.others)


def _strings(value: Any) -> Iterator[str]:
    """All strings in a JSON value, keys aside."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def _without_pairs(path: Path, removal: Removal) -> int:
    """Takes training pairs out of a list, and the images beside it that only they name; returns how many went."""
    gone: list[str] = []

    def goes(line: str) -> bool:
        found = _names_one(line, removal)
        if found:
            gone.append(line)
        return found

    count = _without_lines(path, goes)
    left = set().union(*map(_images, _lines(path)))
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


def _lines(path: Path) -> list[str]:
    """The lines of a file with their ends; only a line feed ends one, other separators may stand in JSON text."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
            return list(stream)
    except FileNotFoundError:
        return []


def _without_lines(path: Path, goes: Callable[[str], bool]) -> int:
    """Rewrites a text file without some of its lines; returns how many went."""
    lines = _lines(path)
    kept = [line for line in lines if not goes(line)]
    if len(kept) < len(lines):
        # In place: a running program that appends to the file keeps the right one.
        with open(path, "r+", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write("".join(kept))
            stream.truncate()
            stream.flush()
            os.fsync(stream.fileno())
    return len(lines) - len(kept)


def _forget_places(paths: frozenset[str]) -> None:
    """Takes slides off the lists of those that are open, were lately or wait to be indexed, and forgets their
    folder."""
    unfinished.forget(paths)
    path = home_dir() / "settings.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return
    if not isinstance(settings, dict):
        return
    places = {os.path.abspath(one) for one in paths}
    kept = dict(settings)
    for key in ("open_slides", "recent_slides"):
        if isinstance(settings.get(key), list):
            kept[key] = [one for one in settings[key] if os.path.abspath(str(one)) not in places]
    folder = settings.get("last_folder")
    if folder and os.path.abspath(str(folder)) in {os.path.dirname(place) for place in places}:
        kept["last_folder"] = ""
    if kept != settings:
        write_atomic(path, json.dumps(kept, indent=1).encode())


def _models_trained_on(names: frozenset[str]) -> list[str]:
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
