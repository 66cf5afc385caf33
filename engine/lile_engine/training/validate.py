"""Validation recall during a training: stage one only, plain views, each pair's captions (never its phrases)."""

from __future__ import annotations

import numpy as np

from lile_engine.model.lile import Lile
from lile_engine.model.protocol import Floats
from lile_engine.training.config import TrainConfig
from lile_engine.training.evaluate import text_matches
from lile_engine.training.pairs import PairDataset
from lile_engine.training.recall import Recall, recall_at_k
from lile_engine.training.supply import Supply


class Validation:
    """The pairs that a training is measured on."""

    def __init__(self, config: TrainConfig, dataset: PairDataset, supply: Supply) -> None:
        self._dataset, self._supply = dataset, supply
        self._cache = supply.cache_for(dataset)
        self._texts, self._matches = text_matches(dataset.pairs)

    def image_vectors(self, model: Lile) -> Floats:
        """Vectors float32 [n, d] of the validation pictures."""
        return self._supply.image_vectors(model, self._cache, range(len(self._dataset)))

    def recall(self, model: Lile) -> Recall:
        """Recall both ways by ``model``'s present weights."""
        scores = self.image_vectors(model) @ self._supply.text_vectors(model, self._texts).T
        return recall_at_k(scores.astype(np.float64), self._matches)
