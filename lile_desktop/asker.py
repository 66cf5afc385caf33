"""Asks the engine for the window: which question is under way, what was answered, what the attention map is of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from lile_desktop.engine_client import EngineClient, Steps, Ticket
from lile_desktop.notices import Level, Notice
from lile_desktop.text import tr
from lile_desktop.words import PhraseWord
from lile_engine.later import later
from lile_engine.progress import Progress

if TYPE_CHECKING:
    from lile_desktop import questions
    from lile_engine import answers
    from lile_engine.answers import Answer, AttentionAnswer, PatchPlace, RegionRequest
    from lile_engine.retrieval.results import Hit
else:
    answers = later("lile_engine.answers")
    questions = later("lile_desktop.questions")

DEFAULT_SECONDS_PER_TILE = 0.03


@dataclass(frozen=True)
class Subject:
    """What an attention map is of: a text, over one patch or over all tiles of the region of an answer."""

    text: str
    patch: PatchPlace | None = None
    region: Answer | None = None


def place_of(hit: Hit) -> PatchPlace | None:
    """The square of a hit; None for a caption without a place."""
    if hit.slide is None or hit.x is None or hit.y is None or hit.size is None:
        return None
    return answers.PatchPlace(hit.slide, hit.x, hit.y, hit.size, None if hit.kind == "caption" else hit.id)


def subject_of(answer: Answer | None, hit: Hit, last_patch: PatchPlace | None) -> Subject | None:
    """What the words panel is about once ``hit`` was chosen.

    A patch goes with the phrase that found it, or after a region question with the region's best caption. A caption
    goes with the region that was asked about, else with the patch chosen before it.
    """
    if hit.kind != "caption":
        if answer is not None and answer.phrase:
            return Subject(answer.phrase, place_of(hit))
        if answer is not None and answer.captions:
            return Subject(answer.captions[0].caption or "", place_of(hit))
        return None
    if answer is not None and answer.state is not None:
        return Subject(hit.caption or "", region=answer)
    place = last_patch or place_of(hit)
    return Subject(hit.caption or "", place) if place is not None else None


def located(answer: Answer, path_of: Callable[[str, str | None], str]) -> Answer:
    """The answer with each hit on the path where its slide is open."""

    def at(hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
        return tuple(replace(h, slide=path_of(h.slide, h.identity)) if h.slide else h for h in hits)

    return replace(answer, patches=at(answer.patches), captions=at(answer.captions), cases=at(answer.cases))


class Asker(QObject):
    """One question at a time from the panel (a new one ends the one before); words and heat maps beside it."""

    progressed = Signal(str, object)  # what is being done, Progress or None
    idle = Signal()
    answered = Signal(object)  # Answer, perhaps not the final one
    subject_changed = Signal(object)  # Subject or None
    attention_ready = Signal(object)  # AttentionAnswer
    heat_ready = Signal(object)  # HeatAnswer
    fly_asked = Signal(object)  # PatchPlace
    notice = Signal(object)  # Notice

    def __init__(
        self, client: EngineClient, path_of: Callable[[str, str | None], str], parent: QObject | None = None
    ) -> None:
        """``path_of`` tells for a slide's path and identity where it is open already."""
        super().__init__(parent)
        self._client, self._path_of = client, path_of
        self._ticket: Ticket | None = None
        self._measured: float | None = None  # seconds a tile took when tiles were last embedded
        self.answer: Answer | None = None
        self.subject: Subject | None = None
        self._last_patch: PatchPlace | None = None

    @property
    def busy(self) -> bool:
        """Whether a question is under way."""
        return self._ticket is not None

    def seconds_per_tile(self) -> float:
        """How long one tile takes on this machine."""
        if self._measured is not None:
            return self._measured
        return self._client.info.seconds_per_tile if self._client.info else DEFAULT_SECONDS_PER_TILE

    def ask_region(self, request: RegionRequest, results: int) -> None:
        """What is this region, and what is like it?"""
        self._drop_answer()
        steps = questions.region_question(request, self.seconds_per_tile(), results)
        self._ask(tr("Looking at the region"), tr("looking at the region"), steps, self._on_answer)

    def ask_phrase(self, text: str, results: int) -> None:
        """Where is this?"""
        if not text.strip():
            self.notice.emit(Notice(tr("Type a phrase first, for example smooth muscle."), level=Level.INFO))
            return
        self._drop_answer()
        self._ask(
            tr("Searching"),
            tr("searching for the phrase"),
            questions.phrase_question(text.strip(), results),
            self._on_answer,
        )

    def ask_heat(self, slide: str, identity: str, text: str) -> None:
        """Where on this slide is it likely?"""
        if not text.strip():
            self.notice.emit(Notice(tr("Type a phrase first; the heat map shows where it fits."), level=Level.INFO))
            return
        steps = questions.heat_question(identity, slide, text.strip())
        self._ask(tr("Drawing the heat map"), tr("drawing the heat map"), steps, self.heat_ready.emit)

    def cancel(self) -> None:
        """Stops the question that is under way."""
        if self._ticket is not None:
            self._ticket.cancel()

    def choose(self, hit: Hit) -> None:
        """A hit was clicked: fly there if it has a place, and show its words."""
        place = place_of(hit)
        if place is not None:
            self.fly_asked.emit(place)
        self.set_subject(subject_of(self.answer, hit, self._last_patch))
        if hit.kind != "caption":
            self._last_patch = place

    def choose_word(self, word: PhraseWord | None) -> None:
        """Shows where a word (None: the whole phrase) is seen on the subject."""
        subject = self.subject
        if subject is None:
            return
        place = (word.start, word.end) if word is not None else None
        region = subject.region
        if region is not None and region.region is not None and region.state is not None:
            steps = questions.region_attention_question(
                region.question, region.region.slide, region.state.tiles, subject.text, place
            )
        elif subject.patch is not None:
            steps = questions.patch_attention_question(subject.patch, subject.text, place)
        else:
            return
        ticket = self._client.ask("drawing the attention map", steps)
        ticket.answered.connect(lambda answer: self._on_attention(subject, answer))
        ticket.failed.connect(self.notice)

    def set_subject(self, subject: Subject | None) -> None:
        """What the words are of."""
        self.subject = subject
        self.subject_changed.emit(subject)

    def forget(self) -> None:
        """Drops the answer (another model or archive)."""
        self.cancel()
        self._last_patch = self._measured = None
        self._drop_answer()

    def _drop_answer(self) -> None:
        """Another question is asked: nothing of the answer before may pass for its answer."""
        self.answer = None
        self.set_subject(None)

    def _ask(self, title: str, doing: str, steps: Steps, answered: Callable[..., object]) -> None:
        self.cancel()
        ticket = self._ticket = self._client.ask(doing, steps)
        self.progressed.emit(title, None)
        ticket.progressed.connect(lambda progress: self._on_progress(ticket, title, progress))
        for told in (ticket.partial, ticket.answered):
            told.connect(lambda answer: answered(answer) if ticket is self._ticket else None)
        ticket.answered.connect(lambda _answer: self._over(ticket))
        ticket.cancelled.connect(lambda: self._on_cancelled(ticket, title))
        ticket.failed.connect(self.notice)
        ticket.failed.connect(lambda _notice: self._over(ticket))

    def _over(self, ticket: Ticket) -> None:
        if ticket is self._ticket:
            self._ticket = None
            self.idle.emit()

    def _on_cancelled(self, ticket: Ticket, title: str) -> None:
        """A question that nobody cancelled was dropped because model or archive were loaded anew: that is told."""
        dropped = ticket is self._ticket and not ticket.cancel_asked
        self._over(ticket)
        if dropped:
            sentence = tr(
                "{0}: the archive was loaded anew meanwhile, so the question was dropped; ask it again."
            ).format(title)
            self.notice.emit(Notice(sentence, level=Level.WARNING))

    def _on_progress(self, ticket: Ticket, title: str, progress: Progress) -> None:
        if progress.rate and progress.unit == "tiles":
            self._measured = 1 / progress.rate
        if ticket is self._ticket:
            self.progressed.emit(title, progress)

    def _on_answer(self, answer: Answer) -> None:
        self.answer = answer = located(answer, self._path_of)
        self.answered.emit(answer)

    def _on_attention(self, subject: Subject, answer: AttentionAnswer) -> None:
        if subject is self.subject:
            self.attention_ready.emit(answer)
