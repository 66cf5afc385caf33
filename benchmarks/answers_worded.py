"""Classes named in other people's words (`answers_wordings`): what asking as the program does brings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from answers_asking import Asker, Phrases
from answers_atlas import first_terms
from answers_data import CLASS_SETS, SMALL_SETS, Texts, Tiles
from answers_fit import Refit
from answers_plans import FOLDS, OF_SET
from answers_sets import classify, shipped_asker
from answers_wordings import STYLES, WORDINGS, labels_in
from numpy.typing import NDArray

from lile_engine.model.protocol import Floats
from lile_engine.training.zeroshot import balanced_accuracy

# (asker, vectors of the tiles, where they lie): what is asked of one refit.
Part = tuple[Asker, Floats, NDArray[np.int64]]


def wording_table(
    tiles: Tiles, texts: Texts, refits: dict[str, Refit], fold: NDArray[np.int64]
) -> Iterator[tuple[str, ...]]:
    """Rows: set, measured on; balanced accuracy, phrases as they stand and as shipped: mean of five styles, worst."""
    first, _ = first_terms(tiles)
    shipped = shipped_asker(tiles, texts)
    for name in WORDINGS:
        truth = first if name == "terms" else tiles.label
        sources = {"terms": ("atlas", "atlas-heldout"), "small": SMALL_SETS}.get(name, (name,))
        own = tiles.of(*sources)
        own = own[np.isin(truth[own], list(WORDINGS[name]))]
        held = own[np.isin(own, tiles.of("atlas-heldout"))] if name == "terms" else own

        def of(refit: Refit, at: NDArray[np.int64]) -> Part:
            return refit.asker, refit.pictures(tiles.pooled[at, 0]), at

        measured: dict[str, list[Part]] = {}
        if name != "lc25000":
            measured["refits, cross-validated"] = [of(refits[f"fold {n}"], own[fold[own] == n]) for n in range(FOLDS)]
        if name != "terms":
            left_out = "without class sets" if name in (*CLASS_SETS, "lc25000") else "without small sets"
            measured["refit, such sets left out"] = [of(refits[left_out], own)]
            measured["refit, their organs left out too"] = [of(refits[f"without {OF_SET[name]}"], own)]
        told = "shipped" if name in ("terms", "lc25000") else "shipped, trained on it"
        measured[told] = [(shipped, tiles.vectors[held], held)]
        for what, parts in measured.items():
            bare = [_accuracy(parts, labels_in(name, style), truth, False) for style in STYLES]
            asked = [_accuracy(parts, labels_in(name, style), truth, True) for style in STYLES]
            values = (np.mean(bare), np.mean(asked), min(bare), min(asked))
            yield (name, what, *(f"{value:.2f}" for value in values))


def _accuracy(parts: list[Part], labels: dict[str, list[str]], truth: NDArray[np.str_], asked: bool) -> float:
    right, named = [], []
    for asker, vectors, at in parts:
        phrases: Phrases | Asker = asker if asked else asker.phrases
        right.append(truth[at]), named.append(classify(vectors, phrases, labels))
    return balanced_accuracy(np.concatenate(right).tolist(), np.concatenate(named).tolist())
