"""Plain images of every mode and orientation, their pyramid, and those that lie about their size."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import ExifTags, Image

from lile_engine.errors import SlideError
from lile_engine.slides import open_slide
from lile_engine.slides.orientation import turned_pixels
from lile_engine.slides.plain_pixels import halved

Pixels = npt.NDArray[np.uint8]
MakeTexture = Callable[..., Pixels]


def whole(path: Path) -> Pixels:
    with open_slide(path) as slide:
        return slide.read_region(0, 0, 0, slide.info.width, slide.info.height)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "P", "1", "CMYK"])
def test_modes_look_as_pillow_shows_them(tmp_path: Path, make_texture: MakeTexture, mode: str) -> None:
    picture = Image.fromarray(make_texture(70, 90)).convert(mode)
    path = tmp_path / "picture.tif"
    picture.save(path)
    assert np.abs(whole(path).astype(int) - np.asarray(picture.convert("RGB"))).max() <= 1


def test_alpha_shows_white(tmp_path: Path) -> None:
    layers = np.zeros((20, 30, 4), np.uint8)
    layers[:, 10:20, 3] = 255
    layers[:, 20:, 3] = 128
    path = tmp_path / "alpha.png"
    Image.fromarray(layers).save(path)
    pixels = whole(path)
    assert (pixels[:, :10] == 255).all()
    assert (pixels[:, 10:20] == 0).all()
    assert np.abs(pixels[:, 20:].astype(int) - 127).max() <= 1


def test_transparent_palette_shows_white(tmp_path: Path) -> None:
    path = tmp_path / "palette.png"
    picture = Image.new("P", (8, 8), 0)
    picture.putpalette([10, 20, 30] * 256)
    picture.save(path, transparency=0)
    assert (whole(path) == 255).all()


@pytest.mark.parametrize(("bits", "top"), [(16, 65535), (12, 4095), (10, 1023)])
def test_deep_grey_is_scaled_by_its_own_depth(tmp_path: Path, bits: int, top: int) -> None:
    ramp = np.linspace(0, top, 256).round().astype(np.uint16)[np.newaxis].repeat(16, 0)
    path = tmp_path / f"grey{bits}.png"
    Image.fromarray(ramp).save(path)
    assert np.abs(whole(path)[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_floating_point_is_scaled_by_its_range(tmp_path: Path) -> None:
    ramp = np.linspace(-3, 5, 256, dtype=np.float32)[np.newaxis].repeat(16, 0)
    path = tmp_path / "float.tif"
    Image.fromarray(ramp).save(path)
    assert np.abs(whole(path)[0, :, 0].astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "tif"])
def test_orientation_is_applied_to_size_and_pixels(
    tmp_path: Path, make_texture: MakeTexture, orientation: int, kind: str
) -> None:
    stored = make_texture(48, 80)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"turned.{kind}"
    Image.fromarray(stored).save(path, exif=exif, **({"quality": 100, "subsampling": 0} if kind == "jpg" else {}))
    upright = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: stored.transpose(1, 0, 2)[:, ::-1],
        7: stored.transpose(1, 0, 2)[::-1, ::-1],
        8: stored.transpose(1, 0, 2)[::-1],
    }[orientation]
    pixels = whole(path)
    assert pixels.shape == upright.shape
    assert np.abs(pixels.astype(int) - upright).max() <= (25 if kind == "jpg" else 0)


def test_an_orientation_behind_the_pixels_counts_and_costs_no_decoding(
    tmp_path: Path, make_texture: MakeTexture
) -> None:
    stored = make_texture(48, 80)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(stored).save(tmp_path / "picture.png")
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
    data = (tmp_path / "picture.png").read_bytes()
    path = tmp_path / "late.png"
    path.write_bytes(data[:-12] + chunk + data[-12:])
    assert np.array_equal(whole(path), stored.transpose(1, 0, 2)[:, ::-1])
    path.write_bytes(data[:60] + bytes(40) + data[100:])
    with open_slide(path) as slide, pytest.raises(SlideError, match=r"late\.png is damaged"):
        slide.read_region(0, 0, 0, 10, 10)  # only now, since only now it was decoded


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's record of the most memory used")
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16"])
def test_a_large_picture_is_in_memory_once(tmp_path: Path, mode: str) -> None:
    """What Pillow decoded, a third of it for the coarser levels, and no second copy, not even for a moment."""
    side = 5000
    path = tmp_path / "large.tif"
    Image.new(mode, (side, side), 77).save(path, compression="tiff_lzw")
    code = f"""
from lile_engine.slides import open_slide
from pathlib import Path

def most():
    return int(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line).split()[1])

for path in ({str(tmp_path / "small.png")!r}, {str(path)!r}):
    with open_slide(path) as slide:
        slide.read_region(0, 0, 0, 10, 10)
        slide.thumbnail(100)
    print(most())
