"""The LILE network, top to bottom: look in depth, then look elsewhere (after Maleki & Tizhoosh, MIDL 2022).

Each modality first attends to itself; attention pooling gives unit vectors ``v, t [B, d]`` that need no
partner and go into the index. The self-attended tokens, narrowed to ``w`` so that an archive can keep them,
then attend to the other modality's, block after block; how well each token agrees with what it found there
is the pair score ``s_x``. The design of both halves is ours; only the idea is the paper's.

Sizes in the comments: B images or phrases, I images, T texts, P pairs, N image tokens (grid x grid), M text
tokens, d ``width``, w ``token_width``, c ``cross_width``, h heads, e width of a head.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 (everyone calls it F)
from torch import Tensor, nn

from lile_engine.model.bert import hidden_states
from lile_engine.model.config import LileConfig

MAX_SCALE = 100.0


@dataclass(frozen=True)
class Encoded:
    """One modality, encoded: ``vectors`` [B, d] of unit length, ``tokens`` [B, N or M, w], ``mask`` [B, M]
    (True where there is a token; None for images, whose grid is always full)."""

    vectors: Tensor
    tokens: Tensor
    mask: Tensor | None = None


@dataclass(frozen=True)
class CrossAttended:
    """``scores`` [P] in [-1, 1]; of the last block, averaged over heads, ``image_over_text`` [P, N, M] and
    ``text_over_image`` [P, M, N], where weights were asked for."""

    scores: Tensor
    image_over_text: Tensor | None = None
    text_over_image: Tensor | None = None


def positions_2d(grid: int, width: int) -> Tensor:
    """Sines and cosines of row and column, half the width each: [grid * grid, width]."""
    frequencies = torch.exp(torch.arange(width // 4) * (-math.log(10_000.0) / (width // 4)))  # [width / 4]
    angles = torch.arange(grid)[:, None] * frequencies  # [grid, width / 4]
    axis = torch.cat([angles.sin(), angles.cos()], dim=1)  # [grid, width / 2]
    rows = axis[:, None, :].expand(grid, grid, -1)
    columns = axis[None, :, :].expand(grid, grid, -1)
    return torch.cat([rows, columns], dim=2).reshape(grid * grid, width)


class TokenGrid(nn.Module):
    """Joins feature maps of several depths into one grid of tokens.

    Maps finer than twice the grid are averaged down to twice the grid; a convolution whose kernel is its
    stride then pools each window with learned weights (14 x 14 -> 7 x 7) and brings it to ``d``. Channels are
    standardised first, since a frozen backbone's stages differ in scale.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]], grid: int, width: int) -> None:
        super().__init__()
        self.grid = grid
        self.sides = [2 * grid if side >= 2 * grid else grid for _, side in shapes]
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels, affine=False) for channels, _ in shapes)
        self.pools = nn.ModuleList(
            nn.Conv2d(channels, width, side // grid, side // grid, bias=number == 0)
            for number, ((channels, _), side) in enumerate(zip(shapes, self.sides, strict=True))
        )
        self.position_gain = nn.Parameter(torch.tensor(0.1))
        self.register_buffer("positions", positions_2d(grid, width), persistent=False)

    def shrink(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Each [B, C, h, w] averaged (or spread) to at most twice the grid: what is worth caching."""
        return tuple(
            f if f.shape[2] == side and f.shape[3] == side else F.adaptive_avg_pool2d(f, side)
            for f, side in zip(maps, self.sides, strict=True)
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Shrunk maps -> tokens [B, N, d]."""
        tokens = sum(pool(norm(f)) for f, norm, pool in zip(maps, self.norms, self.pools, strict=True))
        assert isinstance(tokens, Tensor)
        tokens = tokens.flatten(2).transpose(1, 2)  # [B, d, grid, grid] -> [B, N, d]
        positions: Tensor = self.get_buffer("positions")
        return tokens + (self.position_gain * positions).to(tokens.dtype)

    def fold(self) -> None:
        """Works the standardisation into the convolutions; for inference only."""
        bias = cast(Tensor, self.pools[0].bias).detach().clone()
        for norm, pool in zip(self.norms, self.pools, strict=True):
            assert isinstance(norm, nn.BatchNorm2d)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            weight = cast(Tensor, pool.weight).detach() * torch.rsqrt(norm.running_var + norm.eps)[:, None, None]
            bias -= (weight * norm.running_mean[:, None, None]).sum((1, 2, 3))
            pool.weight = nn.Parameter(weight, requires_grad=False)
        self.pools[0].bias = nn.Parameter(bias, requires_grad=False)
        self.norms = nn.ModuleList(nn.Identity() for _ in self.norms)


class SelfAttentionLayer(nn.Module):
    """A pre-norm transformer layer (Vaswani et al. 2017; GELU): tokens [B, L, d] -> [B, L, d]."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        hidden = int(width * mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        q, k, v = (split_heads(p, self.heads) for p in self.qkv(self.norm1(x)).chunk(3, dim=-1))  # [B, h, L, e]
        keys = None if mask is None else mask[:, None, None, :]  # padding gets no attention
        x = x + self.drop(self.out(join_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=keys))))
        y: Tensor = x + self.drop(self.mlp(self.norm2(x)))
        return y


class AttentionPool(nn.Module):
    """Tokens [B, L, d] -> one unit vector [B, d]: each head averages its share of the values with weights of
    its own, which start even (mean pooling)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.weigh = nn.Linear(width, heads)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.weigh.weight)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = self.norm(x)
        logits = self.weigh(x).transpose(1, 2).float()  # [B, h, L]
        if mask is not None:
            logits = logits.masked_fill(~mask[:, None, :], -torch.inf)
        weights = logits.softmax(-1).to(x.dtype)[:, :, None, :]  # [B, h, 1, L]
        pooled = join_heads(weights @ split_heads(x, self.heads))[:, 0]  # [B, h, 1, e] -> [B, d]
        return F.normalize(self.out(pooled).float(), dim=-1)


class Tower(nn.Module):
    """What both modalities share: self-attention, pooling, and the narrowing of the tokens."""

    def __init__(self, config: LileConfig) -> None:
        super().__init__()
        d, w = config.width, config.token_width
        self.layers = nn.ModuleList(
            SelfAttentionLayer(d, config.heads, config.mlp_ratio, config.dropout) for _ in range(config.self_layers)
        )
        self.pool = AttentionPool(d, config.heads)
        self.narrow = nn.Linear(d, w)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Encoded:
        for layer in self.layers:
            x = layer(x, mask)
        tokens = F.layer_norm(self.narrow(x).float(), (self.narrow.out_features,))  # [B, L, w], ready for int8
        if mask is not None:
            tokens = tokens * mask[:, :, None]
        return Encoded(self.pool(x, mask), tokens, mask)


@dataclass(frozen=True)
class Side:
    """One side of a cross-attention block: what it holds before it meets the other.

    ``tokens`` [.., L, c]; queries, keys and values ``q, k, v`` [.., L, h, e]; ``weights`` [.., L], the share of
    each token in the pair score; ``mask`` [.., L] or None.
    """

    tokens: Tensor
    q: Tensor
    k: Tensor
    v: Tensor
    weights: Tensor
    mask: Tensor | None

    def take(self, rows: Tensor) -> Side:
        """The same for chosen rows of the first axis."""
        mask = None if self.mask is None else self.mask[rows]
        return Side(self.tokens[rows], self.q[rows], self.k[rows], self.v[rows], self.weights[rows], mask)


class CrossSide(nn.Module):
    """The parameters of one side of a block: image over text, or text over image.

    Queries and keys are normalised and their product sharpened by a learned factor per head, so that maps
    are neither flat at the start nor at the mercy of quantised tokens.
    """

    def __init__(self, width: int, heads: int, *, last: bool) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.log_sharpness = nn.Parameter(torch.full((heads, 1), math.log(8.0)))
        self.weigh = nn.Linear(width, 1)
        self.out = nn.Linear(width, width)
        # After the last block only the comparison is left: nothing would read what an MLP writes.
        self.mlp = (
            None
            if last
            else nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, 2 * width),
                nn.GELU(approximate="tanh"),
                nn.Linear(2 * width, width),
            )
        )

    def prepare(self, tokens: Tensor, mask: Tensor | None) -> Side:
        """Tokens [.., L, c] -> what they ask, offer and weigh."""
        x = self.norm(tokens)
        q, k, v = self.qkv(x).reshape(*x.shape[:-1], 3, self.heads, -1).unbind(-3)  # [.., L, h, e]
        sharpness = self.log_sharpness.exp().clamp(max=MAX_SCALE).to(x.dtype)
        logits = self.weigh(x).squeeze(-1).float()
        if mask is not None:
            logits = logits.masked_fill(~mask, -torch.inf)
        q, k = F.normalize(q, dim=-1) * sharpness, F.normalize(k, dim=-1)
        return Side(tokens, q, k, v, logits.softmax(-1), mask)

    def look(self, own: Side, other: Side, *, weights: bool) -> tuple[Tensor, Tensor | None]:
        """What each token found on the other side [P, L, c]; if asked for, where it looked [P, L, other L]."""
        q, k, v = (x.transpose(1, 2) for x in (own.q, other.k, other.v))  # [P, h, L, e]
        keys = None if other.mask is None else other.mask[:, None, None, :]  # padding gets no attention
        found, shares = attention(q, k, v, keys, weights=weights)
        return self.out(found), shares

    def compare(self, own: Side, found: Tensor) -> Tensor:
        """[P] in [-1, 1]: the cosine of each token with what it found, pooled with the tokens' weights."""
        cosines = F.cosine_similarity(own.tokens.float(), found.float(), dim=-1)  # [P, L]
        return (cosines * own.weights).sum(-1)

    def update(self, own: Side, found: Tensor) -> Tensor:
        """The tokens [P, L, c] that the next block starts from."""
        assert self.mlp is not None
        x = own.tokens + found
        y: Tensor = x + self.mlp(x)
        return y


