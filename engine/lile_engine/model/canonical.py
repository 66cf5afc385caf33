"""A start in closed form: canonical correlation between frozen features of images and of their texts.

With frozen encoders the best *linear* meeting place of both modalities needs no gradient descent: it is the
regularised canonical correlation analysis (Hotelling 1936; Vinod 1976 for the ridge) of mean-pooled features,
each direction weighted by its correlation. `canonical_start` writes it into a fresh network so that ``v . t``
is that solution, up to layer norms, and the pair score compares tokens in the same space. Training goes on from
there instead of finding it again in thousands of steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lile_engine.model.lile import Lile, SelfAttentionLayer, Tower

# What the projected, pooled features of a modality measure, root mean square of their length: tokens then have
# lengths near the square root of the width, which is what layer norms make of them anyway.
_LENGTH = 8.0
# How much of its first random weight a residual branch keeps: little, so that the start is not stirred up, but
# not nothing, so that gradients reach what lies before it.
_QUIET = 0.1


@dataclass
class _Moments:
    """First and second moments of two vectors that belong together, summed in float64."""

    count: int = 0
    x: Tensor | float = 0.0
    y: Tensor | float = 0.0
    xx: Tensor | float = 0.0
    yy: Tensor | float = 0.0
    xy: Tensor | float = 0.0

    def add(self, x: Tensor, y: Tensor) -> None:
        x, y = x.double(), y.double()
        self.count += len(x)
        self.x, self.y = self.x + x.sum(0), self.y + y.sum(0)
        self.xx, self.yy, self.xy = self.xx + x.T @ x, self.yy + y.T @ y, self.xy + x.T @ y

    def covariances(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Means of x and y, covariances of x, y, and between them."""
        mean_x, mean_y = torch.as_tensor(self.x) / self.count, torch.as_tensor(self.y) / self.count
        return (
            mean_x,
            mean_y,
            torch.as_tensor(self.xx) / self.count - mean_x[:, None] * mean_x,
            torch.as_tensor(self.yy) / self.count - mean_y[:, None] * mean_y,
            torch.as_tensor(self.xy) / self.count - mean_x[:, None] * mean_y,
        )


@dataclass
class _Spread:
    """Mean and variance of each channel of each map, over images and places."""

    count: list[int] = field(default_factory=list)
    sums: list[Tensor] = field(default_factory=list)
    squares: list[Tensor] = field(default_factory=list)

    def add(self, maps: Sequence[Tensor]) -> None:
        if not self.sums:
            self.count = [0 for _ in maps]
            self.sums = [torch.zeros(m.shape[1], dtype=torch.float64) for m in maps]
            self.squares = [torch.zeros(m.shape[1], dtype=torch.float64) for m in maps]
        for n, m in enumerate(maps):
            values = m.double()
            self.count[n] += m.shape[0] * m.shape[2] * m.shape[3]
            self.sums[n] += values.sum((0, 2, 3)).cpu()
            self.squares[n] += values.square().sum((0, 2, 3)).cpu()

    def mean_and_variance(self, n: int) -> tuple[Tensor, Tensor]:
        mean = self.sums[n] / self.count[n]
        return mean, self.squares[n] / self.count[n] - mean.square()


