"""How far a vector lies from all that a model has learned, measured on what it has learned.

A sample of the training images' vectors travels with the checkpoint. A vector's distance is one minus the mean
cosine with its five nearest of the sample (nearest-neighbour out-of-distribution detection, Sun et al. 2022);
the scale is set by vectors the sample does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from lile_engine.errors import ModelError
from lile_engine.model.protocol import Floats

FILE = "reference.safetensors"
NEAREST = 5


@dataclass(frozen=True)
class Reference:
    """``vectors`` float32 [n, d], unit length; ``middle`` and ``edge``: median and 99th percentile of the
    distance of images like those learned from."""

    vectors: Floats
    middle: float
    edge: float

    def outside(self, vectors: Floats) -> Floats:
        """[B] from 0 to 1: 0 no farther than half of what it learned from, 0.5 farther than 99 in 100."""
        share = (distances(vectors, self.vectors) - self.middle) / (2 * max(self.edge - self.middle, 1e-6))
        clipped: Floats = np.clip(share, 0, 1).astype(np.float32)
        return clipped


def distances(vectors: Floats, sample: Floats) -> Floats:
    """One minus the mean cosine of each of ``vectors`` [B, d] with its nearest of ``sample`` [n, d]."""
    nearest = min(NEAREST, len(sample))
    cosines = np.asarray(vectors, np.float32) @ sample.T
    result: Floats = 1 - np.partition(cosines, -nearest, axis=1)[:, -nearest:].mean(1)
    return result


def build_reference(vectors: Floats, *, held_out: Floats | None = None, limit: int = 2048, seed: int = 0) -> Reference:
    """From unit vectors [n, d] of training images; ``held_out`` (validation) sets the scale.

    Without ``held_out`` a fifth of the vectors is kept out of the sample for that. Raises ValueError for fewer
    than 10 vectors.
    """
    if len(vectors) < 10:
        raise ValueError("a reference needs at least 10 vectors")
    shuffled = np.asarray(vectors, np.float32)[np.random.default_rng(seed).permutation(len(vectors))]
    if held_out is None:
        cut = len(shuffled) // 5
        held_out, shuffled = shuffled[:cut], shuffled[cut:]
    sample = shuffled[:limit].astype(np.float16).astype(np.float32)  # as it will be read back
    measured = distances(held_out, sample)
    return Reference(sample, float(np.median(measured)), float(np.quantile(measured, 0.99)))


def save_reference(reference: Reference, folder: Path) -> None:
    """Writes ``reference.safetensors`` into ``folder``."""
    scale = np.array([reference.middle, reference.edge], np.float32)
    save_file({"vectors": reference.vectors.astype(np.float16), "scale": scale}, folder / FILE)


def load_reference(folder: Path, width: int) -> Reference | None:
    """Reads what `save_reference` wrote; None where there is none; raises `ModelError` if damaged."""
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        arrays = load_file(file)
        vectors, (middle, edge) = arrays["vectors"].astype(np.float32), arrays["scale"]
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ModelError(f"The {FILE} in {folder} is damaged; get the model again.") from error
    if vectors.ndim != 2 or vectors.shape[1] != width:
        raise ModelError(f"The {FILE} in {folder} belongs to another model; get the model again.")
    return Reference(vectors, float(middle), float(edge))
