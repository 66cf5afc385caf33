from __future__ import annotations

import numpy as np
import pytest

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


@pytest.mark.parametrize(("count", "width"), [(1, 1), (5, 7), (2050, 6), (4096, 64)])
def test_any_width_and_number_of_tokens(count: int, width: int) -> None:
    tokens = np.random.default_rng(count).normal(size=(1, count, width)).astype(np.float32)
    mask = np.arange(count)[None] % 3 != 1
    back, found = unpack_tokens(pack_tokens(tokens, mask))
    assert np.array_equal(found, mask)
    error = np.abs(back - tokens).max(axis=-1)
    assert (error <= np.abs(tokens).max(axis=-1) / 127 / 2 * 1.01 + 1e-6)[mask].all()
    assert (back[~mask] == 0).all()
