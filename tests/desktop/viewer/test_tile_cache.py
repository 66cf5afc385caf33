from __future__ import annotations

import random

from PySide6.QtGui import QImage

from lile_desktop.viewer.tile_cache import TileCache


def image(side: int) -> QImage:
    return QImage(side, side, QImage.Format.Format_RGB32)


def test_never_over_budget_and_the_oldest_goes_first() -> None:
    cache = TileCache(10 * image(64).sizeInBytes())
    chance = random.Random(1)
    for number in range(500):
        cache.put(number, image(chance.choice((16, 32, 64))))
        assert cache.bytes_held <= cache.budget
    assert 499 in cache
    assert 0 not in cache


def test_what_is_used_stays() -> None:
    cache = TileCache(3 * image(64).sizeInBytes())
    for key in "abc":
        cache.put(key, image(64))
    assert cache.get("a") is not None
    cache.put("d", image(64))
    assert "a" in cache
    assert "b" not in cache


def test_an_image_put_again_weighs_once() -> None:
    cache = TileCache(100_000)
    cache.put("a", image(64))
    cache.put("a", image(32))
    assert cache.bytes_held == image(32).sizeInBytes()


def test_too_large_is_not_kept_and_throws_nothing_out() -> None:
    cache = TileCache(image(64).sizeInBytes())
    cache.put("a", image(64))
    cache.put("b", image(65))
    assert "a" in cache
    assert "b" not in cache


def test_a_smaller_budget_holds_at_once() -> None:
    cache = TileCache(10 * image(64).sizeInBytes())
    for number in range(10):
        cache.put(number, image(64))
    cache.set_budget(2 * image(64).sizeInBytes())
    assert len(cache) == 2
    cache.clear()
    assert cache.bytes_held == 0
