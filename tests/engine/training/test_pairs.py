"""Pair lists: what is read, what is refused, and that nothing leaks between training and validation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lile_engine.errors import DataError
from lile_engine.training.batches import Sampler
from lile_engine.training.evaluate import text_matches
from lile_engine.training.pairs import Pair, load_image, read_pairs
from lile_engine.training.recall import recall_at_k


def _image(path: Path, size: tuple[int, int] = (40, 30), colour: tuple[int, ...] = (200, 100, 150)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def test_jsonl_with_every_field(tmp_path: Path) -> None:
    _image(tmp_path / "images" / "a.png")
    rows = [
        {"image": "images/a.png", "caption": "  fat \n cells "},
        {"file": "images/b.png", "captions": ["one", "two"], "phrases": ["fat"], "tissues": ["fat"], "group": "g"},
    ]
    _image(tmp_path / "images" / "b.png")
    (tmp_path / "pairs.jsonl").write_text("\ufeff" + "\n\n".join(json.dumps(r) for r in rows), encoding="utf-8")
    first, second = read_pairs(tmp_path).pairs
    assert first.captions == ("fat cells",)
    assert second.captions == ("one", "two")
    assert (second.phrases, second.tissues, second.group) == (("fat",), ("fat",), "g")


def test_csv(tmp_path: Path) -> None:
    _image(tmp_path / "ä b.png")
    (tmp_path / "pairs.csv").write_text('image,caption,case\nä b.png,"fat, with ""septa""",K1\n', encoding="utf-8")
    (pair,) = read_pairs(tmp_path).pairs
    assert pair.captions == ('fat, with "septa"',)
    assert pair.case == "K1"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{not json", "not valid JSON"),
        ("[1, 2]", "not an object"),
        ('{"image": "a.png"}', "has no caption"),
        ('{"image": "a.png", "caption": "   "}', "has no caption"),
        ('{"image": "a.png", "caption": 7}', "not text"),
        ('{"caption": "x"}', "neither an image nor a slide"),
        ('{"image": "gone.png", "caption": "x"}', "gone.png, which is not there"),
        ('{"slide": "a.png", "x": 0, "y": 0, "w": 5, "caption": "x"}', "no h"),
        ('{"slide": "a.png", "x": 0, "y": 0, "w": 0, "h": 5, "caption": "x"}', "without width"),
        ('{"slide": "a.png", "x": "left", "y": 0, "w": 9, "h": 5, "caption": "x"}', "no number"),
        ('{"slide": "a.png", "x": NaN, "y": 0, "w": 9, "h": 5, "caption": "x"}', "no number"),
    ],
)
def test_bad_rows_are_named_by_line(tmp_path: Path, row: str, reason: str) -> None:
    _image(tmp_path / "a.png")
    (tmp_path / "pairs.jsonl").write_text('{"image": "a.png", "caption": "good"}\n\n' + row + "\n")
    dataset = read_pairs(tmp_path)
    assert len(dataset) == 1
    assert dataset.bad_rows[0].line == 3
    assert reason in str(dataset.bad_rows[0])
    with pytest.raises(DataError, match="line 3"):
        read_pairs(tmp_path, bad_rows="refuse")


