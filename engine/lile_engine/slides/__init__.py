"""Slides: opened from any format, read at any scale, cut into tiles of tissue. No torch in here, no Qt.

Each name loads its module when it is first asked for: a window knows what a `SlideInfo` is without OpenSlide.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lile_engine.slides.grid import tile_grid, tile_size
    from lile_engine.slides.pipeline import TileBatch, read_tiles
    from lile_engine.slides.region import Region
    from lile_engine.slides.slide import Slide, open_slide
    from lile_engine.slides.tissue import TissueMask, tissue_mask
    from lile_engine.slides.types import Level, Pixels, SlideInfo, Tile, TileSpec

_HOMES = {
    "grid": ("tile_grid", "tile_size"),
    "pipeline": ("TileBatch", "read_tiles"),
    "region": ("Region",),
    "slide": ("Slide", "open_slide"),
    "tissue": ("TissueMask", "tissue_mask"),
    "types": ("Level", "Pixels", "SlideInfo", "Tile", "TileSpec"),
}

__all__ = [
    "Level",
    "Pixels",
    "Region",
    "Slide",
    "SlideInfo",
    "Tile",
    "TileBatch",
    "TileSpec",
    "TissueMask",
    "open_slide",
    "read_tiles",
    "tile_grid",
    "tile_size",
    "tissue_mask",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
