"""Opening and reading slides: against OpenSlide's own pixels, and whatever can be wrong with a file."""

from __future__ import annotations

import gc
import math
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openslide
import psutil
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lile_engine.errors import SlideError
from lile_engine.slides import open_slide, openslide_backend
from lile_engine.slides.mpp import remember_mpp
from lile_engine.slides.openslide_backend import configure_cache
from lile_engine.slides.tiff_tiles import TiffTiles, tile_cache

Pixels = npt.NDArray[np.uint8]


def openslide_rgb(path: Path, x: int, y: int, level: int, w: int, h: int) -> Pixels:
    """OpenSlide's public read, over white."""
    with openslide.OpenSlide(path) as slide:
        rgba = np.asarray(slide.read_region((x, y), level, (w, h))).astype(np.float64)
    alpha = rgba[..., 3:] / 255
    return np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def test_info(jpeg_slide: Path) -> None:
    with open_slide(jpeg_slide) as slide:
        info = slide.info
    assert (info.width, info.height) == (903, 701)
    assert [(level.width, level.height) for level in info.levels] == [(903, 701), (451, 350), (225, 175)]
    assert info.mpp == pytest.approx(0.25)
    assert info.magnification == 40
    assert info.vendor == "generic-tiff"
    assert info.bounds == (0, 0, 903, 701)


@pytest.mark.parametrize("place", [(0, 0, 300, 200), (131, 77, 256, 256), (-40, -30, 100, 90), (850, 650, 200, 200)])
def test_level_0_equals_openslide(jpeg_slide: Path, lossless_slide: Path, place: tuple[int, int, int, int]) -> None:
    x, y, w, h = place
    for path in (jpeg_slide, lossless_slide):
        with open_slide(path) as slide:
            assert np.abs(slide.read_region(x, y, 0, w, h).astype(int) - openslide_rgb(path, x, y, 0, w, h)).max() <= 2


def test_without_openslides_private_call_the_public_one_reads_the_same(
    lossless_slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_slide(lossless_slide) as slide:
        fast = slide.read_region(700, 500, 0, 300, 300)  # partly outside
        monkeypatch.setattr(openslide_backend, "_paint", None)
        assert np.array_equal(slide.read_region(700, 500, 0, 300, 300), fast)


def test_lossless_slide_gives_the_pixels_it_was_made_of(lossless_slide: Path, base_pixels: Pixels) -> None:
    with open_slide(lossless_slide) as slide:
        assert np.array_equal(slide.read_region(0, 0, 0, 903, 701), base_pixels)


def test_coarse_levels_are_stored_pixels_where_openslide_does_not_shift(jpeg_slide: Path) -> None:
    with open_slide(jpeg_slide) as slide:
        for level in (1, 2):
            ours = slide.read_region(0, 0, level, 200, 150).astype(int)
            assert np.abs(ours - openslide_rgb(jpeg_slide, 0, 0, level, 200, 150)).max() <= 2


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    level=st.integers(0, 2), x=st.integers(-300, 1100), y=st.integers(-300, 900), w=st.integers(1, 300),
    h=st.integers(1, 300),
)  # fmt: skip
def test_any_window_is_cut_from_its_level(jpeg_slide: Path, level: int, x: int, y: int, w: int, h: int) -> None:
    with open_slide(jpeg_slide) as slide:
        size = slide.info.levels[level]
        whole = np.full((size.height + 2000, size.width + 2000, 3), 255, np.uint8)
        whole[1000 : 1000 + size.height, 1000 : 1000 + size.width] = slide.read_region(
            0, 0, level, size.width, size.height
        )
        left, top = round(x / size.downsample) + 1000, round(y / size.downsample) + 1000
        assert np.array_equal(slide.read_region(x, y, level, w, h), whole[top : top + h, left : left + w])


def test_a_slide_travels_by_name(jpeg_slide: Path) -> None:
    with open_slide(jpeg_slide, mpp=0.4) as slide, pickle.loads(pickle.dumps(slide)) as other:
        assert other.info == slide.info
        assert np.array_equal(other.read_region(0, 0, 0, 50, 50), slide.read_region(0, 0, 0, 50, 50))


def test_slides_never_closed_leave_neither_handles_nor_wrong_pixels(
    jpeg_slide: Path, tmp_path: Path, make_pyramid: Callable[..., Path], make_texture: Callable[..., Pixels]
) -> None:
    other = make_pyramid(tmp_path / "other.tif", make_texture(701, 903, 5))
    process = psutil.Process()
    with open_slide(jpeg_slide) as a, open_slide(other) as b:
        expected = [a.read_region(0, 0, 0, 128, 128), b.read_region(0, 0, 0, 128, 128)]
    gc.collect()
    before = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
    for n in range(40):
        slide = open_slide((jpeg_slide, other)[n % 2])
        assert np.array_equal(slide.read_region(0, 0, 0, 128, 128), expected[n % 2])
        del slide
    gc.collect()
    after = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
    assert after <= before + 4


