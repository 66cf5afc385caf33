from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from lile_engine.errors import ModelError
from lile_engine.model.checkpoint import load_checkpoint, save_checkpoint
from lile_engine.model.devices import in_batches, pick_device, pick_precision
from lile_engine.model.lile import Lile
from lile_engine.model.reference import build_reference, with_phrases
from lile_engine.model.runtime import LileRuntime, mean_words

TEXTS = ["colon adenocarcinoma with necrosis", "fat", "lymphoid stroma, grade 2"]


@pytest.fixture
def folder(tmp_path: Path, model: Lile, tokenizer_folder: Path) -> Path:
    save_checkpoint(tmp_path / "tiny", model, tokenizer_folder, "", half=False)
    return tmp_path / "tiny"


@pytest.fixture
def runtime(folder: Path) -> LileRuntime:
    return LileRuntime(load_checkpoint(folder), "cpu", torch.float32)


def test_numpy_at_the_boundary(runtime: LileRuntime, pixels: np.ndarray) -> None:
    images, texts = runtime.encode_images(pixels), runtime.encode_texts(TEXTS)
    scores = runtime.score_pairs(images.tokens, texts.tokens, texts.mask)
    for array, shape in (
        (images.vectors, (5, 16)),
        (images.tokens, (5, 16, 8)),
        (texts.vectors, (3, 16)),
        (texts.tokens, (3, texts.mask.shape[1], 8)),
        (scores, (5, 3)),
    ):
        assert type(array) is np.ndarray
        assert array.dtype == np.float32
        assert array.shape == shape
    assert texts.mask.dtype == np.bool_
    assert [w.text for w in texts.words[2]] == ["lymphoid", "stroma", "grade", "2"]
    assert runtime.device == "cpu (float32)"


def test_it_is_the_network_it_was_made_from(
    runtime: LileRuntime, model: Lile, folder: Path, pixels: np.ndarray
) -> None:
    """Folding, batching and sorting by length change nothing."""
    runtime._image_batch = runtime._text_batch = 2
    images, texts = runtime.encode_images(pixels), runtime.encode_texts(TEXTS)
    tokens = load_checkpoint(folder).tokenizer(TEXTS)
    with torch.inference_mode():
        expected = model.encode_images(torch.from_numpy(pixels).permute(0, 3, 1, 2))
        expected_text = model.encode_texts(tokens.ids, tokens.seen, tokens.mask)
        table = model.score_pairs(expected.tokens, expected_text.tokens, tokens.mask)
    np.testing.assert_allclose(images.vectors, expected.vectors, atol=1e-4)
    np.testing.assert_allclose(images.tokens, expected.tokens, atol=2e-3)
    np.testing.assert_allclose(texts.vectors, expected_text.vectors, atol=1e-4)
    np.testing.assert_allclose(texts.tokens, expected_text.tokens, atol=2e-3)
    np.testing.assert_allclose(runtime.score_pairs(images.tokens, texts.tokens, texts.mask), table, atol=1e-3)


def test_pairs_in_chunks_give_the_same(runtime: LileRuntime, pixels: np.ndarray) -> None:
    images, texts = runtime.encode_images(pixels), runtime.encode_texts(TEXTS)
    whole = runtime.score_pairs(images.tokens, texts.tokens, texts.mask)
    runtime._pair_batch = 4
    np.testing.assert_allclose(runtime.score_pairs(images.tokens, texts.tokens, texts.mask), whole, atol=1e-5)


def test_the_same_question_has_the_same_answer(runtime: LileRuntime, pixels: np.ndarray) -> None:
    assert np.array_equal(runtime.encode_images(pixels).vectors, runtime.encode_images(pixels).vectors)
    assert np.array_equal(runtime.encode_texts(TEXTS).tokens, runtime.encode_texts(TEXTS).tokens)


