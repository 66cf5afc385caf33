"""Small models and pairs for the training tests: real networks, real image files, seconds to train."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from lile_engine.model.checkpoint import save_checkpoint
from lile_engine.model.config import LileConfig
from lile_engine.model.create import create_lile

COLOURS = ("red", "green", "blue", "yellow", "pink", "brown", "grey", "purple")
SHAPES = ("stripes", "dots", "rings", "plain")
_WORDS = (*COLOURS, *SHAPES, "tissue", "with", "and", "dark", "pale", "a", "b", "c", "d")
_RGB = {
    "red": (200, 60, 60), "green": (60, 170, 80), "blue": (60, 80, 200), "yellow": (220, 210, 80),
    "pink": (240, 160, 190), "brown": (140, 90, 50), "grey": (140, 140, 140), "purple": (130, 50, 150),
}  # fmt: skip

TINY = LileConfig(
    name="tiny",
    taps=(2, 4),
    input_px=64,
    token_grid=4,
    width=32,
    heads=2,
    token_width=16,
    cross_blocks=1,
    cross_width=32,
    cross_heads=2,
    dropout=0.0,
    max_text_tokens=16,
    text_config={
        "model_type": "bert",
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "vocab_size": 64,
        "max_position_embeddings": 32,
    },
)


def write_tokenizer(folder: Path) -> Path:
    """A word tokenizer in the form that checkpoints carry."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *_WORDS]
    vocabulary = {word: i for i, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def draw(colour: str, shape: str, seed: int, px: int = 64) -> np.ndarray:
    """A picture that its caption tells from all others."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[:px, :px]
    dark = {
        "stripes": (xs // 6) % 2 == 0,
        "dots": ((xs % 12 - 6) ** 2 + (ys % 12 - 6) ** 2) < 10,
        "rings": (np.hypot(xs - px / 2, ys - px / 2) // 6) % 2 == 0,
        "plain": np.zeros((px, px), bool),
    }[shape]
    image = np.where(dark[..., None], 0.4, 1.0) * np.array(_RGB[colour], float) + rng.normal(0, 4, (px, px, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with random weights of a tiny LILE, saved as any checkpoint is."""
    root = tmp_path_factory.mktemp("tiny")
    tokenizer = write_tokenizer(root / "tokenizer")
    model = create_lile(TINY, seed=3).eval()
    save_checkpoint(root / "model", model, tokenizer, "# tiny\n", None)
    return root / "model"


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tokenizer alone: what a new model with a text encoder from scratch begins with."""
    return write_tokenizer(tmp_path_factory.mktemp("words") / "tokenizer")


@pytest.fixture(scope="session")
def tiny_config() -> LileConfig:
    """The sizes of the tiny model."""
    return TINY


@pytest.fixture(scope="session")
def tiny_sizes() -> dict[str, object]:
    """The sizes of the tiny model as ``[model] config`` has them."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(TINY).items()}


@pytest.fixture(scope="session")
def make_pairs() -> Callable[..., Path]:
    """``make(folder, per_kind)``: a folder of pairs, one picture for each of 32 colours and shapes (or more)."""

    def make(folder: Path, per_kind: int = 1, seed: int = 0) -> Path:
        (folder / "images").mkdir(parents=True)
        rows = []
        for c, colour in enumerate(COLOURS):
            for s, shape in enumerate(SHAPES):
                for k in range(per_kind):
                    name = f"images/{colour}-{shape}-{k}.png"
                    Image.fromarray(draw(colour, shape, seed + 1000 * k + 10 * c + s)).save(folder / name)
                    rows.append({"image": name, "caption": f"{colour} tissue with {shape}"})
        (folder / "pairs.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        return folder

    return make
