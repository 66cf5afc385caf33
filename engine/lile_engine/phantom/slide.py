"""Draws a whole phantom slide, strip by strip, into a pyramidal TIFF with its ground truth beside it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lile_engine.errors import DataError, SlideError
from lile_engine.phantom.artefacts import Artefacts
from lile_engine.phantom.layer import Stamps, press
from lile_engine.phantom.noise import Floats, View, sample_flat
from lile_engine.phantom.plan import Plan, plan_slide, soft_masks
from lile_engine.phantom.pyramid import TILE, write_pyramid
from lile_engine.phantom.stains import Stain, bare_glass, develop, random_stain
from lile_engine.phantom.tissue import tissue_named
from lile_engine.phantom.truth import write_truth
from lile_engine.progress import CancelToken, ProgressCallback, ProgressMeter, no_progress

SMALLEST, LARGEST = 256, 200_000
_BLOCK = 512
# Drawn around a block and cut off: as far as a nucleus or the blur reaches (µm).
_MARGIN_UM = 12.0
# Slides draw at the pitch asked for; the stamps' detail ends at these.
FINEST_MPP, COARSEST_MPP = 0.2, 2.0


def draw_slide(
    path: Path | str,
    size: int | tuple[int, int],
    seed: int,
    tissues: Sequence[str] | None = None,
    *,
    mpp: float = 0.5,
    stain: Stain | None = None,
    artefacts: bool = True,
    progress: ProgressCallback = no_progress,
    cancel: CancelToken | None = None,
) -> Path:
    """Draws a slide of ``size`` level-0 pixels (a square, or width and height) at ``mpp`` µm per pixel.

    Writes ``path`` (pyramidal tiled JPEG TIFF) and the true regions beside it as ``.geojson``, which it returns. The
    same arguments give the same bytes. Memory is bounded by the width: a strip of 512 rows and a few beside.
    Raises `DataError` for an unknown tissue or a size or mpp out of range, `SlideError` when it cannot be written,
    `Cancelled` (leaving no file) when cancelled.
    """
    path = Path(path)
    width, height = (size, size) if isinstance(size, int) else size
    if not (SMALLEST <= width <= LARGEST and SMALLEST <= height <= LARGEST):
        raise DataError(f"A phantom slide is {SMALLEST} to {LARGEST} pixels wide and high, not {width} x {height}.")
    if not FINEST_MPP <= mpp <= COARSEST_MPP:
        raise DataError(f"A phantom slide has {FINEST_MPP} to {COARSEST_MPP} microns per pixel, not {mpp}.")
    plan = plan_slide(width, height, mpp, seed, tissues)
    rng = np.random.default_rng([seed & 0xFFFFFFFF, 21])
    painter = _SlidePainter(
        plan,
        mpp,
        stain or random_stain(rng),
        Artefacts.chance(width * mpp, height * mpp, rng) if artefacts else Artefacts(),
        float(rng.integers(1_000, 50_000)),
        int(rng.integers(997)),
    )
    blocks = -(-width // _BLOCK) * -(-height // _BLOCK)
    meter = ProgressMeter(progress, blocks, "blocks")
    truth = path.with_suffix(".geojson")
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_pyramid(
            partial,
            width,
            height,
            mpp,
            _strips(painter, width, height, meter, cancel),
            f"Phantom tissue drawn by LILE Desktop, seed {seed}; no patient.",
        )
        write_truth(truth, plan, width, height, seed)
        os.replace(partial, path)
    except OSError as error:
        raise SlideError(f"The phantom slide cannot be written to {path}: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return truth


def _strips(
    painter: _SlidePainter, width: int, height: int, meter: ProgressMeter, cancel: CancelToken | None
) -> Iterator[NDArray[np.uint8]]:
    for y in range(0, height, _BLOCK):
        rows = min(_BLOCK, height - y)
        strip = np.empty((rows, width, 3), np.uint8)
        for x in range(0, width, _BLOCK):
            if cancel is not None:
                cancel.raise_if_cancelled()
            cols = min(_BLOCK, width - x)
            strip[:, x : x + cols] = painter.block(x, y, cols, rows)
            meter.advance()
        for top in range(0, rows, TILE):
            yield strip[top : top + TILE]


class _SlidePainter:
    """Draws any rectangle of one slide; neighbours fit, because everything depends on the place alone."""

    def __init__(self, plan: Plan, mpp: float, stain: Stain, artefacts: Artefacts, origin: float, grain: int) -> None:
        self._plan, self._mpp, self._stain, self._artefacts = plan, mpp, stain, artefacts
        self._origin, self._grain = origin, grain

    def block(self, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        """uint8 RGB [height, width, 3] at level-0 pixel (x, y)."""
        pad = int(np.ceil(_MARGIN_UM / self._mpp))
        x0, y0, w, h = x - pad, y - pad, width + 2 * pad, height + 2 * pad
        glass = View(x0 * self._mpp, y0 * self._mpp, w, h, self._mpp)
        # Fields far from the origin, so that slides do not share their top left corner.
        view = View(self._origin + glass.x0, self._origin + glass.y0, w, h, self._mpp)
        masks = soft_masks(self._plan, x0, y0, w, h)
        grain = sample_flat("grain", glass, self._grain, 2.0)
        if list(masks) == [0]:
            image = bare_glass(self._stain, grain)
        else:
            planes = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
            stamps: list[Stamps] = []
            for label, mask in masks.items():
                if label:
                    stamps += self._paint(label, mask, view, planes)
            press(planes, view, stamps)
            self._artefacts.fold(planes, glass)
            image = develop(*planes, self._stain, self._mpp, grain)
        image = self._artefacts.finish(image, glass)
        return image[pad : pad + height, pad : pad + width]

    def _paint(self, label: int, mask: Floats, view: View, planes: tuple[Floats, ...]) -> list[Stamps]:
        """Adds one region's planes under its mask; returns the stamps whose centres lie in it."""
        region = self._plan.regions[label - 1]
        rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
        # Even offsets, so that half-resolution fields fall on the same places from every block.
        top, left = top - top % 4, left - left % 4
        part = View(view.x0 + left * view.mpp, view.y0 + top * view.mpp, right - left, bottom - top, view.mpp)
        layer = tissue_named(region.tissue).paint(part, region.traits, region.seed)
        share = mask[top:bottom, left:right]
        for plane, drawn in zip(planes, (layer.h, layer.e, layer.r), strict=True):
            plane[top:bottom, left:right] += share * drawn
        kept = []
        for batch in layer.stamps:
            c = np.floor((batch.x - part.x0) / part.mpp).astype(int)
            r = np.floor((batch.y - part.y0) / part.mpp).astype(int)
            inside = (c >= 0) & (r >= 0) & (c < part.width) & (r < part.height)
            inside[inside] = share[r[inside], c[inside]] > 0.5
            # Beyond the drawn part only where that part ends at the block's own edge.
            beyond = ((c < 0) & (left == 0)) | ((r < 0) & (top == 0))
            beyond |= ((c >= part.width) & (right == view.width)) | ((r >= part.height) & (bottom == view.height))
            edge = share[np.clip(r, 0, part.height - 1), np.clip(c, 0, part.width - 1)] > 0.5
            kept.append(batch.where(inside | (beyond & edge)))
        return kept
