"""Where the words of a phrase look in an image, from the cross-attention of the model."""

from __future__ import annotations

import numpy as np

from lile_engine.errors import QueryError
from lile_engine.model.protocol import Floats, ImageTextModel, Word
from lile_engine.retrieval.query import Pixels, check_phrase
from lile_engine.retrieval.results import AttentionMap, WordWeight


def attention(
    model: ImageTextModel,
    image: Pixels | Floats,
    text: str,
    word: str | tuple[int, int] | None = None,
) -> AttentionMap:
    """The map of ``image``: pixels uint8 [h, w, 3] or tokens float32 [N, w], for a phrase or one word of it.

    ``word`` is the word itself (its first occurrence, case aside) or its place [start, end) in the phrase. The weight
    of a word is the share of the image's attention that falls on its tokens. Raises `QueryError` if it is not there.
    """
    check_phrase(text)
    outside = None
    if image.dtype == np.uint8:
        encoded_image = model.encode_images(np.asarray(image, np.uint8)[None])
        tokens = encoded_image.tokens[0]
        value = float(model.outside(encoded_image.vectors)[0])
        outside = value if np.isfinite(value) else None
    else:
        tokens = np.asarray(image, np.float32)
    encoded = model.encode_texts([text])
    words = encoded.words[0]
    chosen = _find(words, word, text)
    maps = model.attend(tokens, encoded.tokens[0], encoded.mask[0])
    received = maps.image_over_text.mean(axis=0)
    shares = np.array([sum(received[token] for token in one.tokens) for one in words], np.float64)
    total = shares.sum()
    shares = shares / total if total > 0 else np.full(len(words), 1 / max(len(words), 1))
    weighted = tuple(
        WordWeight(one.text, one.start, one.end, float(share)) for one, share in zip(words, shares, strict=True)
    )
    if chosen is None:
        rows = np.zeros(len(tokens), np.float64)
        for one, share in zip(words, shares, strict=True):
            if one.tokens:
                rows += share * maps.text_over_image[list(one.tokens)].mean(axis=0)
    else:
        rows = maps.text_over_image[list(words[chosen].tokens)].mean(axis=0).astype(np.float64)
    values = (rows / rows.sum() if rows.sum() > 0 else rows).astype(np.float32).reshape(maps.grid)
    return AttentionMap(values, weighted, None if chosen is None else weighted[chosen], outside)


def _find(words: list[Word], wanted: str | tuple[int, int] | None, text: str) -> int | None:
    if wanted is None:
        return None
    for at, word in enumerate(words):
        if word.tokens and (word.text.casefold() == str(wanted).casefold() or (word.start, word.end) == wanted):
            return at
    raise QueryError(f'The word {wanted} does not stand in the phrase "{text}"; choose one of its words.')
