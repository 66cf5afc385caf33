"""Phrases in other words are drawn towards those that the model knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lile_engine.errors import ModelError
from lile_engine.model.checkpoint import load_checkpoint, save_checkpoint
from lile_engine.model.known import FEW, SHARE, KnownPhrases, read_phrases, write_phrases
from lile_engine.model.lile import Lile
from lile_engine.model.runtime import LileRuntime
from lile_engine.phrases import respelled

RNG = np.random.default_rng(5)


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


HIDDEN = RNG.normal(size=(40, 24)).astype(np.float32) + 3
VECTORS = unit(RNG.normal(size=(40, 16)))
KNOWN = KnownPhrases.of(HIDDEN, VECTORS)


def test_a_phrase_in_other_words_comes_nearer_to_the_known_one() -> None:
    near = HIDDEN[:5] + 0.3 * RNG.normal(size=(5, 24)).astype(np.float32)
    own = unit(RNG.normal(size=(5, 16)))
    drawn = KNOWN.draw(near, own, [2] * 5)
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1, atol=1e-5)
    assert ((drawn * VECTORS[:5]).sum(1) > (own * VECTORS[:5]).sum(1) + 0.1).all()
    assert ((drawn * own).sum(1) > 0.5).all()


def test_known_phrases_stay_and_long_ones_keep_more_of_themselves() -> None:
    np.testing.assert_allclose(KNOWN.draw(HIDDEN[:3], VECTORS[:3], [1, 2, 9]), VECTORS[:3], atol=1e-5)
    near, own = HIDDEN[:1] + RNG.normal(size=(1, 24)).astype(np.float32), unit(RNG.normal(size=(1, 16)))
    kept = [float((KNOWN.draw(near, own, [words]) * own).sum()) for words in (1, FEW, 2 * FEW, 8 * FEW)]
    assert kept[0] == pytest.approx(kept[1])
    assert kept[1] < kept[2] < kept[3]
    assert 0 < SHARE < 1


def test_a_model_folder_brings_its_phrases(tmp_path: Path, model: Lile, tokenizer_folder: Path) -> None:
    words = ("colon", "fat", "gland", "necrosis", "stroma", "lymphoid")
    phrases = [f"{a} {b}" for a in words for b in words if a != b]
    save_checkpoint(tmp_path / "told", model, tokenizer_folder, "", phrases=phrases, half=False)
    save_checkpoint(tmp_path / "bare", model, tokenizer_folder, "", half=False)
    checkpoint = load_checkpoint(tmp_path / "told")
    assert checkpoint.phrases == tuple(phrases)
    told, bare = (LileRuntime(load_checkpoint(tmp_path / n), "cpu", torch.float32) for n in ("told", "bare"))
    asked = "necrosis of the gland"
    assert told.identity == bare.identity  # vectors of what is stored are the same
    np.testing.assert_array_equal(told.encode_texts([asked]).vectors, bare.encode_texts([asked]).vectors)
    np.testing.assert_array_equal(bare.ask_texts([asked]).vectors, bare.encode_texts([asked]).vectors)
    assert not np.allclose(told.ask_texts([asked]).vectors, told.encode_texts([asked]).vectors, atol=1e-3)
    np.testing.assert_allclose(
        told.ask_texts(["colon fat"]).vectors, told.encode_texts(["colon fat"]).vectors, atol=1e-5
    )
    assert told.ask_texts([]).vectors.shape == (0, told.identity.width)


def test_damaged_phrases_are_refused(tmp_path: Path) -> None:
    assert read_phrases(tmp_path) == ()
    write_phrases(tmp_path, ["too", "few"])
    assert read_phrases(tmp_path) == ()
    for text in ("{", '{"a": 1}', '["a", 3]', "[" * 100_000):
        (tmp_path / "phrases.json").write_text(text)
        with pytest.raises(ModelError, match=r"phrases\.json"):
            read_phrases(tmp_path)


def test_american_spelling_is_read_as_the_learned_one() -> None:
    assert respelled("Tumor with hemorrhage and edema") == "tumour with haemorrhage and oedema"
    assert respelled("colour of tumours, fibers in the center") == "colour of tumours, fibres in the centre"
