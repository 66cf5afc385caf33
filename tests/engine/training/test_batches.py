"""What a step shows: shares, rounds, matches, and which pairs the cross loss sees."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import torch

from lile_engine.training.batches import Sampler
from lile_engine.training.config import LossSection, OptimSection
from lile_engine.training.optim import rate_at
from lile_engine.training.pairs import Pair, PairDataset
from lile_engine.training.step import choose_pairs


def _list(name: str, count: int, **fields: object) -> PairDataset:
    return PairDataset(tuple(Pair(Path(f"{name}{i}"), (f"{name} {i}",), **fields) for i in range(count)))  # type: ignore[arg-type]


def test_every_pair_once_a_round() -> None:
    sampler = Sampler([_list("a", 40)], batch=8, views=3, seed=1)
    seen = Counter(item.index for step in range(10) for item in sampler.at(step).items)
    assert set(seen.values()) == {2}
    assert len(seen) == 40


def test_shares_of_lists_and_size_of_batches() -> None:
    sampler = Sampler([_list("a", 1000), _list("b", 10)], batch=7, views=1, seed=1, weights=(3, 1))
    batches = [sampler.at(step) for step in range(100)]
    assert {len(b.items) for b in batches} == {7}
    shares = Counter(item.source for b in batches for item in b.items)
    assert abs(shares[0] / 700 - 0.75) < 0.01


def test_many_small_shares_still_fill_a_batch_and_the_head_of_it_is_mixed() -> None:
    weights = (60, 30, 9, 6, 5, 5, 4, 4, 4, 3, 2, 1.5, 1, 1, 1, 1, 1)
    sampler = Sampler([_list(f"l{n}-", 20) for n in range(17)], batch=96, views=1, seed=1, weights=weights)
    batches = [sampler.at(step) for step in range(60)]
    assert {len(b.items) for b in batches} == {96}
    shares = Counter(item.source for b in batches for item in b.items)
    for source, weight in enumerate(weights):
        assert abs(shares[source] / (60 * 96) - weight / sum(weights)) < 0.002
    # The cross loss sees the first few of a batch: these must not all come from the first list.
    assert all(len({item.source for item in b.items[:24]}) > 4 for b in batches)


def test_a_step_is_a_function_of_seed_and_step() -> None:
    one, other = (Sampler([_list("a", 30)], batch=6, views=4, seed=2) for _ in range(2))
    for step in range(5):
        one.at(step)
    assert one.at(9).items == other.at(9).items
    assert Sampler([_list("a", 30)], batch=6, views=4, seed=3).at(9).items != one.at(9).items


def test_matches_by_words_group_and_what_is_not_known() -> None:
    first = PairDataset(
        (
            Pair(Path("a"), ("fat",), tissues=("fat",)),
            Pair(Path("b"), ("adipocytes in the septum",), phrases=("fat",), tissues=("fat",)),
        )
    )
    second = PairDataset(
        (Pair(Path("c"), ("Fettgewebe",), tissues=("fat",), group="g"), Pair(Path("d"), ("x",), group="g"))
    )
    batch = Sampler([first, second], batch=4, views=1, seed=1, phrase_share=0.0).at(0)
    place = {(item.source, item.index): i for i, item in enumerate(batch.items)}
    a, b, c, d = (place[k] for k in ((0, 0), (0, 1), (1, 0), (1, 1)))
    assert batch.matches[b, a]  # picture b also has the phrase "fat"
    assert not batch.matches[a, b]
    assert batch.matches[c, d]
    assert batch.matches[d, c]  # same group
    assert batch.known[a, b]  # same list: compared
    assert not batch.known[a, c]  # other list, same term, other words: nobody said whether they fit
    assert batch.known[a, d]


def test_phrases_are_shown_as_often_as_asked() -> None:
    pairs = PairDataset(tuple(Pair(Path(str(i)), ("caption",), phrases=("phrase",)) for i in range(100)))
    for share, low, high in ((0.0, 0, 0), (1.0, 1, 1), (0.3, 0.2, 0.4)):
        sampler = Sampler([pairs], batch=100, views=1, seed=1, phrase_share=share)
        shown = [item.text == "phrase" for step in range(5) for item in sampler.at(step).items]
        assert low <= np.mean(shown) <= high


def test_cross_loss_sees_positives_and_the_hardest() -> None:
    scores = torch.tensor([[0.9, 0.8, 0.1, 0.2], [0.0, 0.9, 0.7, 0.1], [0.3, 0.2, 0.9, 0.1], [0.5, 0.4, 0.3, 0.9]])
    matches, known = torch.eye(4, dtype=torch.bool), torch.ones(4, 4, dtype=torch.bool)
    matches[0, 1] = True  # another match is no negative
    loss = LossSection(hard_negatives=1, random_negatives=0)
    mask = choose_pairs(scores, matches, known, loss, np.random.default_rng(0))
    chosen = {tuple(p) for p in mask.nonzero().tolist()}
    rows = {(0, 3), (1, 2), (2, 0), (3, 0)}  # hardest text of each picture
    columns = {(3, 0), (3, 1), (1, 2), (0, 3)}  # hardest picture of each text
    assert chosen == {(i, i) for i in range(4)} | rows | columns
    everything = LossSection(hard_negatives=9, random_negatives=2)
    assert int(choose_pairs(scores, matches, known, everything, np.random.default_rng(0)).sum()) == 16 - 1


def test_rate_warms_up_and_falls() -> None:
    optim = OptimSection(steps=100, warmup=10, floor=0.1)
    rates = [rate_at(s, optim) for s in range(100)]
    assert rates[0] == 0.1
    assert max(rates) == rates[9] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert abs(rates[-1] - 0.1) < 0.01
