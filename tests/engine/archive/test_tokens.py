from __future__ import annotations

import numpy as np

from lile_engine.archive.tokens import pack_tokens, token_bytes, unpack_tokens


def test_a_token_costs_one_byte_a_value_and_two_for_its_scale() -> None:
    assert pack_tokens(np.ones((3, 5, 64), np.float32)).shape == (3, 5, token_bytes(64)) == (3, 5, 66)


def test_the_error_is_at_most_half_a_step() -> None:
    rng = np.random.default_rng(1)
    tokens = (rng.normal(size=(20, 7, 64)) * rng.uniform(0.01, 30, (20, 7, 1))).astype(np.float32)
    back, mask = unpack_tokens(pack_tokens(tokens))
    step = np.abs(tokens).max(axis=-1, keepdims=True) / 127
    assert mask.all()
    assert (np.abs(back - tokens) <= 0.6 * step).all()  # half a step, and the scale itself is rounded to float16


def test_the_mask_comes_back_also_for_tokens_that_are_all_zero() -> None:
    tokens = np.zeros((1, 3, 8), np.float32)
    tokens[0, 2] = 1
    mask = np.array([[True, False, True]])
    back, found = unpack_tokens(pack_tokens(tokens, mask))
    assert (found == mask).all()
    assert np.allclose(back, tokens, atol=1e-2)
