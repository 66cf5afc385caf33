"""Whitening: features turned and scaled so that all directions count alike, and a small head on top."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (everyone calls it F)
from torch import Tensor, nn


@dataclass(frozen=True)
class Whitening:
    """``(x - mean) @ turn`` has nearly unit covariance: mean [k], turn [k, k]."""

    mean: Tensor
    turn: Tensor

    @classmethod
    def of(cls, features: Tensor, ridge: float) -> Whitening:
        """From features [n, k]; ``ridge``, a share of the mean variance, keeps weak directions from being blown up.

        Channels are standardised first, for those of different depths differ by orders of magnitude.
        """
        mean = features.mean(0)
        covariance = torch.cov((features - mean).T)
        gain = covariance.diagonal().clamp(min=1e-8).rsqrt()
        values, vectors = torch.linalg.eigh(gain[:, None] * covariance * gain)
        return cls(mean, gain[:, None] * (vectors * (values.clamp(min=0) + ridge).rsqrt()) @ vectors.T)


class Head(nn.Module):
    """Features [B, k] -> unit vectors [B, 256]: a line and a bend, added."""

    mean: Tensor
    turn: Tensor
    width = 256

    def __init__(self, whitening: Whitening, dropout: float = 0.2) -> None:
        super().__init__()
        self.register_buffer("mean", whitening.mean)
        self.register_buffer("turn", whitening.turn)
        k = len(whitening.mean)
        self.line = nn.Linear(k, self.width, bias=False)
        self.bend = nn.Sequential(
            nn.LayerNorm(k),
            nn.Dropout(dropout),
            nn.Linear(k, 2 * self.width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * self.width, self.width),
        )

    def forward(self, features: Tensor, noise: Tensor | None = None) -> Tensor:
        """``noise`` [B, k] is added to the whitened features."""
        white = (features - self.mean) @ self.turn
        if noise is not None:
            white = white + noise
        return F.normalize(self.line(white) + self.bend(white), dim=-1)
