"""Does the model know when it does not know? Kinds of tissue left out of what is learned, and answers held back.

Two figures: how well the distance from what was learned (`model.reference`) tells tiles of kinds that a refit has never
seen from tiles of kinds that it has, all of cases that it has not seen; and what is gained where only the surer half of
the questions is answered (the probability of the class named, `training.zeroshot`).
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from answers_asking import Asker, Phrases
from answers_atlas import first_terms, slide_names
from answers_confidence import confidence_table, probabilities
from answers_data import CELL_SETS, CLASS_SETS, SMALL_SETS, Texts, Tiles
from answers_fit import Refit
from answers_plans import FOLDS, fold_of, learnable, plans
from answers_sets import DRAWS, Measured, class_scores, labels_of, shipped_asker, shipped_phrases
from answers_wordings import STYLES, labels_in
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from lile_engine.model.protocol import Floats
from lile_engine.model.reference import NEAREST, distances
from lile_engine.training.terms import TERM_PHRASES
from lile_engine.training.zeroshot import balanced_accuracy

GROUPS, SAMPLE, COMMON = 5, 2048, 8
# Terms that a tile of any kind of tissue may bear: no kinds of their own.
NO_KIND = frozenset(
    {
        "glass", "artefact", "special stain", "pigment", "red blood cells", "fibrin or exudate", "foreign material",
        "microorganisms", "chronic inflammation", "eosinophils", "neutrophils", "macrophages or giant cells",
        "necrosis or debris",
    }
)  # fmt: skip


def kind_groups(tiles: Tiles) -> dict[str, int]:
    """The kinds of tissue with at least eight H&E tiles, dealt into five groups in the order of a hash."""
    stained = [r["tissues"][0] for r in tiles.rows if r and r["stain"] == "H&E"]
    kinds = [k for k, n in Counter(stained).items() if n >= COMMON and k not in NO_KIND]
    ordered = sorted(kinds, key=lambda k: hashlib.sha256(k.encode()).hexdigest())
    return {kind: n % GROUPS for n, kind in enumerate(ordered)}


@dataclass(frozen=True)
class LeftOut:
    """A refit without a group of kinds and without a fold of cases: the real pictures that it learned from (``real``),
    and tiles of the fold's cases (``at``), of which some are of the kinds left out (``new``)."""

    group: int
    refit: Refit
    real: NDArray[np.int64]
    at: NDArray[np.int64]
    new: NDArray[np.bool_]


def left_out_kinds(tiles: Tiles, refit_of: Callable[[NDArray[np.bool_], str], Refit]) -> Iterator[LeftOut]:
    """Refits, each without a fold of cases and without a group of kinds (terms and phrases)."""
    group, fold = kind_groups(tiles), fold_of(tiles)
    first, _ = first_terms(tiles)
    atlas = tiles.of("atlas", "atlas-heldout")
    stained = np.array([bool(r) and r["stain"] == "H&E" for r in tiles.rows])  # type: ignore[index]
    terms = [set(p.tissues) | set(r["tissues"] if r else ()) for p, r in zip(tiles.pairs, tiles.rows, strict=True)]
    words = [{*p.captions, *p.phrases} for p in tiles.pairs]
    for g in range(GROUPS):
        out = {k for k, n in group.items() if n == g}
        phrases = {p for k in out for p in TERM_PHRASES[k]}
        bears = np.array([bool(t & out) or bool(w & phrases) for t, w in zip(terms, words, strict=True)])
        for f in range(FOLDS):
            keep = learnable(tiles) & ~((fold == f) & np.isin(tiles.source, ("atlas", "atlas-heldout"))) & ~bears
            chosen = (fold[atlas] == f) & stained[atlas] & np.isin(first[atlas], list(group))
            at = atlas[chosen & (np.isin(first[atlas], list(out)) | ~bears[atlas])]
            new = np.isin(first[at], list(out))
            if new.any() and not new.all():
                real = np.flatnonzero(keep & (tiles.source != "phantom"))
                yield LeftOut(g, refit_of(keep, f"kinds {g} fold {f}"), real, at, new)