"""
    Image.new("RGB", (300, 300)).save(tmp_path / "small.png")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    before, after = map(int, done.stdout.split())
    decoded = side * side * (2 if mode == "I;16" else 4) / 1024
    assert after - before < 1.5 * decoded + 20_000


def test_pyramid_levels_are_means_of_the_finer_ones(tmp_path: Path, make_texture: MakeTexture) -> None:
    pixels = make_texture(613, 1201)
    path = tmp_path / "picture.png"
    Image.fromarray(pixels).save(path)
    with open_slide(path) as slide:
        levels = slide.info.levels
        assert [(lv.width, lv.height, lv.downsample) for lv in levels] == [
            (1201, 613, 1), (601, 307, 2), (301, 154, 4), (151, 77, 8),
        ]  # fmt: skip
        mean = pixels[:612, :1200].reshape(306, 2, 600, 2, 3).mean((1, 3))
        assert np.abs(slide.read_region(0, 0, 1, 600, 306) - mean).max() <= 1
        assert np.abs(slide.read_region(400, 200, 1, 64, 64) - mean[100:164, 200:264]).max() <= 1


def test_coarse_levels_of_a_jpeg_are_the_same_picture_before_and_after_it_is_decoded(
    tmp_path: Path, make_texture: MakeTexture
) -> None:
    path = tmp_path / "picture.jpg"
    Image.fromarray(make_texture(2100, 3001)).save(path, quality=90)
    with open_slide(path) as slide:
        level = slide.info.levels[3]
        assert (level.width, level.height) == (376, 263)
        early = slide.read_region(0, 0, 3, 376, 263).astype(int)
    with open_slide(path) as slide:
        slide.prepare()
        fine = slide.read_region(0, 0, 0, 3000, 2096).reshape(262, 8, 375, 8, 3).mean((1, 3))
    assert np.abs(early[:262, :375] - fine).mean() < 2


def test_the_largest_page_is_the_slide(tmp_path: Path, make_texture: MakeTexture) -> None:
    path = tmp_path / "pages.tif"
    small, large = make_texture(40, 50), make_texture(200, 300, 1)
    with tifffile.TiffWriter(path) as file:
        file.write(small, photometric="rgb")
        file.write(large, photometric="rgb")
    assert np.array_equal(whole(path), large)
    with open_slide(path) as slide:
        assert slide.info.associated == ("page 1",)
        assert np.array_equal(slide.associated_image("page 1"), small)


def test_the_largest_of_many_pages_is_the_slide_and_those_not_looked_at_are_told(tmp_path: Path) -> None:
    for count, shown, told in ((80, 109, False), (520, 541, True)):
        path = tmp_path / f"{count}.tif"
        with tifffile.TiffWriter(path) as file:
            for number in range(count):
                file.write(np.full((30 + number, 30 + number), number % 256, np.uint8), metadata=None)
        with open_slide(path) as slide:
            assert slide.info.width == shown
            assert ("Only the first 512 pages" in slide.info.note) == told


def test_the_largest_tiled_page_is_the_slide(tmp_path: Path, make_texture: MakeTexture) -> None:
    """OpenSlide shows the first page only: here a label, and the coarsest level of a pyramid written small first."""
    large = make_texture(700, 900)
    options = {"tile": (128, 128), "photometric": "rgb", "compression": "deflate", "metadata": None}
    with tifffile.TiffWriter(tmp_path / "label.tif") as file:
        file.write(large[:200, :300], **options)
        file.write(large, **options)
    with tifffile.TiffWriter(tmp_path / "small-first.tif") as file:
        for step in (4, 2, 1):
            file.write(np.ascontiguousarray(large[::step, ::step]), **options)
    for name in ("label.tif", "small-first.tif"):
        assert np.array_equal(whole(tmp_path / name), large)
        with open_slide(tmp_path / name) as slide:
            assert slide.info.associated
            assert slide.info.note == ""


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_a_tiled_tiff_is_turned_too(tmp_path: Path, make_texture: MakeTexture, orientation: int) -> None:
    stored = make_texture(300, 500)
    path = tmp_path / "turned.tif"
    tifffile.imwrite(
        path, stored, tile=(128, 128), photometric="rgb", compression="deflate", metadata=None,
        extratags=[(274, 3, 1, orientation, True)],
    )  # fmt: skip
    assert np.array_equal(whole(path), turned_pixels(stored, orientation))


def test_a_turned_picture_too_large_to_turn_and_levels_in_subifds_are_told(
    tmp_path: Path, make_texture: MakeTexture
) -> None:
    path = tmp_path / "vast.tif"
    tile = np.zeros((1024, 1024, 3), np.uint8)
    tifffile.imwrite(
        path, (tile for _ in range(324)), shape=(18_432, 18_432, 3), dtype=np.uint8, tile=(1024, 1024),
        photometric="rgb", compression="deflate", metadata=None, extratags=[(274, 3, 1, 6, True)],
    )  # fmt: skip
    with open_slide(path) as slide:
        assert slide.info.vendor == "generic-tiff"
        assert "is shown as it is stored" in slide.info.note
    path, large = tmp_path / "sub.ome.tif", make_texture(512, 512)
    options = {"tile": (128, 128), "photometric": "rgb", "compression": "deflate"}
    with tifffile.TiffWriter(path) as file:
        file.write(large, subifds=2, metadata={"axes": "YXS"}, **options)
        for step in (2, 4):
            file.write(np.ascontiguousarray(large[::step, ::step]), subfiletype=1, **options)
    with open_slide(path) as slide:
        assert len(slide.info.levels) == 1
        assert "SubIFDs" in slide.info.note


@pytest.mark.parametrize("orientation", range(1, 9))
def test_coarse_levels_of_a_turned_jpeg_lie_where_the_fine_ones_do(tmp_path: Path, orientation: int) -> None:
    """Sides that 8 does not divide: the picture, upright, begins with the stored end, which was filled up."""
    rng = np.random.default_rng(1)
    soft = Image.fromarray(rng.integers(0, 255, (26, 31, 3)).astype(np.uint8)).resize((1201, 1001))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / "turned.jpg"
    soft.save(path, exif=exif, quality=95)
    with open_slide(path) as slide:
        size = slide.info.levels[3]
        early = slide.read_region(0, 0, 3, size.width, size.height).astype(float)
    full = turned_pixels(np.asarray(soft), orientation).astype(float)
    rows, cols = full.shape[0] // 8, full.shape[1] // 8
    expected = full[: rows * 8, : cols * 8].reshape(rows, 8, cols, 8, 3).mean((1, 3))
    assert np.abs(early[:rows, :cols] - expected).mean() < 1.0  # a shift by 7 pixels makes more than 10


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_that_counts_from_white(tmp_path: Path, dtype: type) -> None:
    ramp = np.linspace(0, np.iinfo(dtype).max, 256).round().astype(dtype)[np.newaxis].repeat(16, 0)
    path = tmp_path / "white.tif"
    tifffile.imwrite(path, ramp, photometric="miniswhite", metadata=None)
    assert np.abs(whole(path)[0, :, 0].astype(int) - np.arange(255, -1, -1)).max() <= 1


def png_that_claims(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG with this size in its header and these compressed pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("size", "words"),
    [((60_000, 60_000), "too large"), ((12_000, 12_000), "far too small"), ((2**31 - 1, 1), "too large")],
)
def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path, size: tuple[int, int], words: str) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(*size, zlib.compress(bytes(100_000))))
    with pytest.raises(SlideError, match=words):
        open_slide(path)


def test_a_cut_image_is_told_at_the_first_read_and_again_at_once(tmp_path: Path, make_texture: MakeTexture) -> None:
    path = tmp_path / "cut.jpg"
    Image.fromarray(make_texture(900, 900)).save(path)
    path.write_bytes(path.read_bytes()[:-9000])
    with open_slide(path) as slide:
        for _ in range(2):
            with pytest.raises(SlideError, match=r"cut\.jpg is damaged or incomplete"):
                slide.read_region(0, 0, 0, 100, 100)


def test_a_cut_tiff_is_told_when_opened(tmp_path: Path, make_texture: MakeTexture) -> None:
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, make_texture(300, 300), photometric="rgb")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(SlideError, match=r"cut\.tif is incomplete"):
        open_slide(path)


@pytest.mark.parametrize("shape", [(7, 5, 3), (2048, 6, 3), (2049, 3), (1, 1, 3)])
def test_halving_takes_means_and_rounds_sizes_up(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    half = halved(pixels)
    assert half.shape == (-(-shape[0] // 2), -(-shape[1] // 2), *shape[2:])
    for row in (0, half.shape[0] // 2, half.shape[0] - 1):
        for col in (0, half.shape[1] - 1):
            mean = pixels[2 * row : 2 * row + 2, 2 * col : 2 * col + 2].mean((0, 1))
            assert np.abs(half[row, col] - mean).max() <= 1


def test_an_image_of_cmyk_jpeg_and_of_grey_jpeg(tmp_path: Path, make_texture: MakeTexture) -> None:
    for mode in ("CMYK", "L"):
        picture = Image.fromarray(make_texture(90, 70)).convert(mode)
        picture.save(tmp_path / "picture.jpg", quality=95)
        with Image.open(tmp_path / "picture.jpg") as stored:
            expected = np.asarray(stored.convert("RGB")).astype(int)
        assert np.abs(whole(tmp_path / "picture.jpg") - expected).max() <= 2


def test_a_page_too_large_to_stand_beside_the_slide_is_told(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    pages = [Image.new("1", (6000, 5000)), Image.new("1", (5100, 5000)), Image.new("1", (40, 30))]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    with open_slide(path) as slide:
        assert slide.info.associated == ("page 2", "page 3")
        assert slide.associated_image("page 3").shape == (30, 40, 3)
        with pytest.raises(SlideError, match=r"page 2 of pages\.tif is too large to show beside the slide"):
            slide.associated_image("page 2")
