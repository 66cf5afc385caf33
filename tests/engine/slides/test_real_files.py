"""Every real slide, and every odd one, opens and reads or says in one sentence why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openslide
import pytest

from lile_engine.errors import SlideError
from lile_engine.slides import TileSpec, open_slide, read_tiles, tile_grid, tissue_mask

SLIDES = {  # name: (width, height, levels, mpp, magnification, associated)
    "atlas-BS9-HE2-duodenum.tif": (14486, 16783, 8, 0.25, 40, 0),
    "atlas-lung-squamous-HE3.tif": (17883, 16091, 8, 0.25, 40, 0),
    "CMU-1-Small-Region.svs": (2220, 2967, 1, 0.499, 20, 3),
    "TCGA-CR-7395-TS1.svs": (4443, 3567, 2, None, None, 1),
    "hamamatsu-test3-TRITC.ndpi": (3968, 4864, 7, 0.2282, 40, 1),
    "her2st-B4.jpg": (9272, 9923, 7, None, None, 0),
}

ODD = {  # name: (width, height), or words of the error
    "boxes.tiff": (300, 250),
    "boxes_0.dcm": (16, 16),
    "boxes_1.dcm": (16, 16),
    "broken.svs": "not a slide",
    "grey10kx5k.tif": (10_000, 5000),
    "rgba_geotiff.tiff": (600, 600),
    "small.svs": (16, 16),
    "small_la.tiff": (2, 1),
    "test_LA_8.png": (64, 64),
    "test_L_16.png": (64, 64),
    "test_RGB_16.png": (64, 64),
    "test_orient0.tif": (120, 180),
    "test_orient6.tif": (180, 120),
    "test_orient8.tif": (180, 120),
    "unopenable.tiff": "cannot be opened",
    "unreadable.svs": "is damaged at x 0, y 0",
    "yb10kx5k.zstd.tiff": (10_000, 5000),
    "zero_gi.tif": "not a slide",
}


@pytest.mark.parametrize("name", SLIDES)
def test_real_slide(real_data: Path, lile_home: Path, name: str) -> None:
    width, height, levels, mpp, magnification, associated = SLIDES[name]
    with open_slide(real_data / "slides" / name) as slide:
        info = slide.info
        assert (info.width, info.height, len(info.levels), info.magnification) == (
            width, height, levels, magnification,
        )  # fmt: skip
        assert info.mpp == (pytest.approx(mpp, rel=1e-3) if mpp else None)
        assert len(info.associated) == associated
        for image in info.associated:
            assert slide.associated_image(image).ndim == 3
        small = slide.thumbnail(400)
        assert max(small.shape) == 400
        assert small.std() > 5


@pytest.mark.parametrize("name", [name for name in SLIDES if not name.endswith("jpg")])
def test_real_pixels_equal_openslides(real_data: Path, name: str) -> None:
    path = real_data / "slides" / name
    rng = np.random.default_rng(4)
    with open_slide(path) as slide, openslide.OpenSlide(path) as bare:
        for _ in range(6):
            x, y = int(rng.integers(0, slide.info.width - 300)), int(rng.integers(0, slide.info.height - 300))
            ours = slide.read_region(x, y, 0, 300, 200)
            theirs = np.asarray(bare.read_region((x, y), 0, (300, 200)).convert("RGB"))
            assert np.abs(ours.astype(int) - theirs).max() <= 2
        for number, level in enumerate(slide.info.levels[1:], 1):
            # OpenSlide shifts by a fraction of a pixel and blurs, so coarse levels agree on average only.
            size = min(level.width, 256), min(level.height, 256)
            ours = slide.read_region(0, 0, number, *size)
            theirs = np.asarray(bare.read_region((0, 0), number, size).convert("RGB"))
            assert np.abs(ours.mean((0, 1)) - theirs.mean((0, 1))).max() < 1


@pytest.mark.parametrize("name", ODD)
def test_odd_file(real_data: Path, name: str) -> None:
    expected, path = ODD[name], real_data / "odd" / name
    if isinstance(expected, str):
        with pytest.raises(SlideError, match=expected) as caught, open_slide(path) as slide:
            slide.read_region(0, 0, 0, 16, 16)
        assert "\n" not in str(caught.value)
        return
    with open_slide(path) as slide:
        assert (slide.info.width, slide.info.height) == expected
        assert slide.thumbnail(64).dtype == np.uint8
        assert slide.read_square(0.5, 0.5, 10, 20).shape == (20, 20, 3)


def test_one_dicom_series_is_one_slide_by_whichever_file(real_data: Path) -> None:
    identities = set()
    for name in ("boxes_0.dcm", "boxes_1.dcm"):
        with open_slide(real_data / "odd" / name) as slide:
            identities.add(slide.info.identity)
    assert len(identities) == 1


@pytest.mark.parametrize(
    ("name", "low", "high"), [("atlas-BS9-HE2-duodenum.tif", 0.2, 0.33), ("atlas-lung-squamous-HE3.tif", 0.16, 0.26)]
)
def test_real_whole_slide_from_mask_to_tiles(real_data: Path, name: str, low: float, high: float) -> None:
    with open_slide(real_data / "slides" / name) as slide:
        mask = tissue_mask(slide)
        assert low < mask.mask.mean() < high
        tiles = tile_grid(slide.info, TileSpec(mpp=1.0), mask=mask)
        batch = next(read_tiles(slide, tiles, 224))
    assert not batch.failed
    assert batch.pixels.mean() < 235


@pytest.mark.parametrize(("name", "ink"), [("tcga-green-pen.png", "green"), ("tcga-red-pen.png", "red")])
def test_real_pen_is_left_out(real_data: Path, name: str, ink: str) -> None:
    from PIL import Image

    from lile_engine.slides.tissue import tissue_in_picture

    picture = np.asarray(Image.open(real_data / "thumbnails" / name).convert("RGB"))
    found = tissue_in_picture(picture, 2.0)
    red, green, blue = (picture[..., channel].astype(int) for channel in range(3))
    pen = (green - red > 30) & (red < 100) if ink == "green" else (red - green > 140) & (red - blue > 140)
    assert pen.sum() > 1000
    assert found[pen].mean() < 0.15
    purple = (blue - green > 40) & (red - green > 20) & (green < 130)
    assert found[purple].mean() > 0.9
