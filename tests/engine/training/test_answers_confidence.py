"""Measures of confidence of `benchmarks/answers_confidence.py` order the program's own answers, and nothing else; the
distances of `benchmarks/answers_distances.py` rise with what is strange."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lile_engine.model.known import KnownPhrases
from tests.benchmark_modules import benchmark
from tests.tiny_models import tiny_lile

WORDS = ("fat", "dense", "lymph", "##oid", "cells")
LABELS = {"fat": ["fat", "dense fat"], "lymph": ["lymphoid cells"], "cells": ["cells"]}


@pytest.fixture(scope="module")
def confidence() -> Iterator[ModuleType]:
    with benchmark("answers_confidence") as module:
        yield module


@pytest.fixture
def asker(confidence: ModuleType, tmp_path: Path) -> Any:
    from answers_data import Texts
    from answers_sets import shipped_phrases

    texts = Texts(*tiny_lile(WORDS, tmp_path / "words"))
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


def test_every_distance_is_larger_far_from_what_was_learned(confidence: ModuleType) -> None:
    import answers_distances

    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 12))
    kind = np.repeat(np.array(["fat", "bone", "skin", ""]), 60)
    learned = np.repeat(centres, 60, axis=0) + 0.2 * rng.normal(size=(240, 12))
    near = centres[:3] + 0.1 * rng.normal(size=(3, 12))
    away = -6 * centres.sum(axis=0, keepdims=True) + rng.normal(size=(3, 12))
    found = answers_distances.scores(np.concatenate([near, away]), learned, kind, "vectors")
    for name in (n for n in found if "less that to all" not in n):  # relative to all, which is far away as well
        assert found[name][3:].min() > found[name][:3].max(), name
