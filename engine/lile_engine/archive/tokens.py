"""Tokens as they are stored: int8 with one float16 scale each, so w + 2 bytes a token.

A token that is masked out has scale 0; that is how the mask comes back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lile_engine.archive.rows import Bools, Floats

_ROWS = 2048  # quantised at once: what is worked on stays in the processor's cache
_SMALLEST = np.float16(6.2e-5)  # the smallest normal float16: the scale of a token that is there but all zero


def token_bytes(width: int) -> int:
    """Bytes of one stored token of ``width`` values."""
    return width + 2


def pack_tokens(tokens: Floats, mask: Bools | None = None) -> NDArray[np.uint8]:
    """Quantises float tokens [..., w] to uint8 records [..., w + 2]; ``mask`` [...] is True where a token is."""
    values = np.asarray(tokens, np.float32)
    width = values.shape[-1]
    flat = values.reshape(-1, width)
    records = np.empty((len(flat), token_bytes(width)), np.uint8)
    codes = records[:, :-2].view(np.int8)
    for start in range(0, len(flat), _ROWS):
        part = flat[start : start + _ROWS]
        scaled = np.abs(part)
        scale = np.maximum((_row_max(scaled) / 127.0).astype(np.float16), _SMALLEST)
        # Values are divided by the scale as it is stored, so that its rounding costs nothing. It is right to 0.05 %,
        # so codes stay within 127.1 and need not be clipped.
        np.multiply(part, (1.0 / scale.astype(np.float32))[:, None], out=scaled)
        np.copyto(codes[start : start + _ROWS], np.rint(scaled, out=scaled), casting="unsafe")
        records[start : start + _ROWS, -2:] = scale.astype("<f2")[:, None].view(np.uint8)
    if mask is not None:
        records[~np.asarray(mask, np.bool_).reshape(-1)] = 0
    return records.reshape(*values.shape[:-1], token_bytes(width))


def _row_max(values: Floats) -> Floats:
    """The largest of each row [n, w]: halves against halves, which numpy does several times faster than along rows."""
    while values.shape[1] > 1 and values.shape[1] % 2 == 0:
        half = values.shape[1] // 2
        values = np.maximum(values[:, :half], values[:, half:])
    largest: Floats = values.max(axis=1)
    return largest


def unpack_tokens(records: NDArray[np.uint8]) -> tuple[Floats, Bools]:
    """Tokens float32 [..., w] and mask bool [...] of uint8 records [..., w + 2]."""
    scale = np.ascontiguousarray(records[..., -2:]).view("<f2")[..., 0].astype(np.float32)
    codes = np.ascontiguousarray(records[..., :-2]).view(np.int8)
    return codes.astype(np.float32) * scale[..., None], scale > 0
