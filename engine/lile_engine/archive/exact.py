"""Nearest neighbours by comparing every vector."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lile_engine.archive.rows import Floats, Ids, Neighbours


def best(scores: Floats, k: int) -> Ids:
    """Positions of the k highest scores, best first; equal scores in their order."""
    if 0 < k < len(scores):
        bound = np.partition(scores, len(scores) - k)[len(scores) - k]
        chosen = np.flatnonzero(scores >= bound)
    else:
        chosen = np.arange(len(scores))
    return chosen[np.argsort(-scores[chosen], kind="stable")][:k]


def exact_search(pieces: Iterable[tuple[Ids, Floats]], vector: Floats, k: int) -> Neighbours:
    """The k vectors nearest to ``vector`` [d] of all pieces (ids [n], vectors [n, d])."""
    ids, scores, compared = np.zeros(0, np.int64), np.zeros(0, np.float32), 0
    for more, vectors in pieces:
        compared += len(more)
        ids, scores = np.concatenate([ids, more]), np.concatenate([scores, vectors @ vector])
        keep = best(scores, k)
        ids, scores = ids[keep], scores[keep]
    return Neighbours(ids, scores, exact=True, compared=compared)
