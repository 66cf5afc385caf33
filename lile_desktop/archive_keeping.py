"""The slides of the archive kept in order: case, organ, stain and tags, taking slides out, going on with half-done
ones. Everything that is written is written by the ``lile`` command, beside the window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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

FACT_NAMES = {"case": "Case", "organ": "Organ", "stain": "Stain", "tags": "Tags"}
FACTS = tuple(FACT_NAMES)


@dataclass(frozen=True)
class Change:
    """What was known of slides before it was changed; ``facts`` are the names of what was."""

    archive: str
    rows: tuple[SlideRow, ...]
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Going:
    """What a removal takes from ``archive``: slides and cases by their keys, the slides' rows, how many captions."""

    archive: str
    slides: tuple[str, ...]
    cases: tuple[str, ...]
    rows: tuple[SlideRow, ...]
    captions: int

    @property
    def tiles(self) -> int:
        """All tiles of the slides."""
        return sum(row.tiles for row in self.rows)

    def rows_of(self, one: str) -> tuple[SlideRow, ...]:
        """The rows that a single slide or case of these takes."""
        if len(self.slides) + len(self.cases) == 1:
            return self.rows
        return tuple(row for row in self.rows if one == (row.case_key if self.cases else row.identity))


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

    @property
    def archive(self) -> str:
        """The folder of the archive in use. While a dialog is open it may become another one, so who asks about slides
        says of which archive they are."""
        return self._archive.archive

    # -- case, organ, stain, tags -----------------------------------------------------------------------------------
    def describe(self, rows: Sequence[SlideRow], facts: Mapping[str, str], archive: str = "") -> None:
        """Sets facts of slides in an archive ("" is the one in use); "" takes a fact away. Search and its filters
        follow as soon as that is written."""
        if not rows or not facts:
            return
        change = Change(archive or self.archive, tuple(rows), tuple(facts))
        job = self._write(change.archive, rows, facts)
        job.finished.connect(lambda: self._described(job, change))

    @property
    def can_undo(self) -> bool:
        """Whether there is a change of facts in this archive to be taken back."""
        return self._last() is not None

    def undo(self) -> None:
        """Gives slides the facts they had before the last change in this archive."""
        change = self._last()
        if change is not None:
            self._take_back(change)

    def _last(self) -> Change | None:
        archive = self.archive
        return next((one for one in reversed(self._changes) if one.archive == archive), None)

    def _take_back(self, change: Change) -> None:
        """Takes back a change, if that was not done already."""
        if change not in self._changes:
            return
        self._changes.remove(change)
        groups: dict[tuple[str, ...], list[SlideRow]] = {}
        for row in change.rows:
            groups.setdefault(tuple(fact_text(row, name) for name in change.facts), []).append(row)
        for values, rows in groups.items():
            job = self._write(change.archive, rows, dict(zip(change.facts, values, strict=True)))
            part = replace(change, rows=tuple(rows))
            job.finished.connect(lambda job=job, part=part: self._taken_back(job, part))
        self.changed.emit()

    def _taken_back(self, job: Job, part: Change) -> None:
        if job.state is not JobState.DONE:  # the archive was locked, or the user thought better of it: again, then
            self._changes.append(part)
            self.changed.emit()
        self._archive.look_again()

    def _write(self, archive: str, rows: Sequence[SlideRow], facts: Mapping[str, str]) -> Job:
        values = [f"--{name}={value}" for name, value in facts.items()]
        title = tr("Describing {0}").format(slides_text(rows))
        identities = tuple(row.identity for row in rows)
        unfinished = UnfinishedJob(title, ("archive", "describe", *values, archive), identities)
        return self._archive.run(title, unfinished.command, resume=unfinished)

    def _described(self, job: Job, change: Change) -> None:
        if job.state is not JobState.DONE:
            return
        self._changes.append(change)
        self.changed.emit()
        self._archive.look_again()
        named = ", ".join(tr(FACT_NAMES[name]) for name in change.facts)
        sentence = tr("What is known of {0} is set: {1}.").format(slides_text(change.rows), named)
        offer = Offer(tr("Undo"), tr("Give back what was known before"), lambda: self._take_back(change))
        self.notice.emit(Notice(sentence, level=Level.INFO, offer=offer))

    # -- taking out -------------------------------------------------------------------------------------------------
    def look_at_removal(self, rows: Sequence[SlideRow], *, cases: bool, then: Callable[[Going], object]) -> None:
        """Asks the engine what removing slides, or all of their ``cases``, takes; ``then`` is told."""
        slides = () if cases else tuple(row.identity for row in rows)
        keys = case_keys(rows) if cases else ()
        archive = self.archive
        ticket = self._client.ask(tr("looking at what would go"), questions.removal_question(slides, keys))
        ticket.answered.connect(lambda found: then(Going(archive, slides, keys, *found)))
        ticket.failed.connect(self.notice)
        ticket.cancelled.connect(self._on_cancelled)

    def _on_cancelled(self) -> None:
        sentence = tr("The archive was loaded anew meanwhile, so nothing was removed; choose what is to go again.")
        self.notice.emit(Notice(sentence, level=Level.WARNING))

    def remove(self, going: Going) -> None:
        """Erases slides or cases from their archive and from what the program keeps of them; slide files stay."""
        self.going.emit(going.rows)
        what = [(f"--slide={slide}", slide) for slide in going.slides]
        what += [(f"--case={case}", case) for case in going.cases]
        jobs: dict[Job, tuple[SlideRow, ...]] = {}
        for option, one in what:
            rows = going.rows_of(one)
            title = tr("Removing {0}").format(slides_text(rows))
            unfinished = UnfinishedJob(title, ("archive", "remove", option, going.archive))
            jobs[self._archive.run(title, unfinished.command, resume=unfinished)] = rows
        for job in jobs:
            job.finished.connect(lambda: self._removed(jobs))

    def _removed(self, jobs: Mapping[Job, tuple[SlideRow, ...]]) -> None:
        """Tells of what went once all have ended, also where not all of it went."""
        if any(job.state in (JobState.WAITING, JobState.RUNNING) for job in jobs):
            return
        done = [job for job in jobs if job.state is JobState.DONE]
        rows = tuple({row.identity: row for job in done for row in jobs[job]}.values())
        self._forget(rows)
        self._archive.look_again()
        if not done:
            return
        self.gone.emit(rows)
        models = sorted({str(name) for job in done for name in job.result.get("models", ())})
        count = tr("1 slide") if len(rows) == 1 else tr("{0} slides").format(len(rows))
        sentence = tr("{0} of the archive removed, {1:,} tiles.").format(count, sum(row.tiles for row in rows))
        if models:
            told = tr("Models that were trained on it stay until you delete them: {0}.")
            sentence += " " + told.format(", ".join(models))
        self.notice.emit(Notice(sentence, level=Level.WARNING if models else Level.INFO))

    def _forget(self, rows: Sequence[SlideRow]) -> None:
        """What was known of erased slides is not kept to be given back."""
        gone = {row.identity for row in rows}
        left = [replace(one, rows=tuple(r for r in one.rows if r.identity not in gone)) for one in self._changes]
        self._changes = [one for one in left if one.rows]
        self.changed.emit()

    # -- going on ---------------------------------------------------------------------------------------------------
    def finish(self, rows: Sequence[SlideRow]) -> None:
        """Goes on indexing slides that are half done; what is there already is not done again."""
        missing = [row for row in rows if not Path(row.path).exists()]
        if missing:
            sentence = tr("{0} is not where it was, so it cannot be gone on with; index it where it lies now.")
            self.notice.emit(Notice(sentence.format(slides_text(missing)), level=Level.WARNING))
        gone = {row.path for row in missing}
        self._archive.index([row.path for row in rows if row.path not in gone])
