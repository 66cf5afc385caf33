from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

from lile_engine.errors import ModelError
from lile_engine.model.clip import ClipRuntime
from lile_engine.model.load import load_model

VISION = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
}
TEXT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 40,
    "max_position_embeddings": 14,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "pad_token_id": 0,
}
TEXTS = ["colon adenocarcinoma", "fat of the colon with necrosis"]


@pytest.fixture(params=["clip", "siglip"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, tokenizer_folder: Path) -> Path:
    torch.manual_seed(0)
    if request.param == "clip":
        model = CLIPModel(CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=12))
    else:
        model = SiglipModel(SiglipConfig(text_config={**TEXT, "projection_size": 16}, vision_config=VISION))
    target = tmp_path / request.param
    model.save_pretrained(target)
    (target / "tokenizer.json").write_bytes((tokenizer_folder / "tokenizer.json").read_bytes())
    (target / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.2]}')
    return target


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def test_vectors_are_those_of_transformers(folder: Path, pictures: np.ndarray) -> None:
    runtime = ClipRuntime(folder, "cpu", torch.float32)
    images, texts = runtime.encode_images(pictures), runtime.encode_texts(TEXTS)
    kind = CLIPModel if folder.name == "clip" else SiglipModel
    source = kind.from_pretrained(folder, local_files_only=True).eval()
    mean = torch.tensor([0.5, 0.4, 0.3])[:, None, None]
    x = (torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255 - mean) / 0.2
    padded = 14 if folder.name == "siglip" else 9
    ids = torch.zeros(2, padded, dtype=torch.int64)
    ids[0, :5] = torch.tensor([2, 4, 5, 6, 3])
    ids[1, :8] = torch.tensor([2, 7, 10, 11, 4, 9, 12, 3])
    with torch.inference_mode():
        expected = source(input_ids=ids, pixel_values=x)
    np.testing.assert_allclose(images.vectors, expected.image_embeds, atol=1e-5)
    np.testing.assert_allclose(texts.vectors, expected.text_embeds, atol=1e-5)
    assert images.tokens.shape == (3, 16, runtime.identity.token_width)
    assert [w.text for w in texts.words[0]] == ["colon", "adenocarcinoma"]


def test_the_protocol_is_filled(folder: Path, pictures: np.ndarray) -> None:
    model = load_model(folder, "cpu")
    images, texts = model.encode_images(pictures), model.encode_texts(TEXTS)
    scores = model.score_pairs(images.tokens, texts.tokens, texts.mask)
    assert scores.shape == (3, 2)
    assert scores.dtype == np.float32
    assert np.abs(scores).max() <= 1
    maps = model.attend(images.tokens[0], texts.tokens[0], texts.mask[0])
    np.testing.assert_allclose(maps.image_over_text.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(maps.text_over_image.sum(1), 1, atol=1e-5)
    assert (maps.image_over_text[:, ~texts.mask[0]] == 0).all()
    assert maps.grid == (4, 4)
    assert model.alpha == 1.0
    assert np.isnan(model.outside(images.vectors)).all()
    assert model.identity.image_tokens == 16
    assert model.identity.name == folder.name


def test_larger_pictures_are_resized(folder: Path, pictures: np.ndarray) -> None:
    runtime = ClipRuntime(folder, "cpu", torch.float32)
    large = np.stack([np.asarray(Image.fromarray(p).resize((100, 100))) for p in pictures])
    assert runtime.encode_images(large).vectors.shape == runtime.encode_images(pictures).vectors.shape


def test_pickled_weights_are_refused_until_imported(folder: Path, pictures: np.ndarray, lile_home: Path) -> None:
    from safetensors.torch import load_file

    from lile_engine.model.library import import_model

    before = ClipRuntime(folder, "cpu", torch.float32).encode_images(pictures).vectors
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="models import"):
        load_model(folder, "cpu")
    entry = import_model(folder, "converted")
    assert entry.kind == folder.name
    assert entry.usable
    runtime = ClipRuntime(Path(entry.path), "cpu", torch.float32)
    np.testing.assert_array_equal(runtime.encode_images(pictures).vectors, before)


def test_truncated_weights_are_refused(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match="damaged"):
        load_model(folder, "cpu")
