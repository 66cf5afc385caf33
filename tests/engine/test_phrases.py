"""Which words of a phrase ask for something."""

from __future__ import annotations

import pytest

from lile_engine.phrases import content_words


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("the tumour of the colon", ["tumour", "colon"]),
        ("", []),
        ("  ...  ", []),
        ("what is this", []),
        ("no necrosis", ["necrosis"]),
        ("Grade 2", ["grade", "2"]),
        ("___", []),
    ],
)
def test_content_words(phrase: str, words: list[str]) -> None:
    assert content_words(phrase) == words