def test_attention_maps(runtime: LileRuntime, pixels: np.ndarray) -> None:
    images, texts = runtime.encode_images(pixels), runtime.encode_texts(TEXTS)
    maps = runtime.attend(images.tokens[0], texts.tokens[1], texts.mask[1])
    assert maps.grid == (4, 4)
    np.testing.assert_allclose(maps.image_over_text.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(maps.text_over_image.sum(1), 1, atol=1e-5)
    assert (maps.image_over_text[:, ~texts.mask[1]] == 0).all()


def test_nothing_in_nothing_out(runtime: LileRuntime) -> None:
    images, texts = runtime.encode_images(np.zeros((0, 64, 64, 3), np.uint8)), runtime.encode_texts([])
    assert images.vectors.shape == (0, 16)
    assert images.tokens.shape == (0, 16, 8)
    assert texts.vectors.shape == (0, 16)
    assert runtime.score_pairs(images.tokens, texts.tokens, texts.mask).shape == (0, 0)


def test_other_sizes_are_resized(runtime: LileRuntime) -> None:
    picture = np.full((1, 200, 300, 3), 180, np.uint8)
    small = np.full((1, 64, 64, 3), 180, np.uint8)
    np.testing.assert_allclose(runtime.encode_images(picture).vectors, runtime.encode_images(small).vectors, atol=1e-5)


@pytest.mark.parametrize(
    "wrong", [np.zeros((64, 64, 3), np.uint8), np.zeros((1, 64, 64, 4), np.uint8), np.zeros((1, 64, 64, 3), np.float32)]
)
def test_pixels_of_other_kinds_are_refused(runtime: LileRuntime, wrong: np.ndarray) -> None:
    with pytest.raises(ModelError, match="uint8 RGB"):
        runtime.encode_images(wrong)


def test_bfloat16_stays_close_to_float32(folder: Path, runtime: LileRuntime, pixels: np.ndarray) -> None:
    brief = LileRuntime(load_checkpoint(folder), "cpu", torch.bfloat16)
    cosines = (brief.encode_images(pixels).vectors * runtime.encode_images(pixels).vectors).sum(1)
    assert cosines.min() > 0.995
    cosines = (brief.encode_texts(TEXTS).vectors * runtime.encode_texts(TEXTS).vectors).sum(1)
    assert cosines.min() > 0.995


def test_out_of_memory_halves_the_batch_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    sizes = []

    def run(start: int, stop: int) -> list[int]:
        if stop - start > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(stop - start)
        return list(range(start, stop))

    with caplog.at_level(logging.WARNING):
        parts, batch = in_batches(run, 10, 8, "images")
    assert [n for part in parts for n in part] == list(range(10))
    assert batch == 2
    assert sizes == [2] * 5
    assert "2 images at a time" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        MemoryError(),
    ],
    ids=["cublas", "cudnn", "machine"],
)
def test_memory_that_ran_out_is_known_by_all_its_names(error: Exception) -> None:
    def run(start: int, stop: int) -> int:
        if stop - start > 3:
            raise error
        return stop - start

    assert in_batches(run, 10, 8, "images") == ([2, 2, 2, 2, 2], 2)


def test_out_of_memory_with_one_is_the_end() -> None:
    def run(start: int, stop: int) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(ModelError, match="not enough memory"):
        in_batches(run, 4, 4, "images")


def test_other_errors_pass() -> None:
    def run(start: int, stop: int) -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        in_batches(run, 4, 4, "images")


def test_devices_that_are_not_there_are_named() -> None:
    assert pick_device("cpu").type == "cpu"
    with pytest.raises(ModelError, match="quantum"):
        pick_device("quantum")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="cuda"):
            pick_device("cuda")
        assert pick_device("auto").type in ("cpu", "mps")


def test_precision_is_what_the_hardware_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    for has_it, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr("lile_engine.model.devices._cpu_has_bf16", lambda has_it=has_it: has_it)
        assert pick_precision(torch.device("cpu")) is expected
    assert pick_precision(torch.device("mps")) is torch.float32


def test_convolutions_run_channels_last(runtime: LileRuntime) -> None:
    weights = [p for p in runtime._model.backbone.parameters() if p.dim() == 4 and p.shape[1] > 1]
    assert weights
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in weights)


def test_phrases_come_with_how_far_they_are_from_what_was_learned(
    tmp_path: Path, model: Lile, tokenizer_folder: Path, pixels: np.ndarray
) -> None:
    """In batches of any size, the last of them of one."""
    save_checkpoint(tmp_path / "bare", model, tokenizer_folder, "", half=False)
    bare = LileRuntime(load_checkpoint(tmp_path / "bare"), "cpu", torch.float32)
    assert bare.encode_texts(TEXTS).outside is None
    tokens = load_checkpoint(tmp_path / "bare").tokenizer(TEXTS)
    with torch.inference_mode():
        hidden = mean_words(model.text_features(tokens.ids, tokens.seen), tokens.mask).numpy()
    images = bare.encode_images(np.repeat(pixels, 4, axis=0)).vectors
    reference = with_phrases(build_reference(images), np.repeat(hidden[:1], 20, axis=0) + 1e-3)
    save_checkpoint(tmp_path / "told", model, tokenizer_folder, "", reference, half=False)
    runtime = LileRuntime(load_checkpoint(tmp_path / "told"), "cpu", torch.float32)
    runtime._text_batch = 2
    outside = runtime.encode_texts(TEXTS).outside
    assert outside is not None
    assert outside.shape == (3,)
    assert ((outside >= 0) & (outside <= 1)).all()