def test_outside_is_white(jpeg_slide: Path, lossless_slide: Path) -> None:
    for path in (jpeg_slide, lossless_slide):
        with open_slide(path) as slide:
            assert (slide.read_region(-500, -500, 0, 100, 100) == 255).all()
            assert (slide.read_region(5000, 5000, 1, 64, 64) == 255).all()
            edge = slide.read_region(893, 0, 0, 20, 20)
            assert (edge[:, 10:] == 255).all()
            assert not (edge[:, :10] == 255).all()


def test_thumbnail_keeps_the_aspect(jpeg_slide: Path) -> None:
    with open_slide(jpeg_slide) as slide:
        assert slide.thumbnail(300).shape == (233, 300, 3)
        assert slide.thumbnail(5000).shape == (701, 903, 3)


def test_many_threads_read_the_same_as_one(jpeg_slide: Path, lossless_slide: Path) -> None:
    places = [(17 * n % 800, 31 * n % 600) for n in range(120)]
    for path in (jpeg_slide, lossless_slide):
        with open_slide(path) as slide:
            alone = [slide.read_region(x, y, 0, 96, 96) for x, y in places]
        with open_slide(path) as slide, ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda place, s=slide: s.read_region(*place, 0, 96, 96), places))
        assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_damaged_tile_costs_that_read_only(damaged_slide: tuple[Path, int]) -> None:
    path, number = damaged_slide
    x, y = number % 8 * 128, number // 8 * 128
    with open_slide(path) as slide:
        with pytest.raises(SlideError, match=r"damaged\.tif is damaged at x 128, y 128"):
            slide.read_region(x, y, 0, 128, 128)
        assert slide.read_region(x + 128, y, 0, 128, 128).shape == (128, 128, 3)


def test_closing_while_reading_ends_well(jpeg_slide: Path) -> None:
    slide = open_slide(jpeg_slide)

    def read(n: int) -> str:
        try:
            slide.read_region(n % 700, n % 500, 0, 128, 128)
        except SlideError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(read, n) for n in range(400)]
        slide.close()
        messages = {result.result() for result in results}
    assert messages <= {"", "slide.tif has been closed; open it again."}
    with pytest.raises(SlideError, match="closed"):
        slide.read_region(0, 0, 0, 10, 10)


def test_closing_while_a_level_is_compared_leaves_it_closed(jpeg_slide: Path) -> None:
    with open_slide(jpeg_slide) as slide:
        levels = slide.info.levels
    held = tile_cache.bytes_held

    def close_and_read(x: int, y: int, level: int, w: int, h: int) -> Pixels:
        tiles.close()
        return openslide_rgb(jpeg_slide, x, y, level, w, h)

    tiles = TiffTiles(jpeg_slide, levels, close_and_read)
    assert tiles.read(0, 0, 0, 64, 64) is None
    assert not tiles.usable(0)
    assert tile_cache.bytes_held == held


def test_a_tile_decoded_while_the_slide_is_closed_is_not_kept(jpeg_slide: Path) -> None:
    slide = open_slide(jpeg_slide)
    held = tile_cache.bytes_held
    with ThreadPoolExecutor(4) as pool:
        reads = [pool.submit(slide.read_region, n % 700, n % 500, 0, 128, 128) for n in range(400)]
        slide.close()
        assert all(read.exception() is None or isinstance(read.exception(), SlideError) for read in reads)
    assert tile_cache.bytes_held <= held


