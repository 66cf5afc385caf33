"""Which pictures each refit of `answers.py` may learn from: folds by case, sets left out, organs left out."""

from __future__ import annotations

import hashlib
import re

import numpy as np
from answers_data import CELL_SETS, CLASS_SETS, NEVER_SEEN, ORGAN_SETS, SMALL_SETS, Tiles
from numpy.typing import NDArray

FOLDS = 5
# What to leave out so that a set's organs are new: organs of the atlas, whole lists, words in captions and phrases.
_BOWEL = ("colon", "intestine", "appendix", "gastrointestinal tract", "small intestine", "duodenum")
_BOWEL_WORDS = r"colon|colorect|bowel|intestin|rect(um|al)|duoden|append"
_LUNG_WORDS = r"lung|pulmon|alveol|bronch"
ORGANS: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "bowel": (_BOWEL, ("kather", "crc-val", "ebhi"), _BOWEL_WORDS),
    "bowel and lung": ((*_BOWEL, "lung"), ("kather", "crc-val", "ebhi"), f"{_BOWEL_WORDS}|{_LUNG_WORDS}"),
    "bone": (("bone",), ("osteosarcoma",), r"\bbone|osteo|marrow|cartilage"),
    "mouth": (
        ("esophagus", "salivary gland"),
        ("oral",),
        r"oral|mouth|tongue|palat|gingiv|\blip\b|oesophag|esophag|saliva",
    ),
    "smears": (("cerebrospinal fluid",), ("pap",), r"cervi|smear|cytolog|\bpap\b"),
    "blood and lung": (("lung",), ("blood", "aml"), rf"blood smear|leuka?emi|blast|marrow|{_LUNG_WORDS}"),
    "kidney, breast, lymph node, bowel": (
        (*_BOWEL, "kidney", "breast", "lymph node"),
        (*SMALL_SETS, "her2st", "kather", "crc-val"),
        rf"kidney|renal|glomerul|breast|mamma|lymph node|{_BOWEL_WORDS}",
    ),
}
OF_SET = {
    "kather": "bowel",
    "crc-val": "bowel",
    "osteosarcoma": "bone",
    "oral": "mouth",
    "pap": "smears",
    "blood": "blood and lung",
    "aml": "blood and lung",
    "hemepulm": "blood and lung",
    "small": "kidney, breast, lymph node, bowel",
    "lc25000": "bowel and lung",
}


def _hash(text: str) -> str:
    return hashlib.sha256(f"lile-answers {text}".encode()).hexdigest()


def fold_of(tiles: Tiles) -> NDArray[np.int64]:
    """The fold [n] of each tile: atlas tiles by case, fields through the eyepiece by caption (two photographs of one
    field have the same), everything else class by class; -1 for phantoms and what is never learned from.

    Folds are dealt in the order of a hash, which nobody chose.
    """
    fold = np.full(len(tiles.pairs), -1)
    atlas = tiles.of("atlas", "atlas-heldout")
    _deal(fold, atlas, [tiles.pairs[i].case for i in atlas])
    for source in sorted(set(tiles.source.tolist()) - {"atlas", "atlas-heldout", "phantom", *NEVER_SEEN}):
        own = tiles.of(source)
        for label in sorted(set(tiles.label[own].tolist())):
            chosen = own[tiles.label[own] == label]
            pairs = [tiles.pairs[i] for i in chosen]
            _deal(fold, chosen, [p.captions[0] if source in ORGAN_SETS else p.path.name for p in pairs])
    return fold


def _deal(fold: NDArray[np.int64], where: NDArray[np.int64], units: list[str]) -> None:
    dealt = {unit: n % FOLDS for n, unit in enumerate(sorted(set(units), key=_hash))}
    fold[where] = [dealt[unit] for unit in units]


def learnable(tiles: Tiles) -> NDArray[np.bool_]:
    """All that may ever be learned from: everything outside validate/."""
    return ~np.isin(tiles.source, NEVER_SEEN)


def plans(tiles: Tiles) -> dict[str, NDArray[np.bool_]]:
    """What each refit learns from, by its name."""
    fold, may = fold_of(tiles), learnable(tiles)
    seen = may & (tiles.source != "atlas-heldout")
    found = {f"fold {n}": may & (fold != n) for n in range(FOLDS)}
    found["without class sets"] = seen & ~np.isin(tiles.source, CLASS_SETS)
    found["without small sets"] = seen & ~np.isin(tiles.source, (*CELL_SETS, *ORGAN_SETS, *SMALL_SETS))
    for name in ORGANS:
        found[f"without {name}"] = _without_organs(tiles, seen, name)
    return found


def _without_organs(tiles: Tiles, seen: NDArray[np.bool_], name: str) -> NDArray[np.bool_]:
    """Nothing labelled by class, and nothing of these organs: by the slide's organ and title, by the list, by any
    caption or phrase that names them. Phantoms stay: they are of no organ."""
    organs, sources, words = ORGANS[name]
    named = re.compile(words, re.IGNORECASE)
    keep = seen & ~np.isin(tiles.source, (*CLASS_SETS, *sources))
    for i in np.flatnonzero(keep & (tiles.source != "phantom")):
        row, pair = tiles.rows[i], tiles.pairs[i]
        of_organ = row is not None and (row["organ"] in organs or named.search(row["slide_title"]) is not None)
        if of_organ or any(named.search(text) for text in (*pair.captions, *pair.phrases)):
            keep[i] = False
    return keep
