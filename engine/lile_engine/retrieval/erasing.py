"""Takes a slide or a case out of an archive and out of whatever else this program keeps of it on this computer."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lile_engine.archive import SlideRow, open_archive
from lile_engine.paths import home_dir, logs_dir, models_dir

_TRAINED_ON = "trained_on.json"


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
    pairs, saved questions, log lines. Raises `ArchiveError` if the archive has no such thing."""
    with open_archive(archive_dir, write=True) as archive:
        before = archive.status().captions
        gone = archive.remove(slide=slide, case=case)
        captions = before - archive.status().captions
    names = _names(gone, case)
    for row in gone:
        shutil.rmtree(home_dir() / "regions" / row.identity, ignore_errors=True)
        _forget_mpp(row)
    lines = sum(_without_lines(path, names) for path in sorted(logs_dir().glob("*.log*")))
    pairs = sum(_without_lines(path, names) for path in sorted(home_dir().glob("pairs/**/*.jsonl")))
    _without_lines(home_dir() / "questions.jsonl", names)
    return Erasure(
        str(archive_dir), tuple(row.path for row in gone), captions, lines, pairs, tuple(_models_trained_on(names))
    )


def _names(gone: tuple[SlideRow, ...], case: str | None) -> set[str]:
    """The strings by which the slides or the case may be named elsewhere."""
    names = {name for row in gone for name in (row.path, row.name, row.identity)}
    return names | ({case} if case else set())


def _without_lines(path: Path, names: set[str]) -> int:
    """Rewrites a text file without the lines that hold one of the names; returns how many went."""
    try:
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
    except OSError:
        return 0
    # In JSON lines a name may stand with its backslashes and umlauts escaped.
    spelled = names | {json.dumps(name)[1:-1] for name in names}
    kept = [line for line in lines if not any(name in line for name in spelled)]
    if len(kept) < len(lines):
        # In place: a running program that appends to the file keeps the right one.
        with open(path, "r+", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write("".join(kept))
            stream.truncate()
            stream.flush()
            os.fsync(stream.fileno())
    return len(lines) - len(kept)


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
    for path in sorted(models_dir().glob(f"*/{_TRAINED_ON}")):
        try:
            listed = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        values = {str(value) for part in (listed.values() if isinstance(listed, dict) else [listed]) for value in part}
        if values & names:
            found.append(path.parent.name)
    return found
