"""The questions, run against the engine's own functions in this process, on a small archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lile_desktop.asker import place_of
from lile_desktop.engine_client import Call, Partial, Priority, Steps
from lile_desktop.questions import (
    CALL_SECONDS,
    batch_size,
    heat_question,
    patch_attention_question,
    phrase_question,
    region_attention_question,
    region_question,
    slides_question,
)
from lile_engine import worker
from lile_engine.answers import Answer, EngineInfo, EngineSetup, RegionRequest, mosaic
from lile_engine.errors import ArchiveError, QueryError
from lile_engine.outside import PhraseRange
from lile_engine.progress import Progress
from lile_engine.slides import Region, Tile, TileSpec


class Ran:
    """What a question yielded on its way, and its answer."""

    def __init__(self, steps: Steps) -> None:
        self.calls: list[Call] = []
        self.progress: list[Progress] = []
        self.partial: list[Any] = []
        value: Any = None
        while True:
            try:
                step = steps.send(value)
            except StopIteration as stop:
                self.answer = stop.value
                return
            value = None
            if isinstance(step, Call):
                self.calls.append(step)
                reply = worker.run(step.function, step.arguments)
                if reply.error is not None:
                    raise reply.error
                value = reply.value
            elif isinstance(step, Partial):
                self.partial.append(step.answer)
            else:
                self.progress.append(step)


@pytest.fixture
def engine(world: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineInfo]:
    """The engine of this process, loaded with the small archive."""
    monkeypatch.setattr(worker, "_engine", worker._Engine())
    yield worker.load_engine(EngineSetup(str(world.demo.archive), "cpu"))
    if worker._engine.archive is not None:
        worker._engine.archive.close()


@pytest.fixture
def request_of(world: Any) -> RegionRequest:
    """A region of two by two tiles, on the grid."""
    return RegionRequest(str(world.demo.slides[0]), None, Region.rectangle(448, 448, 448, 448), TileSpec(0.5, 224))


def test_a_region_on_the_grid_takes_all_tiles_from_the_archive(engine: EngineInfo, request_of: RegionRequest) -> None:
    ran = Ran(region_question(request_of, 0.01, 12))
    answer: Answer = ran.answer
    assert answer.final
    assert answer.region is not None
    assert answer.region.stored == len(answer.region.tiles) == 4
    assert not any(call.function is worker.embed_next for call in ran.calls)
    assert len(answer.captions) == 12
    scores = [hit.score for hit in answer.captions]
    assert scores == sorted(scores, reverse=True)
    assert {hit.case for hit in answer.cases} == {"Case 2"}


def test_a_region_does_not_find_itself(engine: EngineInfo, request_of: RegionRequest) -> None:
    answer: Answer = Ran(region_question(request_of, 0.01, 12)).answer
    inside = [
        hit for hit in answer.patches
        if hit.slide == request_of.slide and hit.x is not None and hit.y is not None
        and 448 <= hit.x + 112 < 896 and 448 <= hit.y + 112 < 896
    ]  # fmt: skip
    assert inside == []


def test_what_the_archive_lacks_is_embedded_in_batches_with_progress(
    engine: EngineInfo, request_of: RegionRequest
) -> None:
    coarse = replace(request_of, region=Region.rectangle(200, 200, 1100, 1100), spec=TileSpec(0.4, 224))
    ran = Ran(region_question(coarse, CALL_SECONDS / 2, 12))
    tiles = ran.answer.region.tiles
    assert ran.answer.region.stored == 0
    embedding = [call for call in ran.calls if call.function is worker.embed_next]
    assert all(call.priority is Priority.EMBED and call.arguments[1] == 2 for call in embedding)
    assert len(embedding) == -(-len(tiles) // 2)
    assert [p.done for p in ran.progress] == [0, *range(2, len(tiles), 2), len(tiles)]
    assert ran.progress[-1].rate is not None
    assert len(ran.answer.state.tiles) == len(tiles)


def test_answers_by_vector_come_first_then_re_ranked_ones(engine: EngineInfo, request_of: RegionRequest) -> None:
    ran = Ran(region_question(request_of, 0.01, 12))
    first = ran.partial[0]
    assert not first.final
    assert all("pair" not in hit.scores for hit in first.captions)
    assert all("pair" in hit.scores for hit in ran.answer.captions)


def test_a_phrase_finds_tiles_captions_and_cases(engine: EngineInfo) -> None:
    answer: Answer = Ran(phrase_question("fat", 8)).answer
    assert (len(answer.patches), answer.phrase, answer.region) == (8, "fat", None)
    assert all(hit.x is not None and hit.slide is not None for hit in answer.patches)
    assert {hit.case for hit in answer.cases} == {"Case 1", "Case 2"}
    assert answer.captions


@pytest.mark.parametrize("phrase", ["the of with", "   "])
def test_a_phrase_without_content_is_refused_in_a_sentence(engine: EngineInfo, phrase: str) -> None:
    with pytest.raises(QueryError, match="phrase"):
        Ran(phrase_question(phrase, 8))


def test_a_region_without_tissue_is_refused_in_a_sentence(engine: EngineInfo, request_of: RegionRequest) -> None:
    with pytest.raises(QueryError, match="no tissue"):
        Ran(region_question(replace(request_of, region=Region.rectangle(2, 2, 60, 60)), 0.01, 8))


def test_attention_of_a_patch_lies_over_the_patch(engine: EngineInfo) -> None:
    hit = Ran(phrase_question("fat", 4)).answer.patches[0]
    place = place_of(hit)
    assert place is not None
    answer = Ran(patch_attention_question(place, "normal mucosa", (0, 6))).answer
    assert (answer.x, answer.y, answer.w, answer.h) == (hit.x, hit.y, hit.size, hit.size)
    assert answer.values.shape == (4, 4)
    assert answer.values.mean() == pytest.approx(1.0, rel=1e-4)
    assert [w.text for w in answer.words] == ["normal", "mucosa"]
    assert sum(w.weight for w in answer.words) == pytest.approx(1.0)
    assert answer.fits  # this model carries no reference to measure by


@pytest.mark.parametrize(("high", "fits"), [(2.0, False), (-2.0, True)])
def test_a_word_map_tells_whether_its_phrase_fits_there(
    engine: EngineInfo, monkeypatch: pytest.MonkeyPatch, high: float, fits: bool
) -> None:
    hit = Ran(phrase_question("fat", 4)).answer.patches[0]
    place = place_of(hit)
    assert place is not None
    monkeypatch.setattr(type(worker._engine.model), "phrase_range", lambda _model, _phrase: PhraseRange(-3.0, high))
    for found in (place, replace(place, id=None)):
        assert Ran(patch_attention_question(found, "fat", None)).answer.fits is fits


def test_attention_of_a_patch_that_is_not_stored_is_of_its_pixels(engine: EngineInfo) -> None:
    hit = Ran(phrase_question("fat", 4)).answer.patches[0]
    place = place_of(hit)
    assert place is not None
    stored = Ran(patch_attention_question(place, "fat", None)).answer
    read = Ran(patch_attention_question(replace(place, id=None), "fat", None)).answer
    assert np.corrcoef(stored.values.ravel(), read.values.ravel())[0, 1] > 0.9


def test_attention_of_a_region_covers_its_tiles(engine: EngineInfo, request_of: RegionRequest) -> None:
    answer: Answer = Ran(region_question(request_of, 0.01, 4)).answer
    assert answer.state is not None
    found = Ran(
        region_attention_question(answer.question, request_of.slide, answer.state.tiles, "normal mucosa", None)
    ).answer
    assert (found.x, found.y, found.w, found.h) == (448, 448, 448, 448)
    assert found.values.shape == (8, 8)
    assert np.isfinite(found.values).all()


def test_an_old_question_is_not_known_any_more(engine: EngineInfo, request_of: RegionRequest) -> None:
    first: Answer = Ran(region_question(request_of, 0.01, 4)).answer
    for _ in range(worker.QUESTIONS_KEPT):
        Ran(phrase_question("fat", 2))
    assert first.state is not None
    with pytest.raises(QueryError, match="ask it again"):
        Ran(region_attention_question(first.question, request_of.slide, first.state.tiles, "fat", None))


def test_a_heat_map_has_a_value_for_each_tile_of_the_slide(engine: EngineInfo, world: Any) -> None:
    rows = Ran(slides_question()).answer
    row = next(r for r in rows if r.name == "one.tif")
    answer = Ran(heat_question(row.identity, str(world.demo.slides[0]), "fat")).answer
    assert np.isfinite(answer.values).sum() == row.tiles
    assert answer.w / answer.values.shape[1] == 224


def test_an_archive_of_another_model_is_refused_and_the_old_one_stays(
    engine: EngineInfo, world: Any, tmp_path: Path
) -> None:
    from lile_engine.archive import create_archive

    create_archive(tmp_path / "other", replace(engine.model, id="0" * 16, name="other"), None)
    with pytest.raises(ArchiveError, match="embed it again"):
        worker.load_engine(EngineSetup(str(tmp_path / "other"), "cpu"))
    assert Ran(phrase_question("fat", 2)).answer.patches


def test_without_an_archive_a_question_says_what_to_do(engine: EngineInfo) -> None:
    worker.load_engine(EngineSetup("", "cpu"))
    with pytest.raises(QueryError, match="No archive is open yet"):
        Ran(phrase_question("fat", 2))


@pytest.mark.parametrize(("seconds", "size"), [(0.05, 2), (0.2, 1), (0.001, 64), (0.0, 64)])
def test_a_batch_takes_no_longer_than_a_call_may(seconds: float, size: int) -> None:
    assert batch_size(seconds) == size


def test_a_mosaic_leaves_gaps_where_no_tile_is() -> None:
    tiles = [Tile(100, 200, 50), Tile(200, 200, 50)]
    values = np.stack([np.full((2, 2), 1.0), np.full((2, 2), 2.0)]).astype(np.float32)
    picture, x, y, w, h = mosaic(tiles, values)
    assert (x, y, w, h) == (100, 200, 150, 50)
    assert picture.shape == (2, 6)
    assert (picture[:, :2] == 1).all()
    assert np.isnan(picture[:, 2:4]).all()
    assert (picture[:, 4:] == 2).all()
