from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from lile_engine.errors import ModelError
from lile_engine.model.bert import BertEncoder, BertSizes
from lile_engine.model.config import LileConfig
from lile_engine.model.create import create_lile

SIZES = {
    "vocab_size": 30,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 16,
}


def test_it_is_the_bert_of_transformers(tmp_path: Path, config: LileConfig) -> None:
    torch.manual_seed(0)
    source = BertModel(BertConfig(**SIZES)).eval()
    source.save_pretrained(tmp_path / "bert")
    model = create_lile(config, text_source=tmp_path / "bert").eval()
    assert isinstance(model.text_encoder, BertEncoder)
    ids = torch.tensor([[2, 5, 6, 7, 3], [2, 9, 3, 0, 0]])
    seen = ids != 0
    with torch.inference_mode():
        expected = source(input_ids=ids, attention_mask=seen.long()).last_hidden_state
        got = model.text_features(ids, seen)
    torch.testing.assert_close(got[seen], expected[seen])
    assert "_name_or_path" not in model.config.text_config


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"hidden_act": "relu"}, "relu"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"num_attention_heads": 5}, "5"),
    ],
)
def test_variants_it_is_not_are_refused(change: dict[str, object], word: str) -> None:
    with pytest.raises(ModelError, match=word):
        BertSizes.from_config({**SIZES, **change})


def test_weights_of_another_size_are_refused(tmp_path: Path, config: LileConfig) -> None:
    BertModel(BertConfig(**SIZES)).save_pretrained(tmp_path / "bert")
    file = tmp_path / "bert" / "config.json"
    file.write_text(file.read_text().replace('"intermediate_size": 40', '"intermediate_size": 48'))
    with pytest.raises(ModelError, match="do not fit"):
        create_lile(config, text_source=tmp_path / "bert")
    file.write_text(file.read_text().replace('"num_hidden_layers": 3', '"num_hidden_layers": 4'))
    with pytest.raises(ModelError, match="lack"):
        create_lile(config, text_source=tmp_path / "bert")
