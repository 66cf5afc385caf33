"""The network as it trains does what the network as it runs does, forwards and backwards."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lile_engine.model.efficientnet_lite import ConvNorm, EfficientNetLite0, MBConv
from lile_engine.model.tunable_lite import TunableLite0


@pytest.fixture
def plain() -> EfficientNetLite0:
    torch.manual_seed(0)
    network = EfficientNetLite0((4, 10)).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics that are not those of a fresh network
            module.running_mean = 0.1 * torch.randn(module.num_features)
            module.running_var = torch.rand(module.num_features) + 0.5
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    return network


def pixels(side: int) -> torch.Tensor:
    return torch.randn(2, 3, side, side).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("side", [64, 72, 80])  # 72 has odd maps further down
def test_same_maps(plain: EfficientNetLite0, side: int) -> None:
    x = pixels(side)
    for ours, theirs in zip(TunableLite0(plain)(x), plain(x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("side", [64, 72])
def test_same_gradients_as_the_library(plain: EfficientNetLite0, side: int) -> None:
    tunable, x = TunableLite0(plain, frozen=0), pixels(side)
    # Weights of the sum, so that no gradient is nought by symmetry.
    weights = [torch.randn(m.shape) for m in plain(x)]
    for network in (tunable, plain):
        torch.autograd.backward(sum((m * w).sum() for m, w in zip(network(x), weights, strict=True)))
    for ours, theirs in zip(tunable.blocks, plain.blocks, strict=True):
        assert isinstance(theirs, MBConv)
        for name in ("expand", "depthwise", "project"):
            layer, source = getattr(ours, name), getattr(theirs, name)
            if not isinstance(source, ConvNorm):
                continue
            torch.testing.assert_close(layer.gain.grad, source.norm.weight.grad, rtol=1e-3, atol=1e-3)
            torch.testing.assert_close(layer.bias.grad, source.norm.bias.grad, rtol=1e-3, atol=1e-3)
            if layer.pointwise:
                torch.testing.assert_close(layer.weight.grad, source.conv.weight.grad.flatten(1), rtol=1e-3, atol=1e-3)


def test_frozen_blocks_and_kernels_do_not_train(plain: EfficientNetLite0) -> None:
    tunable = TunableLite0(plain, frozen=3)
    torch.autograd.backward(sum(m.sum() for m in tunable(pixels(64))))
    for name, parameter in tunable.named_parameters():
        frozen = name.startswith(("stem", "blocks.0.", "blocks.1.", "blocks.2.")) or name.endswith("depthwise.weight")
        assert (parameter.grad is None) == frozen, name


def test_what_was_learned_is_written_back(plain: EfficientNetLite0) -> None:
    tunable, x = TunableLite0(plain, frozen=0), pixels(64)
    with torch.no_grad():
        for parameter in tunable.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    target = EfficientNetLite0((4, 10)).eval()
    target.load_state_dict(plain.state_dict())
    tunable.write_to(target)
    for ours, theirs in zip(tunable(x), target(x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
