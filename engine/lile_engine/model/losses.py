"""The contrasts that training minimises, each image to text and text to image (`lile_engine.training.step` sums them
to ``L = L_cross + lambda * L_self``).

Every loss takes scores [I, T] and ``matches`` bool [I, T] (True where text and image belong together; several
per row and column where captions repeat) and returns a dict of scalars with at least ``"loss"``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class InfoNCE(nn.Module):
    """Cross-entropy of softmax(scale * scores) against an even share for every match, averaged both ways.

    With one match per row it is CLIP's loss (Radford et al. 2021); with several, the outer form of supervised
    contrast (Khosla et al. 2020).
    """

    def forward(
        self, scores: Tensor, matches: Tensor, scale: Tensor | float = 1.0, known: Tensor | None = None
    ) -> dict[str, Tensor]:
        """``scale`` is the inverse temperature; ``known`` bool [I, T] leaves pairs that were not scored out."""
        logits = scores.float() * scale
        if known is not None:
            logits, matches = logits.masked_fill(~known, -torch.inf), matches & known
        i2t, t2i = _soft_cross_entropy(logits, matches), _soft_cross_entropy(logits.T, matches.T)
        return {"loss": (i2t + t2i) / 2, "i2t": i2t, "t2i": t2i}


class HardestHinge(nn.Module):
    """Hinge with the hardest negative (VSE++, Faghri et al. 2018): max(0, margin + negative - positive).

    Every match is a positive; its negatives are the non-matches of its row (i2t) and column (t2i).
    """

    def __init__(self, margin: float = 0.2) -> None:
        super().__init__()
        self.margin = margin

    def forward(
        self, scores: Tensor, matches: Tensor, scale: Tensor | float = 1.0, known: Tensor | None = None
    ) -> dict[str, Tensor]:
        """``scale`` has no part in it and is taken so that both losses are called alike."""
        scores = scores.float()
        negatives = ~matches if known is None else known & ~matches
        positives = matches if known is None else matches & known
        hardest = scores.masked_fill(~negatives, -torch.inf)
        count = positives.sum().clamp(min=1)
        ways = []
        for axis in (1, 0):
            excess = (self.margin + hardest.amax(axis, keepdim=True) - scores).clamp(min=0)
            ways.append(excess.masked_fill(~positives, 0).sum() / count)
        return {"loss": (ways[0] + ways[1]) / 2, "i2t": ways[0], "t2i": ways[1]}


def soft_contrast(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of logits [B, B] against ``target`` [B, B], whose rows sum to 1, averaged both ways: row i is
    picture i against all texts, then text i against all pictures."""
    rows = -(target * logits.log_softmax(1)).sum(1).mean()
    columns = -(target * logits.T.log_softmax(1)).sum(1).mean()
    return (rows + columns) / 2


def _soft_cross_entropy(logits: Tensor, matches: Tensor) -> Tensor:
    """Mean over the rows that have a match; 0 if none has."""
    logs = logits.log_softmax(1).masked_fill(~matches, 0)
    count = matches.sum(1)
    rows = -logs.sum(1) / count.clamp(min=1)
    return rows.sum() / (count > 0).sum().clamp(min=1)
