"""Rates by layer, what decays, and the running mean of the weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lile_engine.model.checkpoint import load_checkpoint
from lile_engine.model.lile import Lile
from lile_engine.training.config import OptimSection
from lile_engine.training.optim import Ema, parameter_groups


@pytest.fixture
def model(tiny_model: Path) -> Lile:
    return load_checkpoint(tiny_model).model


def _rates(model: Lile, optim: OptimSection) -> dict[str, float]:
    rates: dict[str, float] = {}
    for group in parameter_groups(model, optim):
        assert isinstance(group["names"], list)
        assert isinstance(group["base_lr"], float)
        rates |= dict.fromkeys(group["names"], group["base_lr"])
    return rates


def test_deeper_layers_learn_slower(model: Lile) -> None:
    optim = OptimSection(lr=1.0, image_backbone=0.1, text_encoder=0.2, layer_decay=0.5)
    rates = _rates(model, optim)
    assert set(rates) == {n for n, p in model.named_parameters() if p.requires_grad}
    last, before = (rates[f"backbone.blocks.{n}.project.conv.weight"] for n in (4, 3))
    assert last == pytest.approx(0.1)
    assert before == pytest.approx(0.05)
    stem = next(rate for name, rate in rates.items() if name.startswith("backbone.stem"))
    assert stem == pytest.approx(0.1 * 0.5**5)
    assert rates["image_tower.narrow.weight"] == 1.0


def test_frozen_encoders_are_in_no_group(model: Lile) -> None:
    model.freeze(image=True, text=True)
    assert not [n for n in _rates(model, OptimSection()) if n.startswith(("backbone.", "text_encoder."))]


def test_vectors_do_not_decay(model: Lile) -> None:
    shapes = {n: p.dim() for n, p in model.named_parameters()}
    for group in parameter_groups(model, OptimSection(weight_decay=0.1, image_backbone=1.0)):
        names = group["names"]
        assert isinstance(names, list)
        assert all((shapes[n] > 1) == (group["weight_decay"] == 0.1) for n in names)


def test_running_mean_follows_and_shares_what_is_frozen(model: Lile) -> None:
    model.freeze(image=True, text=True)
    ema = Ema(model, 0.9)
    assert ema.model.backbone is model.backbone
    name = "image_tower.narrow.weight"
    start = dict(ema.model.named_parameters())[name].clone()
    with torch.no_grad():
        dict(model.named_parameters())[name].add_(1.0)
        model.get_buffer("image_grid.norms.0.running_mean").add_(3.0)
    ema.update(model, step=1000)
    moved = dict(ema.model.named_parameters())[name] - start
    assert torch.allclose(moved, torch.full_like(moved, 0.1), atol=1e-6)
    assert torch.equal(
        ema.model.get_buffer("image_grid.norms.0.running_mean"), model.get_buffer("image_grid.norms.0.running_mean")
    )
