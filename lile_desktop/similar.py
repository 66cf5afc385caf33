"""Captions that say the same in other words, gathered under the best of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lile_desktop.words import telling_words

if TYPE_CHECKING:
    from lile_engine.retrieval.results import Hit

ALIKE = 0.5  # share of the words of both that both have, from which on two captions are alike
STEM = 5  # letters: colon and colonic, keratin and keratinising are one word
# Captions that differ in one of these are never alike, however many words they share.
TELL_APART = frozenset(
    {"well", "moderately", "poorly", "high", "low", "no", "not", "without", "non", "absent"}
    | {"benign", "malignant", "normal", "invasive", "situ", "grade"}
)


@dataclass(frozen=True)
class Group:
    """The best of some captions that are alike, and the others, best first."""

    best: Hit
    others: tuple[Hit, ...] = ()


def grouped(hits: Sequence[Hit]) -> list[Group]:
    """Captions as groups, in the order of their best; captions of different cases or places stay apart."""
    groups: list[tuple[Hit, list[Hit]]] = []
    words = {id(hit): _words(hit.caption or "") for hit in hits}
    for hit in hits:
        home = next((group for group in groups if _alike(group[0], hit, words)), None)
        if home is not None:
            home[1].append(hit)
        else:
            groups.append((hit, []))
    return [Group(best, tuple(others)) for best, others in groups]


def _alike(one: Hit, other: Hit, words: dict[int, tuple[frozenset[str], frozenset[str]]]) -> bool:
    if (one.case, one.slide, one.x, one.y) != (other.case, other.slide, other.x, other.y):
        return False
    (a, a_apart), (b, b_apart) = words[id(one)], words[id(other)]
    return bool(a) and a_apart == b_apart and len(a & b) >= ALIKE * len(a | b)


def _words(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The stems of the telling words, and those words and numbers that tell captions apart."""
    every = text.casefold().replace("-", " ").replace(",", " ").replace(";", " ").replace(".", " ").split()
    apart = frozenset(word for word in every if word in TELL_APART or word.isdigit())
    stems = frozenset(word.text.casefold()[:STEM] for word in telling_words(text))
    return stems, apart
