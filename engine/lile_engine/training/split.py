"""Which pairs are kept out to measure a training by: no case, slide or picture lies on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from lile_engine.training.pairs import Pair, PairDataset


def split_sets(
    datasets: Sequence[PairDataset], share: float, seed: int
) -> tuple[list[PairDataset], tuple[PairDataset, ...]]:
    """Training and validation part of each list, about ``share`` of its pairs held out.

    Whole units are held out (`_units`), from every list at once: a case that two lists share is on one side of both.
    No list is emptied. Same pairs and seed give the same split.
    """
    units = _units(datasets)
    sizes = [Counter(of_list) for of_list in units]
    names = sorted({name for of_list in units for name in of_list})
    np.random.default_rng([seed, 7]).shuffle(names)
    wanted = [max(1, round(share * len(d))) if share > 0 else 0 for d in datasets]
    held: set[str] = set()
    taken = [0] * len(datasets)
    for name in reversed(names):
        lists = [i for i, size in enumerate(sizes) if name in size]
        needed = any(taken[i] < wanted[i] for i in lists)
        if needed and all(taken[i] + sizes[i][name] < len(datasets[i]) for i in lists):
            held.add(name)
            for i in lists:
                taken[i] += sizes[i][name]
    kept, out = [], []
    for dataset, of_list in zip(datasets, units, strict=True):
        kept.append(dataset.subset([i for i, name in enumerate(of_list) if name not in held]))
        out.append(dataset.subset([i for i, name in enumerate(of_list) if name in held]))
    return kept, tuple(out)


def _units(datasets: Sequence[PairDataset]) -> list[list[str]]:
    """The unit of each pair of each list: what is of one case, and what shows the same picture, is one unit; so is a
    slide where a pair of it names no case."""
    pairs = [pair for dataset in datasets for pair in dataset.pairs]
    whole = {p.path for p in pairs if p.place is None or p.case in ("", p.path.name)}
    above: dict[str, str] = {}

    def root(name: str) -> str:
        while above.setdefault(name, name) != name:
            name = above[name]
        return name

    def join(names: Iterable[str]) -> str:
        first, *others = sorted({root(name) for name in names})
        above.update(dict.fromkeys(others, first))
        return first

    def names_of(pair: Pair) -> list[str]:
        picture = f"file {pair.path}" if pair.path in whole else f"picture {pair.picture}"
        return [f"case {pair.case}", picture] if pair.case else [picture]

    for pair in pairs:
        join(names_of(pair))
    return [[root(names_of(pair)[0]) for pair in dataset.pairs] for dataset in datasets]
