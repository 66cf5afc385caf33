"""From a batch's items to tensors: cached features where encoders are frozen, pixels and token numbers where not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lile_engine.model.lile import Lile
from lile_engine.model.protocol import Floats
from lile_engine.model.runtime import mean_words
from lile_engine.model.text import PhraseTokenizer
from lile_engine.training.batches import Batch
from lile_engine.training.config import TrainConfig
from lile_engine.training.features import FeatureCache, Views, frozen_extract
from lile_engine.training.pairs import PairDataset
from lile_engine.training.step import StepInput


class TextCache:
    """Hidden states of a frozen text encoder, each phrase computed once and alone (see `features` for why)."""

    def __init__(self, model: Lile, tokenizer: PhraseTokenizer, device: torch.device) -> None:
        self._encoder_of, self._tokenizer, self._device = model, tokenizer, device
        self._known: dict[str, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def hidden(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Hidden states float32 [B, M, k] (zero at padding) and the mask of words [B, M]."""
        rows = [self._row(text) for text in texts]
        hidden = torch.nn.utils.rnn.pad_sequence([h for h, _ in rows], batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence([m for _, m in rows], batch_first=True)
        return hidden.to(self._device).float(), mask.to(self._device)

    def _row(self, text: str) -> tuple[Tensor, Tensor]:
        known = self._known.get(text)
        if known is None:
            tokens = self._tokenizer([text])
            hidden = self._encoder_of.text_features(tokens.ids.to(self._device), tokens.seen.to(self._device))
            known = self._known[text] = (hidden[0].half().cpu(), tokens.mask[0])
        return known


class Supply:
    """Feeds training and validation from the same caches."""

    def __init__(
        self,
        config: TrainConfig,
        model: Lile,
        tokenizer: PhraseTokenizer,
        datasets: Sequence[PairDataset],
        device: torch.device,
        texts: TextCache | None = None,
    ) -> None:
        self._config, self._model, self._tokenizer, self._device = config, model, tokenizer, device
        self.frozen_images = config.optim.image_backbone == 0
        self.frozen_texts = config.optim.text_encoder == 0
        self._extract, self._key = frozen_extract(model, device)
        self._texts = texts or TextCache(model, tokenizer, device)
        self._caches = [self.cache_for(d) for d in datasets]

    def cache_for(self, dataset: PairDataset) -> FeatureCache:
        """A feature cache for a list of pairs; on disk where ``[data] cache`` names a folder."""
        data = self._config.data
        views = Views(self._model.config.input_px, data.views, self._config.augment, data.view_seed)
        return FeatureCache(
            dataset.pairs,
            views,
            self._extract,
            key=self._key,
            folder=Path(data.cache) if data.cache else None,
            megabytes=data.cache_megabytes,
        )

    def input(self, batch: Batch) -> StepInput:
        """The tensors of a batch."""
        texts = [item.text for item in batch.items]
        if self.frozen_texts:
            shown, mask = self._texts.hidden(texts)
        else:
            tokens = self._tokenizer(texts)
            mask = tokens.mask.to(self._device)
        return StepInput(
            pictures=self._features(batch) if self.frozen_images else self.pixels(batch),
            texts=shown if self.frozen_texts else (tokens.ids.to(self._device), tokens.seen.to(self._device)),
            mask=mask,
            matches=torch.from_numpy(batch.matches).to(self._device),
            known=torch.from_numpy(batch.known).to(self._device),
        )

    def _features(self, batch: Batch) -> tuple[Tensor, ...]:
        rows = np.stack([self._caches[item.source].row(item.index, item.view) for item in batch.items])
        return self._caches[0].split(rows, self._device)

    def pixels(self, batch: Batch) -> Tensor:
        """The pictures of a batch, uint8 [B, 3, H, W]."""
        images = [
            self._caches[item.source].views.pixels(self._caches[item.source].pairs[item.index], item.index, item.view)
            for item in batch.items
        ]
        return torch.from_numpy(np.stack(images)).to(self._device).permute(0, 3, 1, 2)

    @torch.no_grad()
    def image_vectors(self, model: Lile, cache: FeatureCache, indices: Sequence[int], batch: int = 64) -> Floats:
        """Vectors float32 [n, d] of the plain view of pairs, by ``model``'s present weights."""
        found = []
        for start in range(0, len(indices), batch):
            part = list(indices[start : start + batch])
            if self.frozen_images:
                encoded = model.encode_image_features(cache.maps(part, [0] * len(part), self._device))
            else:
                pixels = np.stack([cache.views.pixels(cache.pairs[i], i, 0) for i in part])
                encoded = model.encode_images(torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2))
            found.append(encoded.vectors.float().cpu().numpy())
        return np.concatenate(found) if found else np.zeros((0, model.config.width), np.float32)

    @torch.no_grad()
    def text_vectors(self, model: Lile, texts: Sequence[str], batch: int = 64) -> Floats:
        """Vectors float32 [n, d] of texts, by ``model``'s present weights."""
        found = []
        for start in range(0, len(texts), batch):
            part = list(texts[start : start + batch])
            if self.frozen_texts:
                encoded = model.encode_text_features(*self._texts.hidden(part))
            else:
                tokens = self._tokenizer(part)
                encoded = model.encode_texts(*(t.to(self._device) for t in (tokens.ids, tokens.seen, tokens.mask)))
            found.append(encoded.vectors.float().cpu().numpy())
        return np.concatenate(found) if found else np.zeros((0, model.config.width), np.float32)

    @torch.no_grad()
    def mean_hidden(self, model: Lile, texts: Sequence[str], batch: int = 64) -> Floats:
        """Mean hidden states float32 [n, k] of texts, before the model's own layers (`reference` says what for)."""
        found = []
        for start in range(0, len(texts), batch):
            part = list(texts[start : start + batch])
            if self.frozen_texts:
                hidden, mask = self._texts.hidden(part)
            else:
                tokens = self._tokenizer(part)
                ids, seen, mask = (t.to(self._device) for t in (tokens.ids, tokens.seen, tokens.mask))
                hidden = model.text_features(ids, seen)
            found.append(mean_words(hidden, mask).cpu().numpy())
        return np.concatenate(found) if found else np.zeros((0, 1), np.float32)

    def sample_vectors(self, model: Lile, most: int) -> Floats:
        """Image vectors of up to ``most`` training pairs, drawn evenly over the lists."""
        parts = []
        total = sum(len(c.pairs) for c in self._caches)
        for cache in self._caches:
            take = len(cache.pairs) if total <= most else max(1, len(cache.pairs) * most // total)
            chosen = np.linspace(0, len(cache.pairs) - 1, take).astype(int)
            parts.append(self.image_vectors(model, cache, [int(i) for i in chosen]))
        return np.concatenate(parts)
