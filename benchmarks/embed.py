"""End to end: tiles of a slide decoded and embedded together, against decoding alone and the network alone.

    python benchmarks/embed.py [--model M] [--slide SLIDE] [--tiles 4000] [--batch 32] [--device auto] [--flat 0]

On the CPU decoding and network share the cores, so the best possible rate is 1 / (1 / decode + 1 / forward), each
measured alone on all cores; on a GPU it is the slower of the two. The three take turns in slices of the tiles, so that
a busy machine slows all of them. ``--flat N`` then reads and embeds N tiles more and tells how the memory grew over
them, after the first 5,000, which fill the caches. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import torch

from lile_engine.model.load import load_model
from lile_engine.model.protocol import ImageTextModel
from lile_engine.slides import Slide, Tile, TileSpec, open_slide, read_tiles, tile_grid

WARM_UP = 2
SETTLED, TELL_EVERY = 5000, 5000  # tiles


def a_slide(scratch: Path) -> Path:
    """The real whole slide if it is there, else a phantom."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    real = Path(os.environ.get("LILE_REAL_DATA", default)) / "slides" / "atlas-BS9-HE2-duodenum.tif"
    if real.exists():
        return real
    from lile_engine.phantom.slide import draw_slide

    draw_slide(scratch / "phantom.tif", 8000, 1)
    return scratch / "phantom.tif"


def decode_only(slide: Slide, tiles: Sequence[Tile], px: int, batch: int, threads: int) -> float:
    """Seconds."""
    began = time.perf_counter()
    for _ in read_tiles(slide, tiles, px, threads=threads, batch=batch):
        pass
    return time.perf_counter() - began


def forward_only(model: ImageTextModel, slide: Slide, tiles: Sequence[Tile], px: int, batch: int) -> float:
    """Seconds, without reading."""
    batches = [read.pixels for read in read_tiles(slide, tiles, px, batch=batch)]
    began = time.perf_counter()
    for pixels in batches:
        model.encode_images(pixels)
    return time.perf_counter() - began


def both(model: ImageTextModel, slide: Slide, tiles: Sequence[Tile], px: int, batch: int, threads: int) -> float:
    """Seconds for decoding and embedding, the one under the other."""
    began = time.perf_counter()
    for read in read_tiles(slide, tiles, px, threads=threads, batch=batch):
        model.encode_images(read.pixels)
    return time.perf_counter() - began


def memory_growth(model: ImageTextModel, slide: Slide, grid: Sequence[Tile], args: argparse.Namespace) -> float:
    """MB more at the end of ``args.flat`` tiles than after the first `SETTLED`; says so on the way."""
    own, px = psutil.Process(), model.identity.input_px
    tiles = (list(grid) * (2 + args.flat // len(grid)))[: SETTLED + args.flat]
    settled, done, told = 0, 0, 0
    for read in read_tiles(slide, tiles, px, threads=args.threads, batch=args.batch):
        model.encode_images(read.pixels)
        done += len(read.tiles)
        memory = own.memory_info().rss
        settled = settled or (memory if done >= SETTLED else 0)
        if done - told >= TELL_EVERY:
            told = done
            print(f"{done:>7} tiles, {memory / 2**20:.0f} MB", flush=True)
    return round((own.memory_info().rss - settled) / 2**20, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--slide", type=Path)
    parser.add_argument("--model", help="a model's folder or name; the bundled one if not given")
    parser.add_argument("--tiles", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--slice", type=int, default=320, help="tiles between turns")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--flat", type=int, default=0, help="tiles to read and embed for the memory test")
    args = parser.parse_args()
    model = load_model(args.model, args.device)
    px = model.identity.input_px
    with tempfile.TemporaryDirectory() as scratch, open_slide(args.slide or a_slide(Path(scratch))) as slide:
        grid = tile_grid(slide.info, TileSpec(px=px))
        tiles = (grid * (1 + args.tiles // len(grid)))[: args.tiles]
        for read in list(read_tiles(slide, tiles[: WARM_UP * args.batch], px, batch=args.batch)):
            model.encode_images(read.pixels)
        seconds = {"decode": 0.0, "forward": 0.0, "both": 0.0}
        for start in range(0, len(tiles), args.slice):
            part = tiles[start : start + args.slice]
            seconds["decode"] += decode_only(slide, part, px, args.batch, args.threads)
            seconds["forward"] += forward_only(model, slide, part, px, args.batch)
            seconds["both"] += both(model, slide, part, px, args.batch, args.threads)
        rates = {name: len(tiles) / spent for name, spent in seconds.items()}
        on_cpu = model.device.startswith("cpu")
        best = 1 / (1 / rates["decode"] + 1 / rates["forward"]) if on_cpu else min(rates["decode"], rates["forward"])
        growth = memory_growth(model, slide, grid, args) if args.flat else None
        name = slide.info.name
    print(f"{name}, {len(tiles)} tiles of {px} px at 0.5 mpp, {model.device}, {torch.get_num_threads()} torch threads")
    for part_name, rate in rates.items():
        print(f"{part_name:<10}{rate:>10.1f} tiles/s")
    print(f"{'possible':<10}{best:>10.1f} tiles/s, reached {rates['both'] / best:.3f}")
    figures = {
        "tiles": len(tiles),
        "device": model.device,
        **{part_name: round(rate, 1) for part_name, rate in rates.items()},
        "ratio": round(rates["both"] / best, 3),
        "growth_mb": growth,
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
