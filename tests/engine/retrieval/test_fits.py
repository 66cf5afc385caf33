"""A phrase is measured by its own range, so that what is not on a slide does not glow there."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lile_engine.archive import create_archive, open_archive
from lile_engine.model.load import load_model, resolve_model
from lile_engine.model.reference import build_reference
from lile_engine.outside import FITS_SHARE, LEAST_RANGE, RANGE_PICTURES, PhraseRange
from lile_engine.retrieval.heatmap import heatmap
from lile_engine.retrieval.indexing import index_slides
from lile_engine.slides import TileSpec

THERE = ("Brunner glands", "villi", "adipose tissue")
NOT_THERE = ("prostate adenocarcinoma Gleason 4", "keratin pearls", "squamous cell carcinoma")


def test_the_range_begins_at_the_mean_and_ends_where_one_in_a_hundred_learned_pictures_lies() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(RANGE_PICTURES, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    reference = build_reference(vectors, held_out=vectors[:20])
    found = reference.phrase_range(vectors[0])
    cosines = reference.vectors @ vectors[0]
    assert found.low == pytest.approx(cosines.mean())
    assert found.high == pytest.approx(np.quantile(cosines, 0.99))


def test_the_one_picture_beside_a_phrase_makes_no_range_where_few_were_learned() -> None:
    vectors = np.eye(60, dtype=np.float32)
    found = build_reference(vectors, held_out=vectors[:20]).phrase_range(vectors[0])
    assert found.high == pytest.approx(found.low + LEAST_RANGE)
    assert found.fits(0.5)


def test_a_phrase_alike_to_every_learned_picture_keeps_a_range() -> None:
    vectors = np.tile(np.eye(1, 8, dtype=np.float32), (40, 1))
    found = build_reference(vectors, held_out=vectors[:20]).phrase_range(np.eye(2, 8, dtype=np.float32)[1])
    assert (found.low, found.high) == pytest.approx((0, LEAST_RANGE))
    assert not found.fits(LEAST_RANGE * FITS_SHARE - 0.01)
    assert found.fits(LEAST_RANGE * FITS_SHARE + 0.01)


def test_what_fits_is_a_share_of_the_range() -> None:
    ends = PhraseRange(0.1, 0.6)
    assert ends.fits(0.1 + 0.5 * FITS_SHARE + 0.001)
    assert not ends.fits(0.1 + 0.5 * FITS_SHARE - 0.001)


@pytest.mark.slow
def test_a_real_slide_glows_only_where_the_phrase_fits(real_data: Path, lile_home: Path, tmp_path: Path) -> None:
    slide = real_data / "slides" / "atlas-BS9-HE2-duodenum.tif"
    if not slide.is_file():
        pytest.skip("the slide of the duodenum is not there")
    model = load_model(resolve_model(None), "cpu")
    shutil.copy(slide, tmp_path / slide.name)
    create_archive(tmp_path / "archive", model.identity, None)
    index_slides(tmp_path / "archive", [tmp_path / slide.name], model, TileSpec())
    with open_archive(tmp_path / "archive") as archive:
        maps = {text: heatmap(archive, model, slide.name, text) for text in (*THERE, *NOT_THERE)}
    assert {text: found.fits for text, found in maps.items()} == {
        **dict.fromkeys(THERE, True), **dict.fromkeys(NOT_THERE, False),
    }  # fmt: skip
    shares = {}
    for text, found in maps.items():
        assert found.range is not None
        known = found.values[np.isfinite(found.values)]
        shares[text] = (known - found.range.low) / (found.range.high - found.range.low)
    assert shares["Brunner glands"].max() > 1
    for text in NOT_THERE:
        assert shares[text].max() < 0.75, text  # greenish at its best tile,
        assert np.quantile(shares[text], 0.95) < 0.5, text  # and dark nearly everywhere
