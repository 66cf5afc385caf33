"""Batch statistics of a network whose image backbone trains with statistics of its own.

While it trains, a batch norm goes by its batch; what is saved goes by the running statistics, which lag behind weights
that move quickly (EfficientNet's follow by a hundredth a step) and which nobody gathers for the running mean of the
weights. A network that has learned everything would so be saved as one that knows nothing. Hence they are found anew,
from pictures of the training, whenever the network is measured or saved.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from lile_engine.model.lile import Lile


def gathers_norms(model: Lile) -> bool:
    """Whether the backbone's batch norms learn their own statistics: it trains, and did not bring any."""
    return not model.keep_norms and any(p.requires_grad for p in model.backbone.parameters())


@torch.no_grad()
def settle_norms(model: Lile, batches: Iterable[Tensor]) -> None:
    """Sets the statistics of every batch norm of the image side to their mean over ``batches``, pixels uint8
    [B, 3, H, W], of which there is at least one. All else of ``model`` stays, its mode too."""
    norms = [m for part in (model.backbone, model.image_grid) for m in part.modules() if isinstance(m, nn.BatchNorm2d)]
    before = [(norm.training, norm.momentum) for norm in norms]
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over the batches
            norm.train()
        for pixels in batches:
            model.image_grid(model.image_features(pixels))
    finally:
        for norm, (training, momentum) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.train(training)
