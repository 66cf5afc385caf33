"""Rows that no reader expects: each is told by its line, and the rows after it are read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lile_engine.errors import DataError
from lile_engine.training.pairs import read_pairs
from lile_engine.training.readers import read_coco

GOOD = '{"image": "a.png", "caption": "good"}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (40, 30), (200, 100, 150)).save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("[" * 100_000, "not valid JSON"),
        ('{"image": "b.png", "caption": "a", "x": ' + "1" * 5000 + "}", "not valid JSON"),
        (json.dumps({"image": "n" * 5000, "caption": "a"}), "which is not there"),
        (json.dumps({"image": "b.png\0", "caption": "a"}), "which is not there"),
        (json.dumps({"slide": "n" * 5000, "caption": "a"}), "which is not there"),
        ('{"image": "\\ud800.png", "caption": "a"}', "which is not there"),
        ('{"slide": "b.png", "x": 1' + "0" * 400 + ', "y": 0, "w": 1, "h": 1, "caption": "a"}', "no number"),
        ('{"slide": "b.png", "x": 0, "y": 0, "w": 1, "h": 1, "mpp": -1, "caption": "a"}', "must be above 0"),
        ('{"slide": "broken.svs", "x": 0, "y": 0, "w": 1, "h": 1, "caption": "a"}', "cannot be opened"),
    ],
)
def test_hostile_json(folder: Path, row: str, reason: str) -> None:
    (folder / "broken.svs").write_bytes(b"no slide")
    (folder / "pairs.jsonl").write_text(f"{GOOD}\n{row}\n{GOOD}\n")
    dataset = read_pairs(folder)
    assert len(dataset) == 1
    assert [b.line for b in dataset.bad_rows] == [2]
    assert reason in dataset.bad_rows[0].reason
    assert len(str(dataset.bad_rows[0])) < 300
    with pytest.raises(DataError, match="line 2"):
        read_pairs(folder, bad_rows="refuse")


def test_separators_of_unicode_are_no_ends_of_rows(folder: Path) -> None:
    rows = [{"image": "a.png", "caption": "one\u2028two"}, {"image": "b.png", "caption": "x\x85y\x1cz"}]
    text = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "pairs.jsonl").write_bytes(text.encode())
    dataset = read_pairs(folder)
    assert [p.captions for p in dataset.pairs] == [("one two",), ("x y z",)]
    assert not dataset.bad_rows
    (folder / "list.csv").write_bytes('image,caption\r\na.png,"one\u2028two\r\nthree"\r\nb.png,x\x85y\r\n'.encode())
    csv = read_pairs(folder / "list.csv")
    assert [p.captions for p in csv.pairs] == [("one two three",), ("x y",)]
    assert not csv.bad_rows


def test_a_field_that_is_too_large_is_a_bad_row(folder: Path) -> None:
    (folder / "list.csv").write_text(f"image,caption\na.png,{'a' * 200_000}\nb.png,good\n")
    dataset = read_pairs(folder / "list.csv")
    assert [p.captions for p in dataset.pairs] == [("good",)]
    assert [b.line for b in dataset.bad_rows] == [2]
    assert "not valid CSV" in dataset.bad_rows[0].reason


def test_rectangles_of_a_slide_that_hold_nothing_of_it(folder: Path) -> None:
    pixels = np.full((600, 800, 3), 240, np.uint8)
    tifffile.imwrite(folder / "s.tif", pixels, tile=(256, 256), photometric="rgb", metadata=None)
    places = [(0, 0, 9, 9), (800, 0, 9, 9), (-9, 0, 9, 9), (0, 0, 1e300, 1)]
    rows = [
        {"slide": "s.tif", "x": x, "y": y, "w": w, "h": h, "mpp": 0.5, "caption": str(n)}
        for n, (x, y, w, h) in enumerate(places)
    ]
    (folder / "pairs.jsonl").write_text("\n".join(json.dumps(r) for r in rows))
    dataset = read_pairs(folder)
    assert [p.captions for p in dataset.pairs] == [("0",)]
    assert ["outside the slide" in b.reason for b in dataset.bad_rows] == [True, True, False]
    assert "far larger" in dataset.bad_rows[2].reason


def test_coco_rows_of_odd_form(folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"rubbish")
    images = [
        {"filename": "a.png", "split": "test", "sentences": [{"raw": "good"}]},
        {"filename": "b.png", "split": "test", "sentences": 7},
        {"filename": "broken.png", "split": "test", "sentences": [{"raw": "x"}]},
        {"filename": "n" * 5000, "split": "test", "sentences": [{"raw": "x"}]},
        "rubbish",
    ]
    (folder / "dataset_coco.json").write_text(json.dumps({"images": images}))
    dataset = read_coco(folder)
    assert len(dataset) == 1
    assert [b.line for b in dataset.bad_rows] == [2, 3, 4]
    (folder / "dataset_coco.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="cannot be read as JSON"):
        read_coco(folder)
