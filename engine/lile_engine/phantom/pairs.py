"""Training pairs of phantoms: tiles with captions that speak of the very tile."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lile_engine.phantom.captions import caption
from lile_engine.phantom.tissue import TISSUES, draw_tile, tile_traits
from lile_engine.progress import CancelToken, ProgressCallback, ProgressMeter, no_progress

PAIRS_FILE = "pairs.jsonl"


def write_pairs(
    folder: Path | str,
    per_tissue: int,
    seed: int,
    *,
    tissues: Sequence[str] = TISSUES,
    px: int = 224,
    mpp: float = 0.5,
    progress: ProgressCallback = no_progress,
    cancel: CancelToken | None = None,
) -> Path:
    """Writes ``per_tissue`` tiles of each tissue as PNG and ``pairs.jsonl`` into ``folder``; returns that file.

    A line is ``{"image", "captions": [short, long], "tissues": [name], "mpp"}``; image paths are relative.
    """
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    meter = ProgressMeter(progress, per_tissue * len(tissues), "tiles")
    with (folder / PAIRS_FILE).open("w", encoding="utf-8") as out:
        for tissue in tissues:
            for k in range(per_tissue):
                if cancel is not None:
                    cancel.raise_if_cancelled()
                number = seed * 100_003 + k
                name = f"images/{tissue.replace(' ', '-')}-{k:05d}.png"
                Image.fromarray(draw_tile(tissue, number, px, mpp)).save(folder / name, compress_level=1)
                line = {"image": name, "captions": tile_captions(tissue, number), "tissues": [tissue], "mpp": mpp}
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
                meter.advance()
    return folder / PAIRS_FILE


def tile_captions(tissue: str, seed: int) -> list[str]:
    """A short and a long caption of ``draw_tile(tissue, seed)``; the same seed gives the same words."""
    rng = np.random.default_rng([seed & 0xFFFFFFFF, 7, *tissue.encode()])
    traits = tile_traits(tissue, seed)
    return [caption(tissue, rng, "short"), caption(tissue, rng, "long", traits)]
