"""Ways to tell kinds of tissue that were left out from known ones, compared: `answers.py --distances`.

Every score is of single tiles, of the refits of `answers_outside.left_out_kinds`; each is told in spreads of the known
tiles of its refit. Combinations are learned on the other groups of kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from answers_atlas import first_terms
from answers_data import Tiles
from answers_fit import Refit
from answers_outside import SAMPLE, LeftOut, left_out_kinds
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from lile_engine.model.protocol import Floats
from lile_engine.model.reference import NEAREST, distances
from lile_engine.outside import LEAST_RANGE, RANGE_QUANTILE

BLOCKS = {4: slice(0, 40), 10: slice(40, 152), 15: slice(152, 472)}  # channels of the averaged features
SHIPPED = f"vectors, {NEAREST} nearest (shipped)"
FEWEST, KEPT = 8, 25  # tiles of a kind that has a mean of its own; directions that part the kinds best
DRAWS = 1000


def unit(values: Floats) -> Floats:
    result: Floats = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    return result


def spread_power(values: Floats, power: float, share: float) -> tuple[Floats, Floats]:
    """Mean, and the matrix that takes spreads away to the ``power`` (0.5: whitening), the covariance smoothed by
    ``share`` of its mean."""
    covariance = np.cov(values.T)
    width = len(covariance)
    smooth = (1 - share) * covariance + share * np.trace(covariance) / width * np.eye(width)
    size, axes = np.linalg.eigh(smooth)
    return values.mean(axis=0), axes * size**-power


def scores(new: Floats, learned: Floats, kind: NDArray[np.str_], name: str) -> dict[str, Floats]:
    """Distances of ``new`` [B, k] from ``learned`` [n, k] (any scale), whose ``kind`` [n] is "" where unknown."""
    mean, white = spread_power(learned, 0.5, 0.1)
    kinds = [np.flatnonzero(kind == k) for k in sorted(set(kind.tolist()) - {""})]
    kinds = [rows for rows in kinds if len(rows) >= FEWEST]
    centres = np.stack([learned[rows].mean(axis=0) for rows in kinds])
    inner = np.concatenate([learned[rows] - learned[rows].mean(axis=0) for rows in kinds])
    _, soft = spread_power(inner, 0.25, 0.2)
    _, hard = spread_power(inner, 0.5, 0.2)
    _, axes = np.linalg.eigh(np.cov(((centres - mean) @ hard).T))
    parting = hard @ axes[:, -KEPT:]

    def near(matrix: Floats) -> Floats:
        return distances(unit((new - mean) @ matrix), unit((learned - mean) @ matrix), NEAREST)

    moved, means = (new - mean) @ hard, (centres - mean) @ hard
    to_kind = (moved**2).sum(1)[:, None] - 2 * moved @ means.T + (means**2).sum(1)
    return {
        f"{name}, nearest, whitened": near(white),
        f"{name}, nearest, half whitened within kinds": near(soft),
        f"{name}, nearest, the {KEPT} directions that part kinds": near(parting),
        f"{name}, Mahalanobis": np.linalg.norm((new - mean) @ white, axis=1),
        f"{name}, Mahalanobis to the nearest kind, shared covariance": to_kind.min(axis=1),
        f"{name}, the same less that to all": to_kind.min(axis=1) - (moved**2).sum(1),
    }


def all_scores(tiles: Tiles, part: LeftOut, kind: NDArray[np.str_]) -> dict[str, Floats]:
    """Every score of one refit."""
    real = np.random.default_rng(0).permutation(part.real)[:SAMPLE]
    vectors, learned = part.refit.pictures(tiles.pooled[part.at, 0]), part.refit.pictures(tiles.pooled[real, 0])
    own = learned @ learned.T
    np.fill_diagonal(own, -2)
    own_far = 1 - np.sort(own, axis=1)[:, -NEAREST:].mean(axis=1)
    nearest = np.argsort(-(vectors @ learned.T), axis=1)[:, :NEAREST]
    far = distances(vectors, learned, NEAREST)
    words = part.refit.asker.known.vectors
    said, range_of = vectors @ words.T, learned @ words.T
    low = range_of.mean(axis=0)
    width = np.maximum(np.quantile(range_of, RANGE_QUANTILE, axis=0) - low, LEAST_RANGE)
    found = {
        SHIPPED: far,
        "vectors, 5 nearest": distances(vectors, learned, 5),
        "vectors, 50 nearest": distances(vectors, learned, 50),
        "vectors, 20 nearest over those pictures' own distance (local density)": far / own_far[nearest].mean(axis=1),
        "best known phrase, its cosine": -said.max(axis=1),
        "best known phrase, its share of the phrase's range": -((said - low) / width).max(axis=1),
        **scores(vectors, learned, kind[real], "vectors"),
    }
    for block, channels in BLOCKS.items():
        raw, base = tiles.pooled[part.at, 0][:, channels], tiles.pooled[real, 0][:, channels]
        middle, spread = base.mean(axis=0), base.std(axis=0) + 1e-6
        raw, base = (raw - middle) / spread, (base - middle) / spread
        found[f"block {block}, nearest"] = distances(unit(raw), unit(base), NEAREST)
        found |= scores(raw, base, kind[real], f"block {block}")
    return found


def distance_table(tiles: Tiles, refit_of: Callable[[NDArray[np.bool_], str], Refit]) -> list[tuple[str, ...]]:
    """Rows: score; area, all kinds together; mean over kinds; its gain over the shipped one (95 %, kinds drawn); share
    of the new marked where one in ten known is."""
    kind, _ = first_terms(tiles)
    parts = list(left_out_kinds(tiles, refit_of))
    told = [all_scores(tiles, part, kind) for part in parts]
    new = np.concatenate([part.new for part in parts])
    of = np.concatenate([kind[part.at] for part in parts])
    group = np.concatenate([np.full(len(part.at), part.group) for part in parts])
    ends = np.cumsum([0, *(len(part.at) for part in parts)])
    blocks = list(pairwise(ends.tolist()))

    def alike(values: Floats) -> Floats:
        pieces = [values[a:b] for a, b in blocks]
        known = [~new[a:b] for a, b in blocks]
        return np.concatenate([(v - np.median(v[k])) / (v[k].std() + 1e-9) for v, k in zip(pieces, known, strict=True)])

    found = {name: alike(np.concatenate([t[name] for t in told])) for name in told[0]}
    near = found[SHIPPED]
    both = (
        "block 15, nearest",
        f"block 15, nearest, the {KEPT} directions that part kinds",
        "block 15, nearest, half whitened within kinds",
        f"vectors, nearest, the {KEPT} directions that part kinds",
    )
    sums = {f"shipped + 0.6 ({name})": near + 0.6 * found[name] for name in both}
    sums["shipped + 0.6 of two: block 15, directions; half whitened"] = near + 0.6 * (found[both[1]] + found[both[2]])
    for title, names in (("these five", (SHIPPED, *both)), ("all", tuple(found))):
        values = np.stack([found[name] for name in names], axis=1).clip(-6, 6)
        learned = np.zeros(len(new))
        for g in sorted(set(group.tolist())):
            fit = LogisticRegression(C=0.05, class_weight="balanced", max_iter=1000)
            fit.fit(values[group != g], new[group != g])
            learned[group == g] = fit.decision_function(values[group == g])
        sums[f"logistic regression of {title}, other groups of kinds"] = alike(learned)
    found |= sums
    of_kind = [np.flatnonzero(~new | (of == name)) for name in sorted(set(of[new].tolist()))]
    areas = {name: np.array([roc_auc_score(new[m], v[m]) for m in of_kind]) for name, v in found.items()}
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(of_kind), size=(DRAWS, len(of_kind)))
    rows: list[tuple[str, ...]] = []
    for name, area in sorted(areas.items(), key=lambda item: -item[1].mean()):
        low, high = np.percentile((area - areas[SHIPPED])[drawn].mean(axis=1), [2.5, 97.5])
        marked = [
            (found[name][a:b] > np.quantile(found[name][a:b][~new[a:b]], 0.9))[new[a:b]].mean() for a, b in blocks
        ]
        together = f"{roc_auc_score(new, found[name]):.3f}"
        rows.append((name, together, f"{area.mean():.3f}", f"{low:+.3f} to {high:+.3f}", f"{np.mean(marked):.2f}"))
    return rows
