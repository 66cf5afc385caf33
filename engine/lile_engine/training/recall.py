"""Recall@k both ways, as the image-text literature counts it, with ties counted exactly.

Image to text: an image finds its captions; it has found when *one* of them is among the first k. Text to image: each
caption is a query of its own and finds its image. RSUM is the sum of the six recalls in percent. (Protocol as in
Faghri et al., VSE++, BMVC 2018, and those after it: five captions an image, 1,000 or 5,000 images.)

Equal scores: a sort would rank the right one first or last by accident of its position, so a model that gives every
pair the same score could look perfect. Here a query counts with the probability that it finds when equals are put in
random order, which is exact and needs no randomness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from lile_engine.errors import DataError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
KS = (1, 5, 10)


@dataclass(frozen=True)
class Interval:
    """A bootstrap interval of 95 %."""

    low: float
    high: float


@dataclass(frozen=True)
class Direction:
    """One way of retrieval: recalls 0 to 1, median rank from 1, number of queries; intervals where asked for."""

    r1: float
    r5: float
    r10: float
    median_rank: float
    queries: int
    intervals: dict[str, Interval] | None = None


@dataclass(frozen=True)
class Recall:
    """Both ways and their sum. ``rsum`` is in percent (600 is perfect), as the literature prints it."""

    i2t: Direction
    t2i: Direction
    rsum: float


@dataclass(frozen=True)
class Hits:
    """Per query: the chance that a match is among the first 1, 5, 10 (``[Q, 3]``) and the rank expected (``[Q]``)."""

    found: Floats
    rank: Floats


def hits(scores: NDArray[np.floating], matches: Bools) -> Hits:
    """Looks up each row's best-ranked match.

    ``scores [Q, C]`` (higher is better), ``matches [Q, C]``; each row needs at least one match (else `ValueError`), and
    scores must be numbers (else `DataError`: one that is none compares with nothing and would count as found).
    With ``g`` candidates strictly better than the best match and ``e`` equal to it, ``m`` of them matches, a match is
    among the first ``k`` with probability ``1 - C(e-m, k-g) / C(e, k-g)``, and the first match stands at rank
    ``g + (e+1)/(m+1)`` on average.
    """
    if not matches.any(axis=1).all():
        raise ValueError("each query needs at least one match")
    if not np.isfinite(scores).all():
        raise DataError("Some scores are no numbers, so nothing can be measured; the model is damaged, train it again.")
    best = np.where(matches, scores, -np.inf).max(axis=1, keepdims=True)
    greater = (scores > best).sum(axis=1).astype(np.float64)
    equal_to = scores == best
    equal = equal_to.sum(axis=1).astype(np.float64)
    right = (equal_to & matches).sum(axis=1).astype(np.float64)
    found = np.stack([_chance(k - greater, equal, right) for k in KS], axis=1)
    return Hits(found, greater + (equal + 1) / (right + 1))


def _chance(places: Floats, equal: Floats, right: Floats) -> Floats:
    """That at least one of ``right`` among ``equal`` candidates falls into the first ``places`` of them."""
    places = np.clip(places, 0, equal)
    wrong = equal - right
    certain = places > wrong
    with np.errstate(invalid="ignore"):
        log_miss = (
            gammaln(wrong + 1) - gammaln(np.maximum(wrong - places, 0) + 1)
            - gammaln(equal + 1) + gammaln(equal - places + 1)
        )  # fmt: skip
    chance: Floats = np.where(certain, 1.0, np.where(places == 0, 0.0, 1.0 - np.exp(log_miss)))
    return chance


def direction_of(
    found: Hits, units: NDArray[np.integer] | None = None, *, bootstrap: int = 0, seed: int = 0
) -> Direction:
    """The means; with ``bootstrap`` resamples also percentile intervals.

    ``units [Q]`` says which queries belong together (the captions of one image, the tiles of one case): whole units
    are drawn, because their queries are not independent.
    """
    means = found.found.mean(axis=0)
    intervals = None
    if bootstrap:
        intervals = _intervals(found, units if units is not None else np.arange(len(found.rank)), bootstrap, seed)
    return Direction(
        float(means[0]), float(means[1]), float(means[2]), float(np.median(found.rank)), len(found.rank), intervals
    )


def _intervals(found: Hits, units: NDArray[np.integer], count: int, seed: int) -> dict[str, Interval]:
    _, which = np.unique(units, return_inverse=True)
    n = int(which.max()) + 1
    size = np.bincount(which, minlength=n).astype(np.float64)
    sums = np.stack([np.bincount(which, found.found[:, k], n) for k in range(len(KS))], axis=1)
    rng = np.random.default_rng([seed, n])
    means = np.empty((count, len(KS)))
    for row in means:  # one draw at a time: all of them would not fit into memory
        drawn = np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)
        row[:] = (drawn @ sums) / (drawn @ size)
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return {f"r{k}": Interval(float(low[i]), float(high[i])) for i, k in enumerate(KS)}


def join(parts: Sequence[Hits]) -> Hits:
    """The hits of several blocks of queries as one."""
    return Hits(np.concatenate([p.found for p in parts]), np.concatenate([p.rank for p in parts]))


def rsum(i2t: Direction, t2i: Direction) -> float:
    """The sum of the six recalls in percent."""
    return 100 * (i2t.r1 + i2t.r5 + i2t.r10 + t2i.r1 + t2i.r5 + t2i.r10)


def recall_at_k(
    scores: NDArray[np.floating],
    matches: Bools,
    *,
    image_units: NDArray[np.integer] | None = None,
    text_units: NDArray[np.integer] | None = None,
    bootstrap: int = 0,
    seed: int = 0,
) -> Recall:
    """Recall both ways of ``scores [I, T]`` given ``matches [I, T]`` (a caption may match several images too)."""
    i2t = direction_of(hits(scores, matches), image_units, bootstrap=bootstrap, seed=seed)
    if text_units is None and bootstrap:
        text_units = matches.argmax(axis=0)  # captions of the same image are drawn together
    t2i = direction_of(hits(scores.T, matches.T), text_units, bootstrap=bootstrap, seed=seed)
    return Recall(i2t, t2i, rsum(i2t, t2i))


@dataclass(frozen=True)
class Found:
    """Both ways of one fold, and which of its images and texts a bootstrap draws together."""

    i2t: Hits
    t2i: Hits
    image_units: NDArray[np.integer]
    text_units: NDArray[np.integer]


def recall_of_folds(folds: Sequence[Found], *, bootstrap: int = 0, seed: int = 0) -> Recall:
    """The mean over folds, as the 1K protocol of MS-COCO prints it (median ranks are averaged too). Intervals are of
    the queries of all folds together."""

    def way(parts: Sequence[Hits], units: Sequence[NDArray[np.integer]]) -> Direction:
        each = [direction_of(p) for p in parts]
        values = np.array([[p.r1, p.r5, p.r10, p.median_rank] for p in each]).mean(axis=0)
        r1, r5, r10, rank = (float(v) for v in values)
        whole = direction_of(join(parts), np.concatenate(units), bootstrap=bootstrap, seed=seed)
        return Direction(r1, r5, r10, rank, whole.queries, whole.intervals)

    i2t = way([f.i2t for f in folds], [f.image_units for f in folds])
    t2i = way([f.t2i for f in folds], [f.text_units for f in folds])
    return Recall(i2t, t2i, rsum(i2t, t2i))
