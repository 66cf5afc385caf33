"""What is kept out of a training to measure it: whole cases, over all lists at once."""

from __future__ import annotations

from pathlib import Path

from lile_engine.training.pairs import Pair, PairDataset, SlidePlace
from lile_engine.training.split import split_sets


def _list(*pairs: Pair) -> PairDataset:
    return PairDataset(pairs)


def _cases(name: str, count: int, per_case: int) -> PairDataset:
    return _list(*(Pair(Path(f"{name}{i}.png"), (f"c{i}",), case=f"case{i // per_case}") for i in range(count)))


def test_cases_stay_together() -> None:
    dataset = _cases("a", 100, 5)
    (train,), (held,) = split_sets([dataset], 0.2, seed=1)
    assert len(train) + len(held) == 100
    assert 15 <= len(held) <= 25
    assert not {p.case for p in train.pairs} & {p.case for p in held.pairs}
    assert split_sets([dataset], 0.2, seed=1)[1] == (held,)
    assert split_sets([dataset], 0.2, seed=2)[1] != (held,)
    assert len(split_sets([dataset], 0.0, seed=1)[1][0]) == 0


def test_cases_that_lists_share_are_on_one_side_of_all() -> None:
    for seed in range(20):
        kept, held = split_sets([_cases("a", 12, 2), _cases("b", 15, 3), _cases("c", 4, 4)], 0.34, seed)
        left, out = ({p.case for part in side for p in part.pairs} for side in (kept, held))
        assert not left & out
        assert all(len(part) for part in kept)  # no list is emptied
        assert len(held[0]) >= 4
        assert len(held[1]) >= 4


def test_a_picture_or_a_slide_without_a_case_binds_too() -> None:
    here, there = SlidePlace(0, 0, 9, 9), SlidePlace(50, 50, 9, 9)
    slide = Path("slides/s.svs")
    first = _list(
        Pair(Path("x.png"), ("a",), case="Smith"),
        Pair(slide, ("b",), here, case="Jones"),
        *(Pair(Path(f"{i}.png"), ("c",)) for i in range(6)),
    )
    second = _list(
        Pair(Path("./x.png"), ("d",)),
        Pair(slide, ("e",), there, case="s.svs"),
        *(Pair(Path(f"{i}.png"), ("f",)) for i in range(6)),
    )
    for seed in range(20):
        kept, _ = split_sets([first, second], 0.5, seed)
        sides = [[p in part.pairs for p in whole.pairs[:2]] for part, whole in zip(kept, (first, second), strict=True)]
        assert sides[0] == sides[1]


def test_cases_on_one_slide_are_apart_where_every_row_names_one() -> None:
    """A tissue microarray: many patients on one slide."""
    cores = _list(*(Pair(Path("tma.svs"), ("x",), SlidePlace(i, 0, 9, 9), case=f"core{i // 2}") for i in range(20)))
    (train,), (held,) = split_sets([cores], 0.2, seed=1)
    assert len(held) == 4
    assert not {p.case for p in train.pairs} & {p.case for p in held.pairs}


def test_a_single_case_is_not_split() -> None:
    dataset = _cases("a", 5, 5)
    assert split_sets([dataset], 0.5, seed=1) == ([dataset], (PairDataset(()),))
