"""EfficientNet-Lite0 as it trains on a CPU: the same function as `efficientnet_lite`, with a backward pass of its own.

Batch norms keep the statistics they came with and are worked into the convolutions on the way, so that their gains and
biases learn. The library's backward pass of a depthwise convolution is many times slower than its forward pass; here
a 1 x 1 convolution is a matrix product both ways, and the gradient through a depthwise one is a depthwise convolution
with the kernel turned round. Depthwise kernels themselves stay as published (they are 4 % of the weights); their gains
and biases learn. Two to three times as many tiles a second in bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 (everyone calls it F)
from torch import Tensor, nn

from lile_engine.model.efficientnet_lite import ConvNorm, EfficientNetLite0, MBConv


def _clipped_grad(grad: Tensor, out: Tensor, act: bool) -> Tensor:
    """Back through ReLU6; the output tells as well as the input where it was clipped."""
    if act:
        grad = torch.ops.aten.hardtanh_backward(grad, out, 0.0, 6.0)
    return grad.contiguous(memory_format=torch.channels_last)


class _Pointwise(torch.autograd.Function):
    """1 x 1 convolution with bias and, if asked for, ReLU6: x [B, I, H, W], weight [O, I], bias [O]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, act: bool) -> Tensor:
        y = F.conv2d(x, weight.to(x.dtype)[:, :, None, None], bias.to(x.dtype))
        y = F.relu6(y, inplace=True) if act else y
        ctx.save_for_backward(x, weight, y)
        ctx.act = act
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, y = ctx.saved_tensors
        grad = _clipped_grad(grads[0], y, ctx.act)
        b, o, h, w = grad.shape
        flat, inputs = grad.permute(0, 2, 3, 1).reshape(-1, o), x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
        back = None
        if ctx.needs_input_grad[0]:
            back = (flat @ weight.to(flat.dtype)).reshape(b, h, w, -1).permute(0, 3, 1, 2)
        return back, (flat.T @ inputs).float(), flat.sum(0, dtype=torch.float32), None