def kinds_left_out(tiles: Tiles, refit_of: Callable[[NDArray[np.bool_], str], Refit]) -> list[tuple[str, str]]:
    """Areas under the curve of `left_out_kinds`."""
    first, _ = first_terms(tiles)
    names = slide_names(tiles)
    areas, scores, unknown, kind, slide = [], [], [], [], []
    for part in left_out_kinds(tiles, refit_of):
        new, at = part.new, part.at
        sample = part.refit.pictures(tiles.pooled[np.random.default_rng(0).permutation(part.real)[:SAMPLE], 0])
        far = distances(part.refit.pictures(tiles.pooled[at, 0]), sample, NEAREST)
        areas.append(roc_auc_score(new, far))
        # Refits differ in scale: told in spreads of the known tiles, as the reference's own scale does.
        scores.append((far - np.median(far[~new])) / far[~new].std())
        unknown.append(new), kind.append(first[at]), slide.append(np.char.add(names[at], f" {part.group}"))
    y, s = np.concatenate(unknown), np.concatenate(scores)
    k, where = np.concatenate(kind), np.concatenate(slide)
    per_kind = {n: float(roc_auc_score(y[m], s[m])) for n in sorted(set(k[y])) for m in [~y | (k == n)]}
    best = sorted(per_kind.items(), key=lambda item: -item[1])
    told = ", ".join(f"{n} {v:.2f}" for n, v in (*best[:5], *best[-5:]))
    of_region = _regions(s, y, k, where)
    return [
        ("single tiles, all kinds left out together", f"{roc_auc_score(y, s):.2f}"),
        (f"single tiles, mean of {len(areas)} refits", f"{np.mean(areas):.2f}"),
        (f"single tiles, mean over {len(per_kind)} kinds", f"{np.mean(list(per_kind.values())):.2f}"),
        ("up to eight tiles of one kind and slide, averaged", f"{of_region:.2f}"),
        ("the five best and the five worst kinds", told),
    ]


def _regions(scores: Floats, new: NDArray[np.bool_], kind: NDArray[np.str_], slide: NDArray[np.str_]) -> float:
    members: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, key in enumerate(zip(slide.tolist(), kind.tolist(), strict=True)):
        members[key].append(i)
    kept = [rows[:8] for rows in members.values() if len(rows) >= 4]
    return float(roc_auc_score([new[rows[0]] for rows in kept], [scores[rows].mean() for rows in kept]))


def sets_left_out(tiles: Tiles, refits: dict[str, Refit]) -> list[tuple[str, str]]:
    """The same against whole sets whose organs were left out: another laboratory as well as another tissue. The sample
    is of what the refit has learned from, as a checkpoint's is."""
    held = tiles.of("atlas-heldout")
    held = held[[tiles.rows[i]["stain"] == "H&E" for i in held]]  # type: ignore[index]
    found, kept = [], plans(tiles)
    new = [
        (f"without {name}", sources, f"left out: {name}")
        for name, sources in (
            ("bowel", ("kather", "crc-val", "ebhi")),
            ("bone", ("osteosarcoma",)),
            ("mouth", ("oral",)),
            ("smears", ("pap",)),
            ("blood and lung", CELL_SETS),
            ("kidney, breast, lymph node, bowel", SMALL_SETS),
        )
    ]
    # The same pictures where their organs were learned from others: how much of it is the laboratory.
    known = [("without class sets", (name,), "left out: labelled sets, not their organs") for name in CLASS_SETS]
    for plan, sources, told in (*new, *known):
        refit = refits[plan]
        own = np.flatnonzero(kept[plan] & (tiles.source != "phantom"))
        sample = refit.pictures(tiles.pooled[np.random.default_rng(0).permutation(own)[:SAMPLE], 0])
        at = np.concatenate([held, tiles.of(*sources)])
        far = distances(refit.pictures(tiles.pooled[at, 0]), sample, NEAREST)
        area = roc_auc_score(np.arange(len(at)) >= len(held), far)
        found.append((f"unseen atlas cases against {', '.join(sources)} ({told})", f"{area:.2f}"))
    return found


