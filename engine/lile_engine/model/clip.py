"""CLIP-family folders (`CLIPModel`, PLIP among them; `SiglipModel`) behind the protocol of LILE.

They have no cross-attention. Pair scores and attention maps are token similarity instead: how well each word
finds its best patch and each patch its best word (late interaction, Khattab & Zaharia 2020; FILIP, Yao et al.
2022). That was not trained, so ``alpha`` is 1: it is shown, and ranks nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (everyone calls it F)
from tokenizers import Tokenizer
from torch import Tensor

from lile_engine.errors import ModelError
from lile_engine.model.create import pixel_statistics
from lile_engine.model.devices import describe_device, in_batches, pick_device, pick_precision
from lile_engine.model.folders import read_config
from lile_engine.model.foreign import load_foreign
from lile_engine.model.pixels import resized
from lile_engine.model.protocol import (
    AttentionMaps,
    Bools,
    Floats,
    ImageEncoding,
    ModelIdentity,
    Pixels,
    TextEncoding,
)
from lile_engine.model.text import PhraseTokenizer, read_tokenizer
from lile_engine.model.vision import as_map
from lile_engine.offline import stay_offline
from lile_engine.outside import PhraseRange

BATCH = 32
SHARPNESS = 20.0  # turns cosines into maps; only for the eye
DEFAULT_MPP = 0.5  # what such folders were trained at is written nowhere; 20x tiles are the common case


class ClipRuntime:
    """A `CLIPModel` or `SiglipModel` folder on one device. Raises `ModelError` for whatever is wrong with it."""

    alpha = 1.0
    rerank_k = 100

    def __init__(self, folder: Path, device: str = "auto", precision: torch.dtype | None = None) -> None:
        self._model = load_foreign(folder, "model")
        self._siglip = self._model.config.model_type == "siglip"
        self._device = pick_device(device)
        self._precision = precision or pick_precision(self._device)
        self._model.requires_grad_(False).to(self._precision).to(self._device)
        config: Any = self._model.config
        limit = int(config.text_config.max_position_embeddings)
        pad = config.text_config.pad_token_id if self._siglip else config.text_config.eos_token_id
        self._tokenizer = PhraseTokenizer(_tokenizer(folder), limit, pad_id=int(pad or 0), fixed_length=self._siglip)
        mean, std = pixel_statistics(folder)
        self._mean = torch.tensor(mean, device=self._device)[:, None, None]
        self._std = torch.tensor(std, device=self._device)[:, None, None]
        side, patch = int(config.vision_config.image_size), int(config.vision_config.patch_size)
        self._grid = (side // patch, side // patch)
        width = int(config.text_config.projection_size if self._siglip else config.projection_dim)
        self.identity = ModelIdentity(
            id=_folder_id(folder),
            name=folder.resolve().name,
            width=width,
            image_tokens=self._grid[0] * self._grid[1],
            token_width=width,
            input_px=side,
            mpp=DEFAULT_MPP,
        )
        self._batch = BATCH

    @property
    def device(self) -> str:
        return describe_device(self._device, self._precision)

    @property
    def scales(self) -> tuple[float, float]:
        """The learned inverse temperature of vectors; the same for pair scores, which have none of their own."""
        scale = float(self._model.logit_scale.float().exp())
        return scale, scale

    def crowding(self, phrases: Floats) -> Floats | None:
        """None: such a folder does not say what it was trained on."""
        return None

    def phrase_range(self, phrase: Floats) -> PhraseRange | None:
        """None, for the same reason."""
        return None

    def encode_images(self, pixels: Pixels) -> ImageEncoding:
        pixels = resized(pixels, self.identity.input_px)

        def run(start: int, stop: int) -> tuple[Floats, Floats]:
            batch = torch.from_numpy(pixels[start:stop]).to(self._device).permute(0, 3, 1, 2).float()
            out = self._model.vision_model(pixel_values=((batch - self._mean) / self._std).to(self._precision))
            hidden = as_map(out.last_hidden_state).flatten(2).transpose(1, 2)  # [B, N, c], class token dropped
            if self._siglip:
                return _unit(out.pooler_output), _unit(hidden)
            project = self._model.visual_projection
            return _unit(project(out.pooler_output)), _unit(project(self._model.vision_model.post_layernorm(hidden)))

        with torch.inference_mode():
            parts, self._batch = in_batches(run, len(pixels), self._batch, "images")
        d, n = self.identity.width, self.identity.image_tokens
        return ImageEncoding(
            np.concatenate([v for v, _ in parts] or [np.zeros((0, d), np.float32)]),
            np.concatenate([t for _, t in parts] or [np.zeros((0, n, d), np.float32)]),
        )

    def encode_texts(self, texts: Sequence[str]) -> TextEncoding:
        tokens = self._tokenizer(texts)

        def run(start: int, stop: int) -> tuple[Floats, Floats]:
            ids, seen = (x[start:stop].to(self._device) for x in (tokens.ids, tokens.seen))
            # Siglip was trained on padding to full length, seen; CLIP is causal and never looks that far.
            out = self._model.text_model(input_ids=ids, attention_mask=None if self._siglip else seen.long())
            project = self._model.text_model.head if self._siglip else self._model.text_projection
            pooled = out.pooler_output if self._siglip else project(out.pooler_output)
            return _unit(pooled), _unit(project(out.last_hidden_state))

        with torch.inference_mode():
            parts, self._batch = in_batches(run, len(tokens.ids), self._batch, "phrases")
        mask = tokens.mask.numpy()
        longest = (
            int(np.flatnonzero(mask.any(axis=0)).max(initial=0)) + 1
        )  # what lies beyond is padding of every phrase
        vectors = np.concatenate([v for v, _ in parts] or [np.zeros((0, self.identity.width), np.float32)])
        out = np.concatenate([t for _, t in parts] or [np.zeros((0, longest, self.identity.width), np.float32)])
        mask = np.ascontiguousarray(mask[:, :longest])
        return TextEncoding(vectors, out[:, :longest] * mask[:, :, None], mask, tokens.words)

    def ask_texts(self, texts: Sequence[str]) -> TextEncoding:
        """The same as `encode_texts`: such a folder does not say which phrases it knows."""
        return self.encode_texts(texts)

    def score_pairs(self, image_tokens: Floats, text_tokens: Floats, mask: Bools) -> Floats:
        scores = np.zeros((len(image_tokens), len(text_tokens)), np.float32)
        for j, (words, present) in enumerate(zip(text_tokens, mask, strict=True)):
            cosines = image_tokens @ words[present].T  # [I, N, M]
            scores[:, j] = (cosines.max(1).mean(1) + cosines.max(2).mean(1)) / 2
        return np.clip(scores, -1, 1)

    def attend(self, image_tokens: Floats, text_tokens: Floats, mask: Bools) -> AttentionMaps:
        logits = torch.from_numpy(SHARPNESS * (image_tokens @ text_tokens.T))  # [N, M]
        over_text = logits.masked_fill(~torch.from_numpy(mask)[None], -torch.inf).softmax(1)
        return AttentionMaps(over_text.numpy(), logits.T.softmax(1).numpy(), self._grid)

    def outside(self, vectors: Floats) -> Floats:
        """NaN: such a folder does not say what it was trained on."""
        return np.full(len(vectors), np.nan, np.float32)


def _tokenizer(folder: Path) -> Tokenizer:
    """``tokenizer.json``, or what transformers makes of the older files (vocab.json and merges.txt)."""
    if (folder / "tokenizer.json").is_file() or not (folder / "vocab.json").is_file():
        return read_tokenizer(folder)
    stay_offline()
    from transformers import AutoTokenizer

    try:
        slow: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return Tokenizer.from_str(slow.backend_tokenizer.to_str())
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"The tokenizer files in {folder} are damaged; get the model again.") from error


def _folder_id(folder: Path) -> str:
    digest = hashlib.sha256(json.dumps(read_config(folder), sort_keys=True).encode())
    for name in ("model.safetensors", "preprocessor_config.json", "tokenizer.json", "vocab.json", "merges.txt"):
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _unit(x: Tensor) -> Floats:
    return np.asarray(F.normalize(x.float(), dim=-1).cpu().numpy(), np.float32)