class _Depthwise(torch.autograd.Function):
    """Depthwise convolution with TensorFlow's "same" padding, gain, bias and ReLU6.

    x [B, C, H, W], kernel [C, k, k], gain and bias [C]; the kernel gets no gradient.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, gain: Tensor, bias: Tensor, stride: int) -> Tensor:
        size, channels = kernel.shape[-1], kernel.shape[0]
        scaled = (kernel * gain[:, None, None]).to(x.dtype)[:, None]
        # An even side with stride 2 is padded one less before than after: a leading row and column of zeros do that.
        uneven = stride == 2 and x.shape[2] % 2 == 0
        padded = F.pad(scaled, (1, 0, 1, 0)) if uneven else scaled
        y = F.conv2d(
            x,
            padded.contiguous(memory_format=torch.channels_last),
            bias.to(x.dtype),
            stride,
            size // 2,
            groups=channels,
        )
        y = F.relu6(y, inplace=True)
        ctx.save_for_backward(scaled, y, gain, bias)
        ctx.stride, ctx.sides, ctx.before = stride, x.shape[2:], (size - (2 if uneven else 1)) // 2
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        scaled, y, gain, bias = ctx.saved_tensors
        grad = _clipped_grad(grads[0], y, True)
        by_bias = grad.sum((0, 2, 3), dtype=torch.float32)
        # Where the gradient passes, y = gain * (x * kernel) + bias was not clipped.
        by_gain = ((grad * y).sum((0, 2, 3), dtype=torch.float32) - bias * by_bias) / gain
        back = None
        if ctx.needs_input_grad[0]:
            turned = scaled.flip(2, 3).contiguous(memory_format=torch.channels_last)
            size, channels = scaled.shape[-1], scaled.shape[0]
            if ctx.stride == 1:
                back = F.conv2d(grad, turned, None, 1, size // 2, groups=channels)
            else:
                h, w = ctx.sides
                spread = grad.new_zeros(grad.shape[0], channels, h, w).contiguous(memory_format=torch.channels_last)
                spread[:, :, ::2, ::2] = grad
                full = F.conv2d(spread, turned, None, 1, size - 1, groups=channels)
                back = full[:, :, ctx.before : ctx.before + h, ctx.before : ctx.before + w]
        return back, None, by_gain, by_bias, None


_pointwise: Callable[..., Tensor] = _Pointwise.apply
_depthwise: Callable[..., Tensor] = _Depthwise.apply


class _Layer(nn.Module):
    """A `ConvNorm` as it trains."""

    mean: Tensor
    rstd: Tensor

    def __init__(self, source: ConvNorm) -> None:
        super().__init__()
        norm = source.norm
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        weight = source.conv.weight.detach().clone()
        self.pointwise, self.depthwise = source.kernel == 1, source.conv.groups > 1
        self.weight = nn.Parameter(weight.flatten(1) if self.pointwise else weight, requires_grad=self.pointwise)
        self.gain = nn.Parameter(norm.weight.detach().clone())
        self.bias = nn.Parameter(norm.bias.detach().clone())
        self.register_buffer("mean", norm.running_mean.clone(), persistent=False)
        self.register_buffer("rstd", (norm.running_var + norm.eps).rsqrt(), persistent=False)
        self.stride, self.act = source.stride, source.act

    def forward(self, x: Tensor) -> Tensor:
        gain = self.gain * self.rstd
        bias = self.bias - self.mean * gain
        if self.pointwise:
            return _pointwise(x, self.weight * gain[:, None], bias, self.act)
        if self.depthwise:
            return _depthwise(x, self.weight[:, 0], gain, bias, self.stride)
        kernel = F.pad(self.weight * gain[:, None, None, None], (1, 0, 1, 0))  # the stem: even sides only
        return F.relu6(F.conv2d(x, kernel.to(x.dtype), bias.to(x.dtype), self.stride, self.weight.shape[-1] // 2))


class _Block(nn.Module):
    """An `MBConv` as it trains."""

    def __init__(self, source: MBConv) -> None:
        super().__init__()
        self.expand = _Layer(source.expand) if isinstance(source.expand, ConvNorm) else None
        self.depthwise, self.project = _Layer(source.depthwise), _Layer(source.project)
        self.residual = source.residual

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.expand is None else self.expand(x)
        y: Tensor = self.project(self.depthwise(wide))
        return x + y if self.residual else y


class TunableLite0(nn.Module):
    """``source`` as it trains, its first ``frozen`` blocks as they are.

    forward: pixels [B, 3, H, W], already ``(x - 127) / 128``, even sides, channels last -> the maps of its taps.
    """

    def __init__(self, source: EfficientNetLite0, frozen: int = 5) -> None:
        super().__init__()
        self.taps, self.frozen = source.taps, frozen
        self.stem = _Layer(source.stem)
        self.blocks = nn.ModuleList(_Block(cast(MBConv, block)) for block in source.blocks)
        for module in (self.stem, *self.blocks[:frozen]):
            module.requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        with torch.no_grad():
            x = self.stem(x)
        for number, block in enumerate(self.blocks):
            if number < self.frozen:
                with torch.no_grad():
                    x = block(x)
            else:
                x = block(x)
            if number in self.taps:
                maps.append(x)
        return maps

    @torch.no_grad()
    def write_to(self, target: EfficientNetLite0) -> None:
        """Copies what was learned into a network of the usual form (its batch statistics are the same)."""
        layers = [(self.stem, target.stem)]
        for ours, theirs in zip(self.blocks, target.blocks, strict=True):
            assert isinstance(ours, _Block)
            assert isinstance(theirs, MBConv)
            layers += [(ours.depthwise, theirs.depthwise), (ours.project, theirs.project)]
            if ours.expand is not None:
                layers.append((ours.expand, cast(ConvNorm, theirs.expand)))
        for layer, plain in layers:
            plain.conv.weight.copy_(layer.weight.view_as(plain.conv.weight))
            assert isinstance(plain.norm, nn.BatchNorm2d)
            plain.norm.weight.copy_(layer.gain)
            plain.norm.bias.copy_(layer.bias)
