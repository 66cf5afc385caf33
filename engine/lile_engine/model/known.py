"""Phrases that a model knows, and how a phrase in somebody else's words is drawn towards them.

The text encoder is frozen and knows ordinary English; the layers behind it learned from some hundred phrases and some
thousand captions how tissue is called, and do not carry over well to other words for the same. So the vector of a
question in few words is mixed with the vectors of the known phrases whose hidden states are nearest to its own: a
synonym that the encoder sees is enough. Long questions, which say more than any of those phrases, keep more of
themselves. What it brings, in words written by somebody who had not looked at the phrases: `benchmarks/answers.py`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lile_engine.errors import ModelError
from lile_engine.model.protocol import Floats

FILE = "phrases.json"
SHARE = 0.5  # of the known phrases in the vector of a question of at most FEW words
FEW = 4
NEAREST, SHARPNESS = 20, 10.0
_SAME = 0.999  # a phrase that is known stays what it is
_FEWEST = 20  # fewer phrases are no vocabulary


@dataclass(frozen=True)
class KnownPhrases:
    """``hidden`` float32 [n, text width], the mean hidden states of the phrases' words, of unit length after ``centre``
    [text width] was taken away; ``vectors`` float32 [n, d], unit."""

    hidden: Floats
    centre: Floats
    vectors: Floats

    @classmethod
    def of(cls, hidden: Floats, vectors: Floats) -> KnownPhrases:
        """From mean hidden states [n, text width] and vectors [n, d]."""
        centre: Floats = hidden.mean(axis=0)
        return cls(_unit(hidden - centre), centre, vectors)

    def draw(self, hidden: Floats, vectors: Floats, words: Sequence[int]) -> Floats:
        """The vectors [B, d] of phrases drawn towards the known ones; ``hidden`` [B, text width] as in `of`, ``words``
        [B] the numbers of their words.

        With the ``NEAREST`` known phrases of cosines c (of the centred hidden states), their vectors k, weights
        softmax(SHARPNESS c) and ``a = SHARE min(1, FEW / words)``: unit((1 - a) v + a unit(sum w k)).
        """
        cosines = _unit(hidden - self.centre) @ self.hidden.T
        nearest = np.argsort(-cosines, axis=1)[:, :NEAREST]
        found = np.take_along_axis(cosines, nearest, axis=1)
        weights = np.exp(SHARPNESS * (found - found[:, :1]))
        weights /= weights.sum(axis=1, keepdims=True)
        drawn = _unit(np.einsum("bn,bnd->bd", weights, self.vectors[nearest]))
        share = SHARE * np.minimum(1, FEW / np.maximum(np.asarray(words, np.float32), 1))
        share[found[:, 0] > _SAME] = 0
        return _unit((1 - share)[:, None] * vectors + share[:, None] * drawn)


def _unit(values: NDArray[np.floating]) -> Floats:
    result: Floats = (values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)).astype(np.float32)
    return result


def read_phrases(folder: Path) -> tuple[str, ...]:
    """The known phrases of a model folder; none where it does not say, or too few. Raises `ModelError` if damaged."""
    file = folder / FILE
    if not file.is_file():
        return ()
    try:
        phrases = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"The {FILE} in {folder} cannot be read; the model is damaged.") from error
    if not isinstance(phrases, list) or not all(isinstance(p, str) and p.strip() for p in phrases):
        raise ModelError(f"The {FILE} in {folder} is not a list of phrases; the model is damaged.")
    return tuple(phrases) if len(phrases) >= _FEWEST else ()


def write_phrases(folder: Path, phrases: Sequence[str]) -> None:
    """Writes them into a model folder."""
    (folder / FILE).write_text(json.dumps(list(phrases), ensure_ascii=False, indent=0) + "\n", "utf-8")
