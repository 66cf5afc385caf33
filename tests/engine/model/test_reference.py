"""How far pictures and phrases lie from what a model has learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lile_engine.errors import ModelError
from lile_engine.model.reference import build_reference, load_reference, save_reference, with_phrases

RNG = np.random.default_rng(3)


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


CENTRE = unit(RNG.normal(size=(1, 24)))
IMAGES = unit(RNG.normal(size=(60, 16))).astype(np.float32)
# Phrases share a large common part, as the hidden states of a text encoder do.
PHRASES = (5 * CENTRE + np.repeat(RNG.normal(size=(12, 24)), 5, axis=0) + 0.1 * RNG.normal(size=(60, 24))).astype(
    np.float32
)


def test_a_learned_phrase_is_inside_and_another_subject_outside() -> None:
    reference = with_phrases(build_reference(IMAGES), PHRASES)
    learned = reference.outside_phrases(PHRASES[:10])
    strange = reference.outside_phrases((5 * CENTRE - PHRASES[:10] + 5 * CENTRE).astype(np.float32))
    assert learned is not None
    assert strange is not None
    assert np.median(learned) < 0.1  # the scale is set by phrases that the sample does not hold: one may lie beyond it
    assert strange.min() > max(0.5, learned.max())


def test_phrases_kept_out_set_the_scale() -> None:
    near, far = PHRASES[:20], (5 * CENTRE + RNG.normal(size=(40, 24))).astype(np.float32)
    tight = with_phrases(build_reference(IMAGES), PHRASES, held_out=near)
    wide = with_phrases(build_reference(IMAGES), PHRASES, held_out=far)
    assert tight.hidden_scale is not None
    assert wide.hidden_scale is not None
    assert tight.hidden_scale.edge < wide.hidden_scale.edge
    told = wide.outside_phrases(far)
    assert told is not None
    assert np.quantile(told, 0.99) == pytest.approx(0.5, abs=0.05)


def test_a_model_without_phrases_says_that_it_cannot_tell() -> None:
    assert build_reference(IMAGES).outside_phrases(PHRASES) is None
    assert with_phrases(build_reference(IMAGES), PHRASES[:5]).outside_phrases(PHRASES) is None


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    for reference in (build_reference(IMAGES), with_phrases(build_reference(IMAGES), PHRASES)):
        save_reference(reference, tmp_path)
        again = load_reference(tmp_path, 16)
        assert again is not None
        np.testing.assert_allclose(again.outside(IMAGES), reference.outside(IMAGES), atol=1e-3)
        before, after = reference.outside_phrases(PHRASES), again.outside_phrases(PHRASES)
        assert (before is None) == (after is None)
        if before is not None and after is not None:
            np.testing.assert_allclose(after, before, atol=1e-3)


def test_crowding_is_the_mean_cosine_with_the_nearest_tenth(tmp_path: Path) -> None:
    reference = build_reference(IMAGES)
    phrases = IMAGES[:3]
    nearest = np.sort(phrases @ reference.vectors.T, axis=1)[:, -round(0.1 * len(reference.vectors)) :]
    np.testing.assert_allclose(reference.crowding(phrases), nearest.mean(axis=1), atol=1e-6)
    save_reference(reference, tmp_path)
    again = load_reference(tmp_path, 16)
    assert again is not None
    np.testing.assert_allclose(again.crowding(phrases), reference.crowding(phrases), atol=1e-6)
    assert again.nearest == reference.nearest


def test_an_older_file_is_read(tmp_path: Path) -> None:
    save_reference(build_reference(IMAGES), tmp_path)
    file = tmp_path / "reference.safetensors"
    arrays = load_file(file)
    save_file({name: arrays[name] for name in ("vectors", "scale")}, file)
    again = load_reference(tmp_path, 16)
    assert again is not None
    assert again.nearest == 5


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    save_reference(with_phrases(build_reference(IMAGES), PHRASES), tmp_path)
    with pytest.raises(ModelError, match="another model"):
        load_reference(tmp_path, 8)
    file = tmp_path / "reference.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match="damaged"):
        load_reference(tmp_path, 16)
