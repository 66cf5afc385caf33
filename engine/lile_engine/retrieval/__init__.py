"""Questions to an archive: two-stage search, heat maps, attention maps; and what fills an archive from slides.

Takes a model object and imports no torch itself.
"""

from __future__ import annotations

from lile_engine.retrieval.attention import attention
from lile_engine.retrieval.heatmap import heatmap
from lile_engine.retrieval.query import Query, WeightedImage, WeightedRegion, WeightedText
from lile_engine.retrieval.results import AttentionMap, HeatMap, Hit, Provenance, SearchResult, WordWeight
from lile_engine.retrieval.search import search

__all__ = [
    "AttentionMap",
    "HeatMap",
    "Hit",
    "Provenance",
    "Query",
    "SearchResult",
    "WeightedImage",
    "WeightedRegion",
    "WeightedText",
    "WordWeight",
    "attention",
    "heatmap",
    "search",
]
