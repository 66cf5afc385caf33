from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from lile_engine.model.canonical import canonical, canonical_start
from lile_engine.model.config import LileConfig
from lile_engine.model.create import create_lile
from lile_engine.model.lile import Lile

Batch = tuple[tuple[torch.Tensor, ...], torch.Tensor, torch.Tensor]


def test_correlations_are_those_of_the_definition() -> None:
    """Two views of three hidden causes: the first correlations are found, and the projections have them."""
    rng = np.random.default_rng(0)
    causes = rng.normal(size=(4000, 3))
    x = causes @ rng.normal(size=(3, 6)) + 0.3 * rng.normal(size=(4000, 6))
    y = causes @ rng.normal(size=(3, 5)) + 0.3 * rng.normal(size=(4000, 5))
    x, y = torch.from_numpy(x - x.mean(0)), torch.from_numpy(y - y.mean(0))
    a, b, correlations = canonical(x.T @ x / 4000, y.T @ y / 4000, x.T @ y / 4000, 0.0, 0.0)
    assert correlations[2] > 0.7
    assert correlations[3] < 0.1
    for n in range(3):
        u, v = x @ a[:, n], y @ b[:, n]
        assert float((u * v).mean() / (u.std() * v.std())) == pytest.approx(float(correlations[n]), abs=1e-3)


def paired(model: Lile, count: int, seed: int) -> Batch:
    """Features and hidden states of the shapes of the tiny model, tied by five hidden causes, with padding."""
    ties = torch.Generator().manual_seed(7)
    noise = torch.Generator().manual_seed(seed)
    causes = torch.randn(count, 5, generator=noise)
    maps = []
    for channels, side in ((24, 8), (40, 8)):
        scale = torch.rand(channels, generator=ties) * 5 + 0.1
        tied = causes @ torch.randn(5, channels, generator=ties) * scale + scale
        maps.append(
            tied[:, :, None, None] + torch.randn(count, channels, side, side, generator=noise) * scale[:, None, None]
        )
    hidden = (causes @ torch.randn(5, 16, generator=ties))[:, None, :] + torch.randn(count, 6, 16, generator=noise)
    mask = torch.arange(6)[None, :] < torch.randint(2, 7, (count, 1), generator=noise)
    return tuple(maps), hidden, mask


def recall(model: Lile, batch: Batch) -> tuple[float, float]:
    """Share of images whose own text comes first: by vectors, by pair scores."""
    maps, hidden, mask = batch
    with torch.inference_mode():
        images, texts = model.encode_image_features(maps), model.encode_text_features(hidden, mask)
        first = images.vectors @ texts.vectors.T
        second = model.score_pairs(images.tokens, texts.tokens, mask)
    own = torch.arange(len(mask))
    return float((first.argmax(1) == own).float().mean()), float((second.argmax(1) == own).float().mean())


def test_the_start_finds_pairs_it_has_not_seen(config: LileConfig) -> None:
    model = create_lile(config, seed=2).eval()
    assert [tuple(p.weight.shape[1:2]) for p in model.image_grid.pools] == [(24,), (40,)]
    unseen = paired(model, 40, seed=50)
    before = recall(model, unseen)

    def batches() -> Iterator[Batch]:
        for seed in range(8):
            yield paired(model, 64, seed)

    correlations = canonical_start(model, batches())
    after = recall(model, unseen)
    assert (correlations.diff() <= 1e-6).all()
    assert before[0] < 0.2
    assert after[0] > 0.5
    assert after[1] > before[1] + 0.1


def test_everything_still_trains_after_it(config: LileConfig) -> None:
    model = create_lile(config.replace(dropout=0.0), seed=2)
    canonical_start(model, [paired(model, 64, 0)])
    maps, hidden, mask = paired(model, 8, 1)
    images, texts = model.encode_image_features(maps), model.encode_text_features(hidden, mask)
    scores = model.score_pairs(images.tokens, texts.tokens, mask)
    (images.vectors @ texts.vectors.T).square().sum().add(scores.square().sum()).backward()
    for name, parameter in model.named_parameters():
        if not name.startswith(("backbone", "text_encoder", "log_scales")) and not name.endswith("weigh.bias"):
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_a_handful_of_pairs_is_refused(model: Lile) -> None:
    with pytest.raises(ValueError, match="16"):
        canonical_start(model, [paired(model, 8, 0)])
