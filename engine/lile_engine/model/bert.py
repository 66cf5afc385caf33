"""BERT (Devlin et al. 2019) as a text encoder, with the parameter names of the published weights.

Our own hundred lines and not transformers' class, because a checkpoint must still open when that library
renames its layers, and because importing it takes longer than answering a query. Other encoders of the family
go through `lile_engine.model.foreign`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F  # noqa: N812 (everyone calls it F)
from torch import Tensor, nn

from lile_engine.errors import ModelError


@dataclass(frozen=True)
class BertSizes:
    """What of a BERT configuration decides shapes and results."""

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    hidden_dropout_prob: float = 0.1

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> BertSizes:
        """From a transformers configuration dictionary; raises `ModelError` for a variant this is not."""
        usual = {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
        for name, value in usual.items():
            if config.get(name, value) != value:
                raise ModelError(f"The text encoder has {name} = {config[name]!r}, where only {value!r} is known.")
        sizes = cls(**{name: _size(name, config[name]) for name in cls.__dataclass_fields__ if name in config})
        if sizes.hidden_size % sizes.num_attention_heads:
            raise ModelError(
                f"The text encoder's width {sizes.hidden_size} does not divide into {sizes.num_attention_heads} heads."
            )
        return sizes


def _size(name: str, value: Any) -> Any:
    """``value`` where it is of the kind of that setting and can be; raises `ModelError`."""
    whole = isinstance(BertSizes.__dataclass_fields__[name].default, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise ModelError(f"The text encoder has {name} = {value!r}, which is of the wrong kind; the model is damaged.")
    if not (1 <= value <= 10**9 if whole else 0 <= value < 1):
        raise ModelError(f"The text encoder has {name} = {value}, which cannot be; the model is damaged.")
    return value


class BertEncoder(nn.Module):
    """ids [B, M], seen [B, M] -> hidden states [B, M, hidden_size]; no pooler."""

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.embeddings = _Embeddings(sizes)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(_Layer(sizes) for _ in range(sizes.num_hidden_layers))})
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)  # as the paper; nn.Embedding's own is 50 times wider

    def forward(self, ids: Tensor, seen: Tensor) -> Tensor:
        x: Tensor = self.embeddings(ids)
        keys = seen[:, None, None, :]  # [B, 1, 1, M]
        for layer in self.encoder["layer"]:  # type: ignore[attr-defined]
            x = layer(x, keys)
        return x


class _Embeddings(nn.Module):
    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        d = sizes.hidden_size
        self.word_embeddings = nn.Embedding(sizes.vocab_size, d)
        self.position_embeddings = nn.Embedding(sizes.max_position_embeddings, d)
        self.token_type_embeddings = nn.Embedding(sizes.type_vocab_size, d)
        self.LayerNorm = nn.LayerNorm(d, eps=sizes.layer_norm_eps)
        self.dropout = nn.Dropout(sizes.hidden_dropout_prob)

    def forward(self, ids: Tensor) -> Tensor:
        places = self.position_embeddings.weight[: ids.shape[1]]
        x = self.word_embeddings(ids) + places + self.token_type_embeddings.weight[0]
        y: Tensor = self.dropout(self.LayerNorm(x))
        return y


class _Residual(nn.Module):
    """A linear layer whose result is added to what went in before, then normalised (post-norm)."""

    def __init__(self, cin: int, sizes: BertSizes) -> None:
        super().__init__()
        self.dense = nn.Linear(cin, sizes.hidden_size)
        self.LayerNorm = nn.LayerNorm(sizes.hidden_size, eps=sizes.layer_norm_eps)
        self.dropout = nn.Dropout(sizes.hidden_dropout_prob)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        y: Tensor = self.LayerNorm(before + self.dropout(self.dense(x)))
        return y


class _Layer(nn.Module):
    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        d = sizes.hidden_size
        self.heads = sizes.num_attention_heads
        looking = nn.ModuleDict({name: nn.Linear(d, d) for name in ("query", "key", "value")})
        self.attention = nn.ModuleDict({"self": looking, "output": _Residual(d, sizes)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(d, sizes.intermediate_size)})
        self.output = _Residual(sizes.intermediate_size, sizes)

    def forward(self, x: Tensor, keys: Tensor) -> Tensor:
        looking: Any = self.attention["self"]
        q, k, v = (
            looking[name](x).reshape(*x.shape[:2], self.heads, -1).transpose(1, 2) for name in ("query", "key", "value")
        )
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=keys).transpose(1, 2).flatten(2)
        x = self.attention["output"](found, x)
        y: Tensor = self.output(F.gelu(self.intermediate["dense"](x)), x)
        return y


def hidden_states(encoder: nn.Module, ids: Tensor, seen: Tensor) -> Tensor:
    """Hidden states [B, M, c] of our encoder or of one of transformers'."""
    if isinstance(encoder, BertEncoder):
        states: Tensor = encoder(ids, seen)
    else:
        states = encoder(input_ids=ids, attention_mask=seen.long()).last_hidden_state
    return states
