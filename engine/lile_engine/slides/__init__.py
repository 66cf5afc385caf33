"""Slides: opened from any format, read at any scale, cut into tiles of tissue. No torch in here, no Qt."""

from lile_engine.slides.grid import tile_grid, tile_size
from lile_engine.slides.pipeline import TileBatch, read_tiles
from lile_engine.slides.region import Region
from lile_engine.slides.slide import Slide, open_slide
from lile_engine.slides.tissue import TissueMask, tissue_mask
from lile_engine.slides.types import Level, Pixels, SlideInfo, Tile, TileSpec

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
