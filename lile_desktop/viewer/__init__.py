"""The slide viewer: `SlideView` and the plain types that go in and out of it."""

from __future__ import annotations

from lile_desktop.viewer.adjust import Adjustment
from lile_desktop.viewer.annotations import PALETTE, Annotation, AnnotationStore, RegionClass
from lile_desktop.viewer.colormaps import COLORMAPS
from lile_desktop.viewer.overlays import RasterOverlay, TileBox
from lile_desktop.viewer.slide_view import SlideView
from lile_desktop.viewer.tile_cache import TileCache
from lile_desktop.viewer.view_state import MAGNIFICATION_PRESETS, Rect, ViewState

__all__ = [
    "COLORMAPS",
    "MAGNIFICATION_PRESETS",
    "PALETTE",
    "Adjustment",
    "Annotation",
    "AnnotationStore",
    "RasterOverlay",
    "Rect",
    "RegionClass",
    "SlideView",
    "TileBox",
    "TileCache",
    "ViewState",
]
