"""The words of a phrase as a person sees them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lile_engine.phrases import STOP_WORDS


@dataclass(frozen=True)
class PhraseWord:
    """A word and its place [start, end) in the phrase."""

    text: str
    start: int
    end: int


def split_words(text: str) -> list[PhraseWord]:
    """Runs of letters and digits, cut as the model cuts them: parts of a hyphenated word are words."""
    return [PhraseWord(m.group(), m.start(), m.end()) for m in re.finditer(r"[^\W_]+", text)]


def telling_words(text: str) -> list[PhraseWord]:
    """The words worth a button: no single letters, no words that say nothing of tissue."""
    words = split_words(text)
    return [w for w in words if len(w.text) > 1 and w.text.casefold() not in STOP_WORDS]
