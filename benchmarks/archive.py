"""The archive against bare hnswlib at the same parameters, in the same run; and how each grows.

    python benchmarks/archive.py --sizes 10000 100000 --source ARCHIVE [--tokens MODEL IMAGES] [--plot FILE.png]

Vectors are made from the real tile vectors of ``--source`` (an archive): pairs of one slide's vectors are mixed, and
noise as large as what lies between neighbours there is added. Without a source they are random clusters, which is
easier than tissue. faiss and usearch are measured too where they are installed. The last line is JSON.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hnswlib
import numpy as np
from numpy.typing import NDArray

from lile_engine.archive import SearchFilter, SlideRow, create_archive, open_archive
from lile_engine.archive.index import EF_CONSTRUCTION, EF_SEARCH, M
from lile_engine.model.protocol import ModelIdentity
from lile_engine.slides import Tile, TileSpec

Floats = NDArray[np.float32]
PER_SLIDE, BATCH, QUERIES = 1000, 500, 200
TOKENS, TOKEN_WIDTH = 49, 64
SELECTIVITIES = (0.001, 0.01, 0.05, 0.2, 0.5, 1.0)


def real_vectors(source: Path | None, width: int) -> list[Floats]:
    """The tile vectors of each slide."""
    if source is None:
        rng = np.random.default_rng(0)
        centres = rng.normal(size=(40, 1, width)).astype(np.float32)
        return [unit(centre + 0.6 * rng.normal(size=(200, width)).astype(np.float32)) for centre in centres]
    with open_archive(source) as archive:
        found = [archive.tile_vectors(archive.tiles_of_slide(row.id)[0]) for row in archive.slides()]
    return [vectors for vectors in found if len(vectors) > 20]


def unit(vectors: Floats) -> Floats:
    """At length 1."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def make_vectors(real: list[Floats], count: int, seed: int = 1) -> Floats:
    """``count`` vectors, slide by slide: mixtures of two real tiles of a slide, with the noise measured there."""
    rng = np.random.default_rng(seed)
    made = []
    for start in range(0, count, PER_SLIDE):
        tiles = real[rng.integers(len(real))]
        n = min(PER_SLIDE, count - start)
        one, two = tiles[rng.integers(len(tiles), size=n)], tiles[rng.integers(len(tiles), size=n)]
        share = rng.uniform(size=(n, 1)).astype(np.float32)
        some = tiles[rng.permutation(len(tiles))[:200]]
        near = np.sort(some @ some.T, axis=1)[:, -2].clip(-1, 1)
        spread = float(np.sqrt(np.maximum(2 - 2 * near, 0)).mean()) / 2  # half the way to the next tile
        noise = rng.normal(size=(n, tiles.shape[1])).astype(np.float32) * (spread / np.sqrt(tiles.shape[1]))
        made.append(unit(one * share + two * (1 - share) + noise))
    return np.concatenate(made)


def fill(folder: Path, vectors: Floats) -> float:
    """Fills an archive and saves its index; returns the seconds."""
    identity = ModelIdentity("b" * 16, "bench", vectors.shape[1], TOKENS, TOKEN_WIDTH, 224, 0.5)
    create_archive(folder, identity)
    tokens = np.random.default_rng(2).normal(size=(BATCH, TOKENS, TOKEN_WIDTH)).astype(np.float32)
    start = time.perf_counter()
    with open_archive(folder, write=True) as archive:
        for number in range(0, len(vectors), PER_SLIDE):
            slide = number // PER_SLIDE
            tags = tuple(f"s{share}" for share in SELECTIVITIES if slide % round(1 / share) == 0)
            row = SlideRow(0, f"/s/{slide}.svs", f"{slide:032x}", f"{slide}.svs", 9, 9, 0.5, tags=tags)
            identifier = archive.add_slide(row)
            for at in range(number, min(number + PER_SLIDE, len(vectors)), BATCH):
                part = vectors[at : at + BATCH]
                tiles = [
                    Tile(224 * (n % 32), 224 * (n // 32), 224) for n in range(at - number, at - number + len(part))
                ]
                archive.add_tiles(identifier, tiles, 0.5, part, tokens[: len(part)])
            archive.finish_slide(identifier, TileSpec())
    return time.perf_counter() - start


def bare_index(vectors: Floats, path: Path) -> tuple[Any, float]:
    """The same vectors in bare hnswlib, saved; and the seconds."""
    start = time.perf_counter()
    index = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), ef_construction=EF_CONSTRUCTION, M=M, random_seed=7)
    index.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    for at in range(0, len(vectors), 16_384):
        index.add_items(vectors[at : at + 16_384], np.arange(at, min(at + 16_384, len(vectors))))
    index.save_index(str(path))
    index.set_ef(EF_SEARCH)
    return index, time.perf_counter() - start


