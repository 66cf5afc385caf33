"""A question as vectors and tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lile_engine.archive import Archive
from lile_engine.errors import QueryError, SlideError
from lile_engine.model.protocol import Bools, Floats, ImageTextModel
from lile_engine.outside import PhraseRange
from lile_engine.progress import CancelToken, ProgressCallback, no_progress
from lile_engine.retrieval.query import Query, WeightedRegion, load_pixels
from lile_engine.retrieval.regions import (
    EmbeddedRegion,
    default_spec,
    embed_region,
    plan_region,
    stored_region,
)
from lile_engine.slides import Region, TileSpec, open_slide

_WITNESSES = 4  # so many tiles of a region, those nearest to its middle, speak for it when pairs are scored


@dataclass(frozen=True, eq=False)
class Part:
    """One part: ``vectors`` float32 [n, d] (one, or one for each tile of a region), tokens [n, M, w] and their mask
    [n, M]; ``image`` tells pictures from words; ``outside`` (0 to 1) how far words lie from all that the model has
    learned, ``range`` where their cosines begin and end, both None where nobody knows.
    """

    weight: float
    image: bool
    vectors: Floats
    tokens: Floats
    mask: Bools
    outside: float | None = None
    range: PhraseRange | None = None

    @property
    def vector(self) -> Floats:
        """float32 [d], unit: the mean direction."""
        return unit(self.vectors.mean(axis=0))


@dataclass(frozen=True, eq=False)
class EncodedQuery:
    """The parts, the unit ``vector`` [d] that stage one searches by, and the regions the question came from."""

    parts: tuple[Part, ...]
    vector: Floats
    places: tuple[tuple[str, Region], ...] = ()

    @property
    def image_vectors(self) -> Floats | None:
        """Vectors [n, d] of the pictures that are wanted, None for words alone."""
        vectors = [part.vectors for part in self.parts if part.image and part.weight > 0]
        return np.concatenate(vectors) if vectors else None

    @property
    def outside_words(self) -> float | None:
        """The farthest of its phrases from all that the model has learned, 0 to 1; None where nobody knows."""
        return max((part.outside for part in self.parts if part.outside is not None), default=None)


def unit(vector: Floats) -> Floats:
    """The vector at length 1; raises `QueryError` if it has none."""
    length = float(np.linalg.norm(vector))
    if length < 1e-6:
        raise QueryError("The parts of the question cancel each other out; change their weights.")
    return (vector / length).astype(np.float32)


def compose(parts: tuple[Part, ...], places: tuple[tuple[str, Region], ...] = ()) -> EncodedQuery:
    """One question of its parts: the weighted sum of their mean directions, at length 1."""
    total = np.sum([part.weight * part.vector for part in parts], axis=0)
    return EncodedQuery(parts, unit(total), places)


def text_part(model: ImageTextModel, text: str, weight: float = 1.0) -> Part:
    """A phrase as a part."""
    encoded = model.ask_texts([text])
    outside = None if encoded.outside is None else float(encoded.outside[0])
    return Part(
        weight, False, encoded.vectors, encoded.tokens, encoded.mask, outside, model.phrase_range(encoded.vectors[0])
    )


def image_part(vectors: Floats, tokens: Floats, weight: float = 1.0) -> Part:
    """Embedded pictures [n, d], [n, N, w] as a part; those nearest to their middle keep their tokens."""
    nearest = np.argsort(-(vectors @ vectors.mean(axis=0)), kind="stable")[:_WITNESSES]
    chosen = tokens[nearest]
    return Part(weight, True, vectors, chosen, np.ones(chosen.shape[:2], np.bool_))


def encode_query(
    archive: Archive,
    model: ImageTextModel,
    query: Query,
    *,
    spec: TileSpec | None = None,
    progress: ProgressCallback = no_progress,
    cancel: CancelToken | None = None,
) -> EncodedQuery:
    """Embeds every part. Raises `QueryError` where a part has no content, `SlideError` for a slide out of reach."""
    query.check()
    parts = [text_part(model, part.text, part.weight) for part in query.texts]
    for image in query.images:
        encoded = model.encode_images(load_pixels(image.image)[None])
        parts.append(image_part(encoded.vectors, encoded.tokens, image.weight))
    places = []
    for part in query.regions:
        identity, region = _region(archive, model, part, spec, progress, cancel)
        parts.append(image_part(region.vectors, region.tokens, part.weight))
        places.append((identity, part.region))
    return compose(tuple(parts), tuple(places))


def _region(
    archive: Archive,
    model: ImageTextModel,
    part: WeightedRegion,
    spec: TileSpec | None,
    progress: ProgressCallback,
    cancel: CancelToken | None,
) -> tuple[str, EmbeddedRegion]:
    spec = spec or default_spec(archive, model)
    row = archive.find_slide(part.slide)
    path = Path(row.path if row is not None else part.slide)
    if row is not None and not path.exists():
        return row.identity, stored_region(archive, row, part.region, spec)
    if row is None and not path.exists():
        raise SlideError(f"There is no slide {part.slide}, neither as a file nor in the archive.")
    mpp = part.slide_mpp if part.slide_mpp is not None else row.mpp if row is not None else None
    with open_slide(path, mpp=mpp) as slide:
        plan = plan_region(archive, slide, part.region, spec)
        return plan.identity, embed_region(archive, model, slide, plan, progress=progress, cancel=cancel)
