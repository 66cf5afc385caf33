"""Augmentation: physics at the ends, the same seed the same view, and nothing lost that names the tissue."""

from __future__ import annotations

import dataclasses

import numpy as np

from lile_engine.training.augment import augment, jitter_stain, plain_view, stain_matrix, to_density, to_pixels, turn
from lile_engine.training.config import AugmentSection


def _tissue(px: int = 96, seed: int = 0) -> np.ndarray:
    """Haematoxylin blobs on eosin, mixed by Beer-Lambert."""
    rng = np.random.default_rng(seed)
    amounts = np.stack([rng.random((px, px)) > 0.8, np.full((px, px), 0.5), np.zeros((px, px))], axis=-1)
    return to_pixels((amounts.astype(np.float32) @ stain_matrix()).astype(np.float32))


def test_density_and_back() -> None:
    values = np.arange(1, 256, dtype=np.uint8).reshape(-1, 1).repeat(3, 1)
    assert np.abs(to_pixels(to_density(values)).astype(int) - values).max() <= 1
    assert (to_density(np.array([255], np.uint8)) == 0).all()


def test_glass_stays_glass_and_stain_scales() -> None:
    rng = np.random.default_rng(0)
    glass = np.full((16, 16, 3), 255, np.uint8)
    assert (jitter_stain(glass, rng, 0.4, 0.1, 0.0) == 255).all()
    # Without noise on the vectors, each dye's density is scaled by one factor everywhere.
    tissue = _tissue()
    changed = jitter_stain(tissue, np.random.default_rng(3), 0.3, 0.0, 0.0)
    unmix = np.linalg.inv(stain_matrix())
    before, after = (to_density(t).reshape(-1, 3) @ unmix for t in (tissue, changed))
    for dye in (0, 1):
        strong = before[:, dye] > 0.3
        factors = after[strong, dye] / before[strong, dye]
        assert factors.std() < 0.03
        assert 0.3 < factors.mean() < 3


def test_nothing_asked_nothing_changed() -> None:
    tissue = _tissue()
    same = AugmentSection(stain=0, vectors=0, brightness=0, flips=False, scale=0, blur=0, jpeg=100)
    assert (augment(tissue, 96, same, (1,)) == tissue).all()
    assert (plain_view(tissue, 96) == tissue).all()


def test_same_seed_same_view() -> None:
    tissue, how = _tissue(128), AugmentSection()
    first = augment(tissue, 96, how, (1, 2, 3))
    assert first.shape == (96, 96, 3)
    assert first.dtype == np.uint8
    assert (augment(tissue, 96, how, (1, 2, 3)) == first).all()
    assert (augment(tissue, 96, how, (1, 2, 4)) != first).any()


def test_turns_are_the_eight_of_the_square() -> None:
    image = np.arange(3 * 3 * 3, dtype=np.uint8).reshape(3, 3, 3)
    seen = {turn(image, np.random.default_rng(s)).tobytes() for s in range(200)}
    assert len(seen) == 8


def test_any_size_and_shape_comes_out_square() -> None:
    for height, width in ((30, 300), (224, 224), (1000, 700), (1, 1)):
        image = np.full((height, width, 3), 120, np.uint8)
        assert plain_view(image, 64).shape == (64, 64, 3)
        assert augment(image, 64, AugmentSection(), (5,)).shape == (64, 64, 3)


def test_blur_jpeg_and_zoom_do_what_they_say() -> None:
    tissue = _tissue(192)
    nothing = AugmentSection(stain=0, vectors=0, brightness=0, flips=False, scale=0, blur=0, jpeg=100)
    plain = augment(tissue, 96, nothing, (1,)).astype(float)

    def changed(**how: float) -> list[np.ndarray]:
        return [augment(tissue, 96, dataclasses.replace(nothing, **how), (s,)).astype(float) for s in range(12)]

    def detail(image: np.ndarray) -> float:
        return float(np.abs(np.diff(image, axis=0)).mean())

    blurred = [detail(image) for image in changed(blur=2.0)]
    assert min(blurred) < 0.8 * detail(plain)
    assert max(blurred) <= detail(plain) + 1e-6
    packed = changed(jpeg=10)
    assert any((image != plain).any() for image in packed)
    assert all(np.abs(image - plain).mean() < 25 for image in packed)
    # A zoom changes the size of what is drawn: stripes of 16 px become wider or narrower.
    stripes = np.repeat(np.tile(np.repeat([40, 220], 16), 12)[None, :, None], 384, 0).repeat(3, 2).astype(np.uint8)
    edges = {
        int(
            (
                np.abs(
                    np.diff(augment(stripes, 192, dataclasses.replace(nothing, scale=0.5), (s,))[96, :, 0].astype(int))
                )
                > 40
            ).sum()
        )
        for s in range(12)
    }
    assert len(edges) > 3
