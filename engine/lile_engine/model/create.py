"""Builds a LILE network from its configuration: with random weights, or with start weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lile_engine.errors import LileError, ModelError
from lile_engine.model.bert import BertEncoder
from lile_engine.model.config import LileConfig
from lile_engine.model.devices import is_out_of_memory
from lile_engine.model.efficientnet_lite import EfficientNetLite0, convert_names
from lile_engine.model.folders import check_folder, load_part, read_config, read_weights
from lile_engine.model.lile import Lile
from lile_engine.model.text import build_text_encoder


def build_lile(config: LileConfig) -> Lile:
    """A network of this configuration with random weights; raises `ModelError` if it cannot be built."""
    try:
        return _built(config)
    except (LileError, MemoryError):
        raise
    except Exception as error:  # sizes that fit no network show as whatever torch or transformers stumble over
        if is_out_of_memory(error):
            raise ModelError("There is not enough memory to build the model; it is too large or damaged.") from error
        said = " ".join(str(error).split())[:120]
        raise ModelError(f"The model cannot be built from its configuration ({said}); it is damaged.") from error


def _built(config: LileConfig) -> Lile:
    backbone: nn.Module
    if config.image_backbone == "efficientnet_lite0":
        try:
            backbone = lite = EfficientNetLite0(config.taps)
        except ValueError as error:
            raise ModelError(f"The image backbone cannot be built: {error}.") from error
        shapes = lite.shapes(config.input_px)
    else:
        from lile_engine.model.vision import TransformersVision

        backbone = vision = TransformersVision(config.image_config, config.taps)
        shapes = vision.try_out(config.input_px)
    text_encoder, text_width = build_text_encoder(config.text_config)
    return Lile(config, backbone, shapes, text_encoder, text_width)


def create_lile(
    config: LileConfig, text_source: Path | None = None, image_weights: Path | None = None, *, seed: int = 0
) -> Lile:
    """A network to train; random (from ``seed``) where nothing is given.

    ``text_source``: local folder of a BERT-family encoder (``config.json``, ``model.safetensors``), whose
    configuration replaces ``config.text_config``. ``image_weights``: the published weights of EfficientNet-Lite0
    as safetensors, file or folder (``lile models import`` makes it), or the folder of the transformers backbone
    that `with_image_folder` put into ``config``. Raises `ModelError` where weights do not fit.
    """
    if text_source is not None:
        check_folder(text_source)
        config = config.replace(text_config=_plain_text_config(read_config(text_source)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_lile(config)
    if text_source is not None:
        if isinstance(model.text_encoder, BertEncoder):
            load_part(model.text_encoder, read_weights(text_source / "model.safetensors"), "text encoder")
        else:
            from lile_engine.model.foreign import load_foreign

            source = load_foreign(text_source, "text encoder", config.text_config)
            model.text_encoder.load_state_dict(_needed(source, model.text_encoder))
    if image_weights is None:
        model.keep_norms = False
    elif isinstance(model.backbone, EfficientNetLite0):
        load_part(model.backbone, _lite_weights(image_weights), "image backbone")
    else:
        from lile_engine.model.foreign import load_foreign
        from lile_engine.model.vision import TransformersVision

        assert isinstance(model.backbone, TransformersVision)

        source = load_foreign(image_weights, "image backbone", config.image_config)
        model.backbone.model.load_state_dict(_needed(source, model.backbone.model))
    return model.train()


def with_image_folder(config: LileConfig, folder: Path, taps: tuple[int, ...] = ()) -> LileConfig:
    """``config`` with the vision backbone of a local transformers folder; a CLIP folder gives its image half."""
    check_folder(folder)
    plain = read_config(folder)
    if isinstance(plain.get("vision_config"), dict):
        plain = {"model_type": f"{plain.get('model_type')}_vision_model", **plain["vision_config"]}
    side = plain.get("image_size", config.input_px)
    mean, std = pixel_statistics(folder)
    return config.replace(
        image_backbone="transformers",
        image_config=_without_traces(plain),
        taps=taps,
        pixel_mean=mean,
        pixel_std=std,
        input_px=int(side if isinstance(side, int) else side[0]),
    )


def pixel_statistics(folder: Path) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and standard deviation per channel, for pixels of 0 to 255, from ``preprocessor_config.json``;
    ImageNet's where the folder says nothing."""
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    file = folder / "preprocessor_config.json"
    if file.is_file():
        try:
            plain = json.loads(file.read_text("utf-8"))
            mean, std = plain.get("image_mean", mean), plain.get("image_std", std)
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise ModelError(f"The preprocessor_config.json in {folder} is damaged; get the model again.") from error
    try:
        first, second, third = (float(m) * 255 for m in mean)
        one, two, three = (float(s) * 255 for s in std)
    except (TypeError, ValueError) as error:
        raise ModelError(f"The preprocessor_config.json in {folder} gives no mean and std of 3 channels.") from error
    return (first, second, third), (one, two, three)


def _plain_text_config(plain: dict[str, Any]) -> dict[str, Any]:
    return _without_traces(plain.get("text_config") or plain)


def _without_traces(plain: dict[str, Any]) -> dict[str, Any]:
    """A configuration without what tells where it came from (paths of another machine, library versions)."""
    traces = ("_name_or_path", "transformers_version", "architectures", "torch_dtype", "dtype")
    return {k: v for k, v in plain.items() if k not in traces}


def _lite_weights(source: Path) -> dict[str, torch.Tensor]:
    weights = read_weights(source / "model.safetensors" if source.is_dir() else source)
    if any(name.startswith("_conv_stem") for name in weights):
        return convert_names(weights)
    return weights


def _needed(source: nn.Module, target: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of ``source`` that ``target`` has: a pooling head may be left out of it."""
    own = target.state_dict()
    return {name: value for name, value in source.state_dict().items() if name in own}
