"""A LILE checkpoint ready to work: numpy in, numpy out (`lile_engine.model.protocol.ImageTextModel`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lile_engine.model.checkpoint import Checkpoint
from lile_engine.model.devices import describe_device, in_batches, pick_device, pick_precision
from lile_engine.model.efficientnet_lite import EfficientNetLite0
from lile_engine.model.known import KnownPhrases
from lile_engine.model.lile import Encoded, Lile
from lile_engine.model.pixels import resized
from lile_engine.model.protocol import AttentionMaps, Bools, Floats, ImageEncoding, Pixels, TextEncoding, Word
from lile_engine.outside import PhraseRange
from lile_engine.phrases import content_words, respelled

IMAGE_BATCH, TEXT_BATCH, PAIR_BATCH = 64, 64, 512


class LileRuntime:
    """Runs a checkpoint on one device. Takes the checkpoint's network over and folds it for inference.

    ``precision`` None picks bfloat16 where the hardware has it, else float32; pair scores are always float32.
    """

    def __init__(self, checkpoint: Checkpoint, device: str = "auto", precision: torch.dtype | None = None) -> None:
        self._device = pick_device(device)
        self._precision = precision or pick_precision(self._device)
        self._tokenizer = checkpoint.tokenizer
        self._reference = checkpoint.reference
        self._phrases = checkpoint.phrases
        self._known: KnownPhrases | None = None  # embedded when something is asked
        self.identity = checkpoint.identity
        self.alpha = checkpoint.model.config.alpha
        self.rerank_k = checkpoint.model.config.rerank_k
        self._grid = (checkpoint.model.config.token_grid, checkpoint.model.config.token_grid)
        self._model = prepare(checkpoint.model, self._device, self._precision)
        self._image_batch, self._text_batch, self._pair_batch = IMAGE_BATCH, TEXT_BATCH, PAIR_BATCH

    @property
    def device(self) -> str:
        return describe_device(self._device, self._precision)

    @property
    def scales(self) -> tuple[float, float]:
        """The learned inverse temperatures of vectors and of pair scores."""
        first, second = self._model.scales
        return float(first), float(second)

    def crowding(self, phrases: Floats) -> Floats | None:
        """As the protocol says."""
        return None if self._reference is None else self._reference.crowding(phrases)

    def phrase_range(self, phrase: Floats) -> PhraseRange | None:
        """As the protocol says."""
        return None if self._reference is None else self._reference.phrase_range(phrase)

    def encode_images(self, pixels: Pixels) -> ImageEncoding:
        pixels = resized(pixels, self.identity.input_px)

        def run(start: int, stop: int) -> tuple[Floats, Floats]:
            batch = torch.from_numpy(pixels[start:stop]).to(self._device).permute(0, 3, 1, 2)
            return _numpy(self._model.encode_images(batch))

        with torch.inference_mode():
            parts, self._image_batch = in_batches(run, len(pixels), self._image_batch, "images")
        d, n, w = self.identity.width, self.identity.image_tokens, self.identity.token_width
        return ImageEncoding(
            np.concatenate([v for v, _ in parts] or [np.zeros((0, d), np.float32)]),
            np.concatenate([t for _, t in parts] or [np.zeros((0, n, w), np.float32)]),
        )

    def encode_texts(self, texts: Sequence[str]) -> TextEncoding:
        return self._encode_texts(texts)[0]

    def ask_texts(self, texts: Sequence[str]) -> TextEncoding:
        """As the protocol says; ``words`` are those of the phrases as they were respelled."""
        encoded, hidden = self._encode_texts([respelled(text) for text in texts])
        if self._known is None and self._phrases:
            known, known_hidden = self._encode_texts(self._phrases)
            self._known = KnownPhrases.of(known_hidden, known.vectors)
        if self._known is None or not len(hidden):
            return encoded
        counts = [len(content_words(text)) for text in texts]
        return replace(encoded, vectors=self._known.draw(hidden, encoded.vectors, counts))

    def _encode_texts(self, texts: Sequence[str]) -> tuple[TextEncoding, Floats]:
        """The encoding, and the mean hidden states of the words [B, text width]."""
        tokens = self._tokenizer(texts)
        lengths = tokens.seen.sum(1)
        order = torch.argsort(lengths, stable=True)  # like with like: little padding to compute

        def run(start: int, stop: int) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
            rows = order[start:stop]
            longest = int(lengths[rows].max())
            ids, seen, mask = (x[rows, :longest].to(self._device) for x in (tokens.ids, tokens.seen, tokens.mask))
            hidden = self._model.text_features(ids, seen)
            encoded = _numpy(self._model.encode_text_features(hidden, mask))
            return (rows.numpy(), *encoded, mean_words(hidden, mask).cpu().numpy())

        with torch.inference_mode():
            parts, self._text_batch = in_batches(run, len(order), self._text_batch, "phrases")
        count, longest = tokens.mask.shape
        vectors = np.zeros((count, self.identity.width), np.float32)
        out = np.zeros((count, longest, self.identity.token_width), np.float32)
        means = np.zeros((count, parts[0][3].shape[1] if parts else 0), np.float32)
        for rows, v, t, hidden in parts:
            vectors[rows], out[rows, : t.shape[1]], means[rows] = v, t, hidden
        far = None if self._reference is None or not parts else self._reference.outside_phrases(means)
        words: list[list[Word]] = tokens.words
        return TextEncoding(vectors, out, tokens.mask.numpy(), words, far), means

    def score_pairs(self, image_tokens: Floats, text_tokens: Floats, mask: Bools) -> Floats:
        images, texts = self._tensor(image_tokens), self._tensor(text_tokens)
        masks = self._tensor(mask)
        scores = np.zeros((len(images), len(texts)), np.float32)
        pairs = torch.cartesian_prod(torch.arange(len(images)), torch.arange(len(texts)))

        def run(start: int, stop: int) -> Floats:
            # Only the images and texts of this chunk go through the first projections.
            i, i_of = torch.unique(pairs[start:stop, 0], return_inverse=True)
            j, j_of = torch.unique(pairs[start:stop, 1], return_inverse=True)
            chunk = torch.stack([i_of, j_of], 1).to(self._device)
            found = self._model.cross(images[i], texts[j], masks[j], chunk)
            return np.asarray(found.scores.float().cpu().numpy(), np.float32)

        with torch.inference_mode():
            parts, self._pair_batch = in_batches(run, len(pairs), self._pair_batch, "pairs")
        if parts:
            scores = np.concatenate(parts).reshape(scores.shape)
        return np.clip(scores, -1, 1)

    def attend(self, image_tokens: Floats, text_tokens: Floats, mask: Bools) -> AttentionMaps:
        with torch.inference_mode():
            found = self._model.cross(
                self._tensor(image_tokens[None]),
                self._tensor(text_tokens[None]),
                self._tensor(mask[None]),
                torch.zeros(1, 2, dtype=torch.int64, device=self._device),
                weights=True,
            )
        assert found.image_over_text is not None
        assert found.text_over_image is not None
        return AttentionMaps(
            found.image_over_text[0].float().cpu().numpy(), found.text_over_image[0].float().cpu().numpy(), self._grid
        )

    def outside(self, vectors: Floats) -> Floats:
        """As the protocol says; NaN where the checkpoint carries no reference."""
        if self._reference is None:
            return np.full(len(vectors), np.nan, np.float32)
        return self._reference.outside(vectors)

    def _tensor(self, array: Floats | Bools) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)


def prepare(model: Lile, device: torch.device, precision: torch.dtype) -> Lile:
    """Folds, casts and lays out a network for inference, in place: encoders and towers in ``precision``,
    cross-attention in float32 (it is small, and stored tokens come to it as float32)."""
    model.requires_grad_(False).eval()
    if isinstance(model.backbone, EfficientNetLite0):
        model.backbone.fold()
    model.image_grid.fold()
    for part in (model.backbone, model.image_grid, model.text_encoder, model.text_in):
        part.to(precision)
    for tower in (model.image_tower, model.text_tower):
        tower.to(precision)
    model.to(device)
    model.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.image_grid.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def mean_words(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean hidden state of a phrase's words, float32: [B, M, k], [B, M] -> [B, k]."""
    weights = mask[:, :, None].float()
    return (hidden.float() * weights).sum(1) / weights.sum(1).clamp(min=1)


def _numpy(encoded: Encoded) -> tuple[Floats, Floats]:
    return encoded.vectors.float().cpu().numpy(), encoded.tokens.float().cpu().numpy()
