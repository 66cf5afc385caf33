"""Evaluation through a real (tiny, untrained) model: protocols, matches, re-ranking, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lile_engine.cli import main
from lile_engine.errors import DataError
from lile_engine.model.load import load_model
from lile_engine.model.runtime import LileRuntime
from lile_engine.training.evaluate import encode_pairs, evaluate, folds_of, own_matches, text_matches
from lile_engine.training.pairs import Pair, PairDataset, read_pairs
from lile_engine.training.readers import read_arch, read_coco, read_set
from lile_engine.training.recall import recall_at_k


def _pair(*captions: str, group: str = "") -> Pair:
    return Pair(Path(f"{captions[0]} of {len(captions)}.png"), captions, group=group)


def test_same_words_and_same_group_match() -> None:
    texts, matches = text_matches(
        [_pair("fat", "adipose"), _pair("fat"), _pair("bone", group="g"), _pair("os", group="g")]
    )
    assert texts == ["fat", "adipose", "bone", "os"]
    assert matches.tolist() == [
        [True, True, False, False],
        [True, False, False, False],
        [False, False, True, True],
        [False, False, True, True],
    ]


def test_coco_counts_every_caption_as_its_own() -> None:
    texts, matches = own_matches([_pair("a dog", "a cat"), _pair("a dog")])
    assert texts == ["a dog", "a cat", "a dog"]
    assert matches.tolist() == [[True, True, False], [False, False, True]]


def test_stage_one_and_reranked_agree_with_an_obvious_reference(
    tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path
) -> None:
    """Recall@1 of all pairs, once by `evaluate` and once by sorting in Python."""
    dataset = read_pairs(make_pairs(tmp_path / "p"))
    model = load_model(tiny_model, "cpu")
    report = evaluate(model, dataset, alpha=0.3, rerank_k=7, bootstrap=100)
    texts, matches = text_matches(dataset.pairs)
    encoded = encode_pairs(model, dataset.pairs, texts)
    cosines = encoded.image_vectors @ encoded.text_vectors.T
    pair_scores = model.score_pairs(
        encoded.image_tokens.astype(np.float32), encoded.text_tokens.astype(np.float32), encoded.text_mask
    )
    first_right, reranked_right = [], []
    for i in range(len(dataset)):
        order = sorted(range(len(texts)), key=lambda j: -cosines[i, j])
        first_right.append(matches[i, order[0]])
        best = max(order[:7], key=lambda j: 0.3 * cosines[i, j] + 0.7 * pair_scores[i, j])
        reranked_right.append(matches[i, best])
    assert report.i2t.r1 == pytest.approx(np.mean(first_right))
    assert report.reranked is not None
    assert report.reranked.i2t.r1 == pytest.approx(np.mean(reranked_right))
    # Re-ranking the first 7 cannot change who is among the first 10 as a whole beyond those 7 places.
    assert report.reranked.i2t.r10 == pytest.approx(report.i2t.r10)
    assert report.i2t.intervals is not None


def test_eval_command(
    tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = make_pairs(tmp_path / "p")
    assert main(["eval", "--data", str(pairs), "--model", str(tiny_model), "--device", "cpu", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"r1", "r5", "r10", "median_rank"} <= set(document["i2t"]) & set(document["t2i"])
    assert main(["eval", "--data", str(tmp_path / "none"), "--model", str(tiny_model)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "does not exist" in error


def _arch(folder: Path, name: str) -> None:
    (folder / name / "images").mkdir(parents=True)
    rows = {
        "0": {"figure_id": "00", "letter": "A", "caption": "Fat and bone.", "uuid": "u1"},
        "1": {"figure_id": "00", "letter": "B", "caption": "Fat and bone.", "uuid": "u2"},
        "2": {"figure_id": "01", "letter": "", "caption": "Nerve.", "uuid": "u3"},
        "3": {"figure_id": "02", "letter": "", "caption": "Gone.", "uuid": "u4"},
        "4": {"figure_id": "03", "letter": "", "caption": "", "uuid": "u1"},
    }
    (folder / name / "captions.json").write_text(json.dumps(rows))
    for uuid in ("u1", "u2", "u3"):
        Image.new("RGB", (30, 30), (90, 80, 70)).save(folder / name / "images" / f"{uuid}.png")


def test_arch_several_pictures_to_one_caption(tmp_path: Path) -> None:
    _arch(tmp_path, "books_set")
    _arch(tmp_path, "pubmed_set")
    dataset = read_arch(tmp_path)
    assert len(dataset) == 6
    assert [b.line for b in dataset.bad_rows] == [4, 5, 4, 5]
    texts, matches = text_matches(dataset.pairs[:3])
    assert texts == ["Fat and bone.", "Nerve."]
    assert matches.tolist() == [[True, False], [True, False], [False, True]]
    assert len(read_arch(tmp_path / "books_set")) == 3
    assert read_set(tmp_path) == dataset  # what `lile train` reads
    with pytest.raises(DataError, match=r"books_set/captions\.json line 4: .*u4.*mend the row"):
        read_set(tmp_path, bad_rows="refuse")
    with pytest.raises(DataError, match="no ARCH folder"):
        read_arch(tmp_path / "books_set" / "images")


@pytest.mark.slow
def test_coco_1k_is_the_mean_of_its_five_folds(tiny_model: Path, tmp_path: Path) -> None:
    """Each fold of 1,000 images has only its own captions to confuse."""
    file = tmp_path / "one.png"
    Image.new("RGB", (64, 64), (120, 60, 90)).save(file)
    words = ("red", "green", "blue", "dots", "rings", "dark", "pale", "a", "b", "c", "d")
    pairs = [Pair(file, (" ".join(words[n] for n in (i % 11, i // 11 % 11, i // 121 % 11)),)) for i in range(2500)]
    pairs = [p for p in pairs for _ in (0, 1)]
    model = load_model(tiny_model, "cpu")
    report = evaluate(model, PairDataset(tuple(pairs)), "coco1k", rerank=False, bootstrap=50)
    assert (report.images, report.folds) == (5000, 5)
    # All images are the same, so every caption's image is one of 1,000 equals and its chance is 1 in 1,000.
    assert report.t2i.r1 == pytest.approx(1 / 1000)
    assert report.t2i.r10 == pytest.approx(10 / 1000)
    assert report.t2i.queries == 5000
    texts, matches = own_matches(pairs)
    encoded = encode_pairs(model, pairs, texts)
    scores = encoded.image_vectors @ encoded.text_vectors.T
    parts = [slice(1000 * n, 1000 * (n + 1)) for n in range(5)]
    folds = [recall_at_k(scores[part, part], matches[part, part]) for part in parts]
    assert report.i2t.r10 == pytest.approx(np.mean([f.i2t.r10 for f in folds]))
    assert report.i2t.median_rank == pytest.approx(np.mean([f.i2t.median_rank for f in folds]))
    assert report.rsum == pytest.approx(np.mean([f.rsum for f in folds]))
    assert report.i2t.intervals is not None
    assert report.i2t.intervals["r10"].low <= report.i2t.r10 <= report.i2t.intervals["r10"].high
    all_at_once = evaluate(model, PairDataset(tuple(pairs)), "coco5k", rerank=False, bootstrap=0)
    assert all_at_once.folds == 1
    assert all_at_once.t2i.r10 == pytest.approx(10 / 5000)


def test_folds_have_the_captions_of_their_images() -> None:
    pairs = [_pair(*(f"{i} {k}" for k in range(1 + i % 3))) for i in range(10)]
    texts, matches = own_matches(pairs)
    folds = folds_of(pairs, 5)
    assert [images.tolist() for images, _ in folds] == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    for images, captions in folds:
        assert matches[images].any(axis=0).nonzero()[0].tolist() == captions.tolist()
    assert sum(len(captions) for _, captions in folds) == len(texts)


def test_a_number_of_resamples_that_cannot_be(
    tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = make_pairs(tmp_path / "p")
    assert main(["eval", "--data", str(pairs), "--model", str(tiny_model), "--bootstrap", "-5"]) == 1
    assert "resamples is -5" in capsys.readouterr().err


def test_a_model_that_gives_no_numbers_is_told(
    tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path
) -> None:
    model = load_model(tiny_model, "cpu")
    assert isinstance(model, LileRuntime)
    with torch.no_grad():
        for parameter in model._model.image_tower.pool.out.parameters():
            parameter.fill_(float("nan"))
    with pytest.raises(DataError, match="no numbers"):
        evaluate(model, read_pairs(make_pairs(tmp_path / "p")), bootstrap=0)


def test_coco_splits_and_five_captions(tmp_path: Path, tiny_model: Path) -> None:
    images = []
    for i, split in enumerate(["train", "restval", "val", "test", "test", "test"]):
        sentences = [{"raw": f"caption {k} of {i}"} for k in range(6 if i == 4 else 5)]
        images.append({"filename": f"{i}.jpg", "filepath": "val2014", "split": split, "sentences": sentences})
    (tmp_path / "val2014").mkdir()
    for i in range(5):
        Image.new("RGB", (40, 30), (40 * i, 80, 70)).save(tmp_path / "val2014" / f"{i}.jpg")
    (tmp_path / "dataset_coco.json").write_text(json.dumps({"images": images}))
    test = read_coco(tmp_path)
    assert [len(p.captions) for p in test.pairs] == [5, 5]
    assert test.bad_rows[0].line == 6
    assert len(read_coco(tmp_path, "train")) == 2
    texts, matches = own_matches(test.pairs)
    assert len(texts) == 10
    assert matches.sum(axis=1).tolist() == [5, 5]
    for protocol in ("coco1k", "coco5k"):
        with pytest.raises(DataError, match=f"{protocol} is of 5000 images and there are 2"):
            evaluate(load_model(tiny_model, "cpu"), test, protocol)
    assert read_set(tmp_path) == read_coco(tmp_path, "train")  # what `lile train` reads
    assert read_set(tmp_path / "dataset_coco.json", split="val") == read_coco(tmp_path, "val")
    (tmp_path / "dataset_coco.json").write_text("[]")
    with pytest.raises(DataError, match="not laid out"):
        read_coco(tmp_path)
