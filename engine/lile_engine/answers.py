"""What crosses between the window and the engine's process: frozen, plain data, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lile_engine.archive.rows import ArchiveStatus
from lile_engine.model.protocol import ModelIdentity
from lile_engine.outside import PhraseRange
from lile_engine.retrieval.results import Hit, WordWeight
from lile_engine.slides import Region, Tile, TileSpec

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class EngineSetup:
    """What the engine is to load: an archive, whose model comes with it, or the bundled model alone where "".

    ``device`` is "auto", "cpu" or "cuda".
    """

    archive: str = ""
    device: str = "auto"


@dataclass(frozen=True)
class EngineInfo:
    """What the engine has loaded; ``seconds_per_tile`` was measured on this machine just now."""

    model: ModelIdentity
    device: str
    seconds_per_tile: float
    archive: ArchiveStatus | None


@dataclass(frozen=True)
class RegionRequest:
    """A question about a part of a slide; ``slide_mpp`` where the user gave it, None for what the file says."""

    slide: str
    slide_mpp: float | None
    region: Region
    spec: TileSpec


@dataclass(frozen=True)
class RegionTiles:
    """The tiles with tissue of a region; ``stored`` of them are in the archive, ``background`` were left out;
    ``dark``: the slide is dark, as in fluorescence."""

    slide: str
    tiles: tuple[Tile, ...]
    stored: int
    background: int
    spec: TileSpec
    dark: bool = False

    @property
    def to_embed(self) -> int:
        """How many tiles must be read and embedded."""
        return len(self.tiles) - self.stored


@dataclass(frozen=True)
class RegionState:
    """A region once it is embedded: its tiles that could be read, what could not, how unlike the training it is."""

    tiles: tuple[Tile, ...]
    failed: tuple[str, ...]
    outside: float | None


@dataclass(frozen=True)
class Answer:
    """The answer to a question, each list best first; ``question`` names it in the engine.

    ``phrase`` is what was typed (``phrase_outside``: 0 to 1, how far from all that the model has learned, None where it
    cannot tell; ``phrase_range``: where its cosines begin and end, None likewise), "" after a region question, and then
    ``region`` and ``state`` say what was asked about. ``final`` is False for an answer by vectors alone that is still
    being re-ranked. ``captions_fit`` is False where none of the first captions fits any tile of the region, by the same
    rule as phrases; True also where nobody knows.
    """

    question: int
    phrase: str = ""
    phrase_outside: float | None = None
    phrase_range: PhraseRange | None = None
    region: RegionTiles | None = None
    state: RegionState | None = None
    patches: tuple[Hit, ...] = ()
    captions: tuple[Hit, ...] = ()
    cases: tuple[Hit, ...] = ()
    final: bool = False
    captions_fit: bool = True

    @property
    def fits(self) -> bool:
        """False where a phrase fits none of the patches well; True also where nobody knows."""
        cosines = [hit.scores["cosine"] for hit in self.patches if "cosine" in hit.scores]
        return self.phrase_range is None or not cosines or self.phrase_range.fits(max(cosines))


@dataclass(frozen=True)
class PatchPlace:
    """A square of a slide: path, level-0 x, y, size; ``id`` in the archive where it lies there."""

    slide: str
    x: int
    y: int
    size: int
    id: int | None = None


@dataclass(frozen=True, eq=False)
class TileAttention:
    """Attention of one phrase over ``n`` tiles: ``values`` float32 [n, rows, columns], each tile's sum is 1;
    ``scores`` float32 [n] -1 to 1: the pair score of each tile with the phrase; the words and their shares;
    ``cosines`` float32 [n] of the tiles with the phrase, and ``range`` where those begin and end on any tile, None
    where the model does not know."""

    values: Floats
    scores: Floats
    words: tuple[WordWeight, ...]
    cosines: Floats
    range: PhraseRange | None = None


@dataclass(frozen=True, eq=False)
class AttentionAnswer:
    """Where words of ``text`` look: ``values`` float32 [h, w], nan outside, over level-0 x, y, w, h of ``slide``.

    ``word`` is the place [start, end) in ``text`` of the word that the map is for, None for the whole phrase. A value
    of 1 is as much as attention would be if it were even. ``fits`` is False where the phrase fits none of the tiles
    well: attention goes somewhere whatever the phrase, and then says nothing. True also where nobody knows.
    """

    slide: str
    text: str
    word: tuple[int, int] | None
    words: tuple[WordWeight, ...]
    values: Floats
    x: float
    y: float
    w: float
    h: float
    fits: bool = True


@dataclass(frozen=True, eq=False)
class HeatAnswer:
    """How well a phrase fits each tile of a slide: ``values`` float32 [h, w], nan where there is none; ``range`` is
    where the phrase's cosines begin and end on any slide, None where the model does not know."""

    slide: str
    text: str
    values: Floats
    x: float
    y: float
    w: float
    h: float
    range: PhraseRange | None = None

    @property
    def fits(self) -> bool:
        """False where the phrase fits no tile well; True also where nobody knows."""
        return self.range is None or self.range.fits(float(np.nanmax(self.values)))


def mosaic(tiles: Sequence[Tile], values: Floats) -> tuple[Floats, float, float, float, float]:
    """Lays maps [n, rows, columns] of equal tiles side by side: float32 [h, w] with nan between, and x, y, w, h.

    Raises ValueError where there is no tile.
    """
    size = tiles[0].size
    rows, columns = values.shape[1:]
    left, top = min(t.x for t in tiles), min(t.y for t in tiles)
    width, height = max(t.x for t in tiles) - left + size, max(t.y for t in tiles) - top + size
    picture = np.full((round(height / size * rows), round(width / size * columns)), np.nan, np.float32)
    for tile, value in zip(tiles, values, strict=True):
        row = min(round((tile.y - top) / size * rows), picture.shape[0] - rows)
        column = min(round((tile.x - left) / size * columns), picture.shape[1] - columns)
        picture[row : row + rows, column : column + columns] = value
    return picture, float(left), float(top), float(width), float(height)
