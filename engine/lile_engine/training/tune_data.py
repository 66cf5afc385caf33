"""What the tuning of the backbone is fed: tiles in memory, texts as mean hidden states, and stain views in batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (everyone calls it F)
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lile_engine.model.lile import Lile
from lile_engine.model.runtime import mean_words
from lile_engine.model.text import PhraseTokenizer
from lile_engine.training.augment import stain_matrix
from lile_engine.training.pairs import Pair, PairDataset, load_image
from lile_engine.training.terms import TERM_PHRASES

SIDE = 256  # px that a tile is kept at


@dataclass(frozen=True)
class TextTable:
    """Mean hidden states of the frozen text encoder, float32 [n, k], and the row of each text."""

    vectors: Tensor
    row_of: dict[str, int]

    def rows(self, texts: Sequence[str]) -> Tensor:
        """int64 [len(texts)]."""
        return torch.tensor([self.row_of[t] for t in texts])

    def likeness(self, rows: Tensor) -> Tensor:
        """Cosines between texts [B, B] after the mean of all is taken away."""
        unit = F.normalize(self.vectors[rows] - self.vectors.mean(0), dim=1)
        return unit @ unit.T


def all_texts(datasets: Sequence[PairDataset]) -> list[str]:
    """Every text that the tuning may ask for, once."""
    texts = dict.fromkeys(t for d in datasets for p in d.pairs for t in (*p.captions, *p.phrases))
    texts.update(dict.fromkeys(p for phrases in TERM_PHRASES.values() for p in phrases))
    return list(texts)


@torch.no_grad()
def text_table(model: Lile, tokenizer: PhraseTokenizer, texts: Sequence[str], batch: int = 64) -> TextTable:
    """Runs the text encoder of ``model`` once over all texts, short ones together."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    found: dict[int, Tensor] = {}
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        tokens = tokenizer([texts[i] for i in rows])
        hidden = mean_words(model.text_features(tokens.ids, tokens.seen), tokens.mask)
        found.update(zip(rows, hidden, strict=True))
    return TextTable(torch.stack([found[i] for i in range(len(texts))]), {t: i for i, t in enumerate(texts)})


class TileStore:
    """The pairs of all lists, their tiles at `SIDE` px (read once), drawn in the shares of their lists."""

    def __init__(self, datasets: Sequence[PairDataset], weights: Sequence[float], seed: int) -> None:
        self.pairs: list[Pair] = [p for d in datasets for p in d.pairs]
        shares = [w / len(d) for d, w in zip(datasets, weights, strict=True) for _ in d.pairs]
        self._shares, self._seed = np.array(shares) / np.sum(shares), seed
        self._tiles: dict[int, NDArray[np.uint8]] = {}
        names = list(TERM_PHRASES)
        self.terms = torch.zeros(len(self.pairs), len(names))
        groups: dict[str, int] = {}
        self._group = torch.zeros(len(self.pairs), dtype=torch.int64)
        for row, pair in enumerate(self.pairs):
            for term in pair.tissues:
                if term in TERM_PHRASES:
                    self.terms[row, names.index(term)] = 1
            self._group[row] = groups.setdefault(pair.group or f"pair {row}", len(groups))

    def draw(self, step: int, count: int) -> NDArray[np.int64]:
        """Rows of a batch, each at most once; a step always draws the same (-1: a sample for the start)."""
        rng = np.random.default_rng([self._seed, 5, step + 1])
        possible = int(np.count_nonzero(self._shares))
        return rng.choice(len(self.pairs), min(count, possible), replace=False, p=self._shares)

    def plain(self, rows: NDArray[np.int64]) -> Tensor:
        """float32 [B, 3, SIDE, SIDE], 0 to 255."""
        tiles = np.stack([self._tile(int(row)) for row in rows])
        return torch.from_numpy(tiles).permute(0, 3, 1, 2).float()

    def _tile(self, row: int) -> NDArray[np.uint8]:
        if row not in self._tiles:
            picture = Image.fromarray(load_image(self.pairs[row], SIDE))
            short = min(picture.size)
            left, top = (picture.width - short) // 2, (picture.height - short) // 2
            square = picture.crop((left, top, left + short, top + short))
            self._tiles[row] = np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0))
        return self._tiles[row]

    def same(self, rows: NDArray[np.int64]) -> Tensor:
        """bool [B, B]: of one group."""
        group = self._group[torch.from_numpy(rows)]
        return group[:, None] == group[None]

    def text(self, row: int, rng: np.random.Generator, phrase_share: float = 0.25) -> str:
        """One of its captions or, at ``phrase_share``, of its phrases."""
        pair = self.pairs[row]
        texts = pair.phrases if pair.phrases and rng.random() < phrase_share else pair.captions
        return texts[int(rng.integers(len(texts)))]

    def one_phrase_per_term(self, rng: np.random.Generator) -> list[str]:
        """A phrase for each term of `TERM_PHRASES`, in their order."""
        return [phrases[int(rng.integers(len(phrases)))] for phrases in TERM_PHRASES.values()]


def stain_views(tiles: Tensor, px: int, scale: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Augmented views float32 [B, 3, px, px] of tiles [B, 3, S, S] (0 to 255), a batch at a time.

    Any turn, mirror image, zoom within ``scale`` and place; dyes and their colours varied in optical density as in
    `augment`; now and then out of focus. One in seven keeps its colours.
    """
    count, side = len(tiles), tiles.shape[-1]

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    half = ((px / side) / torch.exp(uniform(math.log(scale[0]), math.log(scale[1])))).clamp(max=1.0)
    angle, mirror = uniform(0, 2 * math.pi), torch.where(torch.rand(count, generator=generator) < 0.5, 1.0, -1.0)
    cos, sin = half * angle.cos(), half * angle.sin()
    dx, dy = (uniform(-1, 1) * (1 - half) for _ in range(2))
    affine = torch.stack([torch.stack([cos * mirror, -sin, dx], 1), torch.stack([sin * mirror, cos, dy], 1)], 1)
    grid = F.affine_grid(affine, [count, 3, px, px], align_corners=False)
    views = F.grid_sample(tiles, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    dyes = torch.from_numpy(stain_matrix())
    changed = dyes + 0.06 * torch.randn(count, 3, 3, generator=generator)
    changed = F.normalize(changed, dim=2) * torch.exp(0.25 * torch.randn(count, 3, 1, generator=generator))
    mix = torch.linalg.inv(dyes) @ changed  # [B, 3, 3]: density of a pixel -> density as stained anew
    mix[torch.rand(count, generator=generator) < 0.15] = torch.eye(3)
    density = -torch.log((views.clamp(0, 255) + 1) / 256)
    density = torch.einsum("ncij,ncd->ndij", density, mix) + 0.02 * torch.randn(count, 3, 1, 1, generator=generator)
    views = (torch.exp(-density.clamp(0, 6)) * 256 - 1).clamp(0, 255)
    soft = torch.rand(count, generator=generator) < 0.15
    views[soft] = F.avg_pool2d(F.pad(views[soft], (1, 1, 1, 1), mode="replicate"), 3, 1)
    return views
