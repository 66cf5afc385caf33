"""Tokens as they are stored: int8 with one float16 scale each, so w + 2 bytes a token.

A token that is masked out has scale 0; that is how the mask comes back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lile_engine.archive.rows import Bools, Floats

_SMALLEST = np.float16(6.2e-5)  # the smallest normal float16: the scale of a token that is there but all zero


def token_bytes(width: int) -> int:
    """Bytes of one stored token of ``width`` values."""
    return width + 2


def pack_tokens(tokens: Floats, mask: Bools | None = None) -> NDArray[np.uint8]:
    """Quantises float tokens [..., w] to uint8 records [..., w + 2]; ``mask`` [...] is True where a token is."""
    values = np.asarray(tokens, np.float32)
    largest = np.maximum(values.max(axis=-1), -values.min(axis=-1))
    scale = np.maximum((largest / 127.0).astype(np.float16), _SMALLEST)
    # Values are divided by the scale as it is stored, so that its rounding costs nothing. It is right to 0.05 %, so
    # codes stay within 127.1 and need not be clipped.
    scaled = values * (1.0 / scale.astype(np.float32))[..., None]
    codes = np.rint(scaled, out=scaled).astype(np.int8)
    if mask is not None:
        scale = np.where(mask, scale, np.float16(0))
        codes = np.where(mask[..., None], codes, np.int8(0))
    records = np.empty((*values.shape[:-1], token_bytes(values.shape[-1])), np.uint8)
    records[..., :-2] = codes.view(np.uint8)
    records[..., -2:] = scale.astype("<f2")[..., None].view(np.uint8)
    return records


def unpack_tokens(records: NDArray[np.uint8]) -> tuple[Floats, Bools]:
    """Tokens float32 [..., w] and mask bool [...] of uint8 records [..., w + 2]."""
    scale = np.ascontiguousarray(records[..., -2:]).view("<f2")[..., 0].astype(np.float32)
    codes = np.ascontiguousarray(records[..., :-2]).view(np.int8)
    return codes.astype(np.float32) * scale[..., None], scale > 0
