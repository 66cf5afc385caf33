"""Features of a frozen image backbone, computed once for a few views of each image and kept.

With a frozen backbone nearly all of a training step would be the same convolutions again and again. So each image has
a fixed number of views (view 0 is the plain one, the others are augmented), and the features of a view are computed
at its first use: in float16, in memory up to a bound, or on disk. A view depends on seed, image and number only, and is
computed alone, never in a batch, so that an interrupted training that is gone on with sees the same bits.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lile_engine.model.devices import pick_precision
from lile_engine.model.efficientnet_lite import EfficientNetLite0
from lile_engine.model.lile import Lile
from lile_engine.progress import CancelToken, ProgressCallback, ProgressMeter, no_progress
from lile_engine.training.augment import augment, plain_view
from lile_engine.training.config import AugmentSection
from lile_engine.training.kept import Halfs, KeptRows, file_stamp
from lile_engine.training.pairs import Pair, load_image

# uint8 RGB [B, H, W, 3] -> the backbone's maps, each [B, C, h, w].
Extract = Callable[[NDArray[np.uint8]], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Views:
    """Which pictures an image of the training may show: ``count`` views at ``px``, made with ``augment``."""

    px: int
    count: int
    augment: AugmentSection
    seed: int

    def pixels(self, pair: Pair, index: int, view: int) -> NDArray[np.uint8]:
        """View ``view`` of image ``index``, uint8 ``[px, px, 3]``; view 0 is the plain one."""
        image = load_image(pair, self.px)
        if view == 0:
            return plain_view(image, self.px)
        return augment(image, self.px, self.augment, (self.seed, 11, index, view))


def frozen_extract(model: Lile, device: torch.device | str) -> tuple[Extract, str]:
    """The frozen backbone as a function, and a key that names its weights, form and precision.

    As it runs in the program: batch norms folded, channels last, bfloat16 where the processor has it.
    """
    backbone = copy.deepcopy(model.backbone).eval().requires_grad_(False)
    digest = hashlib.sha256()
    for name, tensor in sorted(backbone.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    if isinstance(backbone, EfficientNetLite0):
        backbone.fold()
    dtype = pick_precision(torch.device(device))
    backbone = backbone.to(device=device, dtype=dtype)
    backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    mean, std = model.get_buffer("pixel_mean").to(device), model.get_buffer("pixel_std").to(device)
    shrink = copy.deepcopy(model.image_grid).shrink  # a copy: it must not hold on to weights that train

    @torch.no_grad()
    def extract(pixels: NDArray[np.uint8]) -> tuple[Tensor, ...]:
        x = torch.from_numpy(np.array(pixels)).to(device).permute(0, 3, 1, 2)
        x = ((x.float() - mean) / std).to(dtype).contiguous(memory_format=torch.channels_last)
        return shrink(backbone(x))

    return extract, f"{digest.hexdigest()[:16]} {dtype}"


class FeatureCache:
    """Backbone features by (image, view): computed once, then read.

    ``key`` names everything that the features depend on but the pairs and views (the weights of the backbone). Kept in
    ``folder`` they are known again by the paths of the pictures, and computed anew where a file has changed.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        views: Views,
        extract: Extract,
        *,
        key: str,
        folder: Path | None = None,
        megabytes: int = 1024,
    ) -> None:
        self.pairs, self.views, self._extract = pairs, views, extract
        self.shapes = tuple(tuple(m.shape[1:]) for m in extract(np.full((1, views.px, views.px, 3), 255, np.uint8)))
        self._sizes = [int(np.prod(shape)) for shape in self.shapes]
        width = sum(self._sizes)
        self._memory: dict[tuple[int, int], Halfs] = {}
        self._room = megabytes * 2**20 // (2 * width)
        self._kept: KeptRows | None = None
        if folder is not None:
            stamps = [file_stamp(pair.path) for pair in pairs]
            self._kept = KeptRows(folder, self._name(key), stamps, views.count, width)

    def _name(self, key: str) -> str:
        described = [[str(p.path), None if p.place is None else vars(p.place)] for p in self.pairs]
        told = [key, self.shapes, self.views.px, self.views.count, self.views.seed, vars(self.views.augment), described]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]

    def row(self, index: int, view: int) -> Halfs:
        """The features of one view, float16 ``[width]``: all maps, flattened one after the other."""
        if self._kept is not None:
            kept = self._kept.get(index, view)
            if kept is None:
                kept = self._compute(index, view)
                self._kept.put(index, view, kept)
            return kept
        known = self._memory.get((index, view))
        if known is None:
            known = self._compute(index, view)
            if len(self._memory) < self._room:
                self._memory[index, view] = known
        return known

    def _compute(self, index: int, view: int) -> Halfs:
        maps = self._extract(self.views.pixels(self.pairs[index], index, view)[None])
        flat = torch.cat([m.reshape(1, -1).float() for m in maps], dim=1)[0]
        return flat.half().cpu().numpy()

    def maps(self, indices: Sequence[int], views: Sequence[int], device: torch.device | str) -> tuple[Tensor, ...]:
        """The maps of several views, float32, each ``[B, C, h, w]``."""
        rows = np.stack([self.row(i, v) for i, v in zip(indices, views, strict=True)])
        return self.split(rows, device)

    def split(self, rows: Halfs, device: torch.device | str) -> tuple[Tensor, ...]:
        """Stacked rows [B, width] as the maps that they are made of."""
        stacked = torch.from_numpy(rows).to(device).float()
        parts = torch.split(stacked, self._sizes, dim=1)
        return tuple(part.reshape(-1, *shape) for part, shape in zip(parts, self.shapes, strict=True))

    def fill(
        self,
        views: Sequence[int],
        *,
        progress: ProgressCallback = no_progress,
        cancel: CancelToken | None = None,
    ) -> None:
        """Computes whatever is missing of these views, so that training meets no waiting."""
        meter = ProgressMeter(progress, len(self.pairs) * len(views), "views")
        for view in views:
            for index in range(len(self.pairs)):
                if cancel is not None:
                    cancel.raise_if_cancelled()
                self.row(index, view)
                meter.advance(message="features")
