from __future__ import annotations

from pathlib import Path

import pytest

from lile_engine.errors import ModelError
from lile_engine.model.text import PhraseTokenizer, read_tokenizer


def test_tokens_of_one_word_are_grouped(tokenizer_folder: Path) -> None:
    tokenizer = PhraseTokenizer(read_tokenizer(tokenizer_folder), 12)
    batch = tokenizer(["Colon adenocarcinoma, grade-2", "fat"])
    assert [w.text for w in batch.words[0]] == ["Colon", "adenocarcinoma", "grade", "2"]
    assert batch.words[0][1].tokens == (2, 3)
    assert (batch.words[0][1].start, batch.words[0][1].end) == (6, 20)
    assert batch.mask[0].tolist() == [False, *[True] * 7, False]
    assert batch.mask[1].tolist() == [False, True, *[False] * 7]
    assert batch.seen.sum(1).tolist() == [9, 3]


def test_a_phrase_without_words_keeps_its_special_tokens(tokenizer_folder: Path) -> None:
    batch = PhraseTokenizer(read_tokenizer(tokenizer_folder), 12)(["", "fat"])
    assert batch.mask[0].tolist() == [True, True, False]
    assert batch.words[0] == []


def test_long_phrases_are_cut(tokenizer_folder: Path) -> None:
    batch = PhraseTokenizer(read_tokenizer(tokenizer_folder), 6)(["fat " * 50])
    assert batch.ids.shape == (1, 6)
    assert int(batch.ids[0, -1]) == 3
    assert len(batch.words[0]) == 4


def test_fixed_length_pads_to_the_limit(tokenizer_folder: Path) -> None:
    batch = PhraseTokenizer(read_tokenizer(tokenizer_folder), 10, pad_id=1, fixed_length=True)(["fat"])
    assert batch.ids.tolist() == [[2, 7, 3, *[1] * 7]]


def test_no_phrases_at_all(tokenizer_folder: Path) -> None:
    assert PhraseTokenizer(read_tokenizer(tokenizer_folder), 10)([]).ids.shape[0] == 0


def test_damaged_tokenizers_are_refused(tmp_path: Path, tokenizer_folder: Path) -> None:
    with pytest.raises(ModelError, match="missing"):
        read_tokenizer(tmp_path)
    (tokenizer_folder / "tokenizer.json").write_text('{"version": "1.0"')
    with pytest.raises(ModelError, match="damaged"):
        read_tokenizer(tokenizer_folder)
