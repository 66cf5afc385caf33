"""Retrieval measured on pairs: stage one alone, and with the best candidates re-ranked by cross-attention.

Protocols: ``pairs`` (equal captions, and captions of one group, count as matches), ``coco1k`` and ``coco5k``
(MS-COCO, Karpathy's test split of 5,000 images: five captions an image; five folds of 1,000 averaged, or all at once),
``arch`` (each figure's caption belongs to all its pictures).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lile_engine.errors import ConfigError, DataError
from lile_engine.model.protocol import Bools, Floats, ImageTextModel
from lile_engine.progress import CancelToken, ProgressCallback, ProgressMeter, no_progress
from lile_engine.training.augment import plain_view
from lile_engine.training.pairs import Pair, PairDataset, load_image, read_pairs
from lile_engine.training.readers import read_arch, read_coco
from lile_engine.training.recall import Direction, Found, Recall, hits, join, recall_of_folds

PROTOCOLS = ("pairs", "coco1k", "coco5k", "arch")
COCO_IMAGES = 5000  # a figure of another number of images would not be one of these protocols
MOST_RESAMPLES = 100_000
_BLOCK = 256  # queries whose scores are held at once


@dataclass(frozen=True)
class Encoded:
    """Everything that an evaluation needs of both sides: vectors, tokens, and the mask of the texts' tokens."""

    image_vectors: Floats
    image_tokens: NDArray[np.float16]
    text_vectors: Floats
    text_tokens: NDArray[np.float16]
    text_mask: Bools


@dataclass(frozen=True)
class Rerank:
    """``alpha * cos(v, t) + (1 - alpha) * s_x`` on the first ``k`` of stage one."""

    alpha: float
    k: int


@dataclass(frozen=True)
class EvalReport:
    """Stage one (``i2t``, ``t2i``, ``rsum``) and, where asked for, re-ranked, with how it was re-ranked. ``folds`` is
    over how many parts of the pictures the figures are means."""

    protocol: str
    images: int
    captions: int
    i2t: Direction
    t2i: Direction
    rsum: float
    reranked: Recall | None
    alpha: float
    rerank_k: int
    left_out: int
    folds: int = 1


def text_matches(pairs: Sequence[Pair]) -> tuple[list[str], Bools]:
    """The different captions of pairs, in order of first appearance, and ``matches [pairs, captions]``.

    A caption matches every picture that has the same words among its captions, and those of the same ``group``; pairs
    of the same picture share their captions.
    """
    texts: dict[str, int] = {}
    for pair in pairs:
        for caption in pair.captions:
            texts.setdefault(caption, len(texts))
    matches = np.zeros((len(pairs), len(texts)), np.bool_)
    for i, pair in enumerate(pairs):
        matches[i, [texts[c] for c in pair.captions]] = True
    _share(matches, [pair.picture for pair in pairs])
    _share(matches, [pair.group for pair in pairs])
    return list(texts), matches


def _share(matches: Bools, names: Sequence[Hashable]) -> None:
    """Gives the rows of one name each other's matches; an empty name is none."""
    rows: dict[Hashable, list[int]] = {}
    for i, name in enumerate(names):
        if name:
            rows.setdefault(name, []).append(i)
    for members in rows.values():
        if len(members) > 1:
            matches[members] = matches[members].any(axis=0)


def own_matches(pairs: Sequence[Pair]) -> tuple[list[str], Bools]:
    """Every caption as a text of its own that matches its own picture only, as the COCO tables count."""
    texts = [c for pair in pairs for c in pair.captions]
    owner = np.repeat(np.arange(len(pairs)), [len(p.captions) for p in pairs])
    return texts, owner[None, :] == np.arange(len(pairs))[:, None]


def read_protocol(protocol: str, path: Path) -> PairDataset:
    """The pairs of a protocol. Raises `DataError` or, for an unknown protocol, `ConfigError`."""
    if protocol == "pairs":
        return read_pairs(path)
    if protocol == "arch":
        return read_arch(path)
    if protocol in ("coco1k", "coco5k"):
        return read_coco(path, split="test")
    raise ConfigError(f"{protocol} is not a protocol; use {', '.join(PROTOCOLS)}.")


def encode_pairs(
    model: ImageTextModel,
    pairs: Sequence[Pair],
    texts: Sequence[str],
    *,
    batch: int = 32,
    progress: ProgressCallback = no_progress,
    cancel: CancelToken | None = None,
) -> Encoded:
    """Encodes pictures (their middle square) and texts, tokens kept in float16."""
    meter = ProgressMeter(progress, len(pairs) + len(texts), "images and texts")
    image_vectors, image_tokens, text_vectors, text_tokens, masks = [], [], [], [], []
    for start in range(0, len(pairs), batch):
        if cancel is not None:
            cancel.raise_if_cancelled()
        part = pairs[start : start + batch]
        px = model.identity.input_px
        images = model.encode_images(np.stack([plain_view(load_image(p, px), px) for p in part]))
        image_vectors.append(images.vectors)
        image_tokens.append(images.tokens.astype(np.float16))
        meter.advance(len(part))
    for start in range(0, len(texts), batch):
        if cancel is not None:
            cancel.raise_if_cancelled()
        encoded = model.encode_texts(texts[start : start + batch])
        text_vectors.append(encoded.vectors)
        text_tokens.append(encoded.tokens.astype(np.float16))
        masks.append(encoded.mask)
        meter.advance(len(encoded.vectors))
    longest = max(m.shape[1] for m in masks)
    return Encoded(
        np.concatenate(image_vectors),
        np.concatenate(image_tokens),
        np.concatenate(text_vectors),
        np.concatenate([np.pad(t, ((0, 0), (0, longest - t.shape[1]), (0, 0))) for t in text_tokens]),
        np.concatenate([np.pad(m, ((0, 0), (0, longest - m.shape[1]))) for m in masks]),
    )


