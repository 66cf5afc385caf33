from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from lile_desktop.viewer.pyramid import Pyramid, build_pyramid
from lile_desktop.viewer.tile_cache import TileCache
from lile_desktop.viewer.tile_loader import IN_FLIGHT, Pixels, TileLoader, image_of
from lile_desktop.viewer.view_state import Rect
from lile_engine.errors import SlideError
from lile_engine.slides import SlideInfo
from lile_engine.slides.readers import ReaderPool


class SlowReaders:
    """Readers that answer when told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[object, ...], Future[Pixels]]] = []

    def read(self, path: str, level: int, x: int, y: int, w: int, h: int, priority: int = 0) -> Future[Pixels]:
        return self._note(level, x, y, w, h)

    def read_area(
        self, path: str, x: int, y: int, w: int, h: int, out_w: int, out_h: int, priority: int = 0
    ) -> Future[Pixels]:
        return self._note("area", x, y, out_w, out_h)

    def associated(self, path: str, name: str, priority: int = 0) -> Future[Pixels]:
        return self._note(name)

    def profile(self, path: str, priority: int = 0) -> Future[bytes | None]:
        return Future()

    def _note(self, *what: object) -> Future[Pixels]:
        future: Future[Pixels] = Future()
        self.asked.append((what, future))
        return future


@pytest.fixture
def pyramid(make_info: Callable[..., SlideInfo]) -> Pyramid:
    return build_pyramid(make_info(8192, 8192, (1.0, 2.0, 4.0, 8.0, 16.0)))


def pixels(w: int = 512, h: int = 512) -> Pixels:
    return np.full((h, w, 4), 255, np.uint8)


def test_real_pixels_arrive_in_the_cache(
    qtbot: QtBot, pool: ReaderPool, info: SlideInfo, slide_picture: Callable[[int, int], np.ndarray]
) -> None:
    cache = TileCache()
    loader = TileLoader(pool, cache)
    pyramid = build_pyramid(info)
    loader.set_pyramid(pyramid)
    keys = list(pyramid.tiles(0, Rect(0, 0, 3000, 2200)))
    with qtbot.waitSignal(loader.idle, timeout=20_000):
        loader.want(keys)
    assert all(key in cache for key in keys)
    image = cache.get(keys[7])
    assert image is not None
    rect = pyramid.tile_rect(keys[7])
    color = image.pixelColor(100, 50)
    red, green, _ = slide_picture(info.width, info.height)[int(rect.y) + 50, int(rect.x) + 100]
    assert abs(color.red() - red) < 12
    assert abs(color.green() - green) < 12


def test_few_at_a_time_and_in_the_order_asked(qtbot: QtBot, pyramid: Pyramid) -> None:
    readers = SlowReaders()
    loader = TileLoader(readers, TileCache())
    loader.set_pyramid(pyramid)
    keys = list(pyramid.tiles(0, Rect(0, 0, 8192, 8192)))
    loader.want(keys)
    assert [what[1:3] for what, _ in readers.asked] == [(512 * n, 0) for n in range(IN_FLIGHT)]
    readers.asked[0][1].set_result(pixels())
    qtbot.waitUntil(lambda: len(readers.asked) == IN_FLIGHT + 1)


def test_what_is_no_longer_wanted_is_dropped(qtbot: QtBot, pyramid: Pyramid) -> None:
    readers = SlowReaders()
    cache = TileCache()
    loader = TileLoader(readers, cache)
    loader.set_pyramid(pyramid)
    old = list(pyramid.tiles(0, Rect(0, 0, 4096, 512)))
    new = list(pyramid.tiles(0, Rect(4096, 4096, 1024, 512)))
    loader.want(old)
    assert readers.asked[0][1].set_running_or_notify_cancel()  # one is being read already: it may finish
    loader.want(new)
    cancelled = [future.cancelled() for _, future in readers.asked[:IN_FLIGHT]]
    assert cancelled == [False] + [True] * (IN_FLIGHT - 1)
    assert [what[1] for what, _ in readers.asked[IN_FLIGHT:]] == [4096, 4608]
    for _, future in readers.asked:
        if not future.cancelled():
            future.set_result(pixels())
    qtbot.waitUntil(lambda: not loader.busy)
    assert old[0] in cache
    assert old[1] not in cache
    assert all(key in cache for key in new)


def test_a_tile_in_the_cache_or_asked_for_is_not_asked_again(pyramid: Pyramid) -> None:
    readers = SlowReaders()
    cache = TileCache()
    loader = TileLoader(readers, cache)
    loader.set_pyramid(pyramid)
    keys = list(pyramid.tiles(0, Rect(0, 0, 1024, 512)))
    cache.put(keys[0], image_of(pixels()))
    loader.want(keys)
    loader.want(keys)
    assert len(readers.asked) == 1


def test_a_failure_is_told_once_and_retried_when_asked(qtbot: QtBot, pyramid: Pyramid) -> None:
    readers = SlowReaders()
    loader = TileLoader(readers, TileCache())
    loader.set_pyramid(pyramid)
    key = pyramid.overview
    loader.want([key])
    with qtbot.waitSignal(loader.tile_failed) as told:
        readers.asked[0][1].set_exception(SlideError("a.tif cannot be read; copy it again."))
    assert told.args[0].sentence == "a.tif cannot be read; copy it again."
    loader.want([key])
    assert len(readers.asked) == 1
    loader.retry()
    loader.want([key])
    assert len(readers.asked) == 2


@pytest.mark.parametrize("answer", ["fits", "of something else", "damaged"])
def test_the_file_s_own_thumbnail_comes_first_where_it_shows_the_slide(
    qtbot: QtBot, make_info: Callable[..., SlideInfo], answer: str
) -> None:
    pyramid = build_pyramid(make_info(4000, 2000, (1.0,), associated=("label", "thumbnail")))
    readers = SlowReaders()
    cache = TileCache()
    loader = TileLoader(readers, cache)
    loader.set_pyramid(pyramid)
    loader.want([pyramid.overview])
    what, future = readers.asked[0]
    assert what == ("thumbnail",)
    if answer == "damaged":
        future.set_exception(SlideError("no"))
    else:
        future.set_result(pixels(400, 200) if answer == "fits" else pixels(400, 300))
    if answer == "fits":
        qtbot.waitUntil(lambda: pyramid.overview in cache)
        assert len(readers.asked) == 1
    else:
        qtbot.waitUntil(lambda: len(readers.asked) == 2)
        assert readers.asked[1][0][0] == "area"
