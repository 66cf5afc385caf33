"""What one training step shows: which pairs, which views, which captions, and which of them belong together.

Everything here is a pure function of the seed and the step, so an interrupted training needs no generator state to go
on exactly where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lile_engine.training.pairs import Pair, PairDataset

_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Item:
    """One picture of a batch: pair ``index`` of list ``source``, its view, and the text shown with it."""

    source: int
    index: int
    view: int
    text: str


@dataclass(frozen=True)
class Batch:
    """Items; ``matches`` bool [B, B] (picture i, text j belong together); ``known`` bool [B, B] (may be compared)."""

    items: tuple[Item, ...]
    matches: NDArray[np.bool_]
    known: NDArray[np.bool_]

    def share(self, part: slice) -> Batch:
        """One process's items; what matches is still told of the whole batch."""
        return replace(self, items=self.items[part])


class Sampler:
    """Draws batches from several lists of pairs, each list walked through in an order shuffled anew every round.

    ``weights`` are the shares of the lists in a batch; without any, all pairs come equally often.
    """

    def __init__(
        self,
        datasets: Sequence[PairDataset],
        *,
        batch: int,
        views: int,
        seed: int,
        weights: Sequence[float] = (),
        phrase_share: float = 0.5,
    ) -> None:
        self.datasets, self.batch, self.views, self.seed = tuple(datasets), batch, views, seed
        self.phrase_share = phrase_share
        shares = np.array(weights or [len(d) for d in datasets], np.float64)
        self._ends = np.cumsum(shares / shares.sum())
        self._given = 0, np.zeros(len(shares), np.int64)
        self._order = lru_cache(maxsize=4 * len(self.datasets))(self._shuffled)
        texts: dict[object, set[str]] = {}  # of a picture, in all lists
        for pair in (p for d in self.datasets for p in d.pairs):
            texts.setdefault(pair.picture, set()).update(pair.captions, pair.phrases)
        self._texts = [[texts[p.picture] for p in d.pairs] for d in self.datasets]
        self._terms = [[frozenset(p.tissues) for p in d.pairs] for d in self.datasets]

    def _shuffled(self, source: int, round_: int) -> NDArray[np.int64]:
        rng = np.random.default_rng([self.seed, 3, source, round_])
        return rng.permutation(len(self.datasets[source].pairs))

    def at(self, step: int) -> Batch:
        """The batch of a step (from 0)."""
        rng = np.random.default_rng([self.seed, 5, step])
        items = []
        counts = self._given_before(step)
        for source in self._sources(step * self.batch, (step + 1) * self.batch).tolist():
            dataset, place = self.datasets[source], int(counts[source])
            counts[source] += 1
            index = int(self._order(source, place // len(dataset))[place % len(dataset)])
            text = self._text(dataset.pairs[index], rng)
            items.append(Item(source, index, int(rng.integers(self.views)), text))
        return Batch(tuple(items), *self._belongs(items))

    def _sources(self, start: int, stop: int) -> NDArray[np.int64]:
        """Which list gives the items ``start`` to ``stop`` of the whole training. Multiples of the golden ratio fill
        the unit interval as evenly as can be, so each batch has nearly the shares that were asked for."""
        places = (np.arange(start, stop) * _GOLDEN) % 1.0
        return np.minimum(np.searchsorted(self._ends, places, side="right"), len(self._ends) - 1)

    def _given_before(self, step: int) -> NDArray[np.int64]:
        """How many items each list has given before ``step``: counted on from the last step asked for, or anew."""
        known, counts = self._given
        if step < known:
            known, counts = 0, np.zeros(len(self.datasets), np.int64)
        counts = counts + np.bincount(
            self._sources(known * self.batch, step * self.batch), minlength=len(self.datasets)
        )
        self._given = step, counts
        return counts.copy()

    def _text(self, pair: Pair, rng: np.random.Generator) -> str:
        phrase = pair.phrases and rng.random() < self.phrase_share
        choices = pair.phrases if phrase else pair.captions
        return choices[int(rng.integers(len(choices)))]

    def _belongs(self, items: Sequence[Item]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """A text belongs to every picture that has it among its texts, or is of the same group. Pictures of different
        lists that share a term but no text are not compared: nobody said whether the words fit."""
        count = len(items)
        matches = np.zeros((count, count), np.bool_)
        known = np.ones((count, count), np.bool_)
        for i, picture in enumerate(items):
            texts = self._texts[picture.source][picture.index]
            terms = self._terms[picture.source][picture.index]
            group = self.datasets[picture.source].pairs[picture.index].group
            for j, other in enumerate(items):
                same_group = bool(group) and group == self.datasets[other.source].pairs[other.index].group
                matches[i, j] = i == j or other.text in texts or same_group
                if not matches[i, j] and picture.source != other.source:
                    known[i, j] = terms.isdisjoint(self._terms[other.source][other.index])
        return matches, known
