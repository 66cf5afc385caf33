"""The text side's outer half: building the encoder, and cutting phrases into tokens and words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from lile_engine.errors import ModelError
from lile_engine.model.bert import BertEncoder, BertSizes
from lile_engine.model.protocol import Word

# What a checkpoint carries; tokenizer.json alone is needed here, the others let transformers read it too.
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def build_text_encoder(config: Mapping[str, Any]) -> tuple[nn.Module, int]:
    """A BERT-family encoder with random weights, and the width of its hidden states."""
    if config.get("model_type") == "bert":
        sizes = BertSizes.from_config(config)
        return BertEncoder(sizes), sizes.hidden_size
    from lile_engine.model.foreign import build_foreign

    encoder: Any = build_foreign(config, "text encoder")
    return encoder, int(encoder.config.hidden_size)


@dataclass(frozen=True)
class TokenBatch:
    """``ids`` int64 [B, M]; ``seen`` bool [B, M], what the encoder sees; ``mask`` bool [B, M], the tokens of
    words (the special ones left out, unless a phrase has no others); ``words`` per phrase."""

    ids: Tensor
    seen: Tensor
    mask: Tensor
    words: list[list[Word]]


class PhraseTokenizer:
    """Phrases to tokens, at most ``limit`` each (special ones included), padded with ``pad_id`` to the longest
    of a batch, or always to the limit with ``fixed_length``."""

    def __init__(self, tokenizer: Tokenizer, limit: int, *, pad_id: int = 0, fixed_length: bool = False) -> None:
        self._tokenizer, self._limit, self._pad_id, self._fixed = tokenizer, limit, pad_id, fixed_length
        self._tokenizer.enable_truncation(limit)
        self._tokenizer.no_padding()

    @property
    def largest_id(self) -> int:
        """The largest token number it may give."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=0)

    def __call__(self, texts: Sequence[str]) -> TokenBatch:
        # Half of a surrogate pair is no text: the tokenizer would refuse the whole batch for it.
        texts = [str(text).encode("utf-8", "replace").decode("utf-8") for text in texts]
        encodings = self._tokenizer.encode_batch(texts)
        longest = self._limit if self._fixed else max((len(e.ids) for e in encodings), default=1) or 1
        ids = np.full((len(encodings), longest), self._pad_id, np.int64)
        seen = np.zeros((len(encodings), longest), np.bool_)
        mask = np.zeros((len(encodings), longest), np.bool_)
        words = []
        for row, (encoding, text) in enumerate(zip(encodings, texts, strict=True)):
            count = len(encoding.ids)
            ids[row, :count] = encoding.ids
            seen[row, : max(count, 1)] = True
            mask[row, :count] = [not special for special in encoding.special_tokens_mask]
            if not mask[row].any():
                mask[row] = seen[row]
            words.append(_group(text, encoding.word_ids, encoding.offsets, encoding.special_tokens_mask))
        return TokenBatch(torch.from_numpy(ids), torch.from_numpy(seen), torch.from_numpy(mask), words)


def read_tokenizer(folder: Path) -> Tokenizer:
    """The ``tokenizer.json`` of a folder; raises `ModelError` if it is missing or damaged."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise ModelError(f"The tokenizer.json is missing from {folder}; the model is not complete.")
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare Exception
        raise ModelError(f"The tokenizer.json in {folder} is damaged; get the model again.") from error


def _group(text: str, word_ids: Sequence[int | None], offsets: Any, special: Sequence[int]) -> list[Word]:
    """Tokens of one word together; hyphenated parts are words of their own, punctuation is none."""
    grouped: dict[int, list[int]] = {}
    for token, word in enumerate(word_ids):
        if word is not None and not special[token] and offsets[token][1] > offsets[token][0]:
            grouped.setdefault(word, []).append(token)
    words = []
    for tokens in grouped.values():
        start, end = offsets[tokens[0]][0], offsets[tokens[-1]][1]
        if re.search(r"\w", text[start:end]):
            words.append(Word(text[start:end], start, end, tuple(tokens)))
    return words