@torch.no_grad()
def canonical_start(
    model: Lile,
    batches: Iterable[tuple[Sequence[Tensor], Tensor, Tensor]],
    *,
    ridge_image: float = 0.2,
    ridge_text: float = 0.2,
    seed: int = 0,
) -> Tensor:
    """Fills everything but the encoders of ``model``, in place; returns the correlations found, largest first.

    ``batches``: pairs as `Lile.image_features` and `Lile.text_features` give them, with the mask of words:
    (maps each [B, C, h, w], hidden [B, M, k], mask [B, M]). A few thousand pairs do. The ridges are shares of a
    mean variance. Raises ValueError for fewer than 16 pairs.
    """
    moments, spread = _Moments(), _Spread()
    text_norm = model.text_in[0]
    for maps, hidden, mask in batches:
        spread.add(maps)
        x = torch.cat([m.double().mean((2, 3)) for m in maps], dim=1)
        words = text_norm(hidden.float()) * mask[:, :, None]
        moments.add(x.cpu(), (words.sum(1) / mask.sum(1, keepdim=True)).cpu())
    if moments.count < 16:
        raise ValueError("a canonical start needs at least 16 pairs")
    _, mean_y, xx, yy, xy = moments.covariances()
    gain = xx.diagonal().clamp(min=1e-12).rsqrt()  # channels differ in scale by orders of magnitude
    a, b, correlations = canonical(gain[:, None] * xx * gain, yy, gain[:, None] * xy, ridge_image, ridge_text)
    a = gain[:, None] * a
    d = model.config.width
    kept = min(d, len(correlations))
    # Turned at random, so that every head and every channel gets its share of the leading directions.
    turn = torch.linalg.qr(torch.randn(d, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))[0]
    turn = turn[:kept]
    image, text = a[:, :kept] @ turn, b[:, :kept] @ turn  # [channels, d], [k, d]
    image *= _LENGTH / ((image.T @ xx) * image.T).sum().sqrt()
    text *= _LENGTH / ((text.T @ yy) * text.T).sum().sqrt()
    _fill_grid(model, image, spread)
    linear = model.text_in[1]
    assert isinstance(linear, nn.Linear)
    linear.weight.copy_(text.T)
    linear.bias.copy_(-(mean_y @ text))
    for tower in (model.image_tower, model.text_tower):
        _quieten(tower, turn)
    _fill_cross(model)
    return correlations.float()


def canonical(xx: Tensor, yy: Tensor, xy: Tensor, ridge_x: float, ridge_y: float) -> tuple[Tensor, Tensor, Tensor]:
    """Regularised canonical correlation of covariances: columns of x and y, each times its correlation."""
    roots = []
    for c, ridge in ((xx, ridge_x), (yy, ridge_y)):
        values, vectors = torch.linalg.eigh(c + ridge * c.diagonal().mean() * torch.eye(len(c), dtype=c.dtype))
        roots.append(vectors * values.clamp(min=1e-12).rsqrt() @ vectors.T)
    left, correlations, right = torch.linalg.svd(roots[0] @ xy @ roots[1], full_matrices=False)
    return roots[0] @ left * correlations, roots[1] @ right.T * correlations, correlations


def _fill_grid(model: Lile, image: Tensor, spread: _Spread) -> None:
    """The mean of each window's standardised channels, projected."""
    start = 0
    for n, (norm, pool) in enumerate(zip(model.image_grid.norms, model.image_grid.pools, strict=True)):
        assert isinstance(norm, nn.BatchNorm2d)
        assert isinstance(pool, nn.Conv2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, variance = spread.mean_and_variance(n)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        part = image[start : start + len(mean)] * (variance + norm.eps).sqrt()[:, None]  # [C, d]
        start += len(mean)
        side = pool.kernel_size[0]
        pool.weight.copy_((part.T / side**2)[:, :, None, None].expand_as(pool.weight))
        if pool.bias is not None:
            pool.bias.zero_()


def _quieten(tower: Tower, turn: Tensor) -> None:
    """Self-attention that changes little at first, pooling that averages, and the leading directions as tokens."""
    for layer in tower.layers:
        assert isinstance(layer, SelfAttentionLayer)
        for linear in (layer.out, layer.mlp[2]):
            assert isinstance(linear, nn.Linear)
            linear.weight.mul_(_QUIET)
            linear.bias.zero_()
    nn.init.eye_(tower.pool.out.weight)
    nn.init.zeros_(tower.pool.out.bias)
    leading = turn[: tower.narrow.out_features]
    tower.narrow.weight.zero_()
    tower.narrow.weight[: len(leading)].copy_(leading)
    nn.init.zeros_(tower.narrow.bias)


def _fill_cross(model: Lile) -> None:
    """Both sides alike: a token looks for its like, and what it finds is compared as it is."""
    cross = model.cross
    cross.text_in.load_state_dict(cross.image_in.state_dict())
    c = model.config.cross_width
    for block in cross.blocks:
        for side in (block.image, block.text):
            query = block.image.qkv.weight[:c].clone()
            side.qkv.weight[:c].copy_(query)
            side.qkv.weight[c : 2 * c].copy_(query)
            side.qkv.weight[2 * c :].copy_(torch.eye(c))
            side.qkv.bias.zero_()
            nn.init.eye_(side.out.weight)
            nn.init.zeros_(side.out.bias)
            nn.init.zeros_(side.weigh.weight)
            if side.mlp is not None:
                last = side.mlp[3]
                assert isinstance(last, nn.Linear)
                last.weight.mul_(_QUIET)
                last.bias.zero_()
