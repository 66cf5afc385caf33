"""Builds what `archive.py` measures, block by block in turns, so that a busy machine slows both alike.

Everything is kept in one folder and goes on where it was stopped: ``archive`` (ours), ``bare.hnsw``, ``faiss.index``,
``usearch.index``, and ``build.jsonl`` with the seconds of each block, on the wall and of the processor.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hnswlib
import numpy as np
from archive_data import PER_SLIDE, SELECTIVITIES, Data, Floats, Source, passes

from lile_engine.archive import SlideRow, WritableArchive, create_archive, open_archive
from lile_engine.archive.index import EF_CONSTRUCTION, EF_SEARCH, M
from lile_engine.slides import Tile, TileSpec

BATCH, BARE_BATCH = 500, 16_384
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def clock() -> tuple[float, float]:
    """Seconds on the wall, and of all this process's threads on the processor."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime


def timed(work: Callable[[], object]) -> list[float]:
    """Seconds on the wall and of the processor that ``work`` took."""
    before = clock()
    work()
    return [after - start for after, start in zip(clock(), before, strict=True)]


def block_size(count: int) -> int:
    """Tiles that one takes before it is the other's turn."""
    return max(PER_SLIDE, count // 10)


def fill(archive: WritableArchive, data: Data, source: Source, first: int, stop: int) -> None:
    """Adds the tiles ``first`` to ``stop`` and waits until they can be found."""
    for number in range(first, stop, PER_SLIDE):
        slide = number // PER_SLIDE
        tags = tuple(f"s{share}" for share in SELECTIVITIES if passes(np.int64(slide), share))
        row = SlideRow(0, f"/s/{slide}.svs", f"{slide:032x}", f"{slide}.svs", 9, 9, 0.5, tags=tags)
        identifier = archive.add_slide(row)
        for at in range(number, min(number + PER_SLIDE, stop), BATCH):
            part = data.vectors[at : at + BATCH]
            tiles = [Tile(224 * (n % 32), 224 * (n // 32), 224) for n in range(at - number, at - number + len(part))]
            archive.add_tiles(identifier, tiles, 0.5, part, source.tokens[: len(part)])
        archive.finish_slide(identifier, TileSpec())
    archive.search_tiles(data.queries[0], 1)


def bare_index(file: Path, count: int, width: int) -> Any:
    """A bare hnswlib index with room for ``count``, from ``file`` if it is there."""
    index = hnswlib.Index(space="ip", dim=width)
    if file.exists():
        index.load_index(str(file), max_elements=count)
    else:
        index.init_index(max_elements=count, ef_construction=EF_CONSTRUCTION, M=M, random_seed=7)
    index.set_num_threads(CORES)
    return index


def add_bare(index: Any, vectors: Floats, first: int, stop: int) -> None:
    """Adds vectors to bare hnswlib in large batches, as one who only wants the index would."""
    for at in range(first, stop, BARE_BATCH):
        ids = np.arange(at, min(at + BARE_BATCH, stop))
        index.add_items(vectors[ids[0] : ids[-1] + 1], ids)


def build(folder: Path, data: Data, source: Source, until: int) -> None:
    """Ours and bare hnswlib in turns, to ``until`` vectors. Closing and saving count once, at the very end."""
    count, size = len(data.vectors), block_size(len(data.vectors))
    record = folder / "build.jsonl"
    if not (folder / "archive" / "archive.db").exists():
        create_archive(folder / "archive", source.model)
    bare_file = folder / "bare.hnsw"
    bare = bare_index(bare_file, count, source.model.width)
    archive = open_archive(folder / "archive", write=True)
    done = archive.status().tiles
    if bare.get_current_count() < done:
        add_bare(bare, data.vectors, bare.get_current_count(), done)  # it was stopped in between: these are not timed
        bare.save_index(str(bare_file))
    archive.search_tiles(data.queries[0], 1)
    begun = done
    while done < until:
        stop = min(done + size, until)
        turns = {
            "ours": lambda first=done, stop=stop: fill(archive, data, source, first, stop),
            "bare": lambda first=done, stop=stop: add_bare(bare, data.vectors, first, stop),
        }
        order = ["ours", "bare"] if (done // size) % 2 else ["bare", "ours"]
        took = {name: timed(turns[name]) for name in order}
        write(record, {"tiles": stop - done, "total": stop, **took})
        print(f"{stop} of {count}: ours {took['ours'][0]:.1f} s, bare {took['bare'][0]:.1f} s", file=sys.stderr)
        done = stop
    if begun < done:
        write(
            record, {"end": done, "ours": timed(archive.close), "bare": timed(lambda: bare.save_index(str(bare_file)))}
        )
    else:
        archive.close()


def write(record: Path, line: dict[str, Any]) -> None:
    """Appends a line."""
    with record.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")


def build_rates(folder: Path, count: int) -> dict[str, float]:
    """What the record says: tiles a second and ours against bare, of all and of the last block."""
    lines = [json.loads(line) for line in (folder / "build.jsonl").read_text(encoding="utf-8").splitlines()]
    blocks = [line for line in lines if "tiles" in line]
    end = next(line for line in reversed(lines) if line.get("end") == count)
    tiles = sum(line["tiles"] for line in blocks)
    sums = {name: np.sum([*(line[name] for line in blocks), end[name]], axis=0) for name in ("ours", "bare")}
    last = {name: blocks[-1][name] for name in ("ours", "bare")}
    return {
        "insert_per_s": tiles / float(sums["ours"][0]), "bare_insert_per_s": tiles / float(sums["bare"][0]),
        "insert_per_cpu_s": tiles / float(sums["ours"][1]), "bare_insert_per_cpu_s": tiles / float(sums["bare"][1]),
        "insert_ratio": float(sums["bare"][0] / sums["ours"][0]),
        "insert_cpu_ratio": float(sums["bare"][1] / sums["ours"][1]),
        "last_block_ratio": float(last["bare"][0] / last["ours"][0]),
        "last_block_cpu_ratio": float(last["bare"][1] / last["ours"][1]),
    }  # fmt: skip


def build_others(folder: Path, data: Data) -> None:
    """faiss HNSW and usearch at the same parameters, where they are installed; skips what is built."""
    count, width = data.vectors.shape
    if importlib.util.find_spec("faiss") and not (folder / "faiss.index").exists():
        import faiss

        faiss.omp_set_num_threads(CORES)
        index = faiss.IndexHNSWFlat(width, M, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = EF_CONSTRUCTION
        vectors = np.ascontiguousarray(data.vectors)
        write(folder / "others.jsonl", {"name": "faiss", "tiles": count, "took": timed(lambda: index.add(vectors))})
        faiss.write_index(index, str(folder / "faiss.index"))
        del index
    if importlib.util.find_spec("usearch") and not (folder / "usearch.index").exists():
        from usearch.index import Index

        other = Index(ndim=width, metric="ip", dtype="f32", connectivity=M, expansion_add=EF_CONSTRUCTION,
                      expansion_search=EF_SEARCH)  # fmt: skip
        vectors = np.ascontiguousarray(data.vectors)
        took = timed(lambda: other.add(np.arange(count), vectors, threads=CORES))
        write(folder / "others.jsonl", {"name": "usearch", "tiles": count, "took": took})
        other.save(str(folder / "usearch.index"))


def other_rates(folder: Path) -> dict[str, dict[str, float]]:
    """Vectors a second of the others, on the wall and by the processor."""
    record = folder / "others.jsonl"
    lines = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()] if record.exists() else []
    return {
        line["name"]: {
            "insert_per_s": line["tiles"] / line["took"][0],
            "insert_per_cpu_s": line["tiles"] / line["took"][1],
        }
        for line in lines
    }
