"""Long jobs that were begun and have not come to their end, so that the next start can offer to go on with them.

They name slides, so they are readable by their owner only, and erasing a slide takes it out of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lile_engine.paths import home_dir, open_private, private_dir

FILE_NAME = "unfinished.json"


@dataclass(frozen=True)
class UnfinishedJob:
    """A ``lile`` command: its title for a person, its arguments, and the slides that stand behind them."""

    title: str
    arguments: tuple[str, ...]
    slides: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        """All arguments of the command."""
        return [*self.arguments, *self.slides]


def unfinished_jobs() -> list[UnfinishedJob]:
    """The jobs that were cut off, in the order they were begun; none where the file is missing or damaged."""
    try:
        plain = json.loads(_file().read_text("utf-8"))
        return [UnfinishedJob(str(one["title"]), _texts(one["arguments"]), _texts(one["slides"])) for one in plain]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def keep(jobs: Iterable[UnfinishedJob]) -> None:
    """Keeps these jobs and no others; without any the file goes. Raises OSError."""
    listed = [asdict(one) for one in jobs]
    path = _file()
    if not listed:
        path.unlink(missing_ok=True)
        return
    private_dir(path.parent)
    fresh = path.with_suffix(".new")
    with os.fdopen(open_private(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w", encoding="utf-8") as stream:
        json.dump(listed, stream, indent=1)
    fresh.replace(path)


def forget(paths: Iterable[str]) -> None:
    """Takes slides out of the jobs; a job without any slide left goes. Raises OSError."""
    jobs = unfinished_jobs()
    kept = without(jobs, paths)
    if kept != jobs:
        keep(kept)


def without(jobs: Iterable[UnfinishedJob], names: Iterable[str]) -> list[UnfinishedJob]:
    """The jobs without these slides (paths, or identities where a job names those); one without any left is none."""
    places = {os.path.abspath(name) for name in names}
    kept = []
    for job in jobs:
        slides = tuple(slide for slide in job.slides if os.path.abspath(slide) not in places)
        if slides or not job.slides:
            kept.append(replace(job, slides=slides))
    return kept


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _file() -> Path:
    return home_dir() / FILE_NAME
