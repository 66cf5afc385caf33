from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lile_engine.archive.runs import count, merge, subtract

ID_SETS = st.sets(st.integers(0, 60))


def as_runs(ids: set[int]) -> list[tuple[int, int]]:
    return merge((value, value + 1) for value in ids)


def as_ids(runs: list[tuple[int, int]]) -> set[int]:
    return {value for start, stop in runs for value in range(start, stop)}


@given(ID_SETS)
def test_merge_keeps_the_ids_and_leaves_gaps_between_runs(ids: set[int]) -> None:
    runs = as_runs(ids)
    assert as_ids(runs) == ids
    assert count(runs) == len(ids)
    assert all(left[1] < right[0] for left, right in pairwise(runs))


@given(ID_SETS, ID_SETS)
def test_subtract_is_the_difference_of_sets(left: set[int], right: set[int]) -> None:
    assert as_ids(subtract(as_runs(left), as_runs(right))) == left - right
