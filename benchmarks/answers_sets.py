"""Zero-shot answers on every set of the real tiles, in four relations to what was learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from answers_asking import Asker, Phrases, asker
from answers_data import CELL_SETS, CLASS_SETS, NEVER_SEEN, ORGAN_SETS, SMALL_SETS, Texts, Tiles
from answers_fit import Refit
from answers_plans import FOLDS, OF_SET
from checkpoint import LC25000
from numpy.typing import NDArray

from lile_engine.model.protocol import CROWDING_SHARE, Floats
from lile_engine.training.evaluate import text_matches
from lile_engine.training.open_data import _WEAK_CAPTIONS, CLASS_PHRASES
from lile_engine.training.recall import Recall, recall_at_k
from lile_engine.training.zeroshot import balanced_accuracy

DRAWS = 1000


@dataclass(frozen=True)
class Measured:
    """A balanced accuracy (or another mean) with its bootstrap interval of 95 %."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def labels_of(name: str, tiles: Tiles) -> dict[str, list[str]]:
    """The class phrases of a set."""
    if name == "lc25000":
        return LC25000
    if name == "small":
        return {source: list(_WEAK_CAPTIONS[source]) for source in SMALL_SETS}
    own = sorted(set(tiles.label[tiles.of(name)].tolist()) - {""})
    if name in CLASS_SETS:
        return {label: list(CLASS_PHRASES[f"{name}/{label}"]) for label in own}
    if name in ORGAN_SETS:
        return {label: [label.replace("_", " "), f"normal {label.replace('_', ' ')}"] for label in own}
    return {label: [label] for label in own}


def classify(vectors: Floats, phrases: Phrases | Asker, labels: dict[str, list[str]]) -> NDArray[np.str_]:
    """The class whose phrases' mean is nearest: by the bare vectors, or, of an `Asker`, as `lile zeroshot --no-rerank`
    names it."""
    return np.array(list(labels))[class_scores(vectors, phrases, labels).argmax(1)]


def class_scores(vectors: Floats, phrases: Phrases | Asker, labels: dict[str, list[str]]) -> Floats:
    """The same as scores [n, classes]."""
    embed = phrases.asked if isinstance(phrases, Asker) else phrases
    centres = np.stack([embed(list(texts)).mean(0) for texts in labels.values()])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    scores: Floats = vectors @ centres.T
    return scores - CROWDING_SHARE * phrases.crowding(centres) if isinstance(phrases, Asker) else scores


def accuracy(truth: NDArray[np.str_], guess: NDArray[np.str_], units: NDArray[np.str_] | None = None) -> Measured:
    """Balanced accuracy; resampled within the classes, or whole ``units`` (cases) where those are given."""
    rng = np.random.default_rng(0)
    drawn = []
    if units is None:
        rows = [np.flatnonzero(truth == name) for name in sorted(set(truth.tolist()))]
        for _ in range(DRAWS):
            drawn.append(np.mean([(truth[i] == guess[i]).mean() for r in rows for i in [rng.choice(r, len(r))]]))
    else:
        names, which = np.unique(units, return_inverse=True)
        members = [np.flatnonzero(which == n) for n in range(len(names))]
        for _ in range(DRAWS):
            i = np.concatenate([members[n] for n in rng.integers(len(names), size=len(names))])
            drawn.append(_balanced(truth[i], guess[i]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Measured(balanced_accuracy(truth.tolist(), guess.tolist()), float(low), float(high))


def _balanced(truth: NDArray[np.str_], guess: NDArray[np.str_]) -> float:
    _, which = np.unique(truth, return_inverse=True)
    return float((np.bincount(which, truth == guess) / np.bincount(which)).mean())


def shipped_phrases(texts: Texts) -> Phrases:
    def phrases(wanted: list[str]) -> Floats:
        return np.concatenate([texts.encoded(wanted[i : i + 64])[0] for i in range(0, len(wanted), 64)])

    return phrases


def shipped_asker(tiles: Tiles, texts: Texts) -> Asker:
    """The shipped model as the program asks it."""
    learned = ~np.isin(tiles.source, ("atlas-heldout", *NEVER_SEEN))
    return asker(tiles, texts, learned, shipped_phrases(texts), tiles.vectors)


def set_table(
    tiles: Tiles, texts: Texts, refits: dict[str, Refit], fold: NDArray[np.int64]
) -> list[tuple[str, int, int, list[str]]]:
    """(set, classes, tiles, [shipped, cross-validated, set left out, organs left out too]) of sets with classes."""
    found, shipped = [], shipped_asker(tiles, texts)
    for name in (*CLASS_SETS, *CELL_SETS, "small", *ORGAN_SETS, "lc25000"):
        labels = labels_of(name, tiles)
        own = tiles.of(*SMALL_SETS) if name == "small" else tiles.of(name)
        own = own[np.isin(tiles.label[own], list(labels))]
        truth = tiles.label[own]

        def by(refit: Refit, at: NDArray[np.int64] = own, labels: dict[str, list[str]] = labels) -> NDArray[np.str_]:
            return classify(refit.pictures(tiles.pooled[at, 0]), refit.asker, labels)

        columns = [str(accuracy(truth, classify(tiles.vectors[own], shipped, labels)))]
        if name in ("lc25000", "openstax"):
            columns.append("")
        else:
            guess = np.empty(len(own), dtype=object)
            for n in range(FOLDS):
                mine = fold[own] == n
                guess[mine] = by(refits[f"fold {n}"], own[mine])
            columns.append(str(accuracy(truth, guess.astype(str))))
        left_out = "without class sets" if name in (*CLASS_SETS, "lc25000") else "without small sets"
        columns.append(str(accuracy(truth, by(refits[left_out]))))
        organs = OF_SET.get(name)
        columns.append(str(accuracy(truth, by(refits[f"without {organs}"]))) if organs else "")
        found.append((name, len(labels), len(own), columns))
    return found


def recall_of(tiles: Tiles, at: NDArray[np.int64], vectors: Floats, phrases: Phrases) -> Recall:
    """Recall both ways of the tiles at ``at`` and their captions; whole cases are drawn for the intervals."""
    texts, matches = text_matches([tiles.pairs[i] for i in at])
    units = np.unique(tiles.cases[at], return_inverse=True)[1].astype(np.int64)
    scores = vectors @ phrases(texts).T
    return recall_at_k(scores, matches, image_units=units, text_units=units[matches.argmax(axis=0)], bootstrap=DRAWS)


def recall_text(found: Recall) -> tuple[str, str]:
    """Recall@1 / 5 / 10 image to text and text to image, as a table says it."""
    return _way(found.i2t), _way(found.t2i)


def _way(way: object) -> str:
    interval = way.intervals["r10"]  # type: ignore[attr-defined]
    return f"{way.r1:.2f} / {way.r5:.2f} / {way.r10:.2f} ({interval.low:.2f} to {interval.high:.2f})"  # type: ignore[attr-defined]
