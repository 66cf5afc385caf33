"""Any vision backbone of transformers as feature maps: convolutional ones as they are, token ones re-gridded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lile_engine.errors import ModelError
from lile_engine.model.foreign import build_foreign


class TransformersVision(nn.Module):
    """A vision backbone. ``taps``: indices into its hidden states; () takes its last state.

    forward: pixels [B, 3, H, W] -> one map [B, C, h, w] per tap.
    """

    def __init__(self, config: Mapping[str, Any], taps: Sequence[int]) -> None:
        super().__init__()
        self.model = build_foreign(config, "vision backbone")
        self.taps = tuple(taps)
        self.unused: frozenset[str] = frozenset()

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        out = self.model(pixel_values=pixels, output_hidden_states=bool(self.taps))
        if not self.taps:
            return (as_map(out.last_hidden_state),)
        states = getattr(out, "reshaped_hidden_states", None) or out.hidden_states
        if max(self.taps) >= len(states):
            raise ModelError(f"The vision backbone has {len(states)} hidden states; taps {self.taps} go beyond them.")
        return tuple(as_map(states[t]) for t in self.taps)

    def try_out(self, side: int) -> list[tuple[int, int]]:
        """(channels, side of the map) of each tap, found by a run on square pixels of ``side``.

        What no map depends on (heads, layers after the last tap) is marked, and never trains.
        """
        self.eval()
        with torch.enable_grad():
            maps = self(torch.zeros(1, 3, side, side))
            total = torch.stack([m.float().sum() for m in maps]).sum()
        named = [(n, p) for n, p in self.named_parameters() if p.requires_grad]
        gradients = torch.autograd.grad(total, [p for _, p in named], allow_unused=True)
        self.unused = frozenset(n for (n, _), g in zip(named, gradients, strict=True) if g is None)
        self.requires_grad_(True)
        return [(m.shape[1], m.shape[2]) for m in maps]

    def requires_grad_(self, requires_grad: bool = True) -> TransformersVision:
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(requires_grad and name not in self.unused)
        return self


def as_map(state: Tensor) -> Tensor:
    """A hidden state as a map [B, C, h, w]: [B, prefix + side * side, C] loses class and register tokens."""
    if state.dim() == 4:
        return state
    side = math.isqrt(state.shape[1])
    prefix = state.shape[1] - side * side
    return state[:, prefix:].transpose(1, 2).reshape(len(state), -1, side, side)
