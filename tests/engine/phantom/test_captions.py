"""Captions: every tissue has words, they fit the tile, and nothing is negated."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lile_engine.errors import DataError
from lile_engine.paths import resources_dir
from lile_engine.phantom import TISSUES, draw_tile
from lile_engine.phantom.captions import caption, description, phrases, wording
from lile_engine.phantom.layer import Traits
from lile_engine.phantom.pairs import tile_captions, write_pairs

# "Non-keratinising" and "non-viable" are terms, not negations.
NEGATION = re.compile(
    r"\b(no|not|without|absent|absence|lacks?|lacking|free of|negative|never|none|nor|neither)\b", re.I
)


@pytest.mark.parametrize("tissue", TISSUES)
def test_every_tissue_has_words_in_both_forms(tissue: str) -> None:
    rng = np.random.default_rng(1)
    names = phrases(tissue)
    assert len(names) >= 5
    assert len(set(names)) == len(names)
    short = {caption(tissue, rng, "short") for _ in range(200)}
    long = {caption(tissue, rng, "long") for _ in range(200)}
    assert all(any(text.startswith(name) for name in names) for text in short)
    assert len(short) >= 5
    assert len(long) > 60
    assert all(text.endswith(".") and 8 < len(text) < 260 for text in long)
    for text in (*short, *long, *wording(tissue).details):
        assert not NEGATION.search(text), text
        assert "  " not in text


def test_synonyms_a_pathologist_types_are_there() -> None:
    assert {"fat", "adipose tissue", "adipocytes"} <= set(phrases("adipose"))
    assert {"lymphocytes", "lymphoid tissue", "inflammatory infiltrate"} <= set(phrases("lymphoid aggregate"))
    assert {"adenocarcinoma", "malignant glands"} <= set(phrases("adenocarcinoma grade 1"))


def test_captions_speak_of_the_tile_s_traits() -> None:
    rng = np.random.default_rng(0)
    wet = " ".join(caption("loose stroma", rng, "long", Traits(oedema=0.9)) for _ in range(60))
    dry = " ".join(caption("loose stroma", rng, "long", Traits(oedema=0.1)) for _ in range(60))
    assert "marked oedema" in wet
    assert "marked oedema" not in dry


def test_a_description_says_every_true_trait_always_in_the_same_words() -> None:
    text = description("adipose", Traits(size=0.9, blood=0.9))
    assert text == "Fat with small capillaries between the fat cells and large adipocytes."
    assert description("adipose", Traits(size=0.7, blood=0.61, angle=0.9)) == text
    assert description("adipose", Traits()) == "Fat."
    assert description("adipose", Traits(size=0.1)) == "Fat with small adipocytes."


def test_the_same_chance_gives_the_same_words() -> None:
    assert tile_captions("mucin", 5) == tile_captions("mucin", 5)
    with pytest.raises(DataError, match="captions"):
        phrases("liver")


def test_pairs(tmp_path: Path) -> None:
    path = write_pairs(tmp_path / "p", 2, 3, tissues=("adipose", "blood"), px=64)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["tissues"] for line in lines] == [["adipose"], ["adipose"], ["blood"], ["blood"]]
    for line in lines:
        image = np.asarray(Image.open(path.parent / line["image"]))
        assert image.shape == (64, 64, 3)
        assert len(line["captions"]) == 2
    first = np.asarray(Image.open(path.parent / lines[0]["image"]))
    assert np.array_equal(first, draw_tile("adipose", 3 * 100_003, 64))
    again = write_pairs(tmp_path / "q", 2, 3, tissues=("adipose", "blood"), px=64)
    assert again.read_bytes() == path.read_bytes()


def test_caption_library_covers_the_tissues() -> None:
    lines = [
        json.loads(line) for line in (resources_dir() / "captions" / "library.jsonl").read_text("utf-8").splitlines()
    ]
    assert 400 <= len(lines) <= 600
    texts = [line["text"] for line in lines]
    assert len({text.lower() for text in texts}) == len(texts)
    for line in lines:
        assert set(line) == {"text", "tissues", "source"}
        assert line["source"]
        assert not NEGATION.search(line["text"]), line["text"]
    named = {tissue for line in lines for tissue in line["tissues"]}
    assert set(TISSUES) <= named
