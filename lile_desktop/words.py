"""The words of a phrase as a person sees them."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class PhraseWord:
    """A word and its place [start, end) in the phrase."""

    text: str
    start: int
    end: int


def split_words(text: str) -> list[PhraseWord]:
    """Runs of letters and digits, with hyphens and apostrophes inside them; punctuation is no word."""
    return [PhraseWord(m.group(), m.start(), m.end()) for m in re.finditer(r"\w+(?:[-'’]\w+)*", text)]
