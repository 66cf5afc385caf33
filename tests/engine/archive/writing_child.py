"""A child process that fills an archive, telling what is committed. It may be killed at any instant and started again.

What it writes depends on slide and tile only, so that every finished archive is the same. Usage: FOLDER [--hold]
"""

from __future__ import annotations

import sys

import numpy as np

from lile_engine.archive import CaptionRow, SlideRow, create_archive, open_archive, writer
from lile_engine.archive.database import DATABASE
from lile_engine.archive.rows import Floats
from lile_engine.model.protocol import ModelIdentity
from lile_engine.slides import Tile, TileSpec

IDENTITY = ModelIdentity("00112233445566aa", "killed", 24, image_tokens=4, token_width=8, input_px=224, mpp=0.5)
SLIDES, BATCHES, BATCH = 5, 6, 12


def vectors_of(slide: int, batch: int) -> tuple[Floats, Floats]:
    """Vectors [n, d] and tokens [n, N, w] of a batch."""
    rng = np.random.default_rng([slide, batch])
    vectors = rng.normal(size=(BATCH, IDENTITY.width)).astype(np.float32)
    tokens = rng.normal(size=(BATCH, IDENTITY.image_tokens, IDENTITY.token_width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), tokens


def tiles_of(batch: int) -> list[Tile]:
    """The tiles of a batch."""
    return [Tile(224 * at, 224 * batch, 224) for at in range(BATCH)]


def row_of(slide: int) -> SlideRow:
    """A slide."""
    return SlideRow(0, f"/s/{slide}.svs", f"{slide:032x}", f"{slide}.svs", 4000, 4000, 0.5, case=f"case{slide}")


def tell(*words: object) -> None:
    """A line on stdout, at once."""
    print(*words, flush=True)


def main(folder: str) -> None:
    """Fills the archive as far as it is not filled."""
    from pathlib import Path

    writer._SAVE_EVERY = 50
    if not (Path(folder) / DATABASE).exists():
        create_archive(folder, IDENTITY)
    with open_archive(folder, write=True) as archive:
        tell("ready")
        done = {row.identity for row in archive.slides() if row.complete}
        if archive.find_slide("1.svs") is not None:
            done.add(f"{0:032x}")  # slide 0 was done before slide 1, and is removed after slide 2
        for slide in range(SLIDES):
            if f"{slide:032x}" in done:
                continue
            number = archive.add_slide(row_of(slide))
            for batch in range(BATCHES):
                vectors, tokens = vectors_of(slide, batch)
                archive.add_tiles(number, tiles_of(batch), 0.5, vectors, tokens)
                tell("tiles", slide, batch)
            rows = [CaptionRow(0, f"caption {slide} {n}", case=f"case{slide}") for n in range(4)]
            vectors, tokens = vectors_of(slide, 99)
            archive.add_captions(rows, vectors[:4], tokens[:4], np.ones((4, IDENTITY.image_tokens), np.bool_))
            tell("captions", slide)
            if slide % 2:  # else `finish_slide` has it saved beside the writer
                archive.save_index()
            if slide == 2 and archive.find_slide("0.svs") is not None:
                archive.remove(case="case0")
                tell("removed", 0)
            archive.finish_slide(number, TileSpec())
            tell("slide", slide)
        tell("finished")
    if "--hold" in sys.argv:
        with open_archive(folder, write=True):
            tell("holding")
            sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1])
