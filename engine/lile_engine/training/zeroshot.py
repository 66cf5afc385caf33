"""Zero-shot classification: which class do its phrases say the picture is?

A class is the mean of its phrases, each drawn towards the phrases that the model knows (`model.known`). Stage one
compares vectors; a part of the class's mean cosine with the learned pictures nearest to it is taken away, for a phrase
that lies amid many pictures would be named too often (hubness; Radovanovic et al. 2010; the correction of Conneau et
al. 2018 on one side, in part). Neither a prior nor the other pictures asked about enter: a picture alone gets the same
answer. Stage two adds the cross-attention scores with half the weight that search gives
them: it learned on captions, and other people's short words are the less its own. `benchmarks/answers.py` has what
each brings and costs.

Probabilities are a softmax over the classes asked about, so they say which of *these* fits best, not whether any fits;
for that there is ``outside``. The probability of the class named is the answer's confidence: it tells right answers
from wrong ones with an area under the curve of 0.71 on average over sets not seen, ``outside`` with 0.59; of seventeen
other measures (margins, standardised scores, forms of the question, neighbours, ...) none was surely better.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lile_engine.errors import DataError
from lile_engine.model.protocol import CROWDING_SHARE, ImageTextModel
from lile_engine.phrases import content_words
from lile_engine.progress import CancelToken, ProgressCallback, ProgressMeter, no_progress
from lile_engine.training.augment import plain_view
from lile_engine.training.pairs import load_file

# Softmax over differences of cosines: without a factor, 0.6 against 0.3 would be a near tie.
DEFAULT_SHARPNESS = 20.0
PAIR_SHARE = 0.5  # of the weight that pair scores have in a search


@dataclass(frozen=True)
class ZeroShotResult:
    """One picture: the most probable class, every class's probability (they sum to 1), and ``outside`` 0 to 1."""

    path: str
    label: str
    probabilities: dict[str, float]
    outside: float


def read_labels(path: Path) -> dict[str, list[str]]:
    """Reads ``{class: [phrase, ...]}``; a class may also name a single phrase. Raises `DataError`."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # no UTF-8, no JSON, or nested without end
        raise DataError(f'{path} is not readable JSON; it must be {{"class": ["phrase", ...], ...}}.') from error
    if not isinstance(table, dict) or not table:
        raise DataError(f'{path} names no class; it must be {{"class": ["phrase", ...], ...}}.')
    labels: dict[str, list[str]] = {}
    for name, phrases in table.items():
        items = [phrases] if isinstance(phrases, str) else phrases
        if not isinstance(items, list) or not items or not all(isinstance(p, str) and p.strip() for p in items):
            raise DataError(f"{path}: class {name!r} needs at least one phrase, as text.")
        empty = next((p for p in items if not content_words(p)), None)
        if empty is not None:
            raise DataError(f"{path}: class {name!r} has the phrase {empty!r}, which names nothing; use other words.")
        labels[name] = items
    return labels


def classify(
    model: ImageTextModel,
    images: Sequence[NDArray[np.uint8]],
    labels: dict[str, list[str]],
    *,
    rerank: bool = True,
    batch: int = 32,
    advance: Callable[[int], None] = lambda _: None,
    cancel: CancelToken | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities ``[images, classes]`` (rows sum to 1) and ``outside [images]`` for RGB images of any size."""
    phrases = [phrase for items in labels.values() for phrase in items]
    owner = np.repeat(np.arange(len(labels)), [len(items) for items in labels.values()])
    mean = (owner[:, None] == np.arange(len(labels))[None]).astype(np.float32)
    mean /= mean.sum(axis=0, keepdims=True)
    texts = model.ask_texts(phrases)
    centres = mean.T @ texts.vectors
    centres /= np.linalg.norm(centres, axis=1, keepdims=True) + 1e-9
    crowding = model.crowding(centres)
    shared = np.zeros(len(labels), np.float32) if crowding is None else CROWDING_SHARE * crowding
    pair_weight = PAIR_SHARE * (1 - model.alpha)
    sharpness = float(getattr(model, "sharpness", DEFAULT_SHARPNESS))
    probabilities, outside = [], []
    for start in range(0, len(images), batch):
        if cancel is not None:
            cancel.raise_if_cancelled()
        views = np.stack([plain_view(image, model.identity.input_px) for image in images[start : start + batch]])
        encoded = model.encode_images(views)
        scores = encoded.vectors @ centres.T - shared
        if rerank and pair_weight:
            pair_scores = model.score_pairs(encoded.tokens, texts.tokens, texts.mask) @ mean
            scores = (1 - pair_weight) * scores + pair_weight * pair_scores
        scaled = np.exp((scores - scores.max(axis=1, keepdims=True)) * sharpness)
        probabilities.append(scaled / scaled.sum(axis=1, keepdims=True))
        outside.append(model.outside(encoded.vectors))
        advance(len(views))
    return np.concatenate(probabilities).astype(np.float32), np.concatenate(outside).astype(np.float32)


def classify_files(
    model: ImageTextModel,
    paths: Sequence[Path],
    labels: dict[str, list[str]],
    *,
    rerank: bool = True,
    batch: int = 32,
    progress: ProgressCallback = no_progress,
    cancel: CancelToken | None = None,
) -> list[ZeroShotResult]:
    """Classifies image files, in the order given. Raises `DataError` for one that cannot be read."""
    meter = ProgressMeter(progress, len(paths), "images")
    results: list[ZeroShotResult] = []
    for start in range(0, len(paths), batch):
        part = paths[start : start + batch]
        images = [load_file(path, model.identity.input_px) for path in part]
        table, outside = classify(
            model, images, labels, rerank=rerank, batch=batch, advance=meter.advance, cancel=cancel
        )
        names = list(labels)
        for path, row, far in zip(part, table.astype(float), outside, strict=True):
            row = row / row.sum()
            results.append(
                ZeroShotResult(
                    str(path), names[int(row.argmax())], dict(zip(names, map(float, row), strict=True)), float(far)
                )
            )
    return results


def balanced_accuracy(truth: Sequence[str], guess: Sequence[str]) -> float:
    """Mean over the true classes of the share that was named right (chance is one over their number)."""
    right = {name: [g == t for t, g in zip(truth, guess, strict=True) if t == name] for name in set(truth)}
    return float(np.mean([np.mean(v) for v in right.values()]))