def test_nothing_usable(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_pairs(tmp_path / "none")
    with pytest.raises(DataError, match=r"holds no pairs\.jsonl"):
        read_pairs(tmp_path)
    (tmp_path / "pairs.jsonl").write_text('{"image": "gone.png", "caption": "x"}\n')
    with pytest.raises(DataError, match="no usable pair"):
        read_pairs(tmp_path)
    (tmp_path / "pairs.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        read_pairs(tmp_path)


def test_a_rectangle_of_a_slide(tmp_path: Path) -> None:
    pixels = np.full((600, 800, 3), 240, np.uint8)
    pixels[100:300, 200:400] = (150, 30, 90)
    tifffile.imwrite(tmp_path / "s.tif", pixels, tile=(256, 256), photometric="rgb", compression="deflate")
    row = {"slide": "s.tif", "x": 200, "y": 100, "w": 200, "h": 200, "mpp": 0.5, "caption": "eosin"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(row) + "\n")
    (pair,) = read_pairs(tmp_path).pairs
    assert pair.case == "s.tif"
    image = load_image(pair, 224)
    assert image.shape == (200, 200, 3)
    assert np.abs(image.astype(int) - (150, 30, 90)).max() <= 3


def test_odd_images(tmp_path: Path) -> None:
    Image.new("RGBA", (50, 50), (10, 20, 30, 0)).save(tmp_path / "clear.png")
    Image.new("L", (50, 50), 90).save(tmp_path / "grey.png")
    Image.new("RGB", (3000, 1000), (9, 99, 199)).save(tmp_path / "large.jpg")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    rows = [{"image": n, "caption": n} for n in ("clear.png", "grey.png", "large.jpg", "broken.png")]
    (tmp_path / "pairs.jsonl").write_text("\n".join(json.dumps(r) for r in rows))
    dataset = read_pairs(tmp_path)
    clear, grey, large = dataset.pairs
    assert (load_image(clear, 32) == 255).all()
    assert (load_image(grey, 32) == 90).all()
    assert 448 <= min(load_image(large, 224).shape[:2]) <= 560
    assert str(dataset.bad_rows[0]) == ("pairs.jsonl line 4: names broken.png, which is not an image that can be read")
    with pytest.raises(DataError, match=r"broken\.png is not an image"):
        load_image(Pair(tmp_path / "broken.png", ("x",)), 32)


def _write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return path


def test_null_is_no_group_and_no_case(tmp_path: Path) -> None:
    for i in range(6):
        _image(tmp_path / f"{i}.png")
    rows: list[dict[str, object]] = [
        {"image": f"{i}.png", "caption": f"caption {i}", "group": None, "case": None} for i in range(6)
    ]
    dataset = read_pairs(_write(tmp_path / "pairs.jsonl", rows))
    assert {(p.group, p.case) for p in dataset.pairs} == {("", "")}
    assert text_matches(dataset.pairs)[1].tolist() == np.eye(6, dtype=bool).tolist()
    rows[0] |= {"group": 0, "case": 7}
    rows[1] |= {"group": ["g"]}
    rows[2] |= {"case": True}
    rows[3] |= {"case": float("nan")}
    odd = read_pairs(_write(tmp_path / "pairs.jsonl", rows))
    assert (odd.pairs[0].group, odd.pairs[0].case) == ("0", "7")
    assert [b.line for b in odd.bad_rows] == [2, 3, 4]
    assert "neither text nor a number" in str(odd.bad_rows[0])


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.jsonl"])
def test_one_row_a_caption_is_one_pair_a_picture(tmp_path: Path, name: str) -> None:
    for image in ("a.png", "b.png"):
        _image(tmp_path / image)
    rows = [{"image": f"./{i}.png", "caption": f"{i} {k}", "case": "K" if k else ""} for i in "ab" for k in range(5)]
    if name == "pairs.csv":
        lines = ["image,caption,case", *(",".join(r.values()) for r in rows)]
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    else:
        _write(tmp_path / name, rows)  # type: ignore[arg-type]
    dataset = read_pairs(tmp_path)
    assert [p.captions for p in dataset.pairs] == [tuple(f"{i} {k}" for k in range(5)) for i in "ab"]
    assert [p.case for p in dataset.pairs] == ["K", "K"]
    # A model that knows every picture's captions has found all of them, and no caption of a picture is its negative.
    perfect = np.repeat(np.eye(2), 5, axis=1)
    assert recall_at_k(perfect, text_matches(dataset.pairs)[1]).rsum == 600
    batch = Sampler([dataset], batch=16, views=1, seed=1).at(0)
    same = np.array([[one.index == other.index for other in batch.items] for one in batch.items])
    assert (batch.matches == same).all()


def test_rows_of_a_picture_that_contradict_each_other(tmp_path: Path) -> None:
    _image(tmp_path / "a.png")
    rows: list[dict[str, object]] = [
        {"image": "a.png", "caption": "one", "case": "K1"},
        {"image": "a.png", "caption": "two", "case": "K2"},
        {"image": "a.png", "caption": "three"},
    ]
    dataset = read_pairs(_write(tmp_path / "pairs.jsonl", rows))
    assert dataset.pairs[0].captions == ("one", "three")
    assert str(dataset.bad_rows[0]) == (
        "pairs.jsonl line 2: has the case 'K2', but an earlier row of the same picture 'K1'"
    )


def test_a_picture_in_two_lists_keeps_its_captions(tmp_path: Path) -> None:
    _image(tmp_path / "a.png")
    _image(tmp_path / "b.png")
    lists = [
        read_pairs(
            _write(tmp_path / f"{n}.jsonl", [{"image": "a.png", "caption": n}, {"image": "b.png", "caption": m}])
        )
        for n, m in (("one", "x"), ("two", "y"))
    ]
    batch = Sampler(lists, batch=4, views=1, seed=1).at(0)
    pictures = [lists[item.source].pairs[item.index].path.name for item in batch.items]
    assert sorted(pictures) == ["a.png", "a.png", "b.png", "b.png"]
    assert batch.matches.tolist() == [[one == other for other in pictures] for one in pictures]
    assert text_matches((lists[0] + lists[1]).pairs)[1].sum() == 8
