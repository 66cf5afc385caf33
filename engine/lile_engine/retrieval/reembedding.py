"""Another model's vectors for a whole archive, made beside those in use and switched to when complete."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lile_engine.archive import TileRow, WritableArchive, open_archive
from lile_engine.errors import SlideError
from lile_engine.model.protocol import ImageTextModel
from lile_engine.progress import CancelToken, ProgressCallback, ProgressMeter, no_progress
from lile_engine.slides import Tile, open_slide, read_tiles

_CAPTIONS_AT_ONCE = 128


@dataclass(frozen=True)
class ReembedReport:
    """``switched``: the archive now holds the new model's vectors; else ``missing`` says which slides lack them."""

    archive: str
    model: str
    tiles: int
    captions: int
    switched: bool
    missing: tuple[str, ...]

    def to_text(self) -> str:
        """For a person."""
        lines = [f"missing: {line}" for line in self.missing]
        done = f"{self.tiles} tiles and {self.captions} captions embedded by {self.model}"
        lines.append(f"{done}; the archive now uses it" if self.switched else f"{done}; the old vectors stay in use")
        return "\n".join(lines)


def reembed(
    archive_dir: Path | str,
    model: ImageTextModel,
    model_path: str | None = None,
    *,
    batch: int = 32,
    progress: ProgressCallback = no_progress,
    cancel: CancelToken | None = None,
) -> ReembedReport:
    """Embeds all tiles (their slides must be in reach) and captions with another model, then switches.

    Interrupted, it goes on where it stopped; until it is complete the archive answers with the old vectors. Raises
    `ArchiveError` if it holds this model's vectors already.
    """
    cancel = cancel or CancelToken()
    problems: list[str] = []
    with open_archive(archive_dir, write=True) as archive:
        archive.begin_reembedding(model.identity, model_path)
        tiles = archive.missing_vectors("tile")
        captions = archive.missing_vectors("caption")
        meter = ProgressMeter(progress, len(tiles) + len(captions), "vectors")
        _captions(archive, model, captions, meter, cancel)
        done = 0
        slides: dict[int, list[TileRow]] = {}
        for row in archive.tiles(tiles):
            slides.setdefault(row.slide.id, []).append(row)
        for of_slide in slides.values():
            try:
                done += _slide(archive, model, of_slide, batch, meter, cancel)
            except SlideError as error:
                problems.append(f"{of_slide[0].slide.path}: {error}")
        left = len(archive.missing_vectors("tile"))
        if left and not problems:
            problems.append(f"{left} tiles that can no longer be read")
        if not problems:
            archive.finish_reembedding()
    return ReembedReport(str(archive_dir), model.identity.name, done, len(captions), not problems, tuple(problems))


def _captions(
    archive: WritableArchive,
    model: ImageTextModel,
    ids: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    meter: ProgressMeter,
    cancel: CancelToken,
) -> None:
    for start in range(0, len(ids), _CAPTIONS_AT_ONCE):
        cancel.raise_if_cancelled()
        part = ids[start : start + _CAPTIONS_AT_ONCE]
        encoded = model.encode_texts([row.text for row in archive.captions(part)])
        archive.put_vectors("caption", part, encoded.vectors, encoded.tokens, encoded.mask)
        meter.advance(len(part))


def _slide(
    archive: WritableArchive,
    model: ImageTextModel,
    rows: list[TileRow],
    batch: int,
    meter: ProgressMeter,
    cancel: CancelToken,
) -> int:
    """Reads the tiles again where they were read first; returns how many were embedded."""
    row, done = rows[0].slide, 0
    ids = {(one.x, one.y, one.size): one.id for one in rows}
    with open_slide(row.path, mpp=row.mpp) as slide:
        if slide.info.identity != row.identity:
            raise SlideError(f"{row.name} holds another slide now; index it again or remove it.")
        wanted = [Tile(one.x, one.y, one.size) for one in rows]
        for read in read_tiles(slide, wanted, model.identity.input_px, batch=batch, cancel=cancel):
            cancel.raise_if_cancelled()
            if read.tiles:
                encoded = model.encode_images(read.pixels)
                chosen = np.array([ids[tile.x, tile.y, tile.size] for tile in read.tiles], np.int64)
                archive.put_vectors("tile", chosen, encoded.vectors, encoded.tokens)
                done += len(chosen)
            meter.advance(len(read.tiles) + len(read.failed), row.name)
    return done