def coverage(tiles: Tiles, texts: Texts) -> list[tuple[str, ...]]:
    """(question, all, the surer half by the class's probability, the half least outside, share right of all and of the
    surer half, area right from wrong), by our phrases as they stand and as shipped, and in five other wordings."""
    bare, shipped = shipped_phrases(texts), shipped_asker(tiles, texts)
    real = np.flatnonzero(learnable(tiles) & ~np.isin(tiles.source, ("phantom", "atlas-heldout")))
    sample = tiles.vectors[np.random.default_rng(0).permutation(real)[:SAMPLE]]
    first, terms = first_terms(tiles)
    held = tiles.of("atlas-heldout")
    lung = tiles.of("lc25000")
    own = {t: list(TERM_PHRASES[t]) for t in terms}
    asked: list[tuple[str, NDArray[np.int64], NDArray[np.str_], dict[str, list[str]], Phrases | Asker]] = []
    for name, key, at, truth, labels in (
        ("atlas, sixteen unseen cases, 15 terms", "terms", held, first, own),
        ("LC25000, 5 classes", "lc25000", lung, tiles.label, labels_of("lc25000", tiles)),
    ):
        asked.append((f"{name}, phrases as they stand", at, truth, labels, bare))
        asked.append((f"{name}, as shipped", at, truth, labels, shipped))
        asked += [(f"{name}, in words of the kind {s}", at, truth, labels_in(key, s), shipped) for s in STYLES]
    rows: list[tuple[str, ...]] = []
    for name, at, truth, labels, phrases in asked:
        at = at[np.isin(truth[at], list(labels))]
        far = distances(tiles.vectors[at], sample, NEAREST)
        guess, sure = _probable(tiles.vectors[at], phrases, labels)
        cells = [_half(truth[at], guess, score) for score in (None, sure, -far)]
        right = truth[at] == guess
        half = right[np.argsort(-sure, kind="stable")[: len(right) // 2]]
        areas = roc_auc_score(right, sure), roc_auc_score(right, -far)
        shares = f"{right.mean():.2f} / {half.mean():.2f}"
        rows.append((name, *cells, shares, f"{areas[0]:.2f} / {areas[1]:.2f}"))
    return rows


def _probable(
    vectors: Floats, phrases: Phrases | Asker, labels: dict[str, list[str]]
) -> tuple[NDArray[np.str_], Floats]:
    chances = probabilities(class_scores(vectors, phrases, labels))
    return np.array(list(labels))[chances.argmax(1)], chances.max(axis=1)


def _half(truth: NDArray[np.str_], guess: NDArray[np.str_], score: Floats | None) -> str:
    rng = np.random.default_rng(0)

    def value(rows: NDArray[np.int64]) -> float:
        if score is not None:
            rows = rows[np.argsort(-score[rows], kind="stable")[: len(rows) // 2]]
        return balanced_accuracy(truth[rows].tolist(), guess[rows].tolist())

    every = np.arange(len(truth))
    draws = [value(rng.integers(len(truth), size=len(truth))) for _ in range(DRAWS // 5)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return str(Measured(value(every), float(low), float(high)))


def outside_tables(
    tiles: Tiles, texts: Texts, refits: dict[str, Refit], refit_of: Callable[[NDArray[np.bool_], str], Refit]
) -> list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
    """(title, header, rows) of this module's tables."""
    areas: list[tuple[str, ...]] = [*kinds_left_out(tiles, refit_of), *sets_left_out(tiles, refits)]
    shares, area = "share right: all / surer half", "right from wrong: probability / outside"
    header = ("question", "all", "surer half", "half least outside", shares, area)
    sure = ("measure", "right from wrong", "against the shipped one", "gain, balanced accuracy", "gain, share right")
    return [
        ("Outside: kinds of tissue left out", ("measured", "area under the curve"), areas),
        ("Measures of confidence, sets not seen", sure, confidence_table(tiles, texts, refits, fold_of(tiles))),
        ("Half of the questions answered: balanced accuracy", header, coverage(tiles, texts)),
    ]
