from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from lile_engine.errors import QueryError
from lile_engine.phrases import content_words
from lile_engine.retrieval.query import (
    Query,
    WeightedImage,
    WeightedRegion,
    WeightedText,
    check_phrase,
    load_pixels,
)


def test_stop_words_are_no_question() -> None:
    assert content_words("The fat of a colon") == ["fat", "colon"]
    check_phrase("fat")
    for phrase in ("", "   ", "of the", "What is this?", "...", "with and without"):
        with pytest.raises(QueryError):
            check_phrase(phrase)


def test_there_must_be_something_to_look_for() -> None:
    with pytest.raises(QueryError, match="Nothing was asked"):
        Query().check()
    with pytest.raises(QueryError, match="not wanted"):
        Query(texts=(WeightedText("fat", -1.0),)).check()
    Query(texts=(WeightedText("fat", -1.0), WeightedText("colon"))).check()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_none_are_no_question(bad: float) -> None:
    for texts in ((WeightedText("fat", bad),), (WeightedText("fat"), WeightedText("colon", bad))):
        with pytest.raises(QueryError, match="weight"):
            Query(texts=texts).check()
    region = SimpleNamespace(bounds=(0.0, bad, 10.0, 10.0))
    with pytest.raises(QueryError, match="corners"):
        Query(regions=(WeightedRegion("a.svs", region),)).check()  # type: ignore[arg-type]


def test_images_of_every_kind_become_rgb_on_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (4, 3), (255, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert np.array_equal(load_pixels(tmp_path / "clear.png"), np.full((3, 4, 3), 255, np.uint8))
    Image.new("L", (4, 3), 7).save(tmp_path / "grey.jpg")
    assert load_pixels(tmp_path / "grey.jpg").shape == (3, 4, 3)
    for name, data in (
        ("empty.png", b""),
        ("text.jpg", b"hello"),
        ("cut.png", (tmp_path / "clear.png").read_bytes()[:40]),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(QueryError, match="cannot be read"):
            load_pixels(tmp_path / name)
    with pytest.raises(QueryError, match="no image"):
        load_pixels(tmp_path / "gone.png")
    with pytest.raises(QueryError, match="8-bit"):
        load_pixels(np.zeros((2, 2), np.uint8))


def test_the_parts_stand_in_the_provenance() -> None:
    query = Query((WeightedText("fat", -0.5),), (WeightedImage("a.png"),))
    assert query.describe() == ({"text": "fat", "weight": -0.5}, {"image": "a.png", "weight": 1.0})
