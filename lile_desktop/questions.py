"""The questions a user can ask, each as a row of short calls to the engine (see `engine_client`).

Pure: no widget and no process in here, so each can be run in a test against the engine's functions themselves.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lile_desktop.engine_client import Call, Partial, Priority, Steps
from lile_engine import worker
from lile_engine.answers import (
    Answer,
    AttentionAnswer,
    mosaic,
)
from lile_engine.progress import Progress, ProgressMeter
from lile_engine.slides import Tile

if TYPE_CHECKING:
    from lile_engine.answers import (
        HeatAnswer,
        PatchPlace,
        RegionRequest,
        RegionTiles,
        TileAttention,
    )
    from lile_engine.archive.rows import SlideRow
    from lile_engine.retrieval.results import Hit, Kind

CALL_SECONDS = 0.1  # no call may keep a typed query waiting for much longer
RERANK_AT_ONCE = 16
ATTEND_AT_ONCE = 8
FIRST_CAPTIONS = 5  # those that are read at once; if none of them fits, that is said above all
FADE = 0.1  # a tile whose pair score is lower by this shows its attention at 1 / e
_numbers = itertools.count(1)


def batch_size(seconds_per_tile: float) -> int:
    """How many tiles fit into one call."""
    return max(1, min(64, math.floor(CALL_SECONDS / max(seconds_per_tile, 1e-4))))


def region_question(request: RegionRequest, seconds_per_tile: float, results: int) -> Steps:
    """Tiles of a region are embedded (what the archive holds is taken from there), then everything is found.

    Yields progress in tiles, then partial answers; returns an `Answer`.
    """
    number = next(_numbers)
    plan: RegionTiles = yield Call(worker.plan_region, (number, request), Priority.TYPED)
    total = len(plan.tiles)
    yield Progress(plan.stored, total, "tiles")
    latest: list[Progress] = []
    meter = ProgressMeter(latest.append, plan.to_embed, "tiles", interval=0.0)
    batch, left = batch_size(seconds_per_tile), plan.to_embed
    while left > 0:
        done = yield Call(worker.embed_next, (number, batch), Priority.EMBED)
        if done == 0:
            break
        left -= done
        meter.advance(done)
        now = latest[-1]
        yield Progress(plan.stored + now.done, total, "tiles", now.rate, now.seconds_left)
    state = yield Call(worker.finish_region, (number,), Priority.TYPED)
    answer = yield from _find_all(Answer(number, region=plan, state=state), results)
    first = tuple(hit.caption for hit in answer.captions[:FIRST_CAPTIONS] if hit.caption)
    if first:
        fits = yield Call(worker.captions_fit, (number, first), Priority.RERANK)
        answer = replace(answer, captions_fit=fits)
    return answer


def phrase_question(text: str, results: int) -> Steps:
    """Tiles, captions and cases for a phrase: at first by vectors alone, then re-ranked; returns an `Answer`."""
    number = next(_numbers)
    outside, ends = yield Call(worker.ask_phrase, (number, text), Priority.TYPED)
    answer = yield from _find_all(Answer(number, phrase=text, phrase_outside=outside, phrase_range=ends), results)
    return answer


def _find_all(answer: Answer, results: int) -> Steps:
    number = answer.question
    patches, waiting_patches = yield Call(worker.find, (number, "patches", results), Priority.TYPED)
    captions, waiting_captions = yield Call(worker.find, (number, "captions", results), Priority.TYPED)
    answer = replace(answer, patches=patches, captions=captions)
    yield Partial(answer)
    captions = yield from _rerank(number, "captions", waiting_captions, captions, results)
    patches = yield from _rerank(number, "patches", waiting_patches, patches, results)
    answer = replace(answer, patches=patches, captions=captions)
    yield Partial(answer)
    cases, _ = yield Call(worker.find, (number, "cases", results), Priority.RERANK)
    return replace(answer, cases=cases, final=True)


def _rerank(number: int, kind: Kind, waiting: int, found: tuple[Hit, ...], results: int) -> Steps:
    for start in range(0, waiting, RERANK_AT_ONCE):
        yield Call(worker.rerank, (number, kind, start, start + RERANK_AT_ONCE), Priority.RERANK)
    if not waiting:
        return found
    better = yield Call(worker.ranked, (number, kind, results), Priority.RERANK)
    return better


def patch_attention_question(place: PatchPlace, text: str, word: tuple[int, int] | None) -> Steps:
    """Where a word of ``text`` (its place [start, end)) looks in one patch; returns an `AttentionAnswer`."""
    found: TileAttention = yield Call(worker.attend_patch, (place, text, word), Priority.TYPED)
    return _attention_answer(place.slide, text, word, [Tile(place.x, place.y, place.size)], [found])


def region_attention_question(
    question: int, slide: str, tiles: tuple[Tile, ...], text: str, word: tuple[int, int] | None
) -> Steps:
    """The same over all tiles of a region that was asked about."""
    found: list[TileAttention] = []
    for start in range(0, len(tiles), ATTEND_AT_ONCE):
        stop = start + ATTEND_AT_ONCE
        found.append((yield Call(worker.attend_region, (question, text, word, start, stop), Priority.TYPED)))
    return _attention_answer(slide, text, word, list(tiles), found)


def _attention_answer(
    slide: str, text: str, word: tuple[int, int] | None, tiles: list[Tile], found: list[TileAttention]
) -> AttentionAnswer:
    """One picture over all tiles: the attention in each, fainter where the tile fits the phrase less."""
    scores = np.concatenate([one.scores for one in found])
    strength = np.exp((scores - scores.max()) / FADE)
    values = np.concatenate([one.values for one in found])
    # A tile's map sums to 1 whatever its grid; times the number of cells, 1 is "as if attention were even".
    values = values * (values.shape[1] * values.shape[2]) * strength[:, None, None]
    picture, x, y, w, h = mosaic(tiles, values.astype(np.float32))
    ends, best = found[0].range, max(float(one.cosines.max()) for one in found)
    fits = ends is None or ends.fits(best)
    return AttentionAnswer(slide, text, word, found[0].words, picture, x, y, w, h, fits)


def heat_question(identity: str, slide: str, text: str) -> Steps:
    """How well a phrase fits each tile of a slide; returns a `HeatAnswer`."""
    answer: HeatAnswer = yield Call(worker.heat_map, (identity, slide, text), Priority.TYPED)
    return answer


def slides_question() -> Steps:
    """The slides of the archive; returns a list of `SlideRow`."""
    rows = yield Call(worker.archive_slides, (), Priority.TYPED)
    return rows


def archive_question() -> Steps:
    """Counts and slides of the archive as they stand now; returns (status, rows), None without an archive."""
    now = yield Call(worker.archive_now, (), Priority.TYPED)
    return now


def removal_question(slides: tuple[str, ...], cases: tuple[str, ...]) -> Steps:
    """What removing slides (identities) and cases would take; returns (rows, number of captions)."""
    rows: dict[int, SlideRow] = {}
    captions = 0
    for slide, case in [*((slide, None) for slide in slides), *((None, case) for case in cases)]:
        taken, count = yield Call(worker.removal_of, (slide, case), Priority.TYPED)
        rows.update({row.id: row for row in taken})
        captions += count
    return tuple(rows.values()), captions
