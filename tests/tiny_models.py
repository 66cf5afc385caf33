"""LILE networks small enough to build in a blink, tokenizers of a few words to go with them, trainings of seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from lile_engine.model.config import LileConfig
from lile_engine.model.create import create_lile
from lile_engine.model.lile import Lile
from lile_engine.model.text import PhraseTokenizer, read_tokenizer
from lile_engine.training.config import TrainConfig, config_from_dict

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def write_tokenizer(folder: Path, words: Sequence[str]) -> Path:
    """A folder with a BERT-like ``tokenizer.json`` that knows ``words`` ("##oid" continues a word) and `SPECIAL`."""
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *words])}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def tiny_lile(words: Sequence[str], folder: Path) -> tuple[Lile, PhraseTokenizer]:
    """A network with always the same weights, and its tokenizer, which is written into ``folder``."""
    torch.manual_seed(0)
    model = create_lile(tiny_config(words), None, None).eval()
    return model, PhraseTokenizer(read_tokenizer(write_tokenizer(folder, words)), 12)


def tiny_config(words: Sequence[str], **changes: Any) -> LileConfig:
    """16 wide, 16 image tokens, one layer of everything; for the tokenizer of ``words``."""
    usual: dict[str, Any] = {
        "name": "tiny",
        "taps": (1, 4),
        "input_px": 64,
        "token_grid": 4,
        "width": 16,
        "heads": 2,
        "token_width": 8,
        "cross_width": 12,
        "cross_heads": 2,
        "max_text_tokens": 12,
        "text_config": {
            "model_type": "bert",
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "vocab_size": len(SPECIAL) + len(words),
            "max_position_embeddings": 32,
        },
    }
    return LileConfig(**{**usual, **changes})


def tiny_training(model: Path, pairs: Path, output: Path, /, **sections: dict[str, object]) -> TrainConfig:
    """Sixty steps on one thread, nothing augmented and nothing kept out; ``sections`` change or add settings."""
    table: dict[str, object] = {
        "output": str(output),
        "model": {"start": str(model)},
        "data": {"train": [str(pairs)], "validation_share": 0.0, "views": 1},
        "augment": {"strength": 0.0, "flips": False, "jpeg": 100},
        "optim": {"steps": 60, "batch": 32, "lr": 3e-3, "warmup": 5, "ema": 0.9},
        "run": {"threads": 1, "device": "cpu"},
    }
    for name, values in sections.items():
        table[name] = {**table.get(name, {}), **values}  # type: ignore[dict-item]
    return config_from_dict(table)
