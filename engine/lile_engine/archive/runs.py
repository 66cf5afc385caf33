"""Sets of ids as sorted, disjoint half-open runs [start, stop): a million ids are a handful of pairs."""

from __future__ import annotations

from collections.abc import Iterable

Run = tuple[int, int]


def merge(runs: Iterable[Run]) -> list[Run]:
    """The same ids as the fewest sorted runs."""
    merged: list[Run] = []
    for start, stop in sorted(runs):
        if start >= stop:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def subtract(left: list[Run], right: list[Run]) -> list[Run]:
    """The ids of ``left`` that are not in ``right``; both merged."""
    rest: list[Run] = []
    at = 0
    for start, stop in left:
        while at < len(right) and right[at][1] <= start:
            at += 1
        look = at
        while look < len(right) and right[look][0] < stop:
            if right[look][0] > start:
                rest.append((start, right[look][0]))
            start = max(start, right[look][1])
            look += 1
        if start < stop:
            rest.append((start, stop))
    return rest


def count(runs: Iterable[Run]) -> int:
    """How many ids there are."""
    return sum(stop - start for start, stop in runs)