class CrossBlock(nn.Module):
    """Image tokens look over the text and text tokens over the image, both at once."""

    def __init__(self, width: int, heads: int, *, last: bool) -> None:
        super().__init__()
        self.image = CrossSide(width, heads, last=last)
        self.text = CrossSide(width, heads, last=last)

    def prepare(self, image: Tensor, text: Tensor, mask: Tensor) -> tuple[Side, Side]:
        return self.image.prepare(image, None), self.text.prepare(text, mask)


class CrossAttention(nn.Module):
    """``L`` cross-attention blocks over stored tokens; the pair score is the mean of the blocks' comparisons."""

    def __init__(self, config: LileConfig) -> None:
        super().__init__()
        w, c, blocks = config.token_width, config.cross_width, config.cross_blocks
        self.image_in, self.text_in = nn.Linear(w, c), nn.Linear(w, c)
        stack = nn.ModuleList(CrossBlock(c, config.cross_heads, last=n == blocks - 1) for n in range(blocks))
        self.blocks = cast("Sequence[CrossBlock]", stack)

    def forward(
        self, image_tokens: Tensor, text_tokens: Tensor, mask: Tensor, pairs: Tensor, *, weights: bool = False
    ) -> CrossAttended:
        """Image tokens [I, N, w], text tokens [T, M, w] with mask [T, M], ``pairs`` int64 [P, 2] of (image, text)."""
        # What the first block prepares depends on one side alone: done once per image and text, then gathered.
        image, text = self.blocks[0].prepare(self.image_in(image_tokens), self.text_in(text_tokens), mask)
        image, text = image.take(pairs[:, 0]), text.take(pairs[:, 1])  # [P, N, ..], [P, M, ..]
        scores = []
        for number, block in enumerate(self.blocks):
            last = number == len(self.blocks) - 1
            found_image, over_text = block.image.look(image, text, weights=weights and last)
            found_text, over_image = block.text.look(text, image, weights=weights and last)
            scores.append((block.image.compare(image, found_image) + block.text.compare(text, found_text)) / 2)
            if not last:
                assert text.mask is not None
                following = block.image.update(image, found_image), block.text.update(text, found_text)
                image, text = self.blocks[number + 1].prepare(*following, text.mask)
        return CrossAttended(torch.stack(scores).mean(0), over_text, over_image)


