"""A LILE network small enough to build in a blink, and a tokenizer to go with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from lile_engine.model.config import LileConfig
from lile_engine.model.create import create_lile
from lile_engine.model.lile import Lile

WORDS = ("colon", "adeno", "##carcinoma", "fat", "gland", "with", "of", "the", "necrosis", "lymph", "##oid")
WORDS += ("-", ",", "grade", "2", "stroma")
VOCABULARY = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}

TINY = LileConfig(
    name="tiny",
    taps=(1, 4),
    input_px=64,
    token_grid=4,
    width=16,
    heads=2,
    token_width=8,
    cross_width=12,
    cross_heads=2,
    max_text_tokens=12,
    text_config={
        "model_type": "bert",
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "vocab_size": len(VOCABULARY),
        "max_position_embeddings": 16,
    },
)


@pytest.fixture
def config() -> LileConfig:
    return TINY


@pytest.fixture
def model() -> Lile:
    """In eval mode, with random but fixed weights."""
    return create_lile(TINY, seed=3).eval()


@pytest.fixture
def tokenizer_folder(tmp_path: Path) -> Path:
    """A folder with a BERT-like ``tokenizer.json`` of 20 words."""
    tokenizer = Tokenizer(WordPiece(VOCABULARY, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def pixels() -> np.ndarray:
    """Five pictures of noise, uint8 [5, 64, 64, 3]."""
    return np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)


@pytest.fixture
def phrases() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Three phrases of 6, 4 and 3 tokens as (ids, seen, mask)."""
    ids = torch.tensor([[2, 4, 5, 6, 7, 3], [2, 8, 12, 3, 0, 0], [2, 7, 3, 0, 0, 0]])
    seen = ids != 0
    return ids, seen, (ids > 3)
