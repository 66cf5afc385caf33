"""Measures of confidence of `benchmarks/answers_confidence.py` order the program's own answers, and nothing else."""

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
from lile_engine.model.known import KnownPhrases
from lile_engine.model.text import PhraseTokenizer, read_tokenizer
from tests.tiny_models import tiny_config, write_tokenizer

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
WORDS = ("fat", "dense", "lymph", "##oid", "cells")
LABELS = {"fat": ["fat", "dense fat"], "lymph": ["lymphoid cells"], "cells": ["cells"]}


@pytest.fixture(scope="module")
def confidence() -> Iterator[ModuleType]:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import answers_confidence

        yield answers_confidence
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def asker(confidence: ModuleType, tmp_path: Path) -> Any:
    from answers_data import Texts
    from answers_sets import shipped_phrases

    torch.manual_seed(0)
    model = create_lile(tiny_config(WORDS), None, None).eval()
    texts = Texts(model, PhraseTokenizer(read_tokenizer(write_tokenizer(tmp_path / "words", WORDS)), 12))
    phrases = shipped_phrases(texts)
    known = ["dense fat", "fat cells", "lymphoid fat"]
    sample = np.random.default_rng(0).normal(size=(500, phrases(["fat"]).shape[1])).astype(np.float32)
    sample /= np.linalg.norm(sample, axis=1, keepdims=True)
    return confidence.Asker(texts, phrases, KnownPhrases.of(texts.pooled(known), phrases(known)), sample)


def test_the_class_named_is_the_programs_whatever_the_measure(confidence: ModuleType, asker: Any) -> None:
    from answers_sets import class_scores

    pictures = asker.sample[:40]
    named, found = confidence.confidences(asker, pictures, LABELS)
    scores = class_scores(pictures, asker, LABELS)
    assert named.tolist() == scores.argmax(axis=1).tolist()
    assert found[confidence.SHIPPED] == pytest.approx(confidence.probabilities(scores).max(axis=1), abs=1e-5)
    for measure, values in found.items():
        assert values.shape == (40,), measure
        assert np.isfinite(values).all(), measure
        assert len(set(values.round(9).tolist())) > 1, measure


def test_a_picture_alone_is_as_sure_as_among_others(confidence: ModuleType, asker: Any) -> None:
    _, together = confidence.confidences(asker, asker.sample[:8], LABELS)
    _, alone = confidence.confidences(asker, asker.sample[3:4], LABELS)
    for measure, values in together.items():
        assert alone[measure][0] == pytest.approx(values[3], rel=1e-3, abs=1e-4), measure
