"""EfficientNet-Lite0 as a feature extractor (Tan & Le 2019; Lite: no squeeze-excitation, ReLU6, fixed stem).

Parameter names are ours; `convert_names` maps those of the published PyTorch weights. Padding and batch-norm
epsilon are TensorFlow's (pad more at the right and bottom when the stride is 2; 1e-3): with symmetric padding
or 1e-5 the published weights grow unsure of what they see.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (everyone calls it F)
from torch import Tensor, nn

# One row per block: kernel, stride, expansion, channels out.
BLOCKS: tuple[tuple[int, int, int, int], ...] = (
    (3, 1, 1, 16),
    *((3, 2, 6, 24), (3, 1, 6, 24)),
    *((5, 2, 6, 40), (5, 1, 6, 40)),
    *((3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80)),
    *((5, 1, 6, 112), (5, 1, 6, 112), (5, 1, 6, 112)),
    *((5, 2, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192)),
    (3, 1, 6, 320),
)
STEM, HEAD, CLASSES = 32, 1280, 1000

# oneDNN's convolution with its activation: what torch.compile uses, callable without a compiler; None elsewhere.
_FUSED: Any = getattr(torch.ops.mkldnn, "_convolution_pointwise", None) if torch.backends.mkldnn.enabled else None


class ConvNorm(nn.Module):
    """Convolution with TensorFlow's "same" padding, batch norm, and ReLU6 unless it is a projection."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1, *, groups: int = 1, act: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(cout, eps=1e-3, momentum=0.01)
        self.kernel, self.stride, self.act = kernel, stride, act
        self.folded = False

    def forward(self, x: Tensor) -> Tensor:
        padding = self.kernel // 2
        if self.stride == 2 and not (self.folded and x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0):
            x, padding = F.pad(x, self._margins(x.shape[3]) + self._margins(x.shape[2])), 0
        if self.folded and x.dtype is torch.bfloat16 and x.device.type == "cpu" and _FUSED is not None:
            # One pass over memory instead of two: half again as many tiles per second in bfloat16.
            activation = ("hardtanh", [0.0, 6.0], "") if self.act else ("none", [], "")
            sizes = ([padding] * 2, [self.stride] * 2, [1, 1], self.conv.groups)
            fused: Tensor = _FUSED(x, self.conv.weight, self.conv.bias, *sizes, *activation)
            return fused
        x = F.conv2d(x, self.conv.weight, self.conv.bias, self.stride, padding, groups=self.conv.groups)
        x = self.norm(x)
        return F.relu6(x, inplace=True) if self.act else x

    def _margins(self, side: int) -> tuple[int, int]:
        """Pixels to add before and after: an even side needs one less before, a folded kernel one more."""
        total = self.kernel - (2 if side % 2 == 0 else 1)
        return total // 2 + int(self.folded), total - total // 2

    def fold(self) -> None:
        """Works the batch norm into the convolution; for inference only.

        A kernel of stride 2 also gets a leading row and column of zeros: padded evenly, it then does to even
        sides what TensorFlow's uneven padding does, without a padded copy of the input (a fifth of the time).
        """
        norm = self.norm
        if not isinstance(norm, nn.BatchNorm2d):
            return
        assert norm.running_mean is not None
        assert norm.running_var is not None
        gain = norm.weight.detach() * torch.rsqrt(norm.running_var + norm.eps)
        weight = self.conv.weight.detach() * gain[:, None, None, None]
        if self.stride == 2:
            weight = F.pad(weight, (1, 0, 1, 0))
        self.conv.weight = nn.Parameter(weight, requires_grad=False)
        self.conv.bias = nn.Parameter(norm.bias.detach() - norm.running_mean * gain, requires_grad=False)
        self.norm = nn.Identity()
        self.folded = True


class MBConv(nn.Module):
    """Inverted residual: expand 1x1, depthwise k x k, project 1x1; added to its input where shapes allow."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        mid = cin * expansion
        self.expand = ConvNorm(cin, mid, 1) if expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(mid, mid, kernel, stride, groups=mid)
        self.project = ConvNorm(mid, cout, 1, act=False)
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """Feature maps of some blocks. ``taps``: block numbers, rising; nothing after the last of them is built.

    forward: pixels [B, 3, H, W], already ``(x - 127) / 128`` -> one [B, C, h, w] per tap; at 224 px block 4 is
    28 x 28 x 40, block 10 14 x 14 x 112, block 15 7 x 7 x 320. With ``classifier`` the network is whole and
    `classify` gives ImageNet's logits [B, 1000].
    """

    def __init__(self, taps: Sequence[int] = (4, 10, 15), *, classifier: bool = False) -> None:
        super().__init__()
        if not taps or list(taps) != sorted(set(taps)) or not 0 <= taps[0] <= taps[-1] < len(BLOCKS):
            raise ValueError(f"taps must be rising block numbers from 0 to {len(BLOCKS) - 1}, not {tuple(taps)}")
        self.taps = tuple(taps)
        built = BLOCKS if classifier else BLOCKS[: self.taps[-1] + 1]
        self.stem = ConvNorm(3, STEM, 3, 2)
        self.blocks = nn.ModuleList()
        cin = STEM
        for kernel, stride, expansion, cout in built:
            self.blocks.append(MBConv(cin, cout, kernel, stride, expansion))
            cin = cout
        self.head = ConvNorm(cin, HEAD, 1) if classifier else None
        self.fc = nn.Linear(HEAD, CLASSES) if classifier else None

    def shapes(self, side: int) -> list[tuple[int, int]]:
        """(channels, side of the map) of each tap for square pixels of ``side``."""
        side = -(-side // 2)
        found = []
        for number, (_, stride, _, channels) in enumerate(BLOCKS[: self.taps[-1] + 1]):
            side = -(-side // stride)
            if number in self.taps:
                found.append((channels, side))
        return found

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.stem(x)
        out = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.taps:
                out.append(x)
            if number == self.taps[-1]:
                break
        return tuple(out)

    def classify(self, x: Tensor) -> Tensor:
        """Logits [B, 1000] of the whole network; only with ``classifier=True``."""
        assert self.head is not None
        assert self.fc is not None
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.fc(self.head(x).mean((2, 3)))
        return logits

    def fold(self) -> EfficientNetLite0:
        """Works every batch norm into its convolution and returns self; for inference only."""
        for module in list(self.modules()):
            if isinstance(module, ConvNorm):
                module.fold()
        return self


_PARTS = {"_expand_conv": "expand.conv", "_depthwise_conv": "depthwise.conv", "_project_conv": "project.conv"}
_NORMS = {"_bn0": "expand.norm", "_bn1": "depthwise.norm", "_bn2": "project.norm"}
_OUTER = {"_conv_stem": "stem.conv", "_bn0": "stem.norm", "_conv_head": "head.conv", "_bn1": "head.norm", "_fc": "fc"}


def convert_names(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published state dict under our names; raises KeyError on a name that is not of this network."""
    ours = {}
    for name, value in published.items():
        block = re.fullmatch(r"_blocks\.(\d+)\.(\w+?)\.(\w+)", name)
        if block:
            number, part, leaf = block.groups()
            ours[f"blocks.{number}.{(_PARTS | _NORMS)[part]}.{leaf}"] = value
        else:
            part, leaf = name.rsplit(".", 1)
            ours[f"{_OUTER[part]}.{leaf}"] = value
    return ours
