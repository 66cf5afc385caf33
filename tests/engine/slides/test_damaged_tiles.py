"""Single damaged tiles of a directly read TIFF: each is told, none is shown as grey, and none costs its level."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openslide
import pytest
import tifffile
from PIL import Image, ImageFilter

from lile_engine.errors import SlideError
from lile_engine.slides import Tile, open_slide, read_tiles
from lile_engine.slides.tile_decoding import decode_jpeg

SIDE, COLUMNS = 128, 8  # of a slide of 903 x 701

Pixels = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def soft_slide(
    tmp_path_factory: pytest.TempPathFactory, base_pixels: Pixels, make_pyramid: Callable[..., Path]
) -> Path:
    """As soft as tissue is, so that a block takes fewer bytes than zeros do, which are coefficients too."""
    soft = Image.fromarray(base_pixels).filter(ImageFilter.GaussianBlur(2))
    return make_pyramid(tmp_path_factory.mktemp("soft") / "soft.tif", np.asarray(soft), tile=SIDE)


def second_half_zeroed(tile: bytearray) -> None:
    half = len(tile) // 2
    tile[half:] = bytes(len(tile) - half)


def end_marker_inside(tile: bytearray) -> None:
    half = len(tile) // 2
    tile[half : half + 2] = b"\xff\xd9"


def block_zeroed(tile: bytearray) -> None:
    tile[len(tile) // 3 : 2 * len(tile) // 3] = bytes(2 * len(tile) // 3 - len(tile) // 3)


def overwritten_by_noise(tile: bytearray) -> None:
    tile[len(tile) // 3 : -2] = np.random.default_rng(3).bytes(len(tile[len(tile) // 3 : -2]))


def header_lost(tile: bytearray) -> None:
    tile[2:18] = bytes(16)


DAMAGES = (second_half_zeroed, end_marker_inside, block_zeroed, overwritten_by_noise, header_lost)


def damaged(source: Path, target: Path, damage: Callable[[bytearray], None], *numbers: int) -> Path:
    """A copy with these tiles of level 0 damaged."""
    data = bytearray(source.read_bytes())
    with tifffile.TiffFile(source) as file:
        page = file.pages.first
        for number in numbers:
            offset, count = page.dataoffsets[number], page.databytecounts[number]
            tile = data[offset : offset + count]
            damage(tile)
            data[offset : offset + count] = tile
    target.write_bytes(data)
    return target


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("number", [12, 24, 36, 17])  # three of the places where a level is compared, and another
def test_a_damaged_tile_is_told_and_the_others_are_read(
    soft_slide: Path, tmp_path: Path, damage: Callable[[bytearray], None], number: int
) -> None:
    path = damaged(soft_slide, tmp_path / "damaged.tif", damage, number)
    broken = Tile(number % COLUMNS * SIDE, number // COLUMNS * SIDE, SIDE)
    with openslide.OpenSlide(path) as bare, pytest.raises(openslide.OpenSlideError):
        bare.read_region((broken.x, broken.y), 0, (SIDE, SIDE))
    tiles = [Tile(col * SIDE, row * SIDE, SIDE) for row in range(6) for col in range(COLUMNS)]
    with open_slide(path) as slide, open_slide(soft_slide) as whole:
        batches = list(read_tiles(slide, tiles, SIDE))
        assert [tile for batch in batches for tile, _ in batch.failed] == [broken]
        with pytest.raises(SlideError, match=r"damaged\.tif is damaged at x \d+, y \d+"):
            slide.read_region(broken.x, broken.y, 0, SIDE, SIDE)
        pixels = np.concatenate([batch.pixels for batch in batches])
        kept = [tile for tile in tiles if tile != broken]
        assert all(
            np.array_equal(p, whole.read_square(t.x, t.y, SIDE, SIDE)) for p, t in zip(pixels, kept, strict=True)
        )


def test_a_level_with_all_compared_tiles_damaged_is_read_by_openslide(soft_slide: Path, tmp_path: Path) -> None:
    compared = [eighth * 48 // 8 for eighth in range(1, 8)]
    path = damaged(soft_slide, tmp_path / "damaged.tif", second_half_zeroed, *compared)
    with open_slide(path) as slide, open_slide(soft_slide) as whole:
        difference = slide.read_region(0, 0, 0, 300, 60).astype(int) - whole.read_region(0, 0, 0, 300, 60)
        assert np.abs(difference).max() <= 2
        with pytest.raises(SlideError, match="is damaged at"):
            slide.read_region(compared[1] % COLUMNS * SIDE, compared[1] // COLUMNS * SIDE, 0, 50, 50)


def encoded(pixels: Pixels, **options: object) -> bytes:
    """A whole JPEG stream of one tile."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=85, **options)
    return file.getvalue()


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_restarts_are_counted(make_texture: Callable[..., Pixels], subsampling: int) -> None:
    pixels = make_texture(128, 128)
    data = encoded(pixels, restart_marker_blocks=3, subsampling=subsampling)
    tile = decode_jpeg(data, None, "YCBCR", 128, 128)
    assert tile is not None
    assert np.abs(tile.astype(int) - np.asarray(Image.open(io.BytesIO(data)))).max() <= 4
    first, second = data.find(b"\xff\xd1"), data.find(b"\xff\xd2")
    assert decode_jpeg(data[:first] + data[second:], None, "YCBCR", 128, 128) is None  # one interval is missing
    assert decode_jpeg(data[: first + 40] + data[second:], None, "YCBCR", 128, 128) is None  # one has lost its end


def test_grey_and_padded_tiles_are_whole(make_texture: Callable[..., Pixels]) -> None:
    pixels = make_texture(128, 128)
    assert decode_jpeg(encoded(pixels) + b"\0\0\0", None, "YCBCR", 128, 128) is not None
    assert decode_jpeg(encoded(np.full((128, 128, 3), 200, np.uint8)), None, "YCBCR", 128, 128) is not None
    assert decode_jpeg(encoded(pixels), None, "YCBCR", 256, 128) is None  # of another size than the level says
    assert decode_jpeg(encoded(pixels, progressive=True), None, "YCBCR", 128, 128) is None  # left to OpenSlide
    for junk in (b"", b"\xff", b"\xff\xd8\xff\xda", b"\xff\xda\x00\x00\xff\xd9", bytes(500), b"\xff" * 500):
        assert decode_jpeg(junk, None, "YCBCR", 128, 128) is None
