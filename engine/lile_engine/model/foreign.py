"""The only door to transformers: models built from a configuration, or read from a local folder.

Reading goes through that library, since the names of its layers in files are not those of its classes, but
only after `lile_engine.model.folders` has found the folder free of code and pickles; it never asks a network
(`lile_engine.offline`), and a configuration that would make it ask is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from lile_engine.errors import LileError, ModelError
from lile_engine.model.folders import check_folder, read_config, read_weights
from lile_engine.offline import stay_offline

# By these a configuration asks for the published weights or settings of another model.
_ELSEWHERE = ("use_pretrained_backbone", "backbone", "backbone_kwargs", "use_timm_backbone", "timm_kwargs")


def build_foreign(config: Mapping[str, Any], what: str) -> nn.Module:
    """The transformers model of a configuration dictionary, random weights, without a pooling head if it can
    do without; raises `ModelError` where the library cannot build it, or would look for a part of it elsewhere."""
    _check_complete(config, what)
    stay_offline()
    from transformers import AutoModel

    make: Callable[..., nn.Module] = AutoModel.from_config
    try:
        parsed = _parsed(config)
        try:
            return make(parsed, add_pooling_layer=False)
        except TypeError:
            return make(parsed)
    except (LileError, MemoryError):
        raise
    except Exception as error:  # each kind checks its settings in its own way, and most do not at all
        kind = config.get("model_type")
        raise ModelError(f"The {what} {kind!r} cannot be built from its configuration; choose another.") from error


def load_foreign(folder: Path, what: str, config: Mapping[str, Any] | None = None) -> Any:
    """A transformers model with the weights of a local folder, float32, in eval mode, on the CPU.

    ``config`` picks a part of it (the image half of a CLIP folder). Raises `ModelError` if the folder is unsafe,
    damaged or lacks a weight.
    """
    stay_offline()
    from transformers import AutoModel
    from transformers.utils import logging as transformers_logging

    check_folder(folder)
    plain = read_config(folder)
    _check_complete(config or plain, what)
    read_weights(folder / "model.safetensors")  # names what is wrong with the file better than transformers does
    chatter: Any = transformers_logging
    chatter.disable_progress_bar()
    chatter.set_verbosity_error()
    read: Callable[..., Any] = AutoModel.from_pretrained
    settings = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}
    try:
        model, report = read(folder, config=_parsed(config or plain), output_loading_info=True, **settings)
    except (LileError, MemoryError):
        raise
    except Exception as error:
        raise ModelError(f"The {what} in {folder} cannot be read; get it again.") from error
    missing = [name for name in report["missing_keys"] if "pooler" not in name]
    if missing or report.get("mismatched_keys"):
        raise ModelError(f"The weights in {folder} do not fill the {what} its config.json describes; get it again.")
    return model.float().eval()


def _check_complete(config: Any, what: str) -> None:
    """Raises `ModelError` where a configuration, or one inside it, names a model to be got from somewhere."""
    if isinstance(config, Mapping):
        for name, value in config.items():
            if name in _ELSEWHERE and value:
                raise ModelError(
                    f"The {what} asks for a model from elsewhere ({name} = {str(value)[:80]!r}) and is refused: "
                    "nothing is fetched here."
                )
            _check_complete(value, what)
    elif isinstance(config, (list, tuple)):
        for value in config:
            _check_complete(value, what)


def _parsed(config: Mapping[str, Any]) -> Any:
    from transformers import AutoConfig

    plain = dict(config)
    return AutoConfig.for_model(plain.pop("model_type", None), **plain)
