"""Features of a frozen backbone: computed once, the same alone or together, and kept over a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lile_engine.errors import Cancelled
from lile_engine.model.checkpoint import load_checkpoint
from lile_engine.progress import CancelToken
from lile_engine.training.config import AugmentSection
from lile_engine.training.features import Extract, FeatureCache, Views, frozen_extract
from lile_engine.training.pairs import Pair, read_pairs


@pytest.fixture
def pairs(make_pairs: Callable[..., Path], tmp_path: Path) -> tuple[Pair, ...]:
    return read_pairs(make_pairs(tmp_path / "p")).pairs[:6]


def test_what_is_cached_is_what_the_network_computes(tiny_model: Path, pairs: tuple[Pair, ...]) -> None:
    model = load_checkpoint(tiny_model).model
    extract, key = frozen_extract(model, "cpu")
    cache = FeatureCache(pairs, Views(64, 1, AugmentSection(), 1), extract, key=key)
    pixels = torch.from_numpy(np.stack([cache.views.pixels(p, i, 0) for i, p in enumerate(pairs)])).permute(0, 3, 1, 2)
    with torch.no_grad():
        direct = model.eval().encode_image_features(model.image_features(pixels))
        cached = model.encode_image_features(cache.maps(range(6), [0] * 6, "cpu"))
    # bfloat16 convolutions and float16 storage against float32: the vectors point the same way
    assert torch.nn.functional.cosine_similarity(direct.vectors, cached.vectors).min() > 0.99


class _Counted:
    """A real extraction that counts its calls."""

    def __init__(self, extract: Extract) -> None:
        self._extract, self.calls = extract, 0

    def __call__(self, pixels: np.ndarray) -> tuple[torch.Tensor, ...]:
        self.calls += 1
        return self._extract(pixels)


def test_kept_on_disk_and_never_computed_twice(tiny_model: Path, pairs: tuple[Pair, ...], tmp_path: Path) -> None:
    extract, key = frozen_extract(load_checkpoint(tiny_model).model, "cpu")
    counted = _Counted(extract)

    def cache(seed: int = 1, named: str = key) -> FeatureCache:
        return FeatureCache(pairs, Views(64, 2, AugmentSection(), seed), counted, key=named, folder=tmp_path / "c")

    first = cache()
    first.fill([0, 1])
    rows = [first.row(i, v).copy() for i in range(6) for v in range(2)]
    computed = counted.calls
    again = cache()
    assert all((again.row(i, v) == rows[2 * i + v]).all() for i in range(6) for v in range(2))
    assert counted.calls == computed + 1  # only the look at the shapes
    assert (again.row(0, 0) != again.row(0, 1)).any()
    cache(seed=2).row(0, 1)
    cache(named="another backbone").row(0, 0)
    assert counted.calls == computed + 1 + 4  # other views, other weights: another file


def test_a_changed_picture_is_computed_again(tiny_model: Path, pairs: tuple[Pair, ...], tmp_path: Path) -> None:
    extract, key = frozen_extract(load_checkpoint(tiny_model).model, "cpu")
    counted = _Counted(extract)

    def rows() -> list[np.ndarray]:
        cache = FeatureCache(pairs, Views(64, 1, AugmentSection(), 1), counted, key=key, folder=tmp_path / "c")
        return [cache.row(i, 0).copy() for i in range(6)]

    before = rows()
    Image.new("RGB", (64, 64), (1, 2, 3)).save(pairs[2].path)
    (tmp_path / "c" / "stranger").touch()
    counted.calls = 0
    after = rows()
    assert counted.calls == 1 + 1  # the look at the shapes, and the one picture
    assert [bool((one == other).all()) for one, other in zip(before, after, strict=True)] == [i != 2 for i in range(6)]
    next((tmp_path / "c").glob("*.seen")).unlink()  # nobody knows any more what the rows were computed from
    counted.calls = 0
    rows()
    assert counted.calls == 1 + 6


def test_memory_is_bounded(tiny_model: Path, pairs: tuple[Pair, ...]) -> None:
    extract, key = frozen_extract(load_checkpoint(tiny_model).model, "cpu")
    cache = FeatureCache(pairs, Views(64, 1, AugmentSection(), 1), extract, key=key, megabytes=0)
    assert (cache.row(0, 0) == cache.row(0, 0)).all()
    assert not cache._memory


def test_filling_can_be_cancelled(tiny_model: Path, pairs: tuple[Pair, ...]) -> None:
    extract, key = frozen_extract(load_checkpoint(tiny_model).model, "cpu")
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        FeatureCache(pairs, Views(64, 1, AugmentSection(), 1), extract, key=key).fill([0], cancel=token)
