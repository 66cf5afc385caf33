from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPConfig, CLIPModel, ConvNextConfig, ConvNextModel, Dinov2Config, ViTConfig, ViTModel

from lile_engine.errors import ModelError
from lile_engine.model.checkpoint import load_checkpoint, save_checkpoint
from lile_engine.model.config import LileConfig
from lile_engine.model.create import create_lile, with_image_folder
from lile_engine.model.losses import InfoNCE

TRANSFORMER = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 64,
    "patch_size": 8,
}
CONVNEXT = {"num_channels": 3, "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "image_size": 64}
KINDS = {
    "vit": {"model_type": "vit", **TRANSFORMER},
    "dinov2": Dinov2Config(**TRANSFORMER).to_dict(),
    "convnext": {"model_type": "convnext", **CONVNEXT},
    "swin": {
        "model_type": "swin",
        "image_size": 64,
        "patch_size": 4,
        "embed_dim": 8,
        "depths": [1, 1],
        "num_heads": [2, 2],
        "window_size": 4,
    },
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("taps", [(), (1,)])
def test_any_vision_backbone_by_config(
    config: LileConfig, pixels: np.ndarray, kind: str, taps: tuple[int, ...]
) -> None:
    model = create_lile(config.replace(image_backbone="transformers", image_config=KINDS[kind], taps=taps))
    images = model.encode_images(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    assert images.tokens.shape == (5, 16, 8)
    InfoNCE()(images.vectors @ images.vectors.T, torch.eye(5, dtype=torch.bool), 5.0)["loss"].backward()
    for name, parameter in model.backbone.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name


def test_a_checkpoint_with_a_transformers_backbone_comes_back(
    config: LileConfig, tmp_path: Path, tokenizer_folder: Path
) -> None:
    model = create_lile(config.replace(image_backbone="transformers", image_config=KINDS["vit"], taps=(1, 2)))
    save_checkpoint(tmp_path / "vit", model, tokenizer_folder, "", half=False)
    back = load_checkpoint(tmp_path / "vit").model
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), back.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    ("kind", "saved"),
    [
        ("vit", lambda: ViTModel(ViTConfig(**TRANSFORMER))),
        ("convnext", lambda: ConvNextModel(ConvNextConfig(**CONVNEXT))),
        (
            "clip",
            lambda: CLIPModel(CLIPConfig(vision_config=TRANSFORMER, text_config=TRANSFORMER | {"vocab_size": 99})),
        ),
    ],
)
def test_weights_from_a_local_folder(config: LileConfig, tmp_path: Path, kind: str, saved: object) -> None:
    assert callable(saved)
    torch.manual_seed(0)
    source = saved()
    source.save_pretrained(tmp_path / kind)
    (tmp_path / kind / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.5] * 3, "image_std": [0.2] * 3})
    )
    changed = with_image_folder(config, tmp_path / kind)
    assert changed.pixel_mean == (127.5, 127.5, 127.5)
    model = create_lile(changed, image_weights=tmp_path / kind).eval()
    x = torch.randn(2, 3, 64, 64)
    vision = (source.vision_model if kind == "clip" else source).eval()
    with torch.inference_mode():
        expected = vision(pixel_values=x).last_hidden_state
        (got,) = model.backbone(x)
    if expected.dim() == 3:
        expected = expected[:, 1:].transpose(1, 2).reshape(got.shape)
    torch.testing.assert_close(got, expected)
    assert LileConfig.from_json(changed.to_json()) == changed


def test_an_unknown_backbone_is_refused(config: LileConfig) -> None:
    with pytest.raises(ModelError, match="unheard"):
        create_lile(config.replace(image_backbone="transformers", image_config={"model_type": "unheard"}))


def test_taps_beyond_the_backbone_are_refused(config: LileConfig) -> None:
    with pytest.raises(ModelError, match="hidden states"):
        create_lile(config.replace(image_backbone="transformers", image_config=KINDS["vit"], taps=(9,)))


def test_text_encoders_of_the_bert_family(config: LileConfig) -> None:
    plain = dict(config.text_config)
    distil = {
        "model_type": "distilbert",
        "dim": 16,
        "n_layers": 1,
        "n_heads": 2,
        "hidden_dim": 32,
        "vocab_size": plain["vocab_size"],
        "max_position_embeddings": 16,
    }
    roberta = {**plain, "model_type": "roberta", "max_position_embeddings": 20, "pad_token_id": 0}
    for other in (distil, roberta):
        model = create_lile(config.replace(text_config=other)).eval()
        ids = torch.tensor([[2, 4, 5, 3]])
        texts = model.encode_texts(ids, ids != 0, ids > 3)
        assert texts.tokens.shape == (1, 4, 8)
