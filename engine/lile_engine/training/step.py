"""One training step: encode, compare, weigh, descend.

``L = L_cross + lambda * L_self`` (DESIGN section 3). ``L_self`` compares every picture of the batch with every text by
their stage-one vectors. ``L_cross`` needs a forward pass for each pair, so it sees the positives, the hardest negatives
by the stage-one vectors (what re-ranking will have to tell apart), and a few at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from lile_engine.model.lile import Encoded, Lile
from lile_engine.model.losses import HardestHinge, InfoNCE
from lile_engine.training.config import LossSection


@dataclass(frozen=True)
class StepInput:
    """A batch, ready for the network. ``pictures`` are the backbone's maps, or pixels uint8 [B, 3, H, W] where the
    backbone trains; ``texts`` hidden states [B, M, k] with ``mask`` [B, M], or (ids, seen) where the encoder trains."""

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


def losses(
    model: Lile, batch: StepInput, loss: LossSection, rng: np.random.Generator, *, bf16: bool = False
) -> dict[str, Tensor]:
    """The scalars ``loss``, ``cross``, ``self`` of a batch; ``bf16`` runs the network in mixed precision."""
    with torch.autocast(batch.mask.device.type, torch.bfloat16, enabled=bf16):
        images, texts = encode(model, batch)
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
        pairs = choose_pairs(scores.detach()[:count, :count], matches, known, loss, rng)
        i, j = pairs.unbind(1)
        tokens = images.tokens[:count].float(), texts.tokens[:count].float()
        with torch.autocast(batch.mask.device.type, torch.bfloat16, enabled=bf16):
            found = model.cross(*tokens, batch.mask[:count], pairs)
        filled = scores.new_zeros(count, count).index_put((i, j), found.scores.float())
        scored = torch.zeros_like(known).index_put((i, j), torch.ones_like(i, dtype=torch.bool))
        cross = contrast(filled, matches, cross_scale, scored)["loss"]
        total = total + loss.weight_cross * cross
    return {"loss": total, "cross": cross.detach(), "self": own.detach()}


def choose_pairs(scores: Tensor, matches: Tensor, known: Tensor, loss: LossSection, rng: np.random.Generator) -> Tensor:
    """Pairs (picture, text) for the cross loss, int64 [P, 2], each once.

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
    return chosen.nonzero()


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


def train_step(
    model: Lile,
    optimizer: torch.optim.AdamW,
    batch: StepInput,
    loss: LossSection,
    *,
    rate: float,
    clip: float,
    bf16: bool,
    seed: Sequence[int],
) -> dict[str, float]:
    """One step of gradient descent; returns the scalars of `losses`.

    ``rate`` scales every group's learning rate. ``seed`` (with the step in it) fixes dropout and the drawn negatives,
    so that a step depends on nothing that went before but the weights.
    """
    rng = np.random.default_rng([*seed, 9])
    torch.manual_seed(int(rng.integers(2**62)))
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * rate
    with _quick_attention(batch.mask.device):
        found = losses(model, batch, loss, rng, bf16=bf16)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(found["loss"])
    if clip > 0:
        nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], clip)
    optimizer.step()
    return {name: float(value.detach()) for name, value in found.items()}
