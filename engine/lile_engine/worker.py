"""The engine's process: what the window's client calls in it, one short call at a time.

It is imported by the window too, which names these functions; so nothing heavy is imported before a call. Only plain
and numpy types cross (`lile_engine.answers`), also when something fails.
"""

from __future__ import annotations

import signal
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy as np

from lile_engine.answers import (
    EngineInfo,
    EngineSetup,
    HeatAnswer,
    PatchPlace,
    RegionRequest,
    RegionState,
    RegionTiles,
    TileAttention,
)
from lile_engine.errors import ArchiveError, LileError, QueryError
from lile_engine.priority import ENGINE, give_way
from lile_engine.progress import CancelToken
from lile_engine.slides import Slide, Tile, open_slide

if TYPE_CHECKING:
    from lile_engine.archive import Archive, SlideRow
    from lile_engine.archive.rows import ArchiveStatus
    from lile_engine.model.protocol import Floats, ImageTextModel
    from lile_engine.outside import PhraseRange
    from lile_engine.retrieval.encode import EncodedQuery
    from lile_engine.retrieval.query import Query
    from lile_engine.retrieval.regions import RegionPlan
    from lile_engine.retrieval.results import AttentionMap, Hit, Kind
    from lile_engine.retrieval.search import Candidates

QUESTIONS_KEPT, SLIDES_KEPT = 8, 4
_CALIBRATION_TILES = 4


@dataclass(frozen=True)
class Reply:
    """What comes back from one call: a value, or an error that names itself in one sentence, and its traceback."""

    value: Any = None
    error: BaseException | None = None
    trace: str = ""


class EngineFaultError(Exception):
    """An error that is none of ours, as plain text: its own type might need a library that the window lacks."""


def serve(pipe: Connection) -> None:
    """Answers calls ``(function, arguments)`` from ``pipe`` until the other end is closed."""
    # Ctrl+C in a terminal goes to the whole group; the window decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    give_way(ENGINE)
    while True:
        try:
            function, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(run(function, arguments))


