"""The plain facts that travel between rooms and processes: what a slide is, and where a tile lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Pixels: TypeAlias = "npt.NDArray[np.uint8]"


@dataclass(frozen=True)
class Level:
    """One level of a pyramid: its size in its own pixels, and how many level-0 pixels one of them spans."""

    width: int
    height: int
    downsample: float


@dataclass(frozen=True)
class SlideInfo:
    """What is known of a slide without reading its pixels.

    ``identity`` depends on the content, not on path or name. ``width`` and ``height`` are level-0 pixels. ``mpp`` is
    microns per level-0 pixel, None where neither the file nor the user knows. ``magnification`` is the nominal
    objective (40 for about 0.25 mpp). ``bounds`` is the part that was scanned, ``(x, y, w, h)`` in
    level-0 pixels; without width the whole slide. ``note`` is a sentence for the user where the file is not all that
    it should be, else empty.
    """

    path: str
    identity: str
    name: str
    format: str
    vendor: str
    width: int
    height: int
    levels: tuple[Level, ...]
    mpp: float | None
    magnification: float | None
    properties: dict[str, str]
    associated: tuple[str, ...]
    bounds: tuple[int, int, int, int] = (0, 0, 0, 0)
    note: str = ""


@dataclass(frozen=True)
class TileSpec:
    """How a slide is cut: microns per pixel and size of a tile, overlap of neighbours (0 to below 1), and the least
    share of tissue (0 to 1) that a tile must hold."""

    mpp: float = 0.5
    px: int = 224
    overlap: float = 0.0
    min_tissue: float = 0.25


@dataclass(frozen=True)
class Tile:
    """A square of a slide: upper left corner and side in level-0 pixels."""

    x: int
    y: int
    size: int
