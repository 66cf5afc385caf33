"""The pooled score of a case, on hand-made evidence."""

from __future__ import annotations

import numpy as np
import pytest

from lile_engine.archive import Neighbours
from lile_engine.retrieval.cases import pool_cases


def found(*pairs: tuple[int, float]) -> Neighbours:
    ids = np.array([tile for tile, _ in pairs], np.int64)
    return Neighbours(ids, np.array([score for _, score in pairs], np.float32), exact=True, compared=len(ids))


CASES = {1: "A", 2: "A", 3: "A", 4: "B", 5: "B", 6: "C"}


def test_the_mean_of_the_best_three_with_the_floor_where_fewer_came() -> None:
    scores = {
        case.case: case.score for case in pool_cases([found((4, 0.9), (1, 0.8), (2, 0.7), (3, 0.6), (6, 0.5))], CASES)
    }
    assert scores["A"] == pytest.approx((0.8 + 0.7 + 0.6) / 3)
    assert scores["B"] == pytest.approx((0.9 + 0.5 + 0.5) / 3)
    assert scores["C"] == pytest.approx(0.5)


def test_many_vectors_are_averaged_and_a_case_must_answer_them_all() -> None:
    first = found((1, 0.9), (2, 0.9), (3, 0.9), (4, 0.2))
    second = found((4, 0.8), (5, 0.8), (6, 0.4))
    pooled = pool_cases([first, second], CASES, best=1)
    scores = {case.case: case.score for case in pooled}
    assert scores["A"] == pytest.approx((0.9 + 0.4) / 2)
    assert scores["B"] == pytest.approx((0.2 + 0.8) / 2)
    assert scores["C"] == pytest.approx((0.2 + 0.4) / 2)
    assert [case.case for case in pooled] == ["A", "B", "C"]


def test_evidence_is_named_best_first_and_once() -> None:
    pooled = pool_cases([found((1, 0.5), (2, 0.4)), found((2, 0.7), (1, 0.3))], CASES)
    assert pooled[0].evidence == ((2, pytest.approx(0.7)), (1, pytest.approx(0.5)))


def test_no_evidence_no_cases() -> None:
    assert pool_cases([found()], CASES) == []
