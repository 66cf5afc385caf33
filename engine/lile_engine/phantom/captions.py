"""A small grammar of captions: what a pathologist would type or dictate about a phantom's tissue.

The words themselves stand in `wording`. Nothing is ever negated.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from lile_engine.errors import DataError
from lile_engine.phantom.layer import Traits
from lile_engine.phantom.wording import WORDS, Wording

Form = Literal["short", "long"]


_OPENINGS = (
    "",
    "",
    "",
    "H&E section of ",
    "Histology of ",
    "A field of ",
    "Microscopic view of ",
    "Tissue section: ",
    "Photomicrograph of ",
)
_JOINS = (" with ", " showing ", ", ", "; ")
_STAINS = ("", "", "", ", H&E", ", haematoxylin and eosin")


def wording(tissue: str) -> Wording:
    """The words of a tissue; raises `DataError` for one that is not drawn."""
    if tissue not in WORDS:
        raise DataError(f"There are no captions for {tissue!r}; choose one of: {', '.join(WORDS)}.")
    return WORDS[tissue]


def phrases(tissue: str) -> list[str]:
    """The names of a tissue as they would be typed into a search box, the most usual first."""
    return list(wording(tissue).names)


def caption(tissue: str, rng: np.random.Generator, form: Form = "long", traits: Traits | None = None) -> str:
    """A caption of the tissue; ``short`` is a name, ``long`` a sentence with one to three details.

    With ``traits`` (of the very tile) it may speak of what sets that tile apart. Never negates.
    """
    words = wording(tissue)
    name = _pick(words.names, rng)
    if form == "short":
        return _placed(words, name, 0.3, rng)
    details = list(rng.permutation(np.array(words.details, dtype=object)))[: int(rng.integers(1, 3))]
    own = _trait_details(words, traits) if traits is not None else []
    if own and rng.random() < 0.6:
        details.append(_pick(tuple(own), rng))
    head = _placed(words, name, 0.4, rng)
    text = _pick(_OPENINGS, rng) + head + _pick(_JOINS, rng) + _listed([str(d) for d in details]) + _pick(_STAINS, rng)
    return text[0].upper() + text[1:] + "."


def description(tissue: str, traits: Traits) -> str:
    """Everything that the grammar can say of a tile, always in the same words: the usual name and every true trait.

    Tiles whose descriptions are equal differ in nothing that words tell apart.
    """
    words = wording(tissue)
    own = _trait_details(words, traits)
    text = words.names[0] + (" with " + _listed(own) if own else "")
    return text[0].upper() + text[1:] + "."


def _trait_details(words: Wording, traits: Traits) -> list[str]:
    found = [text for trait, text in words.high if getattr(traits, trait) > 0.6]
    return found + [text for trait, text in words.low if getattr(traits, trait) < 0.4]


_ORGANS = (
    "colon",
    "colorectal",
    "bowel",
    "oesophag",
    "lymph node",
    "epidermis",
    "skin",
    "intestinal",
    "crypts",
    "goblet",
    "cortical",
    "muscularis",
    "leiomyocytes",
    "Schwann",
    "stroma of a",
    "haematoma",
    "bone",
)


def _placed(words: Wording, name: str, share: float, rng: np.random.Generator) -> str:
    """The name, with ``share`` chance of a place, unless the name itself says where it is at home."""
    if not words.places or rng.random() > share or any(organ in name for organ in _ORGANS):
        return name
    return f"{name} {_pick(words.places, rng)}"


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
