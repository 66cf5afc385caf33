"""One training step: encode, compare, weigh, descend.

``L = L_cross + lambda * L_self`` (DESIGN section 3). ``L_self`` compares every picture of the batch with every text by
their stage-one vectors. ``L_cross`` needs a forward pass for each pair, so it sees the positives, the hardest negatives
by the stage-one vectors (what re-ranking will have to tell apart), and a few at random.

With several processes (`distributed`) each encodes its share of the batch and scores its share of the pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (everyone calls it F)
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from lile_engine.model.lile import Encoded, Lile
from lile_engine.model.losses import HardestHinge, InfoNCE
from lile_engine.training.config import LossSection
from lile_engine.training.distributed import ALONE, Ranks


@dataclass(frozen=True)
class StepInput:
    """A batch, ready for the network. ``pictures`` are the backbone's maps, or pixels uint8 [B, 3, H, W] where the
    backbone trains; ``texts`` hidden states [B, M, k] with ``mask`` [B, M], or (ids, seen) where the encoder trains.
    With several processes these are this one's share, while ``matches`` and ``known`` are of the whole batch."""

    pictures: tuple[Tensor, ...] | Tensor
    texts: Tensor | tuple[Tensor, Tensor]
    mask: Tensor
    matches: Tensor
    known: Tensor


@dataclass(frozen=True)
class StepInfo:
    """What a step reports: losses (weighted sum, and each alone) and the learning rate. ``step`` counts from 1."""

    step: int
    loss: float
    cross: float
    self_: float
    lr: float


def encode(model: Lile, batch: StepInput) -> tuple[Encoded, Encoded]:
    """Both modalities of a batch, through the encoders only where they train."""
    if isinstance(batch.pictures, Tensor):
        images = model.encode_images(batch.pictures)
    else:
        images = model.encode_image_features(batch.pictures)
    if isinstance(batch.texts, Tensor):
        return images, model.encode_text_features(batch.texts, batch.mask)
    return images, model.encode_texts(*batch.texts, batch.mask)


def gathered(encoded: Encoded, ranks: Ranks) -> Encoded:
    """What all processes have encoded, in the order of the batch; texts padded to the longest of all."""
    if ranks.size == 1:
        return encoded
    tokens, mask = encoded.tokens.float(), encoded.mask
    if mask is not None:
        missing = ranks.largest(mask.shape[1]) - mask.shape[1]
        tokens = F.pad(tokens, (0, 0, 0, missing))
        mask = ranks.gather(F.pad(mask, (0, missing)).to(torch.uint8)).bool()
    return Encoded(ranks.gather(encoded.vectors.float()), ranks.gather(tokens), mask)


def losses(
    model: Lile,
    batch: StepInput,
    loss: LossSection,
    rng: np.random.Generator,
    *,
    bf16: bool = False,
    ranks: Ranks = ALONE,
) -> dict[str, Tensor]:
    """The scalars ``loss``, ``cross``, ``self`` of a batch, the same for every process of ``ranks``; ``bf16`` runs the
    network in mixed precision."""
    with torch.autocast(batch.mask.device.type, torch.bfloat16, enabled=bf16):
        images, texts = encode(model, batch)
    images, texts = gathered(images, ranks), gathered(texts, ranks)
    assert texts.mask is not None
    # What is compared is compared in full precision: the differences that matter are small.
    contrast: nn.Module = InfoNCE() if loss.kind == "infonce" else HardestHinge(loss.margin)
    scores = images.vectors.float() @ texts.vectors.float().T
    self_scale, cross_scale = model.scales
    total = scores.new_zeros(())
    own = cross = total
    if loss.weight_self > 0:
        own = contrast(scores, batch.matches, self_scale, batch.known)["loss"]
        total = total + loss.weight_self * own
    if loss.weight_cross > 0:
        count = min(len(scores), loss.cross_batch or len(scores))
        matches, known = batch.matches[:count, :count], batch.known[:count, :count]
        chosen = choose_pairs(scores.detach()[:count, :count], matches, known, loss, rng)
        pairs = ranks.same(chosen.to(torch.uint8)).nonzero()
        i, j = pairs.unbind(1)
        tokens = images.tokens[:count].float(), texts.tokens[:count].float()
        spare = -len(pairs) % ranks.size  # so that each process scores as many; what is scored twice counts once
        mine = torch.cat([pairs, pairs[:1].expand(spare, 2)])[ranks.share(len(pairs) + spare)]
        with torch.autocast(batch.mask.device.type, torch.bfloat16, enabled=bf16):
            found = model.cross(*tokens, texts.mask[:count], mine)
        pair_scores = ranks.gather(found.scores.float())[: len(pairs)]
        filled = scores.new_zeros(count, count).index_put((i, j), pair_scores)
        scored = torch.zeros_like(known).index_put((i, j), torch.ones_like(i, dtype=torch.bool))
        cross = contrast(filled, matches, cross_scale, scored)["loss"]
        total = total + loss.weight_cross * cross
    return {"loss": total, "cross": cross.detach(), "self": own.detach()}


