"""Search against comparing everything by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lile_engine.archive import CaptionRow, SearchFilter, open_archive
from lile_engine.archive import local as local_module
from lile_engine.archive.exact import best
from lile_engine.slides import Region


def recall(found: np.ndarray, vectors: np.ndarray, allowed: np.ndarray, query: np.ndarray, k: int) -> float:
    """Share of the true k nearest among the allowed ids (1-based rows of ``vectors``) that were found."""
    scores = np.where(allowed, vectors @ query, -9)
    truth = np.argsort(-scores, kind="stable")[: min(k, int(allowed.sum()))] + 1
    return len(set(truth.tolist()) & set(found.tolist())) / len(truth)


def test_best_is_a_sort() -> None:
    scores = np.array([0.1, 0.5, 0.5, -1, 0.9], np.float32)
    for k in range(7):
        assert best(scores, k).tolist() == np.argsort(-scores, kind="stable")[:k].tolist()


def test_an_empty_archive_has_no_neighbours(folder: Path, make: Any) -> None:
    with open_archive(folder) as archive:
        for wanted in (None, SearchFilter(cases=("x",))):
            assert archive.search_tiles(make.units(1)[0], 5, wanted).ids.tolist() == []
            assert archive.search_captions(make.units(1)[0], 5, wanted).ids.tolist() == []


def test_every_filter(folder: Path, make: Any) -> None:
    with open_archive(folder, write=True) as archive:
        vectors = make.fill(archive, 6, 50)
        for number in range(6):
            archive.update_slide(
                number + 1,
                {"case": f"C{number // 2}", "organ": "lung" if number % 2 else "colon", "tags": (f"t{number % 3}",)},
            )
        query = make.units(1)[0]
        slide = np.repeat(np.arange(6), 50)
        cases = {
            SearchFilter(slides=("slide2.svs",)): slide == 2,
            SearchFilter(slides=(f"{2:032x}", "/slides/slide3.svs")): np.isin(slide, [2, 3]),
            SearchFilter(not_slides=("slide2.svs",)): slide != 2,
            SearchFilter(cases=("C1",)): slide // 2 == 1,
            SearchFilter(not_cases=("C1", "C0")): slide // 2 == 2,
            SearchFilter(organs=("lung",)): slide % 2 == 1,
            SearchFilter(tags=("t0", "t1")): slide % 3 < 2,
            SearchFilter(organs=("lung",), cases=("C0",)): slide == 1,
            SearchFilter(slides=("nothing",)): slide < 0,
        }
        for wanted, allowed in cases.items():
            found = archive.search_tiles(query, 10, wanted)
            assert found.exact
            assert len(found.ids) == min(10, allowed.sum())
            if allowed.any():
                assert recall(found.ids, vectors, allowed, query, 10) == 1.0, wanted
                assert np.allclose(found.scores, vectors[found.ids - 1] @ query, atol=1e-6)
        # A region of slide 4: tile n of the 40 wide grid lies at 224 n.
        region = Region.rectangle(0, 0, 224 * 10, 224)
        found = archive.search_tiles(query, 50, SearchFilter(region=("slide4.svs", region)))
        assert sorted(found.ids.tolist()) == list(range(201, 211))


def test_widened_search_finds_what_exact_search_finds(folder: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_module, "EXACT_BELOW", 0)
    slides, tiles = 40, 80
    shares = {"t1": 40, "t2": 20, "t3": 4, "t4": 1}
    with open_archive(folder, write=True) as archive:
        vectors = make.fill(archive, slides, tiles)
        for number in range(slides):
            tags = tuple(tag for tag, count in shares.items() if number < count)
            archive.update_slide(number + 1, {"tags": tags})
        for tag, count in shares.items():
            allowed = np.repeat(np.arange(slides) < count, tiles)
            recalls = []
            for query in make.units(20):
                found = archive.search_tiles(query, 20, SearchFilter(tags=(tag,)))
                assert not found.exact
                recalls.append(recall(found.ids, vectors, allowed, query, 20))
            assert np.mean(recalls) >= 0.98, tag


@pytest.mark.slow
def test_every_selectivity_where_both_ways_of_searching_are_used(folder: Path, make: Any) -> None:
    """As large as it must be for the archive's own choice between exact and widened search; slides are clusters."""
    slides, tiles = 1000, 60
    shares = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.35, 0.5, 0.9, 1.0)
    centres = make.units(slides)
    with open_archive(folder, write=True) as archive:
        everything = []
        for number in range(slides):
            tags = tuple(f"t{share}" for share in shares if (number * 7) % slides < share * slides)
            slide = archive.add_slide(make.slide(number, tags=tags, case=f"c{number % 3}", organ=f"o{number % 2}"))
            vectors = centres[number] + 0.5 * make.units(tiles)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            archive.add_tiles(slide, make.grid(tiles), 0.5, vectors, make.tokens(tiles))
            everything.append(vectors)
        vectors = np.concatenate(everything)
        of = np.repeat(np.arange(slides), tiles)
        filters = {
            SearchFilter(tags=(f"t{share}",)): (of * 7) % slides < share * slides for share in shares
        } | {
            SearchFilter(not_slides=("slide3.svs",)): of != 3,
            SearchFilter(cases=("c1",)): of % 3 == 1,
            SearchFilter(not_cases=("c1",)): of % 3 != 1,
            SearchFilter(organs=("o1",)): of % 2 == 1,
            SearchFilter(slides=("slide9.svs",)): of == 9,
        }  # fmt: skip
        queries = np.concatenate([vectors[:: len(vectors) // 20][:20], make.units(10)])
        ways = set()
        for wanted, allowed in filters.items():
            found = [archive.search_tiles(query, 20, wanted) for query in queries]
            ways |= {one.exact for one in found}
            recalls = [recall(one.ids, vectors, allowed, query, 20) for one, query in zip(found, queries, strict=True)]
            assert np.mean(recalls) >= 0.98, (wanted, np.mean(recalls))
        assert ways == {True, False}


def test_a_filter_that_shuts_out_all_near_ones_is_answered_exactly(folder: Path, make: Any) -> None:
    """The tiles that pass lie on the far side: widening would have to bring everything."""
    with open_archive(folder, write=True) as archive:
        near = archive.add_slide(make.slide(0))
        far = archive.add_slide(make.slide(1, organ="far"))
        query = make.units(1)[0]
        noise = make.units(400) * 0.3
        towards = (query + noise) / np.linalg.norm(query + noise, axis=1, keepdims=True)
        archive.add_tiles(near, make.grid(400), 0.5, towards, make.tokens(400))
        archive.add_tiles(far, make.grid(400), 0.5, -towards, make.tokens(400))
        found = archive.search_tiles(query, 20, SearchFilter(organs=("far",)))
        truth = np.sort(-towards @ query)[::-1][:20]
        assert np.allclose(found.scores, truth, atol=1e-5)


def test_captions_are_filtered_by_their_own_facts_and_their_slides(folder: Path, make: Any) -> None:
    rows = [
        CaptionRow(0, "one", case="A", tags=("x",)),
        CaptionRow(0, "two", slide="slide0.svs", x=0, y=0, size=224),
        CaptionRow(0, "three", slide="slide1.svs", x=5000, y=0, size=224, case="A"),
    ]
    with open_archive(folder, write=True) as archive:
        archive.add_slide(make.slide(0, case="B", organ="colon", tags=("y",)))
        archive.add_slide(make.slide(1, case="B", organ="lung"))
        archive.add_captions(rows, make.units(3), make.tokens(3), make.masks(4, 4, 4))

        def texts(**wanted: Any) -> set[str]:
            found = archive.search_captions(make.units(1)[0], 9, SearchFilter(**wanted))
            return {row.text for row in archive.captions(found.ids)}

        assert texts(cases=("A",)) == {"one", "three"}
        assert texts(cases=("B",)) == {"two"}
        assert texts(tags=("x",)) == {"one"}
        assert texts(tags=("y",)) == {"two"}
        assert texts(organs=("lung",)) == {"three"}
        assert texts(slides=("slide0.svs",)) == {"two"}
        assert texts(not_slides=("slide0.svs",)) == {"one", "three"}
        assert texts(region=("slide0.svs", Region.rectangle(0, 0, 300, 300))) == {"two"}
        assert texts(region=("slide1.svs", Region.rectangle(0, 0, 300, 300))) == set()
