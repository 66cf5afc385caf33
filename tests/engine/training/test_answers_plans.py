"""What the refits of `benchmarks/answers.py` may learn from: nothing of what they are measured on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lile_engine.training.pairs import Pair
from tests.benchmark_modules import benchmark


@pytest.fixture(scope="module")
def plans() -> Iterator[ModuleType]:
    with benchmark("answers_plans") as module:
        yield module


def row(case: str, organ: str) -> dict[str, Any]:
    return {"case": case, "organ": organ, "slide_title": f"something of the {organ}", "stain": "H&E"}


@pytest.fixture
def tiles(plans: ModuleType) -> Any:
    """Ten cases of three tiles, a set with two classes, a phantom, one tile to measure only."""
    pairs, source, label, rows = [], [], [], []
    for n in range(10):
        for i in range(3):
            organ = "colon" if n < 4 else "liver"
            pairs.append(Pair(Path(f"slide{n}/{i}.jpg"), ("a caption",), case=f"case{n}"))
            source.append("atlas-heldout" if n == 9 else "atlas")
            label.append("")
            rows.append(row(f"case{n}", organ))
    for i in range(20):
        pairs.append(Pair(Path(f"kather/{'ab'[i % 2]}_{i}.png"), ("fat",), case=str(i)))
        source.append("kather"), label.append("ab"[i % 2]), rows.append(None)
    for name, caption in (("tcga", "Crypts of the colon."), ("tcga", "Liver."), ("phantom", "colon"), ("lc25000", "")):
        pairs.append(Pair(Path(f"{name}/{caption}.png"), (caption,), case=caption))
        source.append(name), label.append(""), rows.append(None)
    empty = np.zeros((len(pairs), 1), np.float32)
    return plans.Tiles(tuple(pairs), np.array(source), np.array(label), tuple(rows), empty, empty, empty)


def test_a_fold_shares_no_case_and_no_tile_with_what_is_learned(plans: ModuleType, tiles: Any) -> None:
    fold = plans.fold_of(tiles)
    atlas = tiles.of("atlas", "atlas-heldout")
    for number in range(plans.FOLDS):
        keep = plans.plans(tiles)[f"fold {number}"]
        assert not (keep & (fold == number)).any()
        learned = {tiles.pairs[i].case for i in atlas if keep[i]}
        assert learned.isdisjoint(tiles.pairs[i].case for i in atlas if fold[i] == number)
    kather = tiles.of("kather")
    assert all(np.bincount(fold[kather][tiles.label[kather] == name]).tolist() == [2] * 5 for name in "ab")


def test_nothing_learns_from_what_is_for_measuring_only(plans: ModuleType, tiles: Any) -> None:
    for keep in plans.plans(tiles).values():
        assert not keep[tiles.of("lc25000")].any()


def test_an_organ_left_out_is_gone_by_slide_list_and_words(plans: ModuleType, tiles: Any) -> None:
    keep = plans.plans(tiles)["without bowel"]
    organs = {tiles.rows[i]["organ"] for i in np.flatnonzero(keep) if tiles.rows[i]}
    assert organs == {"liver"}
    assert not keep[tiles.of("kather", "atlas-heldout")].any()
    assert keep[tiles.of("tcga")].tolist() == [False, True]
    assert keep[tiles.of("phantom")].all()
