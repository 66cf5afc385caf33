"""The text encoder of `benchmarks/answers_trials.py` before it learns says what the frozen one says; its losses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from lile_engine.model.create import create_lile
from lile_engine.model.text import PhraseTokenizer, read_tokenizer
from tests.tiny_models import tiny_config, write_tokenizer

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
WORDS = ("fat", "dense", "lymph", "##oid", "cells")
TEXTS = ["dense fat", "lymphoid cells", "fat"]


@pytest.fixture(scope="module")
def trials() -> Iterator[ModuleType]:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import answers_trials

        yield answers_trials
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def texts(trials: ModuleType, tmp_path: Path) -> Any:
    torch.manual_seed(0)
    model = create_lile(tiny_config(WORDS), None, None).eval()
    return trials.Texts(model, PhraseTokenizer(read_tokenizer(write_tokenizer(tmp_path / "words", WORDS)), 12))


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
