"""Zero-shot classification: the shape of its answer, its order, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lile_engine.cli import main
from lile_engine.errors import DataError
from lile_engine.model.load import load_model
from lile_engine.model.protocol import ImageEncoding, ModelIdentity, TextEncoding
from lile_engine.training.zeroshot import balanced_accuracy, classify, read_labels


def test_probabilities_of_every_class_sum_to_one(tiny_model: Path) -> None:
    images = [np.full((50, 70, 3), 90, np.uint8), np.full((64, 64, 3), 200, np.uint8)]
    labels = {"a": ["red tissue", "pink tissue"], "b": ["dots"], "c": ["rings", "stripes", "plain"]}
    table, outside = classify(load_model(tiny_model, "cpu"), images, labels)
    assert table.shape == (2, 3)
    assert np.allclose(table.sum(1), 1, atol=1e-6)
    assert outside.shape == (2,)


class Leaning:
    """A model of three pictures and words, whose pictures all lean towards the second word."""

    identity = ModelIdentity("0" * 16, "leaning", 3, 1, 1, 8, 0.5)
    device, alpha, rerank_k = "cpu", 1.0, 10

    def __init__(self, crowding: np.ndarray | None) -> None:
        self._crowding = crowding

    def crowding(self, phrases: np.ndarray) -> np.ndarray | None:
        return self._crowding

    def encode_images(self, pixels: np.ndarray) -> ImageEncoding:
        rows = np.array([[0.6, 0.7, 0.1] if p.mean() < 128 else [0.1, 0.9, 0.2] for p in pixels], np.float32)
        return ImageEncoding(
            rows / np.linalg.norm(rows, axis=1, keepdims=True), np.zeros((len(pixels), 1, 1), np.float32)
        )

    def ask_texts(self, texts: list[str]) -> TextEncoding:
        vectors = np.eye(3, dtype=np.float32)[[("one", "two", "three").index(t) for t in texts]]
        return TextEncoding(vectors, np.zeros((len(texts), 1, 1), np.float32), np.ones((len(texts), 1), bool), [])

    def outside(self, vectors: np.ndarray) -> np.ndarray:
        return np.zeros(len(vectors), np.float32)


def test_a_phrase_amid_all_pictures_is_not_named_for_that() -> None:
    images = [np.full((8, 8, 3), 90, np.uint8), np.full((8, 8, 3), 200, np.uint8)]
    labels = {name: [name] for name in ("one", "two", "three")}
    plain, _ = classify(Leaning(None), images, labels)
    assert plain.argmax(1).tolist() == [1, 1]
    table, _ = classify(Leaning(np.array([0.3, 0.9, 0.2], np.float32)), images, labels)
    assert table.argmax(1).tolist() == [0, 1]
    alone, _ = classify(Leaning(np.array([0.3, 0.9, 0.2], np.float32)), images[:1], labels)
    np.testing.assert_allclose(alone[0], table[0], atol=1e-6)


def test_command_keeps_the_order(
    tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_pairs(tmp_path / "p") / "images"
    files = [str(folder / n) for n in ("red-dots-0.png", "blue-rings-0.png", "red-plain-0.png")]
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"red": ["red tissue"], "blue": "blue tissue"}))
    assert main(["zeroshot", "--labels", str(labels), *files, "--model", str(tiny_model), "--json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [r["path"] for r in results] == files
    for result in results:
        assert set(result["probabilities"]) == {"red", "blue"}
        assert sum(result["probabilities"].values()) == pytest.approx(1)
        assert result["label"] == max(result["probabilities"], key=result["probabilities"].get)
        assert "outside" in result
    (folder / "broken.png").write_bytes(b"no image")
    assert main(["zeroshot", "--labels", str(labels), str(folder / "broken.png"), "--model", str(tiny_model)]) == 1
    assert "broken.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", '{"a": []}', '{"a": [1]}', '{"a": [" "]}', '{"a": ["fat"], "b": ["the of and"]}', "[" * 100_000],
)
def test_bad_labels(tmp_path: Path, text: str) -> None:
    file = tmp_path / "labels.json"
    file.write_text(text)
    with pytest.raises(DataError, match=r"labels\.json"):
        read_labels(file)


def test_balanced_accuracy_by_hand() -> None:
    assert balanced_accuracy(["a", "a", "a", "b"], ["a", "a", "b", "a"]) == pytest.approx((2 / 3 + 0) / 2)
