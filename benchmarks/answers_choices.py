"""What some choices of the recipe bring: refits of three seeds, on the sixteen unseen atlas cases and on the labelled
sets as sets never seen; by the vectors alone, not centred."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from answers_atlas import first_terms
from answers_data import CLASS_SETS, Texts, Tiles
from answers_fit import Refit, refit
from answers_plans import plans
from answers_sets import classify, labels_of
from numpy.typing import NDArray

from lile_engine.training.evaluate import text_matches
from lile_engine.training.recall import recall_at_k
from lile_engine.training.terms import TERM_PHRASES
from lile_engine.training.zeroshot import balanced_accuracy

SEEDS = 3
CHANNELS = {"4": 40, "10": 112, "15": 320}  # of the blocks that feed the tokens


def choices(tiles: Tiles, shares: dict[str, float]) -> Iterator[tuple[str, Tiles, dict[str, float], dict[str, float]]]:
    """(what, tiles, shares of the lists, options of `refit`)."""
    real = {name: share for name, share in shares.items() if name != "phantom"}
    yield "all blocks, real and phantoms, mean of weights", tiles, shares, {}
    yield "closed form alone", tiles, shares, {"steps": 0}
    yield "last weights instead of their running mean", tiles, shares, {"ema": 0.0}
    yield "four times as many steps", tiles, shares, {"steps": 800}
    yield "real alone", tiles, real, {}
    yield "phantoms alone", tiles, {"phantom": 1.0}, {}
    yield "without phrases (captions alone)", tiles, shares, {"phrase_share": 0.0}
    of = np.repeat(list(CHANNELS), list(CHANNELS.values()))
    for blocks in (("4",), ("10",), ("15",), ("4", "10"), ("10", "15")):
        pooled = np.ascontiguousarray(tiles.pooled[:, :, np.isin(of, blocks)])
        yield f"blocks {' and '.join(blocks)} alone", replace(tiles, pooled=pooled), shares, {}


def choice_table(tiles: Tiles, texts: Texts, shares: dict[str, float]) -> Iterator[tuple[str, ...]]:
    """Rows: what, R@10 (mean of both ways), 15 terms, kather, crc-val, osteosarcoma; mean and range of the seeds."""
    keep = plans(tiles)["without class sets"]
    for what, shown, weights, options in choices(tiles, shares):
        runs = []
        for seed in range(SEEDS if options.get("steps", 200) <= 200 else 1):
            model = refit(shown, texts, keep, weights, seed=seed, **{"steps": 200, **options})  # type: ignore[arg-type]
            runs.append(measured(shown, model))
        spread = [f"{np.mean(v):.2f} ({min(v):.2f} to {max(v):.2f})" for v in zip(*runs, strict=True)]
        yield (what, *spread)


def measured(tiles: Tiles, model: Refit) -> list[float]:
    held = tiles.of("atlas-heldout")
    drawn = held[np.random.default_rng(0).permutation(len(held))[:384]]
    captions, matches = text_matches([tiles.pairs[i] for i in drawn])
    found = recall_at_k(_vectors(tiles, model, drawn) @ model.phrases(captions).T, matches)
    first, terms = first_terms(tiles)
    own = held[np.isin(first[held], terms)]
    guess = classify(_vectors(tiles, model, own), model.phrases, {t: list(TERM_PHRASES[t]) for t in terms})
    values = [(found.i2t.r10 + found.t2i.r10) / 2, balanced_accuracy(first[own].tolist(), guess.tolist())]
    for name in CLASS_SETS[:3]:
        labels = labels_of(name, tiles)
        at = tiles.of(name)
        at = at[np.isin(tiles.label[at], list(labels))]
        named = classify(_vectors(tiles, model, at), model.phrases, labels)
        values.append(balanced_accuracy(tiles.label[at].tolist(), named.tolist()))
    return values


def _vectors(tiles: Tiles, model: Refit, at: NDArray[np.int64]) -> NDArray[np.float32]:
    return model.pictures(tiles.pooled[at, 0])
