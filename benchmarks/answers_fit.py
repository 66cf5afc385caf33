"""Refits of the meeting place of pictures and words without some of what the shipped model learned from.

The whole second stage takes an hour a fold. A refit here is its affordable part: the closed form
(`model.canonical`: canonical correlation of averaged features and texts), then some hundred steps of contrast on the
same averaged features, in the shares of the training. No self-attention, no tokens, no cross-attention. The features
come from the shipped backbone, which was tuned on captions of most of these very tiles: a refit leaves a case out of
what is learned *after* the backbone, no more.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (everyone calls it F)
from answers_asking import Asker, asker
from answers_data import Texts, Tiles
from numpy.typing import NDArray
from torch import Tensor, nn

from lile_engine.model.canonical import canonical
from lile_engine.model.losses import InfoNCE
from lile_engine.model.protocol import Floats
from lile_engine.training.batches import Sampler
from lile_engine.training.pairs import PairDataset

WIDTH, BATCH, RIDGE = 256, 192, 0.2


class Heads(nn.Module):
    """Averaged features of a picture [B, c] and of a text [B, k] to unit vectors [B, d]."""

    def __init__(self, image: Tensor, image_mean: Tensor, image_gain: Tensor, text: Tensor, text_mean: Tensor) -> None:
        super().__init__()
        self.register_buffer("image_mean", image_mean)
        self.register_buffer("image_gain", image_gain)
        self.register_buffer("text_mean", text_mean)
        self.image, self.text = nn.Parameter(image), nn.Parameter(text)
        self.log_scale = nn.Parameter(torch.tensor(np.log(1 / 0.07), dtype=torch.float32))

    def projected(self, x: Tensor) -> Tensor:
        """Pictures [B, d] before they get the length of one."""
        return (x - self.image_mean) * self.image_gain @ self.image

    def pictures(self, x: Tensor) -> Tensor:
        return F.normalize(self.projected(x), dim=-1)

    def texts(self, y: Tensor) -> Tensor:
        return F.normalize((y - self.text_mean) @ self.text, dim=-1)


@dataclass(frozen=True)
class Refit:
    """A refit ready to ask; ``asker`` asks it as the program would."""

    heads: Heads
    texts: Texts
    asker: Asker

    @torch.no_grad()
    def pictures(self, pooled: Floats) -> Floats:
        """Unit vectors [n, d] of averaged features [n, c]."""
        return np.asarray(self.heads.pictures(torch.from_numpy(np.ascontiguousarray(pooled))).numpy())

    def phrases(self, texts: list[str]) -> Floats:
        """Unit vectors [n, d] of phrases as they stand."""
        return self.asker.phrases(texts)


class Words(nn.Module, ABC):
    """A text encoder that is trained along: texts to features [B, k] as `Texts.pooled` gives them."""

    @abstractmethod
    def forward(self, texts: list[str]) -> Tensor:
        """The features, with their gradients."""

    @abstractmethod
    def as_texts(self) -> Texts:
        """What it learned, for measuring."""


def refit(
    tiles: Tiles,
    texts: Texts,
    keep: NDArray[np.bool_],
    shares: dict[str, float],
    *,
    steps: int = 300,
    phrase_share: float = 0.3,
    rate: float = 1e-3,
    ema: float = 0.98,
    seed: int = 0,
    batch: int = BATCH,
    start: Heads | None = None,
    pictures_fixed: bool = False,
    extra: Callable[[Heads, int], Tensor] | None = None,
    words: Words | None = None,
) -> Refit:
    """Learns from the tiles marked in ``keep`` [n] of the lists named in ``shares``; the running mean of the weights is
    kept (``ema`` 0: the last ones).

    ``start``: heads to begin with instead of the closed form; ``pictures_fixed``: those of the pictures stay as they
    are; ``extra``: a loss added to the contrast, of heads and step; ``words``: a text encoder trained along.
    """
    where = [np.flatnonzero(keep & (tiles.source == name)) for name in shares]
    weights = [w for w, own in zip(shares.values(), where, strict=True) if len(own)]
    where = [own for own in where if len(own)]
    datasets = [PairDataset(tuple(tiles.pairs[i] for i in own)) for own in where]
    options = {"views": tiles.pooled.shape[1], "weights": weights, "seed": seed}
    heads = copy.deepcopy(start)
    if heads is None:
        heads = _closed_form(tiles, texts, Sampler(datasets, batch=256, phrase_share=0.0, **options), where)
    heads.image.requires_grad_(not pictures_fixed)
    sampler = Sampler(datasets, batch=batch, phrase_share=phrase_share, **options)
    learned = [p for m in (heads, words) if m is not None for p in m.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=rate, weight_decay=0.02, betas=(0.9, 0.98))
    mean = {k: v.detach().clone() for k, v in heads.state_dict().items()}
    contrast = InfoNCE()
    for step in range(steps):
        shown = sampler.at(step)
        x, y = _tensors(tiles, words or texts, shown.items, where)
        scores = heads.pictures(x) @ heads.texts(y).T
        scale = heads.log_scale.exp().clamp(max=100)
        loss = contrast(scores, torch.from_numpy(shown.matches), scale, torch.from_numpy(shown.known))["loss"]
        if extra is not None:
            loss = loss + extra(heads, step)
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 20) * 0.5 * (1 + np.cos(np.pi * step / steps))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay = min(ema, (1 + step) / (10 + step))
        for name, value in heads.state_dict().items():
            mean[name].mul_(decay).add_(value, alpha=1 - decay)
    heads.load_state_dict(mean)
    return ready(heads, tiles, texts if words is None else words.as_texts(), keep)


@torch.no_grad()
def ready(heads: Heads, tiles: Tiles, texts: Texts, keep: NDArray[np.bool_]) -> Refit:
    """Heads that learned from the tiles marked in ``keep``, ready to ask."""

    def phrases(wanted: list[str]) -> Floats:
        with torch.no_grad():
            return np.asarray(heads.texts(torch.from_numpy(texts.pooled(wanted))).numpy())

    pictures = heads.eval().pictures(torch.from_numpy(np.ascontiguousarray(tiles.pooled[:, 0]))).numpy()
    return Refit(heads, texts, asker(tiles, texts, keep, phrases, pictures))


def _tensors(
    tiles: Tiles, texts: Texts | Words, items: object, where: list[NDArray[np.int64]]
) -> tuple[Tensor, Tensor]:
    at = np.array([where[i.source][i.index] for i in items])  # type: ignore[attr-defined]
    x = tiles.pooled[at, [i.view for i in items]]  # type: ignore[attr-defined]
    shown = [i.text for i in items]  # type: ignore[attr-defined]
    y = texts(shown) if isinstance(texts, Words) else torch.from_numpy(texts.pooled(shown))
    return torch.from_numpy(x), y


def _closed_form(
    tiles: Tiles, texts: Texts, sampler: Sampler, where: list[NDArray[np.int64]], batches: int = 40
) -> Heads:
    drawn = [_tensors(tiles, texts, sampler.at(n).items, where) for n in range(batches)]
    x, y = torch.cat([a for a, _ in drawn]).double(), torch.cat([b for _, b in drawn]).double()
    mean_x, mean_y = x.mean(0), y.mean(0)
    gain = x.std(0).clamp(min=1e-6).reciprocal()  # channels differ in scale by orders of magnitude
    x, y = (x - mean_x) * gain, y - mean_y
    n = len(x)
    a, b, _ = canonical(x.T @ x / n, y.T @ y / n, x.T @ y / n, RIDGE, RIDGE)
    a, b = a[:, :WIDTH], b[:, :WIDTH]
    # One length for both sides, so that one learning rate suits both.
    a, b = a / (x @ a).norm(dim=1).mean(), b / (y @ b).norm(dim=1).mean()
    return Heads(a.float(), mean_x.float(), gain.float(), b.float(), mean_y.float())