def test_identity_is_of_the_content(jpeg_slide: Path, lossless_slide: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "other name.tif"
    shutil.copy(jpeg_slide, renamed)
    changed = tmp_path / "changed.tif"
    changed.write_bytes(jpeg_slide.read_bytes()[:-1] + b"\x01")
    with (
        open_slide(jpeg_slide) as a,
        open_slide(renamed) as b,
        open_slide(changed) as c,
        open_slide(lossless_slide) as d,
    ):
        assert a.info.identity == b.info.identity
        assert len({a.info.identity, c.info.identity, d.info.identity}) == 3


def test_mpp_of_the_user_wins_and_is_remembered_where_the_file_has_none(
    jpeg_slide: Path, real_png: Path, lile_home: Path
) -> None:
    with open_slide(jpeg_slide, mpp=0.5) as slide:
        assert (slide.info.mpp, slide.info.magnification) == (0.5, 20)
    with open_slide(real_png) as slide:
        assert slide.info.mpp is None
        remember_mpp(slide.info.identity, 0.7)
    with open_slide(real_png) as slide:
        assert slide.info.mpp == 0.7
    assert (lile_home / "slide_mpp.json").stat().st_mode & 0o77 == 0


@pytest.fixture
def real_png(tmp_path: Path, base_pixels: Pixels) -> Path:
    from PIL import Image

    path = tmp_path / "plain.png"
    Image.fromarray(base_pixels).save(path)
    return path


@pytest.mark.parametrize("mpp", [0.0, -1.0, 1e6, float("nan")])
def test_impossible_mpp_is_refused(jpeg_slide: Path, mpp: float) -> None:
    with pytest.raises(SlideError, match="microns per pixel"):
        open_slide(jpeg_slide, mpp=mpp)


def test_what_is_no_slide_says_so_in_one_sentence(tmp_path: Path, jpeg_slide: Path) -> None:
    (tmp_path / "empty.svs").write_bytes(b"")
    (tmp_path / "text.svs").write_text("not a slide")
    (tmp_path / "cut.tif").write_bytes(jpeg_slide.read_bytes()[:300])
    for name, words in {
        "missing.svs": "There is no file",
        "empty.svs": "empty.svs is empty",
        "text.svs": "text.svs is not a slide",
        "cut.tif": "cut.tif",
        "": "is a folder",
    }.items():
        with pytest.raises(SlideError, match=words) as caught:
            open_slide(tmp_path / name)
        assert "\n" not in str(caught.value)
    for nothing in ("", "  "):
        with pytest.raises(SlideError, match="No slide was named"):
            open_slide(nothing)


def test_a_slide_cut_short_is_shown_as_an_image_and_says_so(tmp_path: Path, jpeg_slide: Path) -> None:
    with open_slide(jpeg_slide) as slide:
        assert slide.info.note == ""
    with tifffile.TiffFile(jpeg_slide) as file:
        second = file.pages[1].offset
    for name, end in {"cut.tif": second + 40, "cut.svs": second}.items():
        path = tmp_path / name
        path.write_bytes(jpeg_slide.read_bytes()[:end])
        with open_slide(path) as slide:
            assert slide.info.vendor == "plain image"
            assert slide.info.note.startswith(f"{name} has been cut short")
            assert slide.read_region(0, 0, 0, 64, 64).shape == (64, 64, 3)


def test_an_image_with_the_ending_of_a_slide_says_so(tmp_path: Path) -> None:
    for name in ("picture.svs", "picture.png"):
        Image.new("RGB", (30, 20)).save(tmp_path / name, format="PNG")
    with open_slide(tmp_path / "picture.svs") as slide:
        assert "not the whole slide that its name says" in slide.info.note
    with open_slide(tmp_path / "picture.png") as slide:
        assert slide.info.note == ""


def test_a_slide_that_only_pillow_reads_says_so(tmp_path: Path, jpeg_slide: Path) -> None:
    """OpenSlide refuses a file whose second level does not fit the first; Pillow shows the first."""
    data = bytearray(jpeg_slide.read_bytes())
    with tifffile.TiffFile(jpeg_slide) as file:
        compression = file.pages[1].tags["Compression"]
    data[compression.valueoffset : compression.valueoffset + 2] = (52479).to_bytes(2, "little")
    (tmp_path / "strange.tif").write_bytes(data)
    with open_slide(tmp_path / "strange.tif") as slide:
        assert slide.info.note.startswith("strange.tif is damaged or incomplete")
        assert slide.read_region(0, 0, 0, 64, 64).shape == (64, 64, 3)


def test_unreadable_levels_and_sizes_are_refused(jpeg_slide: Path) -> None:
    with open_slide(jpeg_slide) as slide:
        with pytest.raises(SlideError, match="no level 3"):
            slide.read_region(0, 0, 3, 10, 10)
        with pytest.raises(SlideError, match="cannot be read at once"):
            slide.read_region(0, 0, 0, 0, 10)
        with pytest.raises(SlideError, match="cannot be read at once"):
            slide.read_region(0, 0, 0, 100_000, 100_000)
        with pytest.raises(SlideError, match="no label image"):
            slide.associated_image("label")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_refused(jpeg_slide: Path, lossless_slide: Path, bad: float) -> None:
    for path in (jpeg_slide, lossless_slide):
        with open_slide(path) as slide:
            for read in (
                lambda s=slide: s.read_region(bad, 0, 0, 10, 10),
                lambda s=slide: s.read_region(0, bad, 0, 10, 10),
                lambda s=slide: s.read_region(0, 0, bad, 10, 10),
                lambda s=slide: s.read_region(0, 0, 0, bad, 10),
                lambda s=slide: s.read_area(bad, 0, 10, 10, 10, 10),
                lambda s=slide: s.read_area(0, 0, bad, 10, 10, 10),
                lambda s=slide: s.read_area(0, 0, 10, 10, 10, bad),
                lambda s=slide: s.read_square(0, 0, bad, 10),
                lambda s=slide: s.thumbnail(bad),
            ):
                with pytest.raises(SlideError):
                    read()


def test_sizes_and_places_out_of_all_bounds(jpeg_slide: Path, lossless_slide: Path) -> None:
    for path in (jpeg_slide, lossless_slide):
        with open_slide(path) as slide:
            for read in (
                lambda s=slide: s.read_area(0, 0, 0, 0, 10, 10),
                lambda s=slide: s.read_area(100, 100, -50, -50, 10, 10),
                lambda s=slide: s.read_area(0, 0, 1e300, 1e-300, 10, 10),
                lambda s=slide: s.read_area(0, 0, 1e12, 1e-3, 10, 10),
                lambda s=slide: s.read_region(0, 0, 0, 10.5, 10),
                lambda s=slide: s.thumbnail(0),
                lambda s=slide: s.thumbnail(-3),
            ):
                with pytest.raises(SlideError):
                    read()
            for far in (2**31, 2**32 + 100, 2**63, 2**64, 2**64 + 100, 10**30, -(2**64), -(10**30)):
                assert (slide.read_region(far, far, 0, 10, 10) == 255).all()
                assert (slide.read_area(far, 0, 50.0, 50.0, 10, 10) == 255).all()
            assert slide.read_area(100.3, 100.4, 1e-9, 1e-9, 8, 8).std((0, 1)).max() == 0


def test_a_name_with_a_null_character_is_refused() -> None:
    with pytest.raises(SlideError, match="null character"):
        open_slide("a\0b.svs")


@pytest.mark.parametrize("kind", ["tif", "deflate", "png", "jpg"])
def test_a_file_that_goes_away_has_gone_and_may_come_back(
    jpeg_slide: Path, lossless_slide: Path, base_pixels: Pixels, tmp_path: Path, kind: str
) -> None:
    path, away = tmp_path / f"slide.{kind}", tmp_path / "away"
    if kind in ("tif", "deflate"):
        shutil.copy(jpeg_slide if kind == "tif" else lossless_slide, path)
    else:
        Image.fromarray(base_pixels).save(path)
    with open_slide(path) as slide:
        path.rename(away)
        for _ in range(2):
            with pytest.raises(SlideError, match=rf"^slide\.{kind} has gone while it was read; is the drive"):
                slide.read_region(300, 300, 0, 200, 200)
        away.rename(path)
        assert slide.read_region(300, 300, 0, 200, 200).std() > 5


def test_the_sentence_holds_no_paths_of_a_librarys_sources() -> None:
    words = openslide_backend._one_line(ValueError("../subprojects/libtiff/tif_read.c:88: TIFFReadRawTile: Read error"))
    assert words == "TIFFReadRawTile: Read error"
    assert openslide_backend._one_line(ValueError("Couldn't open a.ndpi: it is shut.")) == (
        "Couldn't open a.ndpi: it is shut"
    )


def test_tile_cache_keeps_its_budget(jpeg_slide: Path) -> None:
    configure_cache(6 * 128 * 128 * 3)
    try:
        with open_slide(jpeg_slide) as slide:
            slide.read_region(0, 0, 0, 903, 701)
            assert 0 < tile_cache.bytes_held <= 4 * 128 * 128 * 3
        assert tile_cache.bytes_held == 0
    finally:
        configure_cache(96 * 2**20)


@pytest.mark.parametrize(
    ("told", "held"), [("3", 2 * 2**20), ("", 64 * 2**20), ("much", 64 * 2**20), ("-5", 64 * 2**20)]
)
def test_the_user_bounds_the_tile_cache(told: str, held: int) -> None:
    code = "from lile_engine.slides import openslide_backend as b; print(b.tile_cache._budget, b._cache_bytes * 2)"
    environment = {**os.environ, "LILE_TILE_CACHE_MB": told}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == [str(held), str(held)]


def test_importing_slides_is_cheap() -> None:
    code = (
        "import sys, lile_engine.slides; "
        "print([m for m in ('torch', 'PySide6', 'scipy.ndimage', 'tifffile') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
