"""Questions of every kind, with a real model and real slides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lile_engine.archive import SearchFilter, open_archive
from lile_engine.errors import ArchiveError, Cancelled, QueryError, SlideError
from lile_engine.model.protocol import CROWDING_SHARE
from lile_engine.progress import CancelToken
from lile_engine.retrieval.attention import attention
from lile_engine.retrieval.heatmap import heatmap
from lile_engine.retrieval.indexing import index_slides
from lile_engine.retrieval.query import Query, WeightedImage, WeightedRegion, WeightedText
from lile_engine.retrieval.regions import embed_region, plan_region
from lile_engine.retrieval.search import search
from lile_engine.slides import Region, TileSpec, open_slide

SPEC = TileSpec(mpp=0.5, px=64)


def text(phrase: str, weight: float = 1.0) -> Query:
    return Query(texts=(WeightedText(phrase, weight),))


def test_a_phrase_finds_tiles_in_two_stages(indexed: Path, model: Any) -> None:
    with open_archive(indexed) as archive:
        plain = search(archive, model, text("fat"), k=198, rerank=False)
        vector = model.encode_texts(["fat"]).vectors[0]
        scores = [hit.score for hit in plain.hits]
        assert scores == sorted(scores, reverse=True)
        ids = np.array([hit.id for hit in plain.hits])
        assert np.allclose(scores, archive.tile_vectors(ids) @ vector, atol=1e-5)
        ranked = search(archive, model, text("fat"), k=198)
        encoded = model.encode_texts(["fat"])
        for hit in ranked.hits[:5]:
            pair = model.score_pairs(archive.tile_tokens([hit.id]), encoded.tokens, encoded.mask)[0, 0]
            assert hit.scores["pair"] == pytest.approx(float(pair), abs=1e-4)
            expected = model.alpha * hit.scores["cosine"] + (1 - model.alpha) * hit.scores["pair"]
            assert hit.score == pytest.approx(expected, abs=1e-5)
        assert ranked.provenance.reranked == 198
        assert ranked.provenance.alpha == model.alpha


def test_the_json_is_what_others_rely_on(indexed: Path, model: Any) -> None:
    with open_archive(indexed) as archive:
        result = search(archive, model, text("colon adenocarcinoma"), k=3).to_json()
    json.dumps(result, allow_nan=False)
    assert len(result["hits"]) == 3
    for hit in result["hits"]:
        assert {"kind", "slide", "x", "y", "size", "mpp", "caption", "score", "scores", "case", "outside"} <= set(hit)
        assert hit["kind"] == "patch"
        assert hit["slide"].endswith("-A.tif")
        assert (hit["size"], hit["mpp"]) == (64, 0.5)
        assert hit["caption"] in {"fat", "colon adenocarcinoma", "lymphoid stroma", "necrosis"}
        assert 0 <= hit["outside"] <= 1
        assert hit["case"] == Path(hit["slide"]).name
        assert hit["case_known"] is False
    assert result["provenance"]["model_id"] == model.identity.id
    assert result["provenance"]["query"] == ({"text": "colon adenocarcinoma", "weight": 1.0},)


def test_a_tile_as_an_image_finds_itself(indexed: Path, model: Any, slides: list[Path]) -> None:
    with open_archive(indexed) as archive, open_slide(slides[2]) as slide:
        pixels = slide.read_square(128, 192, 64, 64)
        hit = search(archive, model, Query(images=(WeightedImage(pixels),)), k=1).hits[0]
        assert (Path(str(hit.slide)).name, hit.x, hit.y) == ("S02-A.tif", 128, 192)
        assert hit.score > 0.99
        assert "pair" not in hit.scores  # pictures and pictures make no pairs


def test_captions_of_an_image(indexed: Path, model: Any, slides: list[Path]) -> None:
    with open_archive(indexed) as archive, open_slide(slides[1]) as slide:
        query = Query(images=(WeightedImage(slide.read_square(64, 64, 64, 64)),))
        hits = search(archive, model, query, kind="captions", k=4).hits
    assert {hit.caption for hit in hits} == {"fat", "colon adenocarcinoma", "lymphoid stroma", "necrosis"}
    placed = {hit.caption: hit for hit in hits}
    assert (placed["necrosis"].x, placed["necrosis"].size) == (64, 64)
    assert Path(str(placed["necrosis"].slide)) == slides[1]
    assert (placed["fat"].slide, placed["fat"].x) == (None, None)
    assert (placed["colon adenocarcinoma"].case, placed["colon adenocarcinoma"].case_known) == ("B1", True)
    assert all("pair" in hit.scores and hit.outside is not None for hit in hits)


def test_captions_amid_many_pictures_are_set_back(indexed: Path, model: Any, slides: list[Path]) -> None:
    with open_archive(indexed) as archive, open_slide(slides[1]) as slide:
        query = Query(images=(WeightedImage(slide.read_square(64, 64, 64, 64)),))
        plain = search(archive, model, query, kind="captions", k=4, rerank=False).hits
        ranked = search(archive, model, query, kind="captions", k=4).hits
        crowding = dict(
            zip(
                [hit.id for hit in plain],
                CROWDING_SHARE * model.crowding(archive.caption_vectors([hit.id for hit in plain])),
                strict=True,
            )
        )
        for hit in plain:
            assert hit.scores["crowding"] == pytest.approx(float(crowding[hit.id]), abs=1e-5)
            assert hit.score == pytest.approx(hit.scores["cosine"] - hit.scores["crowding"], abs=1e-5)
        for hit in ranked:
            first = hit.scores["cosine"] - hit.scores["crowding"]
            assert hit.score == pytest.approx(model.alpha * first + (1 - model.alpha) * hit.scores["pair"], abs=1e-5)
        assert [hit.score for hit in plain] == sorted((hit.score for hit in plain), reverse=True)
        best = search(archive, model, query, k=1).hits[0]  # the picture's own tile, with the best of its captions
        assert best.caption == plain[0].caption


def test_what_is_not_wanted_counts_against(indexed: Path, model: Any) -> None:
    with open_archive(indexed) as archive:
        vectors = model.encode_texts(["fat", "colon"]).vectors
        composed = vectors[0] - 0.5 * vectors[1]
        composed /= np.linalg.norm(composed)
        query = Query(texts=(WeightedText("fat"), WeightedText("colon", -0.5)))
        hits = search(archive, model, query, k=10, rerank=False).hits
        ids = np.array([hit.id for hit in hits])
        assert np.allclose([hit.score for hit in hits], archive.tile_vectors(ids) @ composed, atol=1e-4)
        with pytest.raises(QueryError, match="cancel"):
            search(archive, model, Query(texts=(WeightedText("fat"), WeightedText("fat", -1.0))))


def test_a_region_uses_stored_vectors_and_embeds_only_what_is_missing(
    indexed: Path, model: Any, slides: list[Path]
) -> None:
    with open_archive(indexed) as archive, open_slide(slides[0]) as slide:
        plan = plan_region(archive, slide, Region.rectangle(0, 0, 256, 256), SPEC)
        assert (len(plan.tiles), len(plan.stored), plan.missing) == (16, 16, [])
        embedded = embed_region(archive, model, slide, plan)
        assert np.array_equal(embedded.vectors[0], archive.tile_vectors([plan.stored[embedded.tiles[0]]])[0])
        plan = plan_region(archive, slide, Region.rectangle(50, 50, 30, 30), SPEC)  # smaller than a tile
        assert (len(plan.tiles), len(plan.missing)) == (1, 1)
        assert len(embed_region(archive, model, slide, plan).tiles) == 1
        plan = plan_region(archive, slide, Region.rectangle(320, 0, 320, 704), SPEC)
        assert (len(plan.tiles), plan.background) == (11, 44)
        with pytest.raises(QueryError, match="no tissue"):
            plan_region(archive, slide, Region.rectangle(650, 100, 128, 128), SPEC)
        with pytest.raises(QueryError, match="outside"):
            plan_region(archive, slide, Region.rectangle(5000, 5000, 640, 640), SPEC)


def test_a_region_does_not_find_itself(indexed: Path, model: Any, slides: list[Path]) -> None:
    region = Region.rectangle(0, 0, 128, 128)
    with open_archive(indexed) as archive:
        for name in (str(slides[0]), "S00-A.tif"):
            hits = search(archive, model, Query(regions=(WeightedRegion(name, region),)), k=100).hits
            assert len(hits) == 100
            assert not [hit for hit in hits if hit.slide == str(slides[0]) and hit.x < 128 and hit.y < 128]


def test_a_slide_out_of_reach_is_answered_from_the_archive(indexed: Path, model: Any, slides: list[Path]) -> None:
    slides[0].unlink()
    region = Region.rectangle(0, 0, 128, 128)
    with open_archive(indexed) as archive:
        assert len(search(archive, model, Query(regions=(WeightedRegion("S00-A.tif", region),)), k=5).hits) == 5
        with pytest.raises(QueryError, match="not in reach"):
            search(archive, model, Query(regions=(WeightedRegion("S00-A.tif", region.moved(650, 0)),)))
        with pytest.raises(SlideError, match="no slide"):
            search(archive, model, Query(regions=(WeightedRegion("nothing.svs", region),)))


def test_similar_cases_pool_their_patches_and_leave_out_the_own(indexed: Path, model: Any, slides: list[Path]) -> None:
    with open_archive(indexed, write=True) as archive:
        archive.update_slide(1, {"case": "K"})
        archive.update_slide(2, {"case": "K"})
    with open_archive(indexed) as archive:
        result = search(archive, model, text("fat"), kind="cases", k=5)
        assert {hit.case for hit in result.hits} == {"K", "S02-A.tif"}
        assert {hit.case: hit.case_known for hit in result.hits} == {"K": True, "S02-A.tif": False}
        assert any("without a known case" in note for note in result.provenance.notes)
        for hit in result.hits:
            assert hit.kind == "case"
            assert 1 <= len(hit.evidence) <= 5
            assert (hit.x, hit.y, hit.slide) == (hit.evidence[0].x, hit.evidence[0].y, hit.evidence[0].slide)
        region = Query(regions=(WeightedRegion("S00-A.tif", Region.rectangle(0, 0, 128, 128)),))
        result = search(archive, model, region, kind="cases", k=5)
        assert [hit.case for hit in result.hits] == ["S02-A.tif"]


def test_filters_reach_the_archive(indexed: Path, model: Any) -> None:
    with open_archive(indexed) as archive:
        result = search(archive, model, text("fat"), filter=SearchFilter(slides=("S01-A.tif",)), k=70)
        assert {Path(str(hit.slide)).name for hit in result.hits} == {"S01-A.tif"}
        assert len(result.hits) == 66
        assert result.provenance.filter == {"slides": ["S01-A.tif"]}
        with pytest.raises(QueryError, match="filter"):
            search(archive, model, text("fat"), filter=SearchFilter(organs=("brain",)))


def test_a_filter_that_no_caption_passes_is_told(indexed: Path, model: Any) -> None:
    for wanted in (SearchFilter(tags=("nothing",)), SearchFilter(cases=("nobody",)), SearchFilter(slides=("no.svs",))):
        with open_archive(indexed) as archive, pytest.raises(QueryError, match="No caption of the archive passes"):
            search(archive, model, text("fat"), kind="captions", filter=wanted)
    with open_archive(indexed) as archive:
        found = search(archive, model, text("fat"), kind="captions", filter=SearchFilter(cases=("B1",)))
        assert [hit.caption for hit in found.hits] == ["colon adenocarcinoma"]


def test_questions_that_cannot_be_asked(archive_dir: Path, indexed: Path, model: Any, other_model_folder: Path) -> None:
    from lile_engine.archive import create_archive
    from lile_engine.model.load import load_model

    create_archive(archive_dir.parent / "empty", model.identity)
    with open_archive(archive_dir.parent / "empty") as empty:
        with pytest.raises(QueryError, match="no tiles yet"):
            search(empty, model, text("fat"))
        with pytest.raises(QueryError, match="no captions yet"):
            search(empty, model, text("fat"), kind="captions")
    with open_archive(indexed) as archive:
        with pytest.raises(QueryError, match="no word"):
            search(archive, model, text("of the"))
        with pytest.raises(QueryError, match="at least 1"):
            search(archive, model, text("fat"), k=0)
        with pytest.raises(QueryError, match="weight"):
            search(archive, model, text("fat", float("nan")))
        with pytest.raises(ArchiveError, match="reembed"):
            search(archive, load_model(other_model_folder, "cpu"), text("fat"))


def test_a_heat_map_has_the_cosine_of_every_tile_where_it_lies(indexed: Path, model: Any) -> None:
    vector = model.encode_texts(["fat"]).vectors[0]
    with open_archive(indexed) as archive:
        found = heatmap(archive, model, "S00-A.tif", "fat")
        assert found.values.shape == (11, 6)
        assert (found.x, found.y, found.cell, found.tile_size) == (0, 0, 64, 64)
        for tile in archive.tiles(archive.tiles_of_slide(1)[0]):
            expected = float(archive.tile_vectors([tile.id])[0] @ vector)
            assert found.values[tile.y // 64, tile.x // 64] == pytest.approx(expected, abs=1e-6)
        with pytest.raises(QueryError, match="not indexed"):
            heatmap(archive, model, "nothing.svs", "fat")
        with pytest.raises(QueryError, match="no word"):
            heatmap(archive, model, "S00-A.tif", "the")


def test_attention_of_words(model: Any, slides: list[Path]) -> None:
    with open_slide(slides[0]) as slide:
        pixels = slide.read_square(0, 0, 64, 64)
    whole = attention(model, pixels, "colon adenocarcinoma with fat")
    assert whole.values.shape == (4, 4)
    assert whole.values.sum() == pytest.approx(1, abs=1e-4)
    assert [word.text for word in whole.words] == ["colon", "adenocarcinoma", "with", "fat"]
    assert sum(word.weight for word in whole.words) == pytest.approx(1)
    assert whole.outside is not None
    one = attention(model, pixels, "colon adenocarcinoma with fat", "Fat")
    assert one.word is not None
    assert (one.word.text, one.word.start, one.word.end) == ("fat", 26, 29)
    tokens = model.encode_images(pixels[None]).tokens[0]
    same = attention(model, tokens, "colon adenocarcinoma with fat", (26, 29))
    assert np.allclose(same.values, one.values, atol=1e-5)
    encoded = model.encode_texts(["colon adenocarcinoma with fat"])
    maps = model.attend(tokens, encoded.tokens[0], encoded.mask[0])
    fat = encoded.words[0][3].tokens
    assert np.allclose(one.values.ravel(), maps.text_over_image[list(fat)].mean(axis=0), atol=1e-5)
    with pytest.raises(QueryError, match="necrosis"):
        attention(model, pixels, "colon", "necrosis")


def test_the_grids_of_a_slide_are_drawn_apart(indexed: Path, slides: list[Path], model: Any) -> None:
    """Two overlaps at one mpp, another size there, and squares that another mpp has already."""
    index_slides(indexed, slides[:1], model, TileSpec(mpp=0.5, px=64, overlap=0.25))
    index_slides(indexed, slides[:1], model, TileSpec(mpp=0.5, px=128))
    index_slides(indexed, slides[:1], model, TileSpec(mpp=0.25, px=256))  # the squares of the last again
    vector = model.encode_texts(["fat"]).vectors[0]
    with open_archive(indexed) as archive:
        ids, xy, size = archive.tiles_of_slide(1)
        cosines = archive.tile_vectors(ids) @ vector
        for mpp, side, stride in ((0.5, 64, 48), (0.25, 128, 128)):
            found = heatmap(archive, model, "S00-A.tif", "fat", mpp=mpp)
            assert (found.mpp, found.tile_size, found.cell) == (mpp, side, stride)
            on = (size == side) & (xy % stride == 0).all(axis=1)
            assert np.isfinite(found.values).sum() == on.sum()
            for (x, y), cosine in zip(xy[on], cosines[on], strict=True):
                assert found.values[y // stride, x // stride] == pytest.approx(cosine, abs=1e-6)
        assert heatmap(archive, model, "S00-A.tif", "fat").mpp == 0.5  # the finest with tiles of its own


def test_a_heat_map_of_a_grid_that_is_not_finished(archive_dir: Path, slides: list[Path], model: Any) -> None:
    spec = TileSpec(mpp=0.5, px=64, overlap=0.5)
    cancel = CancelToken()
    with pytest.raises(Cancelled):
        index_slides(
            archive_dir, slides[:1], model, spec, batch=8, cancel=cancel,
            progress=lambda p: cancel.cancel() if p.done >= 40 else None,
        )  # fmt: skip
    with open_archive(archive_dir) as archive:
        found = heatmap(archive, model, "S00-A.tif", "fat")
        assert (found.cell, found.tile_size, found.mpp) == (32, 64, 0.5)
        assert np.isfinite(found.values).sum() == archive.status().tiles >= 40
        with pytest.raises(QueryError, match="no tiles at 2"):
            heatmap(archive, model, "S00-A.tif", "fat", mpp=2.0)
