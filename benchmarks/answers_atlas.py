"""The atlas in five folds by case: what is said of slides, tiles and captions of cases that a refit has not seen."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from answers_asking import Asker
from answers_data import Tiles
from answers_fit import Refit
from answers_plans import FOLDS
from answers_sets import Measured, accuracy, classify, recall_of
from numpy.typing import NDArray

from lile_engine.model.protocol import Floats
from lile_engine.training.recall import Recall
from lile_engine.training.terms import TERM_PHRASES

TERMS, NEAREST, FEW, CAPTIONS, DRAWS = 15, 10, 8, 384, 1000
# Titles of different cases that name the same diagnosis in other words (read by eye; no two cases share a title).
SAME_DIAGNOSIS = (
    ("pdac_tru_cut_he1", "pdac_adrenal_invasion_he", "pancreaticadenocarcinoma_z_0", "pancreas_adenosquamous_he"),
    ("duodenum_tubular_adenoma_he", "tubularadenoma_z_0"),
    ("bs20_he", "necrotisinggranuloma_he"),
    ("insidious_lymph_node_metastasis_he", "venous_invasion_he"),
    ("ectopic_pancreas_he", "metaplasia_he"),
)


def slide_names(tiles: Tiles) -> NDArray[np.str_]:
    """The slide of each atlas tile, "" for other pictures."""
    return np.array([p.path.parent.name if r else "" for p, r in zip(tiles.pairs, tiles.rows, strict=True)])


def first_terms(tiles: Tiles) -> tuple[NDArray[np.str_], list[str]]:
    """The first term of each atlas tile, and the commonest of all."""
    first = np.array([r["tissues"][0] if r else "" for r in tiles.rows])
    counts = Counter(t for t in first.tolist() if t)
    return first, [t for t, _ in counts.most_common(TERMS)]


def term_accuracy(
    tiles: Tiles, refits: dict[str, Refit], fold: NDArray[np.int64], shipped: Asker
) -> dict[str, Measured]:
    """Balanced accuracy over the commonest terms: five folds, and the shipped model on its sixteen unseen cases."""
    first, terms = first_terms(tiles)
    labels = {t: list(TERM_PHRASES[t]) for t in terms}
    atlas = tiles.of("atlas", "atlas-heldout")
    at = atlas[np.isin(first[atlas], terms)]
    guess = np.empty(len(at), dtype=object)
    for n in range(FOLDS):
        own, refit = fold[at] == n, refits[f"fold {n}"]
        guess[own] = classify(refit.pictures(tiles.pooled[at[own], 0]), refit.asker, labels)
    held = np.isin(at, tiles.of("atlas-heldout"))
    by_shipped = classify(tiles.vectors[at[held]], shipped, labels)
    cases = tiles.cases[at]
    return {
        "folds": accuracy(first[at], guess.astype(str), cases),
        "folds, the shipped model's sixteen cases": accuracy(first[at[held]], guess[held].astype(str), cases[held]),
        "shipped": accuracy(first[at[held]], by_shipped, cases[held]),
    }


def caption_recall(tiles: Tiles, refits: dict[str, Refit], fold: NDArray[np.int64]) -> list[Recall]:
    """Of each fold, recall among 384 of its tiles and their captions."""
    found = []
    for n in range(FOLDS):
        own = np.flatnonzero((fold == n) & np.isin(tiles.source, ("atlas", "atlas-heldout")))
        own = own[np.random.default_rng(n).permutation(len(own))[:CAPTIONS]]
        refit = refits[f"fold {n}"]
        found.append(recall_of(tiles, own, refit.pictures(tiles.pooled[own, 0]), refit.phrases))
    return found


def slide_answers(tiles: Tiles, refits: dict[str, Refit], fold: NDArray[np.int64]) -> dict[str, str]:
    """Organ and title of each H&E slide of a case not seen, from a few of its tiles: by words, and by the nearest
    tiles of the cases that were seen. A case counts once (its slides are averaged)."""
    names = slide_names(tiles)
    stained = np.array([bool(r) and r["stain"] == "H&E" for r in tiles.rows])  # type: ignore[index]
    slides = sorted(set(names[stained].tolist()))
    rows = {s: tiles.rows[int(np.flatnonzero(names == s)[0])] for s in slides}
    title = {s: rows[s]["slide_title"] for s in slides}  # type: ignore[index]
    organ = {s: rows[s]["organ"] for s in slides}  # type: ignore[index]
    case = {s: rows[s]["case"] for s in slides}  # type: ignore[index]
    titles = sorted(set(title.values()))
    organs = sorted(set(organ.values()) - {""})
    cases_of = defaultdict(set)
    for s in slides:
        cases_of[organ[s]].add(case[s])
    twin = {a: b for group in SAME_DIAGNOSIS for a in group for b in [tuple(x for x in group if x != a)]}
    twins = {title[a]: [title[b] for b in others] for a, others in twin.items()}
    kept: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for s in slides:
        own = np.flatnonzero(names == s)
        n = int(fold[own[0]])
        refit = refits[f"fold {n}"]
        few = own[np.random.default_rng(own[0]).permutation(len(own))[:FEW]]
        vectors = refit.pictures(tiles.pooled[few, 0])
        by_title = _chances(vectors, refit.phrases(titles))
        rank = 1 + int((by_title > by_title[titles.index(title[s])]).sum())
        kept["own title among the first 5"].append((case[s], rank <= 5))
        kept["own title among the first 10"].append((case[s], rank <= 10))
        seen = np.flatnonzero(stained & (fold != n))
        nearest = _nearest_votes(vectors, refit.pictures(tiles.pooled[seen, 0]), tiles, seen, "organ")
        if title[s] in twins:
            best = min(1 + int((by_title > by_title[titles.index(t)]).sum()) for t in (title[s], *twins[title[s]]))
            near = _nearest_votes(vectors, refit.pictures(tiles.pooled[seen, 0]), tiles, seen, "slide_title")
            where = [i + 1 for i, t in enumerate(near) if t in twins[title[s]]]
            kept["diagnosis of another case, by words: first"].append((case[s], best == 1))
            kept["diagnosis of another case, by words: among 5"].append((case[s], best <= 5))
            kept["diagnosis of another case, by nearest tiles: first"].append((case[s], bool(where) and where[0] == 1))
            kept["diagnosis of another case, by nearest tiles: among 5"].append(
                (case[s], bool(where) and where[0] <= 5)
            )
        if len(cases_of[organ[s]]) > 1 and organ[s]:
            chances = by_title @ np.array(
                [[organ_of == o for o in organs] for organ_of in _organs(titles, title, organ)]
            )
            by_words = _chances(vectors, refit.phrases(organs))
            kept["organ, from the best title"].append(
                (case[s], _organs(titles, title, organ)[by_title.argmax()] == organ[s])
            )
            kept["organ, from all titles' chances"].append((case[s], organs[int(chances.argmax())] == organ[s]))
            kept["organ, from its name alone"].append((case[s], organs[int(by_words.argmax())] == organ[s]))
            kept["organ, from the nearest tiles of other cases"].append(
                (case[s], bool(nearest) and nearest[0] == organ[s])
            )
    return {name: _by_case(values) for name, values in kept.items()}


def _organs(titles: Sequence[str], title: dict[str, str], organ: dict[str, str]) -> list[str]:
    of_title = {title[s]: organ[s] for s in title}
    return [of_title[t] for t in titles]


def _chances(vectors: Floats, texts: Floats) -> Floats:
    logits = vectors @ texts.T / 0.05
    chances = np.exp(logits - logits.max(1, keepdims=True))
    mean: Floats = (chances / chances.sum(1, keepdims=True)).mean(0)
    return mean


def _nearest_votes(vectors: Floats, seen: Floats, tiles: Tiles, at: NDArray[np.int64], key: str) -> list[str]:
    """What the ten nearest of each tile are of, the commonest first; each weighs by its cosine."""
    scores = vectors @ seen.T
    votes: Counter[str] = Counter()
    for row in scores:
        for i in np.argsort(-row)[:NEAREST]:
            name = tiles.rows[at[i]][key]  # type: ignore[index]
            if name:
                votes[name] += float(row[i])
    return [name for name, _ in votes.most_common()]


def _by_case(values: list[tuple[str, float]]) -> str:
    means: dict[str, list[float]] = defaultdict(list)
    for case, value in values:
        means[case].append(float(value))
    shares = np.array([np.mean(v) for v in means.values()])
    rng = np.random.default_rng(0)
    low, high = np.percentile([rng.choice(shares, len(shares)).mean() for _ in range(DRAWS)], [2.5, 97.5])
    return f"{Measured(float(shares.mean()), float(low), float(high))}, {len(shares)} cases"


def neighbours(tiles: Tiles, refits: dict[str, Refit], fold: NDArray[np.int64]) -> dict[str, str]:
    """Share of the ten nearest H&E tiles, own slide left out, that have the organ, the title, the first term of a tile
    whose case the refit has not seen; of queries for which there is one to find."""
    names = slide_names(tiles)
    base = np.flatnonzero(np.array([bool(r) and r["stain"] == "H&E" for r in tiles.rows]))  # type: ignore[index]
    twin = {s: str(n) for n, group in enumerate(SAME_DIAGNOSIS) for s in group}
    keys = {
        "organ": np.array([tiles.rows[i]["organ"] for i in base]),  # type: ignore[index]
        "diagnosis (another slide, mostly of the same case)": np.array([tiles.rows[i]["slide_title"] for i in base]),  # type: ignore[index]
        "diagnosis (another case)": np.array([twin.get(names[i], "") for i in base]),
        "first term": np.array([tiles.rows[i]["tissues"][0] for i in base]),  # type: ignore[index]
    }
    case = np.array([tiles.pairs[i].case for i in base])
    kept: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for n in range(FOLDS):
        vectors = refits[f"fold {n}"].pictures(tiles.pooled[base, 0])
        for q in np.flatnonzero(fold[base] == n):
            scores = vectors @ vectors[q]
            other = names[base] != names[base[q]]
            of_case = case != case[q]
            for name, values in keys.items():
                allowed = of_case if "another case" in name else other
                same = (values == values[q]) & allowed
                if values[q] and same.any():
                    nearest = np.argpartition(-np.where(allowed, scores, -2), NEAREST)[:NEAREST]
                    kept[name].append((case[q], float(same[nearest].mean())))
    return {name: _by_case(values) for name, values in kept.items()}
