"""How sure is an answer? Measures of confidence compared on every set but LC25000, which is measured with the winner.

The answer is always the class that `lile zeroshot --no-rerank` names; measures differ only in how they order answers.
Each is judged by the area under the curve of right from wrong and by what is gained where only the surer half is
answered, over sets, relations to what was learned, and wordings (five of somebody else, our own).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from answers_asking import Asker
from answers_atlas import first_terms
from answers_data import CELL_SETS, CLASS_SETS, ORGAN_SETS, SMALL_SETS, Texts, Tiles
from answers_fit import Refit
from answers_plans import FOLDS, OF_SET
from answers_sets import labels_of, shipped_asker
from answers_worded import Part
from answers_wordings import STYLES, WORDINGS, labels_in
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from lile_engine.model.protocol import CROWDING_SHARE, Floats
from lile_engine.model.reference import NEAREST
from lile_engine.outside import LEAST_RANGE, RANGE_QUANTILE
from lile_engine.training.terms import TERM_PHRASES
from lile_engine.training.zeroshot import DEFAULT_SHARPNESS, balanced_accuracy

SHIPPED = f"probability, {DEFAULT_SHARPNESS:.0f} times the score (shipped)"
DRAWS = 1000


def questions(
    tiles: Tiles, texts: Texts, refits: dict[str, Refit], fold: NDArray[np.int64]
) -> Iterator[tuple[tuple[str, str], dict[str, list[str]], list[Part], NDArray[np.str_]]]:
    """Every set but LC25000, not seen: by refits without the fold, the set, or its organs; terms by the shipped model
    as well, on its sixteen unseen cases. By our phrases, and in five wordings where there are some."""
    first, _ = first_terms(tiles)
    shipped = shipped_asker(tiles, texts)
    for name in (*CLASS_SETS, *CELL_SETS, *ORGAN_SETS, "small", "terms"):
        truth = first if name == "terms" else tiles.label
        own = {t: list(TERM_PHRASES[t]) for t in WORDINGS["terms"]} if name == "terms" else labels_of(name, tiles)
        at = tiles.of(*{"terms": ("atlas", "atlas-heldout"), "small": SMALL_SETS}.get(name, (name,)))
        at = at[np.isin(truth[at], list(own))]

        def of(plan: str, where: NDArray[np.int64]) -> Part:
            return refits[plan].asker, refits[plan].pictures(tiles.pooled[where, 0]), where

        asked: dict[str, list[Part]] = {}
        if name != "openstax":
            asked["other tiles seen"] = [of(f"fold {n}", at[fold[at] == n]) for n in range(FOLDS)]
        if name in (*CLASS_SETS, "small", "openstax"):
            asked["set left out"] = [of("without class sets" if name in CLASS_SETS else "without small sets", at)]
        if name in (*CLASS_SETS, "small"):
            asked["organs left out"] = [of(f"without {OF_SET[name]}", at)]
        if name == "terms":
            held = at[np.isin(at, tiles.of("atlas-heldout"))]
            asked["shipped"] = [(shipped, tiles.vectors[held], held)]
        worded = [labels_in(name, style) for style in STYLES] if name in WORDINGS else []
        for relation, parts in asked.items():
            for labels in (own, *worded):
                yield (name, relation), labels, [part for part in parts if len(part[2])], truth


def probabilities(scores: Floats, sharpness: float = DEFAULT_SHARPNESS) -> Floats:
    """Softmax over classes of scores [n, classes]."""
    chances = np.exp(sharpness * (scores - scores.max(axis=1, keepdims=True)))
    normed: Floats = chances / chances.sum(axis=1, keepdims=True)
    return normed


def confidences(
    asker: Asker, vectors: Floats, labels: dict[str, list[str]]
) -> tuple[NDArray[np.int64], dict[str, Floats]]:
    """The class named [n], and how sure each measure [n] is of it."""

    def centres(drawn: bool) -> Floats:
        embed = asker.asked if drawn else asker.phrases
        mean = np.stack([embed(list(phrases)).mean(0) for phrases in labels.values()])
        unit: Floats = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return unit

    asked, bare = centres(True), centres(False)
    crowd, crowd_bare = CROWDING_SHARE * asker.crowding(asked), CROWDING_SHARE * asker.crowding(bare)
    scores, learned = vectors @ asked.T - crowd, asker.sample @ asked.T - crowd
    named = scores.argmax(axis=1)
    rows = np.arange(len(named))
    chances, ordered = probabilities(scores), np.sort(scores, axis=1)
    margin = ordered[:, -1] - ordered[:, -2]
    middle, spread = learned.mean(0), learned.std(0)
    width = np.maximum(np.quantile(learned, RANGE_QUANTILE, axis=0) - middle, LEAST_RANGE)
    standard = (scores - middle) / spread
    of_learned = probabilities(learned)
    typical = np.array([of_learned[:, c].mean() for c in range(len(labels))])
    over = chances / typical
    forms = [probabilities(s) for s in (vectors @ asked.T, vectors @ bare.T, vectors @ bare.T - crowd_bare)]
    cosines = vectors @ asker.sample.T
    nearest = np.argpartition(-cosines, NEAREST, axis=1)[:, :NEAREST]
    far = 1 - np.take_along_axis(cosines, nearest, axis=1).mean(axis=1)
    around = of_learned[nearest].mean(axis=1)
    sure = chances[rows, named]
    odds = np.log(sure + 1e-9) - np.log(1 - sure + 1e-9)
    unit = np.std(1 - np.sort(asker.sample[:400] @ asker.sample.T, axis=1)[:, -NEAREST - 1 : -1].mean(axis=1))
    found = {
        SHIPPED: sure,
        **{f"probability, {k} times": probabilities(scores, k)[rows, named] for k in (5, 10, 40, 80)},
        "margin to the next class": margin,
        "margin in spreads over the classes": margin / scores.std(axis=1),
        "less the entropy": (chances * np.log(chances + 1e-12)).sum(axis=1),
        "score in spreads of the class's learned pictures": standard[rows, named],
        "score as a share of the class's range": ((scores - middle) / width)[rows, named],
        "softmax of scores in spreads": probabilities(standard, 2)[rows, named],
        "probability over the class's mean on learned pictures": (over / over.sum(1, keepdims=True))[rows, named],
        "least of four forms of the question": np.minimum.reduce([sure, *(f[rows, named] for f in forms)]),
        "mean of four forms of the question": (chances + sum(forms))[rows, named],
        "the nearest learned pictures' probability": around[rows, named],
        "probability + half of the nearest pictures'": sure + 0.5 * around[rows, named],
        "less the distance from what was learned": -far,
        "log odds less 0.3 spreads of that distance": odds - 0.3 * far / unit,
    }  # fmt: skip
    return named, {name: np.asarray(value, np.float64) for name, value in found.items()}


def confidence_table(
    tiles: Tiles, texts: Texts, refits: dict[str, Refit], fold: NDArray[np.int64]
) -> list[tuple[str, ...]]:
    """Rows: measure; area of right from wrong, its difference from the shipped one (95 %, whole sets drawn); gain in
    balanced accuracy and in the share right where the surer half is answered. Means over wordings, then over sets."""
    kept: dict[str, dict[tuple[str, str], list[tuple[float, float, float]]]] = defaultdict(lambda: defaultdict(list))
    for key, labels, parts, truth in questions(tiles, texts, refits, fold):
        found = [confidences(asker, vectors, labels) for asker, vectors, _ in parts]
        right_names = np.concatenate([truth[at] for *_, at in parts])
        guess = np.array(list(labels))[np.concatenate([named for named, _ in found])]
        right = right_names == guess
        every = balanced_accuracy(right_names.tolist(), guess.tolist())
        for measure in found[0][1]:
            sure = np.concatenate([values[measure] for _, values in found])
            half = np.argsort(-sure, kind="stable")[: len(sure) // 2]
            area = roc_auc_score(right, sure) if 0 < right.sum() < len(right) else np.nan
            gain = balanced_accuracy(right_names[half].tolist(), guess[half].tolist()) - every
            kept[measure][key].append((float(area), gain, float(right[half].mean() - right.mean())))
    keys = list(kept[SHIPPED])
    means = {m: np.array([np.nanmean(np.array(by[k]), axis=0) for k in keys]) for m, by in kept.items()}
    sets = sorted({name for name, _ in keys})
    members = [[i for i, (name, _) in enumerate(keys) if name == s] for s in sets]
    rng = np.random.default_rng(0)
    drawn = [np.concatenate([members[n] for n in rng.integers(len(sets), size=len(sets))]) for _ in range(DRAWS)]
    rows: list[tuple[str, ...]] = []
    for measure, values in sorted(means.items(), key=lambda item: -np.nanmean(item[1][:, 0])):
        differ = (values - means[SHIPPED])[:, 0]
        low, high = np.percentile([np.nanmean(differ[i]) for i in drawn], [2.5, 97.5])
        area, gain, share = np.nanmean(values, axis=0)
        rows.append((measure, f"{area:.3f}", f"{low:+.3f} to {high:+.3f}", f"{gain:+.3f}", f"{share:+.3f}"))
    return rows
