"""What a question is answered with: frozen, plain data without torch, as it goes to the window and into JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lile_engine.outside import PhraseRange

Kind = Literal["patches", "captions", "cases"]


@dataclass(frozen=True)
class Hit:
    """One answer. ``kind`` is "patch", "caption" or "case"; ``slide`` a path; x, y, size level-0 pixels.

    ``caption`` is the caption's own text, or for a patch the nearest of the archive; ``score`` orders the hits and
    ``scores`` holds what it was made of ("cosine", "pair" where it was re-ranked, "caption": cosine of the caption to
    the patch). ``case`` is the slide's name where no case is known, and then ``case_known`` is False. ``outside`` 0
    to 1: how far the image lies from all that the model has learned; None where the model cannot tell. A case holds
    its best patches as ``evidence``, and the place of the first.
    """

    kind: str
    id: int
    score: float
    scores: Mapping[str, float]
    slide: str | None = None
    identity: str | None = None
    x: int | None = None
    y: int | None = None
    size: int | None = None
    mpp: float | None = None
    slide_mpp: float | None = None
    caption: str | None = None
    source: str | None = None
    case: str | None = None
    case_known: bool = False
    organ: str | None = None
    outside: float | None = None
    evidence: tuple[Hit, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As in ``lile search --json``."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "evidence"}
        plain["scores"] = dict(self.scores)
        if self.kind == "case":
            plain["evidence"] = [hit.to_json() for hit in self.evidence]
        return plain


@dataclass(frozen=True)
class Provenance:
    """How an answer came about, so that it can be had again: model, state of the archive, and every setting."""

    query: tuple[dict[str, Any], ...]
    kind: str
    model: str
    model_id: str
    archive: str
    generation: int
    alpha: float
    k: int
    rerank_k: int
    reranked: int
    exact: bool
    compared: int
    filter: dict[str, Any]
    mpps: tuple[float, ...]
    seconds: float
    version: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As in ``lile search --json``."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class SearchResult:
    """Hits, best first, and their provenance."""

    hits: tuple[Hit, ...]
    provenance: Provenance

    def to_json(self) -> dict[str, Any]:
        """The document that ``lile search --json`` prints."""
        return {"hits": [hit.to_json() for hit in self.hits], "provenance": self.provenance.to_json()}


@dataclass(frozen=True)
class WordWeight:
    """A word of a phrase, its place [start, end) in it, and its share of the attention (all sum to 1)."""

    text: str
    start: int
    end: int
    weight: float


@dataclass(frozen=True, eq=False)
class HeatMap:
    """How well a phrase fits each tile of a slide: ``values`` float32 [rows, columns], nan where there is no tile.

    The grid begins at level-0 ``x``, ``y``; a cell is ``cell`` level-0 pixels wide and high.
    ``range`` is where the phrase's cosines begin and end on any slide, None where the model does not know.
    """

    values: NDArray[np.float32]
    x: int
    y: int
    cell: int
    mpp: float
    tile_ids: NDArray[np.int64] = field(repr=False)
    tile_size: int
    range: PhraseRange | None = None

    @property
    def fits(self) -> bool | None:
        """Whether the phrase fits any tile well; None where nobody knows."""
        return None if self.range is None else self.range.fits(float(np.nanmax(self.values)))


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """Where the words of a phrase look in an image: ``values`` float32 [rows, columns] over the image, sum 1.

    ``words`` are all words of the phrase, each with its share of what the image attends to; ``word`` is the one
    that the map is for, None for the whole phrase.
    """

    values: NDArray[np.float32]
    words: tuple[WordWeight, ...]
    word: WordWeight | None
    outside: float | None
