"""A LILE network small enough to build in a blink, and a tokenizer to go with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lile_engine.model.config import LileConfig
from lile_engine.model.create import create_lile
from lile_engine.model.lile import Lile
from tests.tiny_models import tiny_config, write_tokenizer

WORDS = ("colon", "adeno", "##carcinoma", "fat", "gland", "with", "of", "the", "necrosis", "lymph", "##oid")
WORDS += ("-", ",", "grade", "2", "stroma")
TINY = tiny_config(WORDS)


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
    return write_tokenizer(tmp_path / "tokenizer", WORDS)


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
