"""Tiles: every tissue can be drawn, the seed decides, and the tissues differ as they should."""

from __future__ import annotations

import numpy as np
import pytest

from lile_engine.errors import DataError
from lile_engine.phantom import TISSUES, draw_tile, tile_traits
from lile_engine.phantom.noise import View, smooth, smooth_at
from lile_engine.phantom.stains import STANDARD, bare_glass, defocused, develop, random_stain

REQUIRED = (
    "background", "adipose", "dense stroma", "loose stroma", "smooth muscle", "lymphoid aggregate", "normal mucosa",
    "adenocarcinoma grade 1", "adenocarcinoma grade 2", "adenocarcinoma grade 3", "squamous epithelium",
    "keratinising squamous epithelium", "mucin", "necrosis", "blood", "nerve", "vessel",
)  # fmt: skip


def mean_tile(tissue: str, count: int = 4) -> np.ndarray:
    return np.mean(
        [draw_tile(tissue, seed, 128, 0.5, STANDARD).reshape(-1, 3).mean(axis=0) for seed in range(count)], axis=0
    )


def test_the_required_tissues_are_there() -> None:
    assert set(REQUIRED) <= set(TISSUES)


@pytest.mark.parametrize("tissue", TISSUES)
def test_every_tissue_is_drawn_and_its_seed_decides(tissue: str) -> None:
    tile = draw_tile(tissue, 3, 96)
    assert tile.shape == (96, 96, 3)
    assert tile.dtype == np.uint8
    assert np.array_equal(tile, draw_tile(tissue, 3, 96))
    assert not np.array_equal(tile, draw_tile(tissue, 4, 96))
    assert tile_traits(tissue, 3) == tile_traits(tissue, 3)


@pytest.mark.parametrize("tissue", [t for t in TISSUES if t != "background"])
def test_tissue_has_structure_at_cell_level(tissue: str) -> None:
    tiles = [draw_tile(tissue, seed, 224, 0.5, STANDARD).astype(float).mean(axis=2) for seed in range(3)]
    assert np.mean([tile.std() for tile in tiles]) > 8


@pytest.mark.parametrize("mpp", [0.25, 0.33, 0.5, 1.0, 1.6])
def test_other_resolutions(mpp: float) -> None:
    tile = draw_tile("normal mucosa", 1, 100, mpp)
    assert tile.shape == (100, 100, 3)


def test_colours_are_those_of_the_tissues() -> None:
    glass, fat, lymph = mean_tile("background"), mean_tile("adipose"), mean_tile("lymphoid aggregate")
    muscle, blood, mucin = mean_tile("smooth muscle"), mean_tile("blood"), mean_tile("mucin")
    assert glass.min() > 225
    assert fat.mean() > 190
    assert lymph.mean() < muscle.mean()
    assert lymph[2] > lymph[1], "lymphocytes are violet"
    assert muscle[0] > muscle[2] > muscle[1], "muscle is pink"
    assert blood[0] - blood[2] > muscle[0] - muscle[2], "blood is the reddest"
    assert mucin[2] - mucin[1] > 5
    assert mucin.mean() > muscle.mean()


def test_higher_grades_have_more_nuclear_area() -> None:
    def dark(tissue: str) -> float:
        tiles = [draw_tile(tissue, seed, 224, 0.5, STANDARD) for seed in range(8)]
        return float(np.mean([(tile[:, :, 0] < 150).mean() for tile in tiles]))

    assert dark("adenocarcinoma grade 3") > dark("benign glands")
    assert dark("spindle cell tumour") > dark("dense stroma")


def test_stain_focus_and_scanner_vary() -> None:
    rng = np.random.default_rng(0)
    tiles = [draw_tile("smooth muscle", 1, 64, 0.5, random_stain(rng)) for _ in range(12)]
    means = np.array([tile.reshape(-1, 3).mean(axis=0) for tile in tiles])
    assert means.std(axis=0).max() > 5
    sharp = draw_tile("lymphoid aggregate", 1, 128, 0.5, STANDARD).astype(float)
    soft = draw_tile("lymphoid aggregate", 1, 128, 0.5, defocused(STANDARD, 2.0)).astype(float)
    assert np.abs(np.diff(soft, axis=0)).mean() < 0.6 * np.abs(np.diff(sharp, axis=0)).mean()


def test_bare_glass_is_what_developing_nothing_gives() -> None:
    nothing = np.zeros((8, 9), np.float32)
    grain = np.random.default_rng(0).standard_normal((8, 9)).astype(np.float32)
    assert np.array_equal(bare_glass(STANDARD, grain), develop(nothing, nothing, nothing, STANDARD, 0.5, grain))


def test_unknown_tissue_names_the_known_ones() -> None:
    with pytest.raises(DataError, match="adipose"):
        draw_tile("unobtainium", 1)


def test_noise_is_anchored_to_the_world() -> None:
    whole = smooth(View(100, 200, 64, 64, 0.5), 9, 5)
    part = smooth(View(108, 204, 16, 16, 0.5), 9, 5)
    assert np.allclose(whole[8:24, 16:32], part, atol=1e-4)
    x, y = np.array([110.25, 120.25]), np.array([210.25, 220.25])
    cols, rows = ((x - 100.25) * 2).astype(int), ((y - 200.25) * 2).astype(int)
    assert np.allclose(smooth_at(x, y, 9, 5), whole[rows, cols], atol=1e-3)
    assert 0.7 < float(smooth(View(0, 0, 500, 500, 3), 9, 1).std()) < 1.3
