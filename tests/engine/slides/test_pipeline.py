"""Tiles in order, ahead, bounded; damage skipped; cancel at once."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from lile_engine.errors import Cancelled, SlideError
from lile_engine.progress import CancelToken
from lile_engine.slides import Slide, Tile, TileSpec, open_slide, read_tiles, tile_grid
from lile_engine.slides.types import Pixels

SPEC = TileSpec(mpp=0.5, px=32, overlap=0.5)


def test_every_tile_once_in_order_with_its_own_pixels(jpeg_slide: Path) -> None:
    with open_slide(jpeg_slide) as slide:
        tiles = tile_grid(slide.info, SPEC)
        batches = list(read_tiles(slide, tiles, 32, threads=4, batch=7))
        assert [tile for batch in batches for tile in batch.tiles] == tiles
        assert {len(batch.tiles) for batch in batches[:-1]} == {7}
        pixels = np.concatenate([batch.pixels for batch in batches])
        assert pixels.shape == (len(tiles), 32, 32, 3)
        for number in range(0, len(tiles), 11):
            tile = tiles[number]
            assert np.array_equal(pixels[number], slide.read_square(tile.x, tile.y, tile.size, 32))


def test_damaged_tile_is_reported_and_the_slide_goes_on(damaged_slide: tuple[Path, int]) -> None:
    path, number = damaged_slide
    tiles = [Tile(col * 128, row * 128, 128) for row in range(5) for col in range(7)]
    broken = Tile(number % 8 * 128, number // 8 * 128, 128)
    with open_slide(path) as slide:
        batches = list(read_tiles(slide, tiles, 128, batch=8))
    failed = [item for batch in batches for item in batch.failed]
    assert [tile for tile, _ in failed] == [broken]
    assert "damaged" in failed[0][1]
    assert [tile for batch in batches for tile in batch.tiles] == [tile for tile in tiles if tile != broken]
    assert all(len(batch.tiles) == len(batch.pixels) for batch in batches)


class SlowSlide(Slide):
    """A slide on a share that hangs until it is let go."""

    released = threading.Event()
    reads = 0

    def read_square(self, x: float, y: float, size: float, px: int) -> Pixels:
        SlowSlide.reads += 1
        SlowSlide.released.wait(20)
        return super().read_square(x, y, size, px)


@pytest.fixture
def slow_slide(jpeg_slide: Path) -> Slide:
    SlowSlide.released.clear()
    SlowSlide.reads = 0
    slide = open_slide(jpeg_slide)
    slide.__class__ = SlowSlide
    return slide


def test_cancel_is_answered_within_a_tenth_of_a_second_even_while_a_read_hangs(slow_slide: Slide) -> None:
    tiles = tile_grid(slow_slide.info, SPEC)
    cancel = CancelToken()
    timer = threading.Timer(0.2, cancel.cancel)
    timer.start()
    began = time.monotonic()
    try:
        with pytest.raises(Cancelled):
            next(read_tiles(slow_slide, tiles, 32, cancel=cancel))
        assert time.monotonic() - began < 0.2 + 0.1 + 0.1  # the last tenth is for a busy machine
    finally:
        SlowSlide.released.set()
        slow_slide.close()


def test_a_slide_that_does_not_answer_is_given_up(slow_slide: Slide) -> None:
    tiles = tile_grid(slow_slide.info, SPEC)
    try:
        with pytest.raises(SlideError, match=r"slide\.tif has not answered for 0\.2 seconds"):
            next(read_tiles(slow_slide, tiles, 32, timeout_s=0.2))
    finally:
        SlowSlide.released.set()
        slow_slide.close()


def test_a_program_ends_although_a_read_hangs(jpeg_slide: Path) -> None:
    code = f"""
import threading
from lile_engine.errors import SlideError
from lile_engine.slides import Slide, Tile, open_slide, read_tiles

slide = open_slide({str(jpeg_slide)!r})
slide.read_square = lambda *_: threading.Event().wait()
try:
    next(read_tiles(slide, [Tile(0, 0, 64)], 64, timeout_s=0.2))
except SlideError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "has not answered" in done.stdout


def test_decoding_ahead_is_bounded(slow_slide: Slide) -> None:
    SlowSlide.released.set()
    tiles = tile_grid(slow_slide.info, SPEC) * 10
    reading = read_tiles(slow_slide, tiles, 32, threads=2, batch=4)
    next(reading)
    reading.close()
    assert SlowSlide.reads <= 3 * 4
    slow_slide.close()


def test_a_slide_closed_meanwhile_is_no_slide_of_damaged_tiles(jpeg_slide: Path) -> None:
    slide = open_slide(jpeg_slide)
    reading = read_tiles(slide, tile_grid(slide.info, SPEC), 32, batch=4)
    next(reading)
    slide.close()
    with pytest.raises(SlideError, match=r"slide\.tif has been closed"):
        list(reading)


class FullSlide(Slide):
    """A slide on a machine whose memory is full: the space asked for is more than there is."""

    def read_square(self, x: float, y: float, size: float, px: int) -> Pixels:
        return np.empty((2**60,), np.uint8)


def test_no_memory_is_told_in_a_sentence(jpeg_slide: Path) -> None:
    with open_slide(jpeg_slide) as slide:
        slide.__class__ = FullSlide
        with pytest.raises(SlideError, match=r"not enough memory to read slide\.tif"):
            list(read_tiles(slide, [Tile(0, 0, 64)], 32))


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_of_none_is_one_of_one(jpeg_slide: Path, batch: int) -> None:
    tiles = [Tile(0, 0, 64), Tile(64, 0, 64)]
    with open_slide(jpeg_slide) as slide:
        assert [b.tiles for b in read_tiles(slide, tiles, 32, threads=-1, batch=batch)] == [[tile] for tile in tiles]
        for px in (0, -5, 10**6):
            with pytest.raises(SlideError, match="cannot be read"):
                list(read_tiles(slide, tiles, px))


def test_a_slide_that_goes_away_ends_the_reading(jpeg_slide: Path, tmp_path: Path) -> None:
    path = tmp_path / "gone.tif"
    path.write_bytes(jpeg_slide.read_bytes())
    with open_slide(path) as slide:
        tiles = tile_grid(slide.info, SPEC)
        reading = read_tiles(slide, tiles, 32, batch=4)
        next(reading)
        slide.close()
        path.unlink()
        with pytest.raises(SlideError, match=r"gone\.tif has gone"):
            list(reading)
