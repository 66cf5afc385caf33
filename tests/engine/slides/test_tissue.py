"""The tissue mask on drawn pictures, on phantoms with known truth, and with pen, glass and dust in the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from lile_engine.phantom.slide import draw_slide
from lile_engine.slides import Region, TileSpec, open_slide, tile_grid, tissue_mask
from lile_engine.slides.geojson import read_geojson
from lile_engine.slides.tissue import otsu, tissue_in_picture

Mask = npt.NDArray[np.bool_]
GLASS = (243, 242, 244)
MPP = 8.0


def dice(a: Mask, b: Mask) -> float:
    """Twice the overlap over the sum."""
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def glass(seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).normal(0, 1.2, (300, 400, 1))
    return Image.fromarray(np.clip(np.array(GLASS) + noise, 0, 255).astype(np.uint8))


def ellipse_mask(box: tuple[int, int, int, int]) -> Mask:
    picture = Image.new("1", (400, 300))
    ImageDraw.Draw(picture).ellipse(box, fill=1)
    return np.asarray(picture)


@pytest.mark.parametrize(
    "colour", [(230, 205, 222), (200, 140, 190), (110, 70, 140), (60, 40, 100), (190, 170, 150), (214, 214, 236)]
)
def test_pale_and_dark_tissue_are_found_whole(colour: tuple[int, int, int]) -> None:
    picture = glass()
    ImageDraw.Draw(picture).ellipse((80, 60, 300, 240), fill=colour)
    found = tissue_in_picture(np.asarray(picture), MPP)
    assert dice(found, ellipse_mask((80, 60, 300, 240))) > 0.97


def test_pale_beside_dark_is_not_lost() -> None:
    picture = glass()
    draw = ImageDraw.Draw(picture)
    draw.ellipse((20, 60, 180, 240), fill=(80, 50, 120))
    draw.ellipse((210, 60, 380, 240), fill=(228, 205, 222))
    truth = ellipse_mask((20, 60, 180, 240)) | ellipse_mask((210, 60, 380, 240))
    grain = np.random.default_rng(5).normal(0, 5, (300, 400, 1)) * truth[..., np.newaxis]  # no tissue is smooth
    grainy = np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8)
    assert dice(tissue_in_picture(grainy, MPP), truth) > 0.96


def test_fat_is_one_piece() -> None:
    picture = glass()
    draw = ImageDraw.Draw(picture)
    for y in range(80, 220, 10):  # cells of 80 um with walls of a pixel
        for x in range(100 + y // 10 % 2 * 5, 300, 10):
            draw.ellipse((x, y, x + 10, y + 10), outline=(226, 190, 212))
    truth = np.zeros((300, 400), np.bool_)
    truth[80:230, 100:310] = True
    assert dice(tissue_in_picture(np.asarray(picture), MPP), truth) > 0.93


@pytest.mark.parametrize(
    "ink", [(20, 140, 70), (30, 60, 200), (198, 19, 24), (25, 25, 28), (0, 150, 180), (10, 120, 110)]
)
def test_pen_is_not_tissue(ink: tuple[int, int, int]) -> None:
    picture = glass()
    draw = ImageDraw.Draw(picture)
    draw.ellipse((80, 80, 220, 220), fill=(190, 120, 175))
    draw.line((250, 20, 370, 280), fill=ink, width=12)
    found = tissue_in_picture(np.asarray(picture), MPP)
    assert dice(found, ellipse_mask((80, 80, 220, 220))) > 0.97


def test_a_halo_of_stain_is_not_tissue() -> None:
    ys, xs = np.mgrid[0:300, 0:400]
    halo = np.exp(-(((xs - 220) / 40.0) ** 2 + ((ys - 150) / 60.0) ** 2))[..., np.newaxis]
    picture = Image.fromarray((np.asarray(glass()) * (1 - halo * np.array([0.02, 0.1, 0.04]))).astype(np.uint8))
    ImageDraw.Draw(picture).ellipse((80, 80, 220, 220), fill=(160, 90, 150))
    assert dice(tissue_in_picture(np.asarray(picture), MPP), ellipse_mask((80, 80, 220, 220))) > 0.95


def test_glass_edges_dust_and_uneven_light_are_not_tissue() -> None:
    light = np.asarray(glass(), np.float64) * np.linspace(0.9, 1.0, 400)[np.newaxis, :, np.newaxis]
    picture = Image.fromarray(light.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((80, 80, 220, 220), fill=(180, 110, 170))
    draw.rectangle((0, 0, 5, 299), fill=(120, 120, 122))
    draw.line((0, 290, 399, 285), fill=(150, 150, 150), width=3)
    for n in range(30):
        draw.point((250 + 4 * n % 140, 20 + 9 * n % 250), fill=(90, 70, 80))
    found = tissue_in_picture(np.asarray(picture), MPP)
    assert dice(found, ellipse_mask((80, 80, 220, 220))) > 0.97


def test_fluorescence_is_bright_on_dark() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 3, (300, 400, 3)).astype(np.uint8))
    ImageDraw.Draw(picture).ellipse((80, 80, 220, 220), fill=(40, 6, 8))
    assert dice(tissue_in_picture(np.asarray(picture), MPP), ellipse_mask((80, 80, 220, 220))) > 0.97


def test_empty_glass_and_black_hold_no_tissue() -> None:
    assert not tissue_in_picture(np.asarray(glass()), MPP).any()
    assert not tissue_in_picture(np.zeros((100, 100, 3), np.uint8), MPP).any()
    assert not tissue_in_picture(np.full((100, 100, 3), 255, np.uint8), MPP).any()


@pytest.mark.parametrize("size", [16, 300])
@pytest.mark.parametrize("colour", [(240, 238, 242), (128, 128, 128), (40, 40, 40), (200, 150, 180), (0, 0, 255)])
def test_a_picture_of_one_colour_holds_no_tissue(size: int, colour: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(5).integers(0, 3, (size, size, 3))  # as JPEG leaves it
    picture = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    for mpp in (0.5, 2.0, 8.0):
        assert not tissue_in_picture(picture, mpp).any()


def test_a_blank_slide_gives_no_tiles(tmp_path: Path) -> None:
    path = tmp_path / "blank.png"
    Image.new("RGB", (900, 700), (200, 150, 180)).save(path)
    with open_slide(path, mpp=0.5) as slide:
        assert tile_grid(slide.info, TileSpec(), mask=tissue_mask(slide)) == []


def test_a_picture_full_of_tissue_is_all_tissue() -> None:
    rng = np.random.default_rng(3)
    full = np.clip(np.array((190, 120, 170)) + rng.normal(0, 15, (200, 200, 3)), 0, 255).astype(np.uint8)
    assert tissue_in_picture(full, MPP).mean() > 0.95


@pytest.mark.parametrize(
    ("size", "seed"), [(2500, 1), *(pytest.param(6000, seed, marks=pytest.mark.slow) for seed in (2, 3, 4))]
)
def test_phantom_truth(tmp_path: Path, size: int, seed: int) -> None:
    path = tmp_path / "phantom.tif"
    draw_slide(path, size, seed)
    with open_slide(path) as slide:
        found = tissue_mask(slide)
    height, width = found.mask.shape
    truth = np.zeros_like(found.mask)
    for annotation in read_geojson(path.with_suffix(".geojson")):
        for region in annotation.regions():
            truth |= region.mask(0, 0, width * found.downsample, height * found.downsample, width, height)
    assert dice(found.mask, truth) >= 0.95


def test_share() -> None:
    mask = np.zeros((10, 20), np.bool_)
    mask[2:6, 4:8] = True
    from lile_engine.slides import TissueMask

    tissue = TissueMask(mask, 32.0)
    assert tissue.share(4 * 32, 2 * 32, 128, 128) == pytest.approx(1)
    assert tissue.share(0, 0, 640, 320) == pytest.approx(16 / 200)
    assert tissue.share(4 * 32 - 16, 2 * 32, 32, 32) == pytest.approx(0.5)
    assert tissue.share(-100, -100, 50, 50) == 0
    assert tissue.share(10_000, 0, 50, 50) == 0
    region = Region.rectangle(4 * 32, 2 * 32, 128, 128)
    assert (region.mask(0, 0, 640, 320, 20, 10) == mask).all()


def test_otsu_parts_two_heaps() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0.1, 0.02, 3000), rng.normal(0.6, 0.05, 1000)]).astype(np.float32)
    assert ((values > otsu(values)) == (values > 0.3)).mean() > 0.99
    assert otsu(np.zeros(10, np.float32)) == pytest.approx(0, abs=0.6)
