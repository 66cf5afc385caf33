"""The slides of the archive kept in order: case, organ, stain and tags, taking slides out, going on with half-done
ones. Everything that is written is written by the ``lile`` command, beside the window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from lile_desktop.archive_desk import ArchiveDesk
from lile_desktop.engine_client import EngineClient
from lile_desktop.jobs import Job, JobState
from lile_desktop.notices import Level, Notice, Offer
from lile_desktop.text import tr
from lile_engine.later import later
from lile_engine.unfinished import UnfinishedJob

if TYPE_CHECKING:
    from lile_desktop import questions
    from lile_engine.archive.rows import SlideRow
else:
    questions = later("lile_desktop.questions")

FACTS = ("case", "organ", "stain", "tags")


@dataclass(frozen=True)
class Change:
    """What was known of slides before it was changed; ``facts`` are the names of what was."""

    archive: str
    rows: tuple[SlideRow, ...]
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Going:
    """What a removal takes: slides and cases by their keys, the slides' rows, and how many captions."""

    slides: tuple[str, ...]
    cases: tuple[str, ...]
    rows: tuple[SlideRow, ...]
    captions: int

    @property
    def tiles(self) -> int:
        """All tiles of the slides."""
        return sum(row.tiles for row in self.rows)


def fact_text(row: SlideRow, name: str) -> str:
    """A fact of a slide as it is typed; "" where nothing is known."""
    if name == "tags":
        from lile_engine.archive.rows import join_tags  # brings numpy

        return join_tags(row.tags)
    value: str | None = getattr(row, name)
    return value or ""


def case_keys(rows: Sequence[SlideRow]) -> tuple[str, ...]:
    """The cases of slides, each once; a slide without one is its own."""
    return tuple(dict.fromkeys(row.case_key for row in rows))


def incomplete(rows: Sequence[SlideRow]) -> list[SlideRow]:
    """Slides whose indexing did not come to its end."""
    return [row for row in rows if not row.complete]


def slides_text(rows: Sequence[SlideRow]) -> str:
    """How slides are named in a sentence: by name, or how many."""
    return rows[0].name if len(rows) == 1 else tr("{0} slides").format(len(rows))


class ArchiveKeeper(QObject):
    """``going`` carries the `SlideRow`s that are about to be erased: whoever shows them lets go of them; ``gone`` comes
    when they are. ``changed`` tells that there is something to undo, or nothing any more."""

    going = Signal(object)
    gone = Signal(object)
    changed = Signal()
    notice = Signal(object)

    def __init__(self, archive: ArchiveDesk, client: EngineClient, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._archive, self._client = archive, client
        self._changes: list[Change] = []

    # -- case, organ, stain, tags -----------------------------------------------------------------------------------
    def describe(self, rows: Sequence[SlideRow], facts: Mapping[str, str]) -> None:
        """Sets facts of slides; "" takes one away. Search and its filters follow as soon as that is written."""
        if not rows or not facts:
            return
        change = Change(self._archive.archive, tuple(rows), tuple(facts))
        job = self._write(rows, facts)
        job.finished.connect(lambda: self._described(job, change))

    @property
    def can_undo(self) -> bool:
        """Whether there is a change of facts in this archive to be taken back."""
        return bool(self._changes) and self._changes[-1].archive == self._archive.archive

    def undo(self) -> None:
        """Gives slides the facts they had before the last change."""
        if not self.can_undo:
            return
        change = self._changes.pop()
        groups: dict[tuple[str, ...], list[SlideRow]] = {}
        for row in change.rows:
            groups.setdefault(tuple(fact_text(row, name) for name in change.facts), []).append(row)
        for values, rows in groups.items():
            job = self._write(rows, dict(zip(change.facts, values, strict=True)))
            job.finished.connect(self._archive.look_again)
        self.changed.emit()

    def _write(self, rows: Sequence[SlideRow], facts: Mapping[str, str]) -> Job:
        values = [f"--{name}={value}" for name, value in facts.items()]
        title = tr("Describing {0}").format(slides_text(rows))
        identities = tuple(row.identity for row in rows)
        unfinished = UnfinishedJob(title, ("archive", "describe", *values, self._archive.archive), identities)
        return self._archive.run(title, unfinished.command, resume=unfinished)

    def _described(self, job: Job, change: Change) -> None:
        if job.state is not JobState.DONE:
            return
        self._changes.append(change)
        self.changed.emit()
        self._archive.look_again()
        sentence = tr("What is known of {0} is set: {1}.").format(slides_text(change.rows), ", ".join(change.facts))
        offer = Offer(tr("Undo"), tr("Give back what was known before"), self.undo)
        self.notice.emit(Notice(sentence, level=Level.INFO, offer=offer))

    # -- taking out -------------------------------------------------------------------------------------------------
    def look_at_removal(self, rows: Sequence[SlideRow], *, cases: bool, then: Callable[[Going], object]) -> None:
        """Asks the engine what removing slides, or all of their ``cases``, takes; ``then`` is told."""
        slides = () if cases else tuple(row.identity for row in rows)
        keys = case_keys(rows) if cases else ()
        ticket = self._client.ask(tr("looking at what would go"), questions.removal_question(slides, keys))
        ticket.answered.connect(lambda found: then(Going(slides, keys, *found)))
        ticket.failed.connect(self.notice)

    def remove(self, going: Going) -> None:
        """Erases slides or cases from the archive and from what the program keeps of them; no slide file is touched."""
        self.going.emit(going.rows)
        what = [f"--slide={slide}" for slide in going.slides] + [f"--case={case}" for case in going.cases]
        jobs = []
        for one in what:
            title = tr("Removing {0}").format(slides_text(going.rows) if len(what) == 1 else tr("a slide"))
            unfinished = UnfinishedJob(title, ("archive", "remove", one, self._archive.archive))
            jobs.append(self._archive.run(title, unfinished.command, resume=unfinished))
        for job in jobs:
            job.finished.connect(lambda: self._removed(jobs, going))

    def _removed(self, jobs: Sequence[Job], going: Going) -> None:
        if any(job.state in (JobState.WAITING, JobState.RUNNING) for job in jobs):
            return
        gone = {row.identity for row in going.rows}
        self._changes = [one for one in self._changes if gone.isdisjoint(row.identity for row in one.rows)]
        self.changed.emit()
        self._archive.look_again()
        if all(job.state is JobState.DONE for job in jobs):
            self.gone.emit(going.rows)
            models = sorted({str(name) for job in jobs for name in job.result.get("models", ())})
            sentence = tr("{0} of the archive removed, {1:,} tiles.").format(
                tr("1 slide") if len(going.rows) == 1 else tr("{0} slides").format(len(going.rows)), going.tiles
            )
            if models:
                sentence += " " + tr("Models that were trained on it stay until you delete them: {0}.").format(
                    ", ".join(models)
                )
            self.notice.emit(Notice(sentence, level=Level.WARNING if models else Level.INFO))

    # -- going on ---------------------------------------------------------------------------------------------------
    def finish(self, rows: Sequence[SlideRow]) -> None:
        """Goes on indexing slides that are half done; what is there already is not done again."""
        missing = [row for row in rows if not Path(row.path).exists()]
        if missing:
            sentence = tr("{0} is not where it was, so it cannot be gone on with; index it where it lies now.")
            self.notice.emit(Notice(sentence.format(slides_text(missing)), level=Level.WARNING))
        self._archive.index([row.path for row in rows if row not in missing])
