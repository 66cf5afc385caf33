"""Tiles per second: `Slide` against bare ``openslide.read_region`` in the same run, and through reader processes.

    python benchmarks/reading.py [SLIDE ...] [--tiles 400] [--rounds 3]

For 1 and 2 threads: 256 px at level 0 and at the next level (no resampling), and 256 px at 1.37 times level 0's
microns per pixel (resampled; bare reading then includes Pillow's resize). Rounds alternate between the two so that
the machine's load falls on both alike, at least so many and for six seconds; the figure is the median. Without slides
named, the real ones are taken and a phantom-like pyramid is drawn. Prints a table and, last, a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import openslide
import tifffile
from PIL import Image

from lile_engine.slides import Slide, open_slide
from lile_engine.slides.openslide_backend import configure_cache
from lile_engine.slides.readers import ReaderPool

PX = 256
ODD_SCALE = 1.37
CACHE = 64 * 2**20
LEAST_SECONDS = 6.0  # of rounds for one line: a slide with few tiles is read through in a twentieth of a second

Place = tuple[int, int]
Read = Callable[[Place], object]


def drawn_slide(folder: Path) -> Path:
    """A 6001 x 5003 JPEG pyramid of noise and blobs: harder to decode than tissue."""
    rng = np.random.default_rng(1)
    base = Image.fromarray(rng.integers(60, 250, (90, 110, 3)).astype(np.uint8)).resize(
        (6001, 5003), Image.Resampling.BICUBIC
    )
    path = folder / "drawn.tif"
    with tifffile.TiffWriter(path) as file:
        for power in range(4):
            page = np.asarray(base.resize((base.width >> power, base.height >> power)))
            grain = rng.integers(-10, 11, (*page.shape[:2], 1))
            noisy = np.clip(page + grain, 0, 255).astype(np.uint8)
            file.write(noisy, tile=(256, 256), compression="jpeg", photometric="rgb", metadata=None)
    return path


def places(slide: Slide, level: int, count: int) -> list[Place]:
    """Corners on a grid of ``PX`` level pixels, in level-0 pixels: neighbours in turn, as an indexer or a view asks."""
    info = slide.info.levels[level]
    cols, rows = info.width // PX, info.height // PX
    every = [
        (round(c * PX * info.downsample), round(r * PX * info.downsample)) for r in range(rows) for c in range(cols)
    ]
    start = max(0, (len(every) - count) // 2)
    return every[start : start + count]


def rate(read: Read, where: list[Place], threads: int) -> float:
    """Tiles per second over all places."""
    began = time.perf_counter()
    if threads == 1:
        for place in where:
            read(place)
    else:
        with ThreadPoolExecutor(threads) as pool:
            wait([pool.submit(read, place) for place in where])
    return len(where) / (time.perf_counter() - began)


def our_read(slide: Slide, kind: str) -> Read:
    if kind == "resampled":
        return lambda at: slide.read_square(*at, round(PX * ODD_SCALE), PX)
    return lambda at: slide.read_region(*at, int(kind[-1]), PX, PX)


def bare_read(handle: openslide.OpenSlide, kind: str) -> Read:
    if kind == "resampled":
        size, triangle = round(PX * ODD_SCALE), Image.Resampling.BILINEAR
        return lambda at: handle.read_region(at, 0, (size, size)).convert("RGB").resize((PX, PX), triangle)
    return lambda at: handle.read_region(at, int(kind[-1]), (PX, PX))


def compare(path: Path, kind: str, threads: int, tiles: int, rounds: int) -> dict[str, object] | None:
    """One line of the table; None where the slide has no such level."""
    ours: list[float] = []
    bare: list[float] = []
    level = 1 if kind == "level 1" else 0
    began = time.perf_counter()
    while len(ours) < rounds or time.perf_counter() - began < LEAST_SECONDS:
        configure_cache(3 * CACHE // 2)  # two thirds of it for tiles read directly
        with open_slide(path) as slide:
            if level >= len(slide.info.levels) or slide.info.vendor == "plain image":
                return None
            where = places(slide, level, tiles)
            if len(where) < 4:
                return None
            ours.append(rate(our_read(slide, kind), where, threads))
        with openslide.OpenSlide(path) as handle:
            handle.set_cache(openslide.OpenSlideCache(CACHE))
            bare.append(rate(bare_read(handle, kind), where, threads))
    one, other = statistics.median(ours), statistics.median(bare)
    return {
        "slide": path.name,
        "what": kind,
        "threads": threads,
        "ours": round(one, 1),
        "bare": round(other, 1),
        "ratio": round(one / other, 2),
    }


def through_readers(path: Path, tiles: int) -> dict[str, object]:
    """512-px tiles per second for each level, through one reader process."""
    rates = {}
    with ReaderPool(workers=1) as pool:
        info = pool.open(path).result()
        for level in range(min(3, len(info.levels))):
            lv = info.levels[level]
            cols, rows = max(1, lv.width // 512), max(1, lv.height // 512)
            where = [
                (round(c * 512 * lv.downsample), round(r * 512 * lv.downsample))
                for r in range(rows)
                for c in range(cols)
            ]
            pool.read(path, level, 0, 0, 512, 512).result()
            began = time.perf_counter()
            wait([pool.read(path, level, x, y, 512, 512) for x, y in where[:tiles]])
            rates[level] = round(len(where[:tiles]) / (time.perf_counter() - began), 1)
    return {"slide": path.name, "what": "readers, 512 px", "levels": rates}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("slides", nargs="*", type=Path)
    parser.add_argument("--tiles", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        slides = list(args.slides)
        if not slides:
            default = Path(__file__).resolve().parents[2] / "shared" / "data"
            real = Path(os.environ.get("LILE_REAL_DATA", default)) / "slides"
            slides = [
                *sorted(p for p in real.glob("*") if p.suffix in (".svs", ".tif", ".ndpi")),
                drawn_slide(Path(scratch)),
            ]
        lines: list[dict[str, object]] = []
        readers: list[dict[str, object]] = []
        print(f"{'slide':<30}{'what':<14}{'threads':>8}{'ours':>10}{'bare':>10}{'ratio':>8}")
        for path in slides:
            for kind in ("level 0", "level 1", "resampled"):
                for threads in (1, 2):
                    line = compare(path, kind, threads, args.tiles, args.rounds)
                    if line:
                        lines.append(line)
                        print(
                            f"{path.name:<30}{kind:<14}{threads:>8}{line['ours']:>10}{line['bare']:>10}{line['ratio']:>8}",
                            flush=True,
                        )
            readers.append(through_readers(path, args.tiles))
            print(
                f"{path.name:<30}through one reader process, 512-px tiles/s by level: {readers[-1]['levels']}",
                flush=True,
            )
    plain = [float(str(line["ratio"])) for line in lines if line["what"] != "resampled"]
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    print(
        json.dumps(
            {"least_ratio_unresampled": min(plain, default=None), "load": load, "lines": lines, "readers": readers}
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
