"""Recall@k against cases worked out by hand, ties and several captions included."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lile_engine.errors import DataError
from lile_engine.training.recall import Found, hits, recall_at_k, recall_of_folds


def test_each_image_first_for_its_own_caption() -> None:
    found = recall_at_k(np.eye(12), np.eye(12, dtype=bool))
    assert (found.i2t.r1, found.i2t.r5, found.i2t.r10, found.i2t.median_rank) == (1, 1, 1, 1)
    assert found.rsum == 600


def test_ranks_by_hand() -> None:
    # Query 0: its match is 3rd; query 1: first; query 2: last of 6.
    scores = np.array([[0.9, 0.8, 0.7, 0.1, 0.0, -1], [0, 1, 0.5, 0.4, 0.3, 0.2], [6, 5, 4, 3, 2, 1.0]])
    matches = np.zeros((3, 6), bool)
    matches[0, 2] = matches[1, 1] = matches[2, 5] = True
    found = hits(scores, matches)
    assert found.rank.tolist() == [3, 1, 6]
    assert found.found.tolist() == [[0, 1, 1], [1, 1, 1], [0, 0, 1]]


def test_five_captions_an_image_as_the_literature_counts() -> None:
    """An image has found when one of its captions is among the first k; each caption must find its own image."""
    scores = np.full((2, 10), 0.0)
    scores[0] = [0.1, 0.2, 0.95, 0.3, 0.4, 0.9, 0.8, 0.7, 0.6, 0.5]  # best own caption is first
    scores[1] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.1, 0.2, 0.3, 0.4, 0.45]  # five others come before its best, 0.45
    matches = np.repeat(np.eye(2, dtype=bool), 5, axis=1)
    found = recall_at_k(scores, matches)
    assert found.i2t.r1 == 0.5
    assert found.i2t.r5 == 0.5
    assert found.i2t.r10 == 1
    assert found.i2t.median_rank == (1 + 6) / 2
    # Text to image, two images: caption j is right when its own image scores higher.
    own_first = [0.1 > 0.9, 0.2 > 0.8, 0.95 > 0.7, 0.3 > 0.6, 0.4 > 0.5, *[False] * 5]
    assert found.t2i.r1 == pytest.approx(np.mean(own_first))
    assert found.t2i.queries == 10


def test_equal_scores_count_with_their_chance() -> None:
    """All the same score: what a random order would give, not what the position in the file happens to give."""
    matches = np.eye(20, dtype=bool)
    found = recall_at_k(np.zeros((20, 20)), matches)
    assert found.i2t.r1 == pytest.approx(1 / 20)
    assert found.i2t.r5 == pytest.approx(5 / 20)
    assert found.i2t.median_rank == pytest.approx(10.5)


def test_several_matches_among_equals() -> None:
    """One better wrong candidate, then 6 equals of which 2 match: within the first 5 there are 4 places for them."""
    scores = np.array([[1.0, *[0.5] * 6, 0.0]])
    matches = np.array([[False, True, True, *[False] * 5]])
    found = hits(scores, matches)
    assert found.found[0, 0] == 0
    assert found.found[0, 1] == pytest.approx(1 - math.comb(4, 4) / math.comb(6, 4))
    assert found.found[0, 2] == 1
    assert found.rank[0] == pytest.approx(1 + 7 / 3)


def test_chance_agrees_with_random_orders() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 3, (6, 15)).astype(float)
    matches = rng.random((6, 15)) < 0.15
    matches[:, 0] |= ~matches.any(axis=1)
    counts = np.zeros((6, 3))
    ranks = np.zeros(6)
    for _ in range(4000):
        order = np.argsort(-(scores + rng.random(scores.shape) * 1e-6), axis=1)
        first = np.take_along_axis(matches, order, axis=1).argmax(axis=1) + 1
        ranks += first
        counts += first[:, None] <= np.array([1, 5, 10])
    found = hits(scores, matches)
    assert np.abs(found.found - counts / 4000).max() < 0.03
    assert np.abs(found.rank - ranks / 4000).max() < 0.15


def test_without_a_match_there_is_nothing_to_find() -> None:
    with pytest.raises(ValueError, match="at least one match"):
        hits(np.zeros((1, 3)), np.zeros((1, 3), bool))


def test_interval_covers_the_value_and_narrows() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for count in (40, 640):
        scores = rng.normal(size=(count, count)) + 2.5 * np.eye(count)
        found = recall_at_k(scores, np.eye(count, dtype=bool), bootstrap=400)
        assert found.i2t.intervals is not None
        interval = found.i2t.intervals["r10"]
        assert interval.low <= found.i2t.r10 <= interval.high
        widths.append(interval.high - interval.low)
    assert widths[1] < widths[0]


def test_queries_of_one_case_are_drawn_together() -> None:
    """Ten copies of each query are no more evidence than one."""
    rng = np.random.default_rng(2)
    right = rng.random(30) < 0.5
    scores = np.repeat(np.where(right, 1.0, -1.0), 10)[:, None] * np.array([[1.0, 0.0]])
    matches = np.tile([True, False], (300, 1))
    matches[0] = True  # so that both texts have an image
    apart = recall_at_k(scores, matches, bootstrap=500)
    together = recall_at_k(scores, matches, image_units=np.repeat(np.arange(30), 10), bootstrap=500)
    assert apart.i2t.intervals is not None
    assert together.i2t.intervals is not None
    width = [i["r1"].high - i["r1"].low for i in (apart.i2t.intervals, together.i2t.intervals)]
    assert width[1] > 2 * width[0]


def _fold(scores: np.ndarray, first_unit: int) -> Found:
    matches = np.eye(len(scores), dtype=bool)
    units = np.arange(len(scores)) + first_unit
    return Found(hits(scores, matches), hits(scores.T, matches.T), units, units)


def test_folds_are_averaged() -> None:
    good, even = np.eye(10), np.zeros((10, 10))
    both = recall_of_folds([_fold(good, 0), _fold(even, 10)], bootstrap=400)
    assert both.i2t.r1 == pytest.approx((1 + 0.1) / 2)
    assert both.i2t.queries == 20
    rsums = [recall_at_k(scores, np.eye(10, dtype=bool)).rsum for scores in (good, even)]
    assert both.rsum == pytest.approx(np.mean(rsums))
    assert both.t2i.intervals is not None
    interval = both.t2i.intervals["r1"]
    assert interval.low < both.t2i.r1 < interval.high
    # Half of the queries find with certainty, half with a chance of a tenth: the spread of a mean of 20 such.
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 0.45 / 20**0.5, rel=0.2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["everywhere", "match", "other"])
def test_scores_that_are_no_numbers_find_nothing(value: float, where: str) -> None:
    scores = np.full((4, 4), value) if where == "everywhere" else np.eye(4)
    scores[1, 1 if where == "match" else 2] = value
    with pytest.raises(DataError, match="no numbers"):
        recall_at_k(scores, np.eye(4, dtype=bool))
