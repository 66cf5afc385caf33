"""EfficientNet-Lite0 as a feature extractor (Tan & Le 2019; Lite: no squeeze-excitation, ReLU6, fixed stem).

Parameter names are ours; `convert_names` maps those of the published PyTorch weights. Padding and batch-norm
epsilon are TensorFlow's (pad more at the right and bottom when the stride is 2; 1e-3): with symmetric padding
or 1e-5 the published weights grow unsure of what they see.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

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


class ConvNorm(nn.Module):
    """Convolution with TensorFlow's "same" padding, batch norm, and ReLU6 unless it is a projection."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1, *, groups: int = 1, act: bool = True) -> None:
        super().__init__()
        # Stride 2 on an even side needs one row less before than after; F.pad is (left, right, top, bottom).
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        self.pad = (before, after, before, after) if before != after else None
        self.conv = nn.Conv2d(cin, cout, kernel, stride, 0 if self.pad else before, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(cout, eps=1e-3, momentum=0.01)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        if self.pad:
            x = F.pad(x, self.pad)
        x = self.norm(self.conv(x))
        return F.relu6(x, inplace=True) if self.act else x

    def fold(self) -> None:
        """Works the batch norm into the convolution; for inference only."""
        norm = self.norm
        if not isinstance(norm, nn.BatchNorm2d):
            return
        assert norm.running_mean is not None
        assert norm.running_var is not None
        gain = norm.weight.detach() * torch.rsqrt(norm.running_var + norm.eps)
        self.conv.weight = nn.Parameter(self.conv.weight.detach() * gain[:, None, None, None], requires_grad=False)
        self.conv.bias = nn.Parameter(norm.bias.detach() - norm.running_mean * gain, requires_grad=False)
        self.norm = nn.Identity()


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

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each tap."""
        return tuple(BLOCKS[t][3] for t in self.taps)

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
