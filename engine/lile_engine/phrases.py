"""Which words of a phrase ask for something."""

from __future__ import annotations

import re

# Words that say nothing of tissue. A phrase of these alone would find whatever the model happens to prefer.
STOP_WORDS = frozenset(
    """
    a about above after again all also am an and any are as at be because been before being below between both but by
    can could did do does doing down during each few find for from further had has have having he her here hers him his
    how i if in into is it its just me more most my no nor not now of off on once only or other our out over own please
    same she should show so some such than that the their them then there these they this those through to too under
    until up very was we were what when where which while who whom why will with without would you your
    """.split()  # noqa: SIM905 - a list of a hundred quoted words cannot be read
)


# American spelling of what the captions and phrases that were learned spell the British way.
_SPELLINGS = (
    ("tumor", "tumour"), ("hemorrh", "haemorrh"), ("edema", "oedema"), ("fiber", "fibre"), ("center", "centre"),
    ("hyalinized", "hyalinised"), ("keratinizing", "keratinising"), ("necrotizing", "necrotising"),
    ("esophag", "oesophag"), ("leukemi", "leukaemi"), ("anemi", "anaemi"), ("color", "colour"),
)  # fmt: skip


def respelled(phrase: str) -> str:
    """The phrase as the learned texts would spell it: beginnings of words in American spelling made British."""
    for american, british in _SPELLINGS:
        phrase = re.sub(rf"\b{american}", british, phrase, flags=re.IGNORECASE)
    return phrase


def content_words(phrase: str) -> list[str]:
    """The words of a phrase that are not stop words, in lower case. Empty: nothing is asked."""
    words = re.findall(r"\w+", phrase.casefold())
    return [word for word in words if word not in STOP_WORDS and word.strip("_")]