def evaluate(
    model: ImageTextModel,
    dataset: PairDataset,
    protocol: str = "pairs",
    *,
    rerank: bool = True,
    alpha: float | None = None,
    rerank_k: int | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    progress: ProgressCallback = no_progress,
    cancel: CancelToken | None = None,
) -> EvalReport:
    """Recall both ways. ``alpha`` and ``rerank_k`` override the model's own (how stage one and pair score are mixed,
    and for how many candidates). Raises `DataError` where the pairs are not those of a COCO protocol or the model gives
    no numbers, `ConfigError` for an impossible ``bootstrap``."""
    if not 0 <= bootstrap <= MOST_RESAMPLES:
        raise ConfigError(f"The number of resamples is {bootstrap} and must be from 0 (none) to {MOST_RESAMPLES}.")
    pairs = dataset.pairs
    if protocol in ("coco1k", "coco5k") and len(pairs) != COCO_IMAGES:
        raise DataError(
            f"The protocol {protocol} is of {COCO_IMAGES} images and there are {len(pairs)}; complete the test split, "
            "or use the protocol pairs."
        )
    texts, matches = text_matches(pairs) if protocol in ("pairs", "arch") else own_matches(pairs)
    encoded = encode_pairs(model, pairs, texts, progress=progress, cancel=cancel)
    how = Rerank(model.alpha if alpha is None else alpha, model.rerank_k if rerank_k is None else rerank_k)
    parts = folds_of(pairs, 5) if protocol == "coco1k" else [(np.arange(len(pairs)), np.arange(len(texts)))]
    units = _units(pairs)

    def recall(how: Rerank | None) -> Recall:
        found = [_found(model, encoded, matches, *part, how, units, cancel) for part in parts]
        return recall_of_folds(found, bootstrap=bootstrap, seed=seed)

    first, second = recall(None), recall(how) if rerank else None
    return EvalReport(
        protocol,
        len(pairs),
        len(texts),
        first.i2t,
        first.t2i,
        first.rsum,
        second,
        how.alpha,
        how.k,
        len(dataset.bad_rows),
        len(parts),
    )


def folds_of(pairs: Sequence[Pair], count: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """``count`` consecutive folds of as many images each, in the order of the split, with their captions (numbered as
    `own_matches` has them)."""
    starts = np.concatenate([[0], np.cumsum([len(p.captions) for p in pairs])])
    return [
        (images, np.arange(starts[images[0]], starts[images[-1] + 1]))
        for images in np.array_split(np.arange(len(pairs)), count)
    ]


def _units(pairs: Sequence[Pair]) -> NDArray[np.int64]:
    """Which pictures a bootstrap draws together: those of one case, where cases are known."""
    names = [p.case or f"{p.path}#{i}" for i, p in enumerate(pairs)]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _found(
    model: ImageTextModel,
    encoded: Encoded,
    matches: Bools,
    images: NDArray[np.int64],
    captions: NDArray[np.int64],
    how: Rerank | None,
    units: NDArray[np.int64],
    cancel: CancelToken | None,
) -> Found:
    """What is found among ``images`` and ``captions``; re-ranked as ``how`` says, or stage one alone for None."""
    i2t_parts, t2i_parts = [], []
    for start in range(0, len(images), _BLOCK):
        rows = images[start : start + _BLOCK]
        scores = encoded.image_vectors[rows] @ encoded.text_vectors[captions].T
        if how is not None:
            scores = _rerank(model, encoded, scores, rows, captions, how, of_images=True, cancel=cancel)
        i2t_parts.append(hits(scores, matches[np.ix_(rows, captions)]))
    for start in range(0, len(captions), _BLOCK):
        rows = captions[start : start + _BLOCK]
        scores = encoded.text_vectors[rows] @ encoded.image_vectors[images].T
        if how is not None:
            scores = _rerank(model, encoded, scores, rows, images, how, of_images=False, cancel=cancel)
        t2i_parts.append(hits(scores, matches[np.ix_(images, rows)].T))
    owner = matches[np.ix_(images, captions)].argmax(axis=0)
    return Found(join(i2t_parts), join(t2i_parts), units[images], units[images][owner])


def _rerank(
    model: ImageTextModel,
    encoded: Encoded,
    scores: Floats,
    queries: NDArray[np.int64],
    candidates: NDArray[np.int64],
    how: Rerank,
    *,
    of_images: bool,
    cancel: CancelToken | None,
) -> NDArray[np.float64]:
    """Stage-one scores with the first K of each row re-scored and put before all others, as search does."""
    out = scores.astype(np.float64)
    k = min(how.k, scores.shape[1])
    for row, query in enumerate(queries):
        if cancel is not None:
            cancel.raise_if_cancelled()
        top = np.argpartition(-scores[row], k - 1)[:k]
        others = candidates[top]
        if of_images:
            pair_scores = model.score_pairs(
                encoded.image_tokens[query][None].astype(np.float32),
                encoded.text_tokens[others].astype(np.float32),
                encoded.text_mask[others],
            )[0]
        else:
            pair_scores = model.score_pairs(
                encoded.image_tokens[others].astype(np.float32),
                encoded.text_tokens[query][None].astype(np.float32),
                encoded.text_mask[query][None],
            )[:, 0]
        # Cosines and pair scores lie in [-1, 1]: 4 more keeps the re-ranked before the rest without touching its order.
        out[row, top] = 4 + how.alpha * scores[row, top] + (1 - how.alpha) * pair_scores
    return out
