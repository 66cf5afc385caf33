"""The configuration of a LILE network: plain data, written to ``config.json`` and read back exactly."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from lile_engine.errors import ModelError

MODEL_TYPE = "lile"
FORMAT = 1

MINILM: dict[str, Any] = {
    "model_type": "bert",
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "vocab_size": 30522,
    "max_position_embeddings": 512,
}


# Least and most of each setting. The most is far beyond what anybody would train, and small enough that a damaged file
# cannot fill the memory.
RANGES: dict[str, tuple[float, float]] = {
    "input_px": (1, 4096), "mpp": (1e-3, 1e3), "token_grid": (1, 64), "max_text_tokens": (1, 4096), "width": (4, 8192),
    "heads": (1, 256), "self_layers": (0, 64), "mlp_ratio": (1e-2, 64), "dropout": (0, 0.99), "token_width": (1, 8192),
    "cross_blocks": (1, 64), "cross_width": (1, 8192), "cross_heads": (1, 256), "temperature": (1e-3, 10),
    "lambda_self": (0, 1e6), "alpha": (0, 1), "rerank_k": (1, 100_000),
}  # fmt: skip
DEEPEST_TAP = 1000
MOST_PARAMETERS = 4 * 10**9


@dataclass(frozen=True)
class LileConfig:
    """Every size and choice of a LILE network.

    Image side: ``image_backbone`` is ``"efficientnet_lite0"`` (own code) or ``"transformers"``, and then
    ``image_config`` is the configuration dictionary of a vision backbone of that library. ``taps`` are the
    stages whose features are joined (blocks 0 to 15 of EfficientNet-Lite0, hidden layers of a transformers
    backbone; () means the last); nothing after the last tap is built. Pixels enter as
    ``(x - pixel_mean) / pixel_std``, x in 0 to 255. ``token_grid`` x ``token_grid`` tokens of width ``width``.

    Text side: ``text_config`` is the configuration dictionary of a BERT-family encoder.

    ``self_layers`` transformer layers per modality with ``heads`` heads; the tokens that are stored and that
    cross-attention sees are ``token_width`` wide. ``cross_blocks`` blocks of ``cross_width`` and ``cross_heads``.

    Losses: ``lambda_self`` weighs the loss on the self-attended vectors; ``temperature`` starts InfoNCE.
    Search: ``alpha`` and ``rerank_k`` as in `lile_engine.model.protocol.ImageTextModel`.
    """

    name: str = "LILE"
    image_backbone: str = "efficientnet_lite0"
    image_config: Mapping[str, Any] = field(default_factory=dict)
    taps: tuple[int, ...] = (4, 10, 15)
    pixel_mean: tuple[float, float, float] = (127.0, 127.0, 127.0)
    pixel_std: tuple[float, float, float] = (128.0, 128.0, 128.0)
    input_px: int = 224
    mpp: float = 0.5
    token_grid: int = 7
    text_config: Mapping[str, Any] = field(default_factory=lambda: dict(MINILM))
    max_text_tokens: int = 64
    width: int = 256
    heads: int = 4
    self_layers: int = 1
    mlp_ratio: float = 4.0
    dropout: float = 0.1
    token_width: int = 64
    cross_blocks: int = 2
    cross_width: int = 128
    cross_heads: int = 4
    temperature: float = 0.07
    lambda_self: float = 1.0
    alpha: float = 0.5
    rerank_k: int = 100

    def __post_init__(self) -> None:
        """Raises `ModelError` where a setting is not of its kind or range, or sizes do not fit each other."""
        if self.image_backbone not in ("efficientnet_lite0", "transformers"):
            raise ModelError(
                f"The image backbone {self.image_backbone!r} is unknown; use 'efficientnet_lite0' or 'transformers'."
            )
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int if _whole(name) else (int, float)):
                raise ModelError(f"The setting {name} is {value!r} and must be a {_kind(name)}.")
            if not value >= least:  # which a NaN is not either
                raise ModelError(f"The setting {name} is {value} and must be at least {least:g}.")
            if value > most:
                raise ModelError(f"The setting {name} is {value} and may be at most {most:g}; lower it.")
        for width, heads, what in ((self.width, self.heads, "width"), (self.cross_width, self.cross_heads, "cross")):
            if width % heads:
                raise ModelError(f"The {what} width {width} does not divide into {heads} heads; change one of them.")
        if self.width % 4:
            raise ModelError(f"The width {self.width} is not a multiple of 4, which the 2-D positions need; change it.")
        if int(self.width * self.mlp_ratio) < 1:
            raise ModelError(f"The setting mlp_ratio is {self.mlp_ratio}, which leaves the layers nothing; raise it.")
        self._check_pixels_and_taps()
        self._check_text()
        size = (4 + 2 * self.mlp_ratio) * self.width**2 * 2 * self.self_layers  # q, k, v, out and the MLP
        size += 24 * self.cross_width**2 * self.cross_blocks
        size += _encoder_parameters(self.text_config) + _encoder_parameters(self.image_config)
        if size > MOST_PARAMETERS:
            raise ModelError(
                f"The model would have about {size / 1e9:.0f} thousand million weights, which no machine here can "
                "hold; lower its width or number of layers."
            )

    def _check_pixels_and_taps(self) -> None:
        for name, least in (("pixel_mean", 0.0), ("pixel_std", 1e-3)):
            values = getattr(self, name)
            if not (isinstance(values, tuple) and len(values) == 3 and all(map(_is_number, values))):
                raise ModelError(f"The setting {name} must be three numbers, one for each of red, green and blue.")
            if not all(least <= v <= 255 for v in values):
                raise ModelError(f"The setting {name} is {values} and must lie between {least:g} and 255.")
        known = isinstance(self.taps, tuple) and all(type(t) is int and 0 <= t <= DEEPEST_TAP for t in self.taps)
        if not known:
            raise ModelError(f"The setting taps is {self.taps!r} and must be whole numbers of stages, from 0.")
        if not isinstance(self.image_config, Mapping) or not isinstance(self.text_config, Mapping):
            raise ModelError("The settings image_config and text_config must be tables of settings.")

    def _check_text(self) -> None:
        positions = self.text_config.get("max_position_embeddings")
        if _is_number(positions) and 0 < positions < self.max_text_tokens:
            raise ModelError(
                f"The setting max_text_tokens is {self.max_text_tokens}, and the text encoder has only {positions} "
                "positions; lower it."
            )

    @property
    def image_tokens(self) -> int:
        """How many tokens an image has, N."""
        return self.token_grid * self.token_grid

    def replace(self, **changes: Any) -> LileConfig:
        """A copy with some fields changed, checked again."""
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        """The text of ``config.json``; `from_json` reads it back to an equal object."""
        plain = {"model_type": MODEL_TYPE, "format": FORMAT, **dataclasses.asdict(self)}
        return json.dumps(plain, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> LileConfig:
        """Reads what `to_json` wrote; raises `ModelError` on anything else."""
        try:
            plain = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError("The config.json of the model is not JSON; the checkpoint is damaged.") from error
        if not isinstance(plain, dict) or plain.pop("model_type", None) != MODEL_TYPE:
            raise ModelError("The config.json does not describe a LILE model; choose another folder.")
        if plain.pop("format", None) != FORMAT:
            raise ModelError("The checkpoint was written by another version of LILE; update the program.")
        known = {f.name: f for f in dataclasses.fields(cls)}
        unknown = sorted(set(plain) - set(known))
        if unknown:
            raise ModelError(f"The config.json holds unknown settings ({', '.join(unknown)}); update the program.")
        for name, value in plain.items():
            plain[name] = _checked(name, value, getattr(_DEFAULTS, name))
        return cls(**plain)


def _encoder_parameters(config: Mapping[str, Any]) -> float:
    """About how many weights a transformer of that configuration has; what the dictionary does not say counts 0."""

    def of(name: str) -> float:
        value = config.get(name, 0)
        return float(min(value, 1e30)) if isinstance(value, (int, float)) and value > 0 else 0.0

    width = of("hidden_size")
    layer = 4 * width**2 + 2 * width * of("intermediate_size")
    return width * (of("vocab_size") + of("max_position_embeddings")) + of("num_hidden_layers") * layer


def _whole(name: str) -> bool:
    return isinstance(LileConfig.__dataclass_fields__[name].default, int)


def _kind(name: str) -> str:
    return "whole number" if _whole(name) else "number"


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _checked(name: str, value: Any, default: Any) -> Any:
    """``value`` in the type of ``default``: JSON has no tuples and may drop the point of a float."""
    try:
        if isinstance(default, tuple) and isinstance(value, list) and all(isinstance(v, (int, float)) for v in value):
            return tuple(float(v) for v in value) if isinstance(default[0], float) else tuple(value)
        if isinstance(default, float) and isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    except OverflowError as error:
        raise ModelError(f"The setting {name} in config.json is too large; the checkpoint is damaged.") from error
    if isinstance(default, Mapping) and isinstance(value, dict):
        return value
    if isinstance(default, (int, str)) and type(value) is type(default):
        return value
    raise ModelError(f"The setting {name} in config.json has the wrong type; the checkpoint is damaged.")


_DEFAULTS = LileConfig()
