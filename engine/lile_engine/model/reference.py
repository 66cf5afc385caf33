"""How far a vector lies from all that a model has learned, measured on what it has learned.

A sample of the training images' vectors travels with the checkpoint. A vector's distance is one minus the mean
cosine with its twenty nearest of the sample (nearest-neighbour out-of-distribution detection, Sun et al. 2022);
the scale is set by vectors the sample does not hold. Of some eighty scores tried with kinds of tissue left out
(Mahalanobis distance, with and without classes; whitening, also within kinds; local density; neighbours of the
backbone's features; energy and entropy over captions; known phrases; disagreement of the neighbours' captions) and
their combinations none was better by more than 0.03 in area under the curve: `benchmarks/answers_outside.py` measures
this one. It tells of pictures unlike the learned ones; whether an *answer* is
right is better told by the probability of the class (`training.zeroshot`).

The same vectors tell how near a phrase lies to whatever pictures are nearest to it (`Reference.crowding`): words that
lie near many pictures would be named too often.

For phrases the same is done before the model's own layers, which pull every phrase to something they know: on the
mean hidden state of the text encoder's words, with the one nearest phrase, for one that means the same is enough.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from lile_engine.errors import ModelError
from lile_engine.model.protocol import Floats
from lile_engine.outside import LEAST_RANGE, RANGE_PICTURES, RANGE_QUANTILE, PhraseRange

FILE = "reference.safetensors"
NEAREST = 20  # of images
_NEAREST_BEFORE = 5  # in files that do not say it
NEAREST_PHRASES = 1
CROWD = 0.1  # of the learned pictures make a phrase's neighbourhood


@dataclass(frozen=True)
class Scale:
    """``middle`` and ``edge``: median and 99th percentile of the distance of things like those learned from."""

    middle: float
    edge: float

    def __call__(self, measured: Floats) -> Floats:
        """[B] from 0 to 1: 0 no farther than half of what was learned from, 0.5 farther than 99 in 100."""
        share = (measured - self.middle) / (2 * max(self.edge - self.middle, 1e-6))
        clipped: Floats = np.clip(share, 0, 1).astype(np.float32)
        return clipped


@dataclass(frozen=True)
class Reference:
    """Of images: ``vectors`` float32 [n, d], unit length, their scale, and how many nearest it was measured with. Of
    phrases, where the model was saved with them: ``hidden`` float32 [m, text width], unit length after ``centre``
    [text width] was taken away."""

    vectors: Floats
    scale: Scale
    nearest: int = NEAREST
    hidden: Floats | None = None
    centre: Floats | None = None
    hidden_scale: Scale | None = None

    def outside(self, vectors: Floats) -> Floats:
        """How far image vectors [B, d] lie from what was learned, [B] from 0 to 1."""
        return self.scale(distances(vectors, self.vectors, self.nearest))

    def crowding(self, phrases: Floats) -> Floats:
        """Mean cosine of each of the phrases [B, d] with the tenth of the learned pictures that is nearest to it, [B]:
        the neighbourhood of Conneau et al. 2018 (cross-domain similarity local scaling), on the side of the words."""
        cosines = np.asarray(phrases, np.float32) @ self.vectors.T
        count = max(1, round(CROWD * len(self.vectors)))
        crowd: Floats = np.partition(cosines, -count, axis=1)[:, -count:].mean(axis=1)
        return crowd

    def phrase_range(self, phrase: Floats) -> PhraseRange:
        """Where the cosines of a phrase [d] begin and end (formula: `PhraseRange`)."""
        cosines = self.vectors @ np.asarray(phrase, np.float32)
        low = float(cosines.mean())
        least = low + LEAST_RANGE
        many = len(cosines) >= RANGE_PICTURES
        return PhraseRange(low, max(least, float(np.quantile(cosines, RANGE_QUANTILE))) if many else least)

    def outside_phrases(self, hidden: Floats) -> Floats | None:
        """The same for mean hidden states of phrases [B, text width]; None where the model has none to compare."""
        if self.hidden is None or self.centre is None or self.hidden_scale is None:
            return None
        return self.hidden_scale(distances(_centred(hidden, self.centre), self.hidden, NEAREST_PHRASES))


def _centred(hidden: Floats, centre: Floats) -> Floats:
    moved = np.asarray(hidden, np.float32) - centre
    result: Floats = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-6)
    return result


def distances(vectors: Floats, sample: Floats, nearest: int = NEAREST) -> Floats:
    """One minus the mean cosine of each of ``vectors`` [B, d] with its nearest of ``sample`` [n, d]."""
    nearest = min(nearest, len(sample))
    cosines = np.asarray(vectors, np.float32) @ sample.T
    result: Floats = 1 - np.partition(cosines, -nearest, axis=1)[:, -nearest:].mean(1)
    return result


def build_reference(vectors: Floats, *, held_out: Floats | None = None, limit: int = 2048, seed: int = 0) -> Reference:
    """From unit vectors [n, d] of training images; ``held_out`` (validation) sets the scale.

    Without ``held_out`` a fifth of the vectors is kept out of the sample for that. Raises ValueError for fewer
    than 10 vectors.
    """
    vectors = np.asarray(vectors, np.float32)
    sample, scale = _sampled(vectors, held_out, limit, seed, NEAREST)
    return Reference(sample, scale)


def with_phrases(
    reference: Reference, hidden: Floats, *, held_out: Floats | None = None, limit: int = 4096, seed: int = 0
) -> Reference:
    """``reference`` with phrases as well: mean hidden states [m, text width] of those learned, and of some held out.

    Fewer than 10 phrases tell nothing, and then ``reference`` comes back as it was.
    """
    if len(hidden) < 10:
        return reference
    # Rounded first: the file keeps float16, and the same phrase must find itself again.
    centre = hidden.mean(axis=0).astype(np.float16).astype(np.float32)
    kept_out = None if held_out is None or len(held_out) < 10 else _centred(held_out, centre)
    sample, scale = _sampled(_centred(hidden, centre), kept_out, limit, seed, NEAREST_PHRASES)
    return replace(reference, hidden=sample, centre=centre, hidden_scale=scale)


def _sampled(vectors: Floats, held_out: Floats | None, limit: int, seed: int, nearest: int) -> tuple[Floats, Scale]:
    if len(vectors) < 10:
        raise ValueError("a reference needs at least 10 vectors")
    shuffled = vectors[np.random.default_rng(seed).permutation(len(vectors))]
    if held_out is None:
        cut = len(shuffled) // 5
        held_out, shuffled = shuffled[:cut], shuffled[cut:]
    sample = shuffled[:limit].astype(np.float16).astype(np.float32)  # as it will be read back
    measured = distances(held_out, sample, nearest)
    return sample, Scale(float(np.median(measured)), float(np.quantile(measured, 0.99)))


def save_reference(reference: Reference, folder: Path) -> None:
    """Writes ``reference.safetensors`` into ``folder``."""
    arrays: dict[str, NDArray[Any]] = {
        "vectors": reference.vectors.astype(np.float16),
        "scale": _pair(reference.scale),
        "nearest": np.array([reference.nearest], np.int32),
    }
    if reference.hidden is not None and reference.centre is not None and reference.hidden_scale is not None:
        arrays["hidden"] = reference.hidden.astype(np.float16)
        arrays["centre"] = reference.centre.astype(np.float16)
        arrays["hidden_scale"] = _pair(reference.hidden_scale)
    save_file(arrays, folder / FILE)


def _pair(scale: Scale) -> Floats:
    return np.array([scale.middle, scale.edge], np.float32)


def load_reference(folder: Path, width: int) -> Reference | None:
    """Reads what `save_reference` wrote; None where there is none; raises `ModelError` if damaged."""
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        arrays = load_file(file)
        vectors, scale = arrays["vectors"].astype(np.float32), Scale(*map(float, arrays["scale"]))
        nearest = int(arrays["nearest"][0]) if "nearest" in arrays else _NEAREST_BEFORE
        hidden = centre = hidden_scale = None
        if "hidden" in arrays:
            hidden, centre = arrays["hidden"].astype(np.float32), arrays["centre"].astype(np.float32)
            hidden_scale = Scale(*map(float, arrays["hidden_scale"]))
    except (SafetensorError, OSError, KeyError, IndexError, ValueError, TypeError) as error:
        raise ModelError(f"The {FILE} in {folder} is damaged; get the model again.") from error
    if vectors.ndim != 2 or vectors.shape[1] != width or nearest < 1:
        raise ModelError(f"The {FILE} in {folder} belongs to another model; get the model again.")
    if hidden is not None and (centre is None or hidden.ndim != 2 or centre.shape != hidden.shape[1:]):
        raise ModelError(f"The {FILE} in {folder} is damaged; get the model again.")
    return Reference(vectors, scale, nearest, hidden, centre, hidden_scale)
