"""Phantom tissue: procedural H&E slides with exact ground truth, because no patient's picture may lie here."""

from __future__ import annotations

from lile_engine.phantom.slide import draw_slide
from lile_engine.phantom.tissue import TISSUES, draw_tile, tile_traits

__all__ = ["TISSUES", "draw_slide", "draw_tile", "tile_traits"]