def choose_pairs(scores: Tensor, matches: Tensor, known: Tensor, loss: LossSection, rng: np.random.Generator) -> Tensor:
    """Which pairs (picture, text) the cross loss compares, bool [B, B].

    Every own pair; for each picture and for each text its ``hard_negatives`` best-scoring non-matches and
    ``random_negatives`` others.
    """
    count = len(scores)
    chosen = torch.eye(count, dtype=torch.bool, device=scores.device)
    negative = known & ~matches
    # Random order for the others: a key per pair, the highest win.
    keys = torch.from_numpy(rng.random((2, count, count), np.float32)).to(scores.device)
    for axis, ranks in enumerate((scores, scores.T)):
        allowed = negative if axis == 0 else negative.T
        picked = _best(ranks, allowed, loss.hard_negatives)
        picked |= _best(keys[axis], allowed & ~picked, loss.random_negatives)
        chosen |= picked if axis == 0 else picked.T
    return chosen


def _quick_attention(device: torch.device) -> AbstractContextManager[None]:
    """On the CPU the fused kernel's backward pass is several times slower than plain matrix products at our sizes."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()


def _best(ranks: Tensor, allowed: Tensor, count: int) -> Tensor:
    """Marks the ``count`` highest allowed entries of each row."""
    marked = torch.zeros_like(allowed)
    take = min(count, allowed.shape[1])
    if take:
        top = ranks.masked_fill(~allowed, -torch.inf).topk(take, dim=1).indices
        marked.scatter_(1, top, True)
    return marked & allowed


class LossesOf(nn.Module):
    """`losses` of a network as a module, which is what DistributedDataParallel wraps."""

    def __init__(self, model: Lile, ranks: Ranks) -> None:
        super().__init__()
        self.model, self.ranks = model, ranks

    def forward(self, batch: StepInput, loss: LossSection, rng: np.random.Generator, bf16: bool) -> dict[str, Tensor]:
        return losses(self.model, batch, loss, rng, bf16=bf16, ranks=self.ranks)


def parallel_losses(model: Lile, ranks: Ranks) -> nn.Module:
    """The losses of ``model``; with several processes its gradients come out averaged over them."""
    module = LossesOf(model, ranks)
    if ranks.size == 1:
        return module
    # Which parameters have a gradient depends on the losses that are switched on; norms share their own statistics.
    return nn.parallel.DistributedDataParallel(module, find_unused_parameters=True, broadcast_buffers=False)


def train_step(
    compute: nn.Module,
    optimizer: torch.optim.AdamW,
    batch: StepInput,
    loss: LossSection,
    *,
    rate: float,
    clip: float,
    bf16: bool,
    seed: Sequence[int],
    rank: int = 0,
) -> dict[str, float]:
    """One step of gradient descent; returns the scalars of `losses`, which ``compute`` (`parallel_losses`) finds.

    ``rate`` scales every group's learning rate. ``seed`` (with the step in it) fixes dropout and the drawn negatives,
    so that a step depends on nothing that went before but the weights. Each ``rank`` has a dropout of its own.
    """
    rng = np.random.default_rng([*seed, 9])
    torch.manual_seed(int(rng.integers(2**62)) + rank)
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * rate
    with _quick_attention(batch.mask.device):
        found = compute(batch, loss, rng, bf16)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(found["loss"])
    if clip > 0:
        nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], clip)
    optimizer.step()
    return {name: float(value.detach()) for name, value in found.items()}
