"""The optimiser's parts: parameter groups with their rates, the schedule, and the running mean of the weights."""

from __future__ import annotations

import copy
import math
import re

import torch
from torch import Tensor, nn

from lile_engine.model.lile import Lile
from lile_engine.training.config import OptimSection

# Matrices by their shape, but not by what they are.
_UNDECAYED = re.compile(r"(log_sharpness|_tokens?|position_embeddings?(\.weight)?|position_bias_table)$")


def parameter_groups(model: Lile, optim: OptimSection) -> list[dict[str, object]]:
    """AdamW groups with ``base_lr``: LILE's own parts at 1, the encoders at their factor, lowered by ``layer_decay``
    for each layer further from the output. Norms, biases, temperatures, positions and learned tokens do not decay.

    Each group also carries ``names`` so that the optimiser's state can be kept by name.
    """
    groups: dict[tuple[float, float], list[tuple[str, nn.Parameter]]] = {}
    factors = {
        **_factors("backbone.", model.backbone, optim.image_backbone, optim.layer_decay),
        **_factors("text_encoder.", model.text_encoder, optim.text_encoder, optim.layer_decay),
    }
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            factor = factors.get(name, 1.0)
            decay = optim.weight_decay if parameter.dim() > 1 and not _UNDECAYED.search(name) else 0.0
            groups.setdefault((factor, decay), []).append((name, parameter))
    return [
        {
            "params": [p for _, p in members],
            "names": [n for n, _ in members],
            "lr": optim.lr * factor,
            "base_lr": optim.lr * factor,
            "weight_decay": decay,
        }
        for (factor, decay), members in groups.items()
    ]


def _factors(prefix: str, encoder: nn.Module, factor: float, decay: float) -> dict[str, float]:
    """The factor of each parameter of an encoder, by its full name. What has no number (stem, embeddings) and comes
    before the numbered layers lies below the first of them; after them (a last norm) it lies with the last."""
    layers = [(name, _layer(name)) for name, _ in encoder.named_parameters()]
    depth = max((layer for _, layer in layers if layer is not None), default=0)
    found, reached = {}, -1
    for name, layer in layers:
        reached = reached if layer is None else layer
        found[prefix + name] = float(factor * decay ** (depth - reached))
    return found


def _layer(name: str) -> int | None:
    found = re.search(r"(?:^|\.)(\d+)\.", name)
    return int(found.group(1)) if found else None


def rate_at(step: int, optim: OptimSection) -> float:
    """The factor on every learning rate at ``step`` (from 0): linear warm-up, then cosine down to ``floor``."""
    if step < optim.warmup:
        return (step + 1) / optim.warmup
    span = max(1, optim.steps - optim.warmup)
    progress = min(1.0, (step - optim.warmup) / span)
    return optim.floor + (1 - optim.floor) * 0.5 * (1 + math.cos(math.pi * progress))


class Ema:
    """An exponential running mean of the weights that train, warmed up; buffers (norm statistics) are copied, those
    of an encoder that trains too.

    ``model`` is a copy that can be used like the network itself. Decay 0 keeps the latest weights.
    """

    def __init__(self, model: Lile, decay: float) -> None:
        self.decay = decay
        frozen = [e for e in (model.backbone, model.text_encoder) if not any(p.requires_grad for p in e.parameters())]
        shared = {id(encoder): encoder for encoder in frozen}  # a second copy of what stays the same is of no use
        self.model = copy.deepcopy(model, shared).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: Lile, step: int) -> None:
        """Takes in the weights after ``step`` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        own = dict(self.model.named_parameters())
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                own[name].lerp_(parameter, 1 - decay)
        buffers = dict(self.model.named_buffers())
        for name, value in model.named_buffers():
            if buffers[name] is not value:  # a frozen encoder is shared
                buffers[name].copy_(value)


def trained_tensors(model: Lile, trains: set[str]) -> dict[str, Tensor]:
    """What a training changes: the parameters named in ``trains`` and the buffers outside the encoders."""
    named = {n: p.detach() for n, p in model.named_parameters() if n in trains}
    state = model.state_dict()
    for name, _ in model.named_buffers():
        if name in state and (not name.startswith(("backbone.", "text_encoder.")) or _encoder_trains(name, trains)):
            named[name] = state[name]
    return named


def _encoder_trains(name: str, trains: set[str]) -> bool:
    return any(t.startswith(name.split(".")[0] + ".") for t in trains)