class Lile(nn.Module):
    """The whole network. ``backbone`` gives feature maps, ``text_encoder`` hidden states (`create.py` builds both).

    Pixels are [B, 3, H, W] in 0 to 255 (uint8 or float); phrases are ``ids`` int64 [B, M], ``seen`` bool [B, M]
    (what the text encoder sees, special tokens included) and ``mask`` bool [B, M] (the tokens of words).
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        config: LileConfig,
        backbone: nn.Module,
        shapes: Sequence[tuple[int, int]],
        text_encoder: nn.Module,
        text_width: int,
    ) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone
        self.text_encoder = text_encoder
        self.image_grid = TokenGrid(shapes, config.token_grid, config.width)
        self.text_in = nn.Sequential(nn.LayerNorm(text_width), nn.Linear(text_width, config.width))
        self.image_tower, self.text_tower = Tower(config), Tower(config)
        self.cross = CrossAttention(config)
        # Learned temperatures of the two losses, as logarithms of their inverses: self, cross.
        self.log_scales = nn.Parameter(torch.full((2,), -math.log(config.temperature)))
        self.register_buffer("pixel_mean", torch.tensor(config.pixel_mean)[:, None, None], persistent=False)
        self.register_buffer("pixel_std", torch.tensor(config.pixel_std)[:, None, None], persistent=False)
        # Batch norms of a pre-trained backbone keep the statistics they came with, whether or not it trains.
        self.keep_norms = True

    def image_features(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Pixels -> the backbone's maps, shrunk; constant while the backbone is frozen, so worth caching."""
        dtype = next(self.backbone.parameters()).dtype
        mean, std = self.config.pixel_mean, self.config.pixel_std
        if len(set(mean)) == len(set(std)) == 1:
            # Whole numbers up to 255 are exact in bfloat16: no float32 copy of the pixels is needed.
            x = (pixels.to(dtype) - mean[0]) * (1 / std[0])
        else:
            x = ((pixels.float() - self.pixel_mean) / self.pixel_std).to(dtype)
        return self.image_grid.shrink(self.backbone(x.contiguous(memory_format=torch.channels_last)))

    def text_features(self, ids: Tensor, seen: Tensor) -> Tensor:
        """Token numbers -> hidden states [B, M, text width]; constant while the text encoder is frozen."""
        return hidden_states(self.text_encoder, ids, seen)

    def encode_image_features(self, features: Sequence[Tensor]) -> Encoded:
        """What `image_features` gave -> vectors [B, d] and tokens [B, N, w]."""
        encoded: Encoded = self.image_tower(self.image_grid(features))
        return encoded

    def encode_text_features(self, hidden: Tensor, mask: Tensor) -> Encoded:
        """What `text_features` gave -> vectors [B, d] and tokens [B, M, w] (zero at padding)."""
        encoded: Encoded = self.text_tower(self.text_in(hidden), mask)
        return encoded

    def encode_images(self, pixels: Tensor) -> Encoded:
        return self.encode_image_features(self.image_features(pixels))

    def encode_texts(self, ids: Tensor, seen: Tensor, mask: Tensor) -> Encoded:
        return self.encode_text_features(self.text_features(ids, seen), mask)

    def score_pairs(self, image_tokens: Tensor, text_tokens: Tensor, mask: Tensor) -> Tensor:
        """s_x of every image with every text: [I, N, w], [T, M, w], [T, M] -> [I, T]."""
        images, texts = len(image_tokens), len(text_tokens)
        pairs = torch.cartesian_prod(
            torch.arange(images, device=image_tokens.device), torch.arange(texts, device=image_tokens.device)
        )
        scores: Tensor = self.cross(image_tokens, text_tokens, mask, pairs).scores
        return scores.view(images, texts)

    @property
    def scales(self) -> tuple[Tensor, Tensor]:
        """Inverse temperatures of the self and the cross loss, at most 100 (as CLIP clips its own)."""
        first, second = self.log_scales.exp().clamp(max=MAX_SCALE)
        return first, second

    def freeze(self, *, image: bool = False, text: bool = False) -> None:
        """Says which encoders train; a frozen one also keeps out of dropout and statistics."""
        self.backbone.requires_grad_(not image)
        self.text_encoder.requires_grad_(not text)
        self.train(self.training)

    def train(self, mode: bool = True) -> Lile:
        super().train(mode)
        for encoder in (self.backbone, self.text_encoder):
            if not any(p.requires_grad for p in encoder.parameters()):
                encoder.eval()
        if self.keep_norms:
            for module in self.backbone.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


def attention(q: Tensor, k: Tensor, v: Tensor, keys: Tensor | None, *, weights: bool) -> tuple[Tensor, Tensor | None]:
    """softmax(q k') v of [P, h, L, e] tensors, heads joined: [P, L, h * e]; weights [P, L, keys], heads averaged.

    The fused kernel keeps no weights, so it is left only where they are asked for.
    """
    if not weights:
        return join_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=keys, scale=1.0)), None
    logits = (q @ k.transpose(-1, -2)).float()
    if keys is not None:
        logits = logits.masked_fill(~keys, -torch.inf)
    shares = logits.softmax(-1)
    return join_heads(shares.to(v.dtype) @ v), shares.mean(1)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[B, L, h * e] -> [B, h, L, e]."""
    return x.reshape(*x.shape[:-1], heads, -1).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """[B, h, L, e] -> [B, L, h * e]."""
    return x.transpose(1, 2).flatten(2)
