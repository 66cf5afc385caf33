"""How the program asks a model: phrases drawn towards those that it knows, classes set back for crowding, as
`lile zeroshot` and `lile search` do, for refits and for the shipped model alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from answers_data import CELL_SETS, CLASS_SETS, ORGAN_SETS, SMALL_SETS, Texts, Tiles
from numpy.typing import NDArray

from lile_engine.model.known import KnownPhrases
from lile_engine.model.protocol import Floats
from lile_engine.model.reference import CROWD
from lile_engine.phantom import TISSUES
from lile_engine.phantom.captions import phrases as tissue_phrases
from lile_engine.phrases import content_words, respelled
from lile_engine.training.open_data import _WEAK_CAPTIONS, CLASS_PHRASES
from lile_engine.training.terms import TERM_PHRASES

Phrases = Callable[[list[str]], Floats]
PICTURES, DRAWN = 2048, 512  # the sample that a checkpoint carries, and how many of them are phantoms


@dataclass(frozen=True)
class Asker:
    """``phrases`` embeds as they stand; ``asked`` as questions; ``sample`` [n, d] of learned pictures."""

    texts: Texts
    phrases: Phrases
    known: KnownPhrases
    sample: Floats

    def asked(self, wanted: list[str]) -> Floats:
        """Vectors [n, d] of questions."""
        spelled = [respelled(text) for text in wanted]
        counts = [len(content_words(text)) for text in wanted]
        return self.known.draw(self.texts.pooled(spelled), self.phrases(spelled), counts)

    def crowding(self, vectors: Floats) -> Floats:
        """As `model.reference.Reference.crowding`."""
        nearest = np.sort(vectors @ self.sample.T, axis=1)[:, -round(CROWD * len(self.sample)) :]
        mean: Floats = nearest.mean(axis=1)
        return mean


def asker(tiles: Tiles, texts: Texts, keep: NDArray[np.bool_], phrases: Phrases, pictures: Floats) -> Asker:
    """Of a model that learned from the tiles marked in ``keep``; ``pictures`` [n, d] are its vectors of all tiles. It
    knows the phrases of terms and phantoms, and of those sets of classes, organs and cells that it has seen."""
    seen = set(tiles.source[keep].tolist())
    wanted = {p for words in TERM_PHRASES.values() for p in words}
    wanted |= {p for tissue in TISSUES for p in tissue_phrases(tissue)}
    wanted |= {p for k, words in CLASS_PHRASES.items() for p in words if k.split("/")[0] in seen & set(CLASS_SETS)}
    wanted |= {p for k in SMALL_SETS if k in seen for p in _WEAK_CAPTIONS[k]}
    for i in np.flatnonzero(keep & np.isin(tiles.source, (*ORGAN_SETS, *CELL_SETS))):
        wanted |= {*(tiles.pairs[i].phrases if tiles.source[i] in ORGAN_SETS else tiles.pairs[i].captions[:1])}
    listed = sorted(wanted)
    rng = np.random.default_rng(0)
    real = rng.permutation(np.flatnonzero(keep & (tiles.source != "phantom")))[: PICTURES - DRAWN]
    drawn = rng.permutation(np.flatnonzero(keep & (tiles.source == "phantom")))[:DRAWN]
    known = KnownPhrases.of(texts.pooled(listed), phrases(listed))
    return Asker(texts, phrases, known, pictures[np.concatenate([real, drawn])])
