"""Archives of random unit vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lile_engine.archive import SlideRow, WritableArchive, create_archive, open_archive
from lile_engine.archive.rows import Floats
from lile_engine.model.protocol import ModelIdentity
from lile_engine.slides import Tile, TileSpec


class Maker:
    """Makes what goes into an archive; the same seed, the same vectors."""

    identity = ModelIdentity("0123456789abcdef", "random", 32, image_tokens=4, token_width=8, input_px=224, mpp=0.5)
    other = ModelIdentity("fedcba9876543210", "other", 16, image_tokens=2, token_width=8, input_px=224, mpp=0.5)
    spec = TileSpec()

    def __init__(self, seed: int = 11) -> None:
        self.rng = np.random.default_rng(seed)

    def units(self, n: int, width: int = 32) -> Floats:
        """Unit vectors [n, width]."""
        vectors = self.rng.normal(size=(n, width)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def tokens(self, n: int, count: int = 4, width: int = 8) -> Floats:
        """Tokens [n, count, width]."""
        return self.rng.normal(size=(n, count, width)).astype(np.float32)

    def slide(self, number: int, **fields: object) -> SlideRow:
        """Slide ``number``, with other fields as given."""
        name = f"slide{number}.svs"
        row = {"path": f"/slides/{name}", "identity": f"{number:032x}", "name": name, "width": 9000, "height": 9000}
        return SlideRow(**{"id": 0, "mpp": 0.5, **row, **fields})  # type: ignore[arg-type]

    def grid(self, count: int, start: int = 0) -> list[Tile]:
        """``count`` tiles of a grid 40 wide."""
        return [Tile(224 * (at % 40), 224 * (at // 40), 224) for at in range(start, start + count)]

    def fill(self, archive: WritableArchive, slides: int, tiles: int, **fields: object) -> Floats:
        """Adds complete slides 0 .. slides - 1; returns all vectors [slides * tiles, d] in the order of their ids."""
        everything = []
        for number in range(slides):
            slide = archive.add_slide(self.slide(number, **fields))
            vectors = self.units(tiles)
            archive.add_tiles(slide, self.grid(tiles), 0.5, vectors, self.tokens(tiles))
            archive.finish_slide(slide, self.spec)
            everything.append(vectors)
        return np.concatenate(everything)

    def masks(self, *lengths: int) -> np.ndarray:
        """Masks [n, longest] with so many tokens each."""
        return np.arange(max(lengths))[None] < np.array(lengths)[:, None]


@pytest.fixture
def make() -> Maker:
    return Maker()


@pytest.fixture
def folder(tmp_path: Path, make: Maker) -> Path:
    """A new, empty archive."""
    create_archive(tmp_path / "archive", make.identity)
    return tmp_path / "archive"


@pytest.fixture
def filled(folder: Path, make: Maker) -> tuple[Path, Floats]:
    """An archive of four slides with 100 tiles each, ids 1 to 400, and their vectors."""
    with open_archive(folder, write=True) as archive:
        vectors = make.fill(archive, 4, 100)
    return folder, vectors