def times(ask: Callable[[Floats], Any], queries: Floats) -> tuple[list[Any], float, float]:
    """Answers, and the median and 95th percentile in milliseconds; a few questions first to warm up."""
    for query in queries[:10]:
        ask(query)
    answers, took = [], []
    for query in queries:
        start = time.perf_counter()
        answers.append(ask(query))
        took.append(1000 * (time.perf_counter() - start))
    return answers, float(np.median(took)), float(np.quantile(took, 0.95))


def recall(found: list[Any], truth: list[Any]) -> float:
    """The mean share of the truth that was found."""
    return float(
        np.mean([len(set(a.tolist()) & set(b.tolist())) / max(len(b), 1) for a, b in zip(found, truth, strict=True)])
    )


def exact(vectors: Floats, queries: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> list[Any]:
    """True neighbours as positions."""
    places = np.arange(len(vectors)) if allowed is None else np.flatnonzero(allowed)
    chosen = vectors if allowed is None else vectors[places]
    answers = []
    for query in queries:
        scores = chosen @ query
        top = np.argpartition(-scores, min(k, len(scores) - 1))[:k]
        answers.append(places[top])
    return answers


def resident_mb(code: str) -> float:
    """Memory of a process of its own after it ran ``code``, less what the imports take."""
    head = "import numpy as np, hnswlib, psutil, lile_engine.archive as A\nq = np.ones({d}, np.float32) / {d} ** 0.5\n"
    tail = "\nprint(psutil.Process().memory_info().rss / 1e6)"
    before = head + "A.open_archive\nimport lile_engine.archive.local\nb = psutil.Process().memory_info().rss / 1e6\n"
    done = subprocess.run(
        [sys.executable, "-c", before.format(d=WIDTH) + code + tail + "\nprint(b)"],
        capture_output=True,
        text=True,
        check=True,
    )
    after, base = map(float, done.stdout.split())
    return after - base


WIDTH = 256


def others(vectors: Floats, queries: Floats, truth: list[Any]) -> dict[str, Any]:
    """faiss HNSW and usearch at the same parameters, where they are installed."""
    results: dict[str, Any] = {}
    if importlib.util.find_spec("faiss"):
        import faiss

        start = time.perf_counter()
        index = faiss.IndexHNSWFlat(vectors.shape[1], M, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction, index.hnsw.efSearch = EF_CONSTRUCTION, EF_SEARCH
        index.add(vectors)
        seconds = time.perf_counter() - start
        faiss.omp_set_num_threads(1)
        found, p50, p95 = times(lambda q: index.search(q[None], 10)[1][0], queries)
        results["faiss"] = {
            "insert_per_s": len(vectors) / seconds,
            "p50": p50,
            "p95": p95,
            "recall10": recall(found, truth),
        }
    if importlib.util.find_spec("usearch"):
        from usearch.index import Index

        start = time.perf_counter()
        other = Index(
            ndim=vectors.shape[1],
            metric="ip",
            connectivity=M,
            expansion_add=EF_CONSTRUCTION,
            expansion_search=EF_SEARCH,
        )
        other.add(np.arange(len(vectors)), vectors)
        seconds = time.perf_counter() - start
        found, p50, p95 = times(lambda q: other.search(q, 10).keys.astype(np.int64), queries)
        results["usearch"] = {
            "insert_per_s": len(vectors) / seconds,
            "p50": p50,
            "p95": p95,
            "recall10": recall(found, truth),
        }
    return results


def measure(count: int, real: list[Floats], folder: Path) -> dict[str, Any]:
    """All figures for one size."""
    vectors = make_vectors(real, count)
    queries = make_vectors(real, QUERIES, seed=9)
    truth = exact(vectors, queries, 10)
    archive_dir, bare_file = folder / "archive", folder / "bare.hnsw"
    ours_s = fill(archive_dir, vectors)
    bare, bare_s = bare_index(vectors, bare_file)
    found, bare_p50, bare_p95 = times(
        lambda q: bare.knn_query(q[None], k=10, num_threads=1)[0][0].astype(np.int64), queries
    )
    result: dict[str, Any] = {
        "tiles": count, "insert_per_s": count / ours_s, "bare_insert_per_s": count / bare_s,
        "insert_ratio": bare_s / ours_s,
        "bare_recall10": recall(found, truth), "bare_p50": bare_p50, "bare_p95": bare_p95,
    }  # fmt: skip
    with open_archive(archive_dir) as archive:
        found, p50, p95 = times(lambda q: archive.search_tiles(q, 10).ids - 1, queries)
        result |= {"p50": p50, "p95": p95, "p50_ratio": p50 / bare_p50, "p95_ratio": p95 / bare_p95}
        result["recall10"] = recall(found, truth)
        hits = [archive.search_tiles(q, 20).ids for q in queries[:50]]
        start = time.perf_counter()
        for ids in hits:
            archive.tiles(ids)
        result["metadata_20_ms"] = 1000 * (time.perf_counter() - start) / len(hits)
        start = time.perf_counter()
        for ids in hits[:20]:
            archive.tile_tokens(ids)
        result["tokens_20_ms"] = 1000 * (time.perf_counter() - start) / 20
        slide = np.arange(count) // PER_SLIDE
        filtered = {}
        for share in SELECTIVITIES:
            allowed = slide % round(1 / share) == 0
            wanted = SearchFilter(tags=(f"s{share}",))
            got, f50, f95 = times(lambda q, w=wanted: archive.search_tiles(q, 20, w).ids - 1, queries[:60])
            filtered[str(share)] = {
                "recall20": recall(got, exact(vectors, queries[:60], 20, allowed)),
                "p50": f50,
                "p95": f95,
            }
        result["filtered"] = filtered
        result["bytes_per_tile"] = archive.status().bytes / count
    opens = []
    for _ in range(3):
        start = time.perf_counter()
        with open_archive(archive_dir) as archive:
            archive.search_tiles(queries[0], 1)
        middle = time.perf_counter()
        loaded = hnswlib.Index(space="ip", dim=vectors.shape[1])
        loaded.load_index(str(bare_file), max_elements=count)
        loaded.knn_query(queries[:1], k=1)
        opens.append((middle - start, time.perf_counter() - middle))
        del loaded
    ours_open, bare_open = (float(np.median([one[at] for one in opens])) for at in (0, 1))
    result |= {"open_s": ours_open, "bare_open_s": bare_open, "open_ratio": ours_open / bare_open}
    ours_mb = resident_mb(f"a = A.open_archive({str(archive_dir)!r})\nfor n in range(20): a.search_tiles(q, 20)")
    bare_mb = resident_mb(
        f"i = hnswlib.Index(space='ip', dim={WIDTH}); i.load_index({str(bare_file)!r}, max_elements={count})\n"
        "for n in range(20): i.knn_query(q, k=20)"
    )
    result |= {"memory_mb": ours_mb, "bare_memory_mb": bare_mb, "memory_ratio": ours_mb / bare_mb}
    result["others"] = others(vectors, queries, truth)
    return result


def token_cost(model_dir: str, images: Path) -> dict[str, float]:
    """What int8 tokens change in the pair scores of real tiles with phrases, and in the order they give."""
    from PIL import Image

    from lile_engine.archive.tokens import pack_tokens, unpack_tokens
    from lile_engine.model.load import load_model

    model = load_model(model_dir, "cpu")
    files = sorted(file for file in images.rglob("*") if file.suffix.lower() in {".jpg", ".png"})[:240]
    side = model.identity.input_px
    pixels = np.stack([np.asarray(Image.open(file).convert("RGB").resize((side, side))) for file in files])
    tokens = model.encode_images(pixels).tokens
    named = "adenocarcinoma,squamous cell carcinoma,adipose tissue,smooth muscle,lymphocytes,necrosis,dense collagen"
    phrases = [*named.split(","), "normal mucosa with glands", "mucin", "red blood cells"]
    texts = model.encode_texts(phrases)
    text_tokens, mask = unpack_tokens(pack_tokens(texts.tokens, texts.mask))
    full = model.score_pairs(tokens, texts.tokens, texts.mask)
    packed = model.score_pairs(unpack_tokens(pack_tokens(tokens))[0], text_tokens, mask)
    overlaps = []
    for column in range(len(phrases)):
        a, b = (set(np.argsort(-scores[:, column])[:20].tolist()) for scores in (full, packed))
        overlaps.append(len(a & b) / 20)
    spread = float(full.std())
    return {
        "images": len(files), "largest_change": float(np.abs(full - packed).max()), "spread_of_scores": spread,
        "rms_change": float(np.sqrt(((full - packed) ** 2).mean())), "same_top20": float(np.mean(overlaps)),
        "same_first": float((full.argmax(axis=0) == packed.argmax(axis=0)).mean()),
        "bytes": TOKENS * (TOKEN_WIDTH + 2), "float_bytes": TOKENS * TOKEN_WIDTH * 4,
    }  # fmt: skip


def table(results: list[dict[str, Any]]) -> None:
    """Prints what was found."""
    names = [
        "insert_per_s", "bare_insert_per_s", "insert_ratio", "recall10", "bare_recall10", "p50", "bare_p50",
        "p50_ratio", "p95", "bare_p95", "p95_ratio", "open_s", "bare_open_s", "open_ratio", "memory_mb",
        "bare_memory_mb", "memory_ratio", "metadata_20_ms", "tokens_20_ms", "bytes_per_tile",
    ]  # fmt: skip
    print(f"{'':20}" + "".join(f"{result['tiles']:>14}" for result in results))
    for name in names:
        print(f"{name:20}" + "".join(f"{result[name]:14.3f}" for result in results))
    for share in SELECTIVITIES:
        cells = [result["filtered"][str(share)] for result in results]
        print(f"filter {share:<13}" + "".join(f"{c['recall20']:7.3f}{c['p50']:5.1f}ms" for c in cells))
    for name in sorted({name for result in results for name in result["others"]}):
        for value in ("insert_per_s", "p50", "p95", "recall10"):
            row = "".join(f"{result['others'].get(name, {}).get(value, float('nan')):14.3f}" for result in results)
            print(f"{name + ' ' + value:20}" + row)


def plot(results: list[dict[str, Any]], out: Path) -> None:
    """Median times and memory against size, both axes by powers of ten, as a picture."""
    from PIL import Image, ImageDraw

    width, height, edge = 900, 520, 60
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    lines = {"p50": "#0072b2", "bare_p50": "#56b4e9", "open_s": "#d55e00", "bare_open_s": "#e69f00"}
    values = [result[name] for result in results for name in lines]
    low, high = np.floor(np.log10(min(values))), np.ceil(np.log10(max(values)))
    first, last = np.log10(results[0]["tiles"]), np.log10(results[-1]["tiles"])

    def place(tiles: float, value: float) -> tuple[float, float]:
        x = edge + (np.log10(tiles) - first) / max(last - first, 1e-9) * (width - 4 * edge)
        y = height - edge - (np.log10(value) - low) / (high - low) * (height - 2 * edge)
        return float(x), float(y)

    for power in range(int(low), int(high) + 1):
        _, y = place(results[0]["tiles"], 10.0**power)
        draw.line([(edge, y), (width - 3 * edge, y)], "#dddddd")
        draw.text((8, y - 6), f"1e{power}", "black")
    for result in results:
        x, _ = place(result["tiles"], 10.0**low)
        draw.text((x - 15, height - edge + 10), f"{result['tiles']:g}", "black")
    for row, (name, colour) in enumerate(lines.items()):
        points = [place(result["tiles"], result[name]) for result in results]
        draw.line(points, colour, 3)
        draw.text((width - 3 * edge + 10, edge + 20 * row), name + (" ms" if "p50" in name else ""), colour)
    picture.save(out)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--source", type=Path, help="an archive with real tiles of the bundled model")
    parser.add_argument("--tokens", nargs=2, metavar=("MODEL", "IMAGES"), help="also what int8 tokens cost")
    parser.add_argument("--work", type=Path, help="where to build (a temporary folder)")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    args = parser.parse_args()
    real = real_vectors(args.source, WIDTH)
    results = []
    for count in sorted(args.sizes):
        folder = Path(tempfile.mkdtemp(prefix="lile-bench-", dir=args.work))
        try:
            results.append(measure(count, real, folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print(f"{count} done", file=sys.stderr, flush=True)
    table(results)
    figures: dict[str, Any] = {"source": args.source is not None, "load": os.getloadavg()[0], "results": results}
    if args.tokens:
        figures["tokens"] = token_cost(args.tokens[0], Path(args.tokens[1]))
        for name, value in figures["tokens"].items():
            print(f"tokens {name:20}{value:12.4f}")
    if args.plot:
        plot(results, args.plot)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