def run(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Reply:
    """One call, its failure included."""
    try:
        return Reply(function(*arguments))
    except LileError as error:
        return Reply(error=type(error)(str(error)), trace=traceback.format_exc())
    except Exception as error:
        return Reply(error=EngineFaultError(f"{type(error).__name__}: {error}"), trace=traceback.format_exc())


@dataclass
class _Question:
    query: Query
    encoded: EncodedQuery | None = None
    found: dict[Kind, Candidates] = field(default_factory=dict)
    plan: RegionPlan | None = None
    batches: Iterator[Any] | None = None
    batch: int = 0
    tiles: list[Tile] = field(default_factory=list)
    vectors: list[Floats] = field(default_factory=list)
    tokens: list[Floats] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    cancel: CancelToken = field(default_factory=CancelToken)


@dataclass
class _Engine:
    """What this process holds."""

    model: ImageTextModel | None = None
    model_key: tuple[str, str] = ("", "")
    archive: Archive | None = None
    seconds_per_tile: float = 0.0
    questions: OrderedDict[int, _Question] = field(default_factory=OrderedDict)
    slides: OrderedDict[tuple[str, float | None], Slide] = field(default_factory=OrderedDict)


_engine = _Engine()


# -- what is loaded ---------------------------------------------------------------------------------------------------
def load_engine(setup: EngineSetup) -> EngineInfo:
    """Opens the archive and the model that made it (the model only if it is not loaded already).

    Raises `ArchiveError` or `ModelError`; what was loaded before stays in use then.
    """
    from lile_engine.archive import open_archive
    from lile_engine.model.load import load_model, resolve_model

    archive = open_archive(setup.archive) if setup.archive else None
    status = archive.status() if archive is not None else None
    try:
        key = (str(resolve_model(status.model_path if status else None)), setup.device)
        if _engine.model is None or _engine.model_key != key:
            model = load_model(key[0], setup.device)
            model.ask_texts(["tissue"])  # the phrases that it knows are embedded now, not at the first question
            seconds = _calibrate(model)
        else:
            model, seconds = _engine.model, _engine.seconds_per_tile
        if status is not None and status.model.id != model.identity.id:
            raise ArchiveError(
                f"The archive in {setup.archive} was made with {status.model.name} ({status.model.id}), which differs "
                f"from {model.identity.name} ({model.identity.id}) of now; embed it again "
                "with Archive, Use another model."
            )
    except BaseException:
        if archive is not None:
            archive.close()
        raise
    if _engine.archive is not None:
        _engine.archive.close()
    _engine.model, _engine.model_key, _engine.seconds_per_tile = model, key, seconds
    _engine.archive = archive
    _engine.questions.clear()
    return EngineInfo(model.identity, model.device, seconds, status)


def _calibrate(model: ImageTextModel) -> float:
    """Seconds for one tile: the best of a few small batches, since the first pays for what is set up once."""
    side = model.identity.input_px
    pixels = np.full((_CALIBRATION_TILES, side, side, 3), 200, np.uint8)
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        model.encode_images(pixels)
        taken.append(time.perf_counter() - start)
    return min(taken) / _CALIBRATION_TILES


def archive_slides() -> list[SlideRow]:
    """The slides of the archive, in its order; none without an archive."""
    return _engine.archive.slides() if _engine.archive is not None else []


def archive_now() -> tuple[ArchiveStatus, list[SlideRow]] | None:
    """Counts and slides of the archive as they stand now, also where another process has just changed them."""
    return (_engine.archive.status(), _engine.archive.slides()) if _engine.archive is not None else None


def removal_of(slide: str | None, case: str | None) -> tuple[tuple[SlideRow, ...], int]:
    """What removing a slide (identity) or a case would take: slides, and how many captions."""
    archive, _ = _needed()
    removal = archive.removal(slide=slide, case=case)
    here = {row.identity for row in archive.slides()}
    return tuple(row for row in removal.slides if row.identity in here), len(removal.captions)


# -- asking about a region --------------------------------------------------------------------------------------------
def plan_region(number: int, request: RegionRequest) -> RegionTiles:
    """Cuts a region into tiles, background left out, and looks up which of them the archive holds."""
    from lile_engine.retrieval.query import Query, WeightedRegion
    from lile_engine.retrieval.regions import plan_region as plan_tiles

    archive, _ = _needed()
    slide = _slide(request.slide, request.slide_mpp)
    plan = plan_tiles(archive, slide, request.region, request.spec)
    query = Query(regions=(WeightedRegion(request.slide, request.region, 1.0, request.slide_mpp),))
    question = _Question(query, plan=plan)
    stored = list(plan.stored)
    if stored:
        ids = np.array([plan.stored[tile] for tile in stored], np.int64)
        question.tiles += stored
        question.vectors.append(archive.tile_vectors(ids))
        question.tokens.append(archive.tile_tokens(ids))
    _remember(number, question)
    return RegionTiles(request.slide, plan.tiles, len(stored), plan.background, request.spec, plan.dark)


def embed_next(number: int, batch: int) -> int:
    """Reads and embeds the next ``batch`` tiles of a region; returns how many were dealt with, 0 at the end."""
    from lile_engine.retrieval.regions import embed_tiles

    question = _question(number)
    assert question.plan is not None
    _, model = _needed()
    if question.batches is None:
        slide = _slide_of(question)
        missing, spec = question.plan.missing, question.plan.spec
        question.batches = embed_tiles(model, slide, missing, spec, batch, question.cancel)
    done = next(question.batches, None)
    if done is None:
        return 0
    tiles, vectors, tokens, failed = done
    question.tiles += tiles
    question.vectors.append(vectors)
    question.tokens.append(tokens)
    question.failed += [sentence for _, sentence in failed]
    return len(tiles) + len(failed)


def finish_region(number: int) -> RegionState:
    """Makes a question of the embedded tiles. Raises `QueryError` where none could be read."""
    from lile_engine.retrieval.encode import compose, image_part

    question = _question(number)
    _, model = _needed()
    assert question.plan is not None
    if not question.tiles:
        raise QueryError(f"No tile of this region of {question.plan.name} can be read; the slide may be damaged there.")
    vectors, tokens = np.concatenate(question.vectors), np.concatenate(question.tokens)
    question.vectors, question.tokens = [vectors], [tokens]
    places = ((question.plan.identity, question.query.regions[0].region),)
    question.encoded = compose((image_part(vectors, tokens),), places)
    outside = float(model.outside(vectors).mean())
    return RegionState(tuple(question.tiles), tuple(question.failed), outside if np.isfinite(outside) else None)


def ask_phrase(number: int, text: str) -> tuple[float | None, PhraseRange | None]:
    """Makes a question of a typed phrase; returns how far it lies from all that the model has learned (0 to 1), and
    where its cosines begin and end, both None where the model cannot tell. Raises `QueryError` for one without
    content."""
    from lile_engine.retrieval.encode import compose, text_part
    from lile_engine.retrieval.query import Query, WeightedText

    _, model = _needed()
    query = Query(texts=(WeightedText(text),))
    query.check()
    part = text_part(model, text)
    _remember(number, _Question(query, compose((part,))))
    return part.outside, part.range


# -- what is found ----------------------------------------------------------------------------------------------------
def find(number: int, kind: Kind, k: int) -> tuple[tuple[Hit, ...], int]:
    """The first stage: the nearest k by vectors alone, and how many candidates wait to be re-ranked.

    An archive without captions has none to offer; one without tiles is a `QueryError`.
    """
    from lile_engine.retrieval.search import check_content, first_stage, make_hits, search_encoded

    question = _question(number)
    archive, model = _needed()
    assert question.encoded is not None
    if kind == "captions" and not archive.status().captions:
        return (), 0
    check_content(archive, kind, None)
    if kind == "cases":
        return search_encoded(archive, model, question.query, question.encoded, k=k, kind=kind).hits, 0
    found = question.found[kind] = first_stage(archive, model, question.encoded, k=k, kind=kind)
    hits = make_hits(archive, model, question.encoded, found, kind=kind, k=k)
    return tuple(hits), len(found.ids)


def rerank(number: int, kind: Kind, start: int, stop: int) -> None:
    """The second stage, for the candidates ``start`` to ``stop``."""
    from lile_engine.retrieval.search import rerank_candidates

    question = _question(number)
    archive, model = _needed()
    assert question.encoded is not None
    question.found[kind] = rerank_candidates(archive, model, question.encoded, question.found[kind], kind, start, stop)


def ranked(number: int, kind: Kind, k: int) -> tuple[Hit, ...]:
    """The best k after what was re-ranked so far."""
    from lile_engine.retrieval.search import make_hits

    question = _question(number)
    archive, model = _needed()
    assert question.encoded is not None
    return tuple(make_hits(archive, model, question.encoded, question.found[kind], kind=kind, k=k))


def captions_fit(number: int, texts: Sequence[str]) -> bool:
    """Whether one of ``texts`` fits a tile of the region that was asked about, as the map of its words would say."""
    question = _question(number)
    _, model = _needed()
    phrases = model.ask_texts(texts).vectors
    best = (np.concatenate(question.vectors) @ phrases.T).max(axis=0)
    ranges = [model.phrase_range(phrase) for phrase in phrases]
    return any(ends is None or ends.fits(float(cosine)) for ends, cosine in zip(ranges, best, strict=True))


# -- maps -------------------------------------------------------------------------------------------------------------
def attend_region(number: int, text: str, word: tuple[int, int] | None, start: int, stop: int) -> TileAttention:
    """Attention of a phrase over the tiles ``start`` to ``stop`` of a region that was asked about."""
    question = _question(number)
    tokens, vectors = np.concatenate(question.tokens), np.concatenate(question.vectors)
    return _attend(tokens[start:stop], vectors[start:stop], text, word)


def attend_patch(place: PatchPlace, text: str, word: tuple[int, int] | None) -> TileAttention:
    """Attention of a phrase over one patch: its tokens from the archive, or the slide read and embedded."""
    archive, model = _needed()
    if place.id is not None:
        return _attend(archive.tile_tokens([place.id]), archive.tile_vectors([place.id]), text, word)
    pixels = _slide(place.slide, None).read_square(place.x, place.y, place.size, model.identity.input_px)
    encoded = model.encode_images(pixels[None])
    return _attend(encoded.tokens, encoded.vectors, text, word)


def _attend(tokens: Floats, vectors: Floats, text: str, word: tuple[int, int] | None) -> TileAttention:
    from lile_engine.retrieval.attention import attention

    _, model = _needed()
    maps: list[AttentionMap] = [attention(model, tile, text, word) for tile in tokens]
    encoded = model.ask_texts([text])
    scores = model.score_pairs(tokens, encoded.tokens, encoded.mask)[:, 0]
    phrase = encoded.vectors[0]
    cosines = (vectors @ phrase).astype(np.float32)
    values = np.stack([one.values for one in maps])
    return TileAttention(values, scores.astype(np.float32), maps[0].words, cosines, model.phrase_range(phrase))


def heat_map(identity: str, slide: str, text: str) -> HeatAnswer:
    """How well a phrase fits each stored tile of a slide of the archive."""
    from lile_engine.retrieval.heatmap import heatmap

    archive, model = _needed()
    found = heatmap(archive, model, identity, text)
    rows, columns = found.values.shape
    return HeatAnswer(
        slide, text, found.values, found.x, found.y, float(columns * found.cell), float(rows * found.cell), found.range
    )


# -- inside -----------------------------------------------------------------------------------------------------------
def _needed() -> tuple[Archive, ImageTextModel]:
    if _engine.model is None:
        raise QueryError("No model is loaded; choose Tools, Restart engine.")
    if _engine.archive is None:
        raise QueryError("No archive is open yet; wait for the demo, or make one with Archive, New archive.")
    return _engine.archive, _engine.model


def _question(number: int) -> _Question:
    question = _engine.questions.get(number)
    if question is None:
        raise QueryError("This question is not known any more; ask it again.")
    _engine.questions.move_to_end(number)
    return question


def _remember(number: int, question: _Question) -> None:
    _engine.questions[number] = question
    while len(_engine.questions) > QUESTIONS_KEPT:
        _, old = _engine.questions.popitem(last=False)
        old.cancel.cancel()


def _slide_of(question: _Question) -> Slide:
    part = question.query.regions[0]
    return _slide(part.slide, part.slide_mpp)


def _slide(path: str, mpp: float | None) -> Slide:
    """An open slide; a few stay open."""
    key = (path, mpp)
    if key not in _engine.slides:
        _engine.slides[key] = open_slide(path, mpp=mpp)
        while len(_engine.slides) > SLIDES_KEPT:
            _, old = _engine.slides.popitem(last=False)
            old.close()
    _engine.slides.move_to_end(key)
    return _engine.slides[key]
