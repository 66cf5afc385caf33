"""Rates by layer, what decays, and the running mean of the weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lile_engine.model.checkpoint import load_checkpoint
from lile_engine.model.config import LileConfig
from lile_engine.model.create import create_lile
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


def _decays(model: Lile) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for group in parameter_groups(model, OptimSection(weight_decay=0.1, image_backbone=1.0)):
        assert isinstance(group["names"], list)
        found |= dict.fromkeys(group["names"], group["weight_decay"] == 0.1)
    return found


def test_vectors_and_temperatures_do_not_decay(model: Lile) -> None:
    shapes = {n: p.dim() for n, p in model.named_parameters()}
    decays = _decays(model)
    odd = {n for n, decay in decays.items() if decay != (shapes[n] > 1)}
    sharpness = {n for n in shapes if n.endswith("log_sharpness")}
    assert len(sharpness) == 2
    assert odd == sharpness | {"text_encoder.embeddings.position_embeddings.weight"}
    assert not any(decays[n] for n in odd)


VIT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.mark.parametrize(
    ("backbone", "last"),
    [
        ({"model_type": "vit", **VIT, "image_size": 64, "patch_size": 8}, "layernorm"),
        ({"model_type": "convnext", "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]}, "encoder.stages.3"),
        ({"model_type": "dinov2_with_registers", **VIT, "image_size": 64, "patch_size": 8}, "layernorm"),
    ],
)
def test_a_foreign_backbone_has_its_norm_with_the_last_layer(
    tiny_config: LileConfig, backbone: dict[str, object], last: str
) -> None:
    model = create_lile(tiny_config.replace(image_backbone="transformers", image_config=backbone, taps=()))
    optim = OptimSection(lr=1.0, image_backbone=1.0, layer_decay=0.5)
    rates = {n.removeprefix("backbone.model."): r for n, r in _rates(model, optim).items() if n.startswith("backbone.")}
    ends = [rate for name, rate in rates.items() if name.startswith(last)]
    assert ends
    assert set(ends) == {1.0}
    layers = 4 if backbone["model_type"] == "convnext" else 2
    first = [rate for name, rate in rates.items() if name.startswith("embeddings.")]
    assert set(first) == {0.5**layers}
    decays = _decays(model)
    assert not any(d for n, d in decays.items() if n.endswith(("cls_token", "register_tokens", "position_embeddings")))
    assert any(d for n, d in decays.items() if n.startswith("backbone."))


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
