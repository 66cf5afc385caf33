"""The text encoder of `benchmarks/answers_trials.py` before it learns says what the frozen one says; its losses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from tests.benchmark_modules import benchmark
from tests.tiny_models import tiny_lile

WORDS = ("fat", "dense", "lymph", "##oid", "cells")
TEXTS = ["dense fat", "lymphoid cells", "fat"]


@pytest.fixture(scope="module")
def trials() -> Iterator[ModuleType]:
    with benchmark("answers_trials") as module:
        yield module


@pytest.fixture
def texts(trials: ModuleType, tmp_path: Path) -> Any:
    return trials.Texts(*tiny_lile(WORDS, tmp_path / "words"))


def test_an_encoder_that_has_not_learned_says_what_the_frozen_one_says(trials: ModuleType, texts: Any) -> None:
    words = trials.AdaptedWords(texts, rank=2, last=1)
    np.testing.assert_allclose(words(TEXTS).detach().numpy(), texts.pooled(TEXTS), atol=1e-5)
    np.testing.assert_array_equal(words.as_texts().pooled(TEXTS[::-1]), words(TEXTS[::-1]).detach().numpy())
    assert {p.shape for p in words.parameters() if p.requires_grad} == {(16, 2), (2, 16)}


def test_a_new_word_stands_for_its_pieces_alone(trials: ModuleType, texts: Any) -> None:
    found = trials.unknown_words({"lymphoid cells and lymphoid fat"}, texts.tokenizer, at_least=1)
    assert found == ("lymphoid",)
    words = trials.AdaptedWords(texts, new_words=found)
    said, frozen = words(TEXTS).detach().numpy(), texts.pooled(TEXTS)
    np.testing.assert_allclose(said[[0, 2]], frozen[[0, 2]], atol=1e-5)
    assert np.abs(said[1] - frozen[1]).max() > 1e-3
    words(TEXTS).sum().backward()
    assert words.learned.grad.abs().sum() > 0


def test_views_that_agree_and_are_spread_cost_least(trials: ModuleType) -> None:
    generator = torch.Generator().manual_seed(0)
    spread = torch.randn(4000, 8, generator=generator)
    other = torch.randn(4000, 8, generator=generator)
    least = trials.vicreg(spread, spread)
    assert least < 0.05
    assert trials.vicreg(spread, other) > least + 1
    assert trials.vicreg(spread[:, :1].expand(-1, 8), spread[:, :1].expand(-1, 8)) > least + 0.1
    assert trials.vicreg(torch.zeros(40, 8), torch.zeros(40, 8)) == pytest.approx(0.99, abs=0.01)
