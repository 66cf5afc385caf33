"""Vectors for `archive.py`: made from real tile vectors, with questions and their true answers, kept in files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lile_engine.archive import open_archive
from lile_engine.model.protocol import ModelIdentity

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
PER_SLIDE, QUERIES, FILTER_QUERIES = 1000, 500, 60
SELECTIVITIES = (0.001, 0.01, 0.05, 0.2, 0.5, 1.0)
RANDOM = ModelIdentity("b" * 16, "bench", 256, 49, 64, 224, 0.5)
_CHUNK = 50_000


@dataclass(frozen=True, eq=False)
class Source:
    """The model, the tile vectors [n, d] of each slide, and some packed-size tokens [m, N, w] to store."""

    model: ModelIdentity
    slides: list[Floats]
    tokens: Floats


@dataclass(frozen=True, eq=False)
class Data:
    """Vectors [n, d]; questions [q, d]; places [q, 10] of their true neighbours, and [f, 20] of each filter's."""

    vectors: Floats
    queries: Floats
    truth: Ids
    filtered: dict[str, Ids]


def read_source(source: Path | None) -> Source:
    """Real tile vectors and tokens of an archive; without one random clusters, which are easier than tissue."""
    rng = np.random.default_rng(0)
    if source is None:
        width = RANDOM.width
        centres = rng.normal(size=(40, 1, width)).astype(np.float32)
        slides = [unit(centre + 0.6 * rng.normal(size=(200, width)).astype(np.float32)) for centre in centres]
        return Source(RANDOM, slides, rng.normal(size=(500, RANDOM.image_tokens, RANDOM.token_width)).astype("f4"))
    with open_archive(source) as archive:
        ids = [archive.tiles_of_slide(row.id)[0] for row in archive.slides()]
        slides = [archive.tile_vectors(some) for some in ids if len(some) > 20]
        tokens = archive.tile_tokens(np.concatenate(ids)[:500])
        return Source(archive.model, slides, np.resize(tokens, (500, *tokens.shape[1:])))


def unit(vectors: Floats) -> Floats:
    """At length 1."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def make_vectors(real: list[Floats], count: int, seed: int = 1) -> Floats:
    """``count`` vectors, slide by slide: mixtures of two real tiles of a slide, with the noise measured there."""
    rng = np.random.default_rng(seed)
    made = []
    for start in range(0, count, PER_SLIDE):
        tiles = real[rng.integers(len(real))]
        n = min(PER_SLIDE, count - start)
        one, two = tiles[rng.integers(len(tiles), size=n)], tiles[rng.integers(len(tiles), size=n)]
        share = rng.uniform(size=(n, 1)).astype(np.float32)
        some = tiles[rng.permutation(len(tiles))[:200]]
        near = np.sort(some @ some.T, axis=1)[:, -2].clip(-1, 1)
        spread = float(np.sqrt(np.maximum(2 - 2 * near, 0)).mean()) / 2  # half the way to the next tile
        noise = rng.normal(size=(n, tiles.shape[1])).astype(np.float32) * (spread / np.sqrt(tiles.shape[1]))
        made.append(unit(one * share + two * (1 - share) + noise))
    return np.concatenate(made)


def passes(slide: Ids, share: float) -> NDArray[np.bool_]:
    """Which slides (by number) carry the tag of a filter that lets this share of the archive through."""
    return slide % round(1 / share) == 0


def prepare(folder: Path, count: int, source: Source) -> Data:
    """Makes the vectors and the true answers, or reads them from ``folder`` where an earlier run left them."""
    vectors_file, rest = folder / "vectors.npy", folder / "queries.npz"
    if not rest.exists():
        vectors = make_vectors(source.slides, count)
        queries = make_vectors(source.slides, QUERIES, seed=9)
        slide = np.arange(count) // PER_SLIDE
        truth = exact(vectors, queries, 10, np.ones(count, np.bool_))
        filtered = {
            str(share): exact(vectors, queries[:FILTER_QUERIES], 20, passes(slide, share)) for share in SELECTIVITIES
        }
        np.save(vectors_file, vectors)
        np.savez(rest, queries=queries, truth=truth, **{f"f{share}": ids for share, ids in filtered.items()})
    with np.load(rest) as read:
        filtered = {str(share): read[f"f{share}"] for share in SELECTIVITIES}
        return Data(np.load(vectors_file, mmap_mode="r"), read["queries"], read["truth"], filtered)


def exact(vectors: Floats, queries: Floats, k: int, allowed: NDArray[np.bool_]) -> Ids:
    """Places [q, k] of the true neighbours among the allowed (fewer than k: -1 fills up)."""
    scores = np.zeros((len(queries), 0), np.float32)
    places = np.zeros((len(queries), 0), np.int64)
    for start in range(0, len(vectors), _CHUNK):
        chosen = start + np.flatnonzero(allowed[start : start + _CHUNK])
        if not len(chosen):
            continue
        scores = np.concatenate([scores, queries @ vectors[chosen].T], axis=1)
        places = np.concatenate([places, np.broadcast_to(chosen, (len(queries), len(chosen)))], axis=1)
        if scores.shape[1] > k:
            keep = np.argpartition(-scores, k - 1, axis=1)[:, :k]
            scores, places = np.take_along_axis(scores, keep, 1), np.take_along_axis(places, keep, 1)
    full = np.full((len(queries), k), -1, np.int64)
    full[:, : places.shape[1]] = places
    return full


def recall(found: list[Ids], truth: Ids) -> float:
    """The mean share of the truth that was found."""
    pairs = [(set(a.tolist()), set(b[b >= 0].tolist())) for a, b in zip(found, truth, strict=True)]
    return float(np.mean([len(a & b) / max(len(b), 1) for a, b in pairs]))
