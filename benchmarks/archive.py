"""The archive against bare hnswlib at the same parameters, and how each grows; faiss and usearch beside them.

    python benchmarks/archive.py --sizes 10000 100000 --source ARCHIVE [--plot FILE.png]

Vectors are made from the real tile vectors of ``--source`` (an archive): pairs of one slide's vectors are mixed, and
noise as large as what lies between neighbours there is added. Without a source they are random clusters, which is
easier than tissue. A million take long to build, so that can be done apart: ``--work DIR`` keeps everything,
``--stage build`` and ``--stage others`` only build there (and go on where they were stopped; ``--until N`` stops
early, ``--no-others`` leaves the others out), ``--stage measure`` only measures, ``--stage phrases`` then times
whole questions in words with the source's own model, ``--stage table`` prints what was measured before. What storing
tokens in few bytes costs is in `archive_tokens.py`. The last line is JSON.
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
from archive_building import build, build_others, build_rates, other_rates
from archive_data import (
    FILTER_QUERIES,
    SELECTIVITIES,
    Data,
    Floats,
    Ids,
    Source,
    prepare,
    read_source,
    recall,
)
from archive_plot import plot

from lile_engine.archive import Archive, SearchFilter, open_archive
from lile_engine.archive.index import EF_SEARCH

Ask = Callable[[Floats], Ids]
STAGES = ("all", "build", "others", "measure", "phrases", "table")
TURN = 50  # questions that one answers before it is the other's turn


def in_turns(asks: dict[str, Ask], queries: Floats) -> dict[str, dict[str, Any]]:
    """Answers, median and 95th percentile in milliseconds of each, asked in turns after a few to warm up."""
    answers: dict[str, list[Ids]] = {name: [] for name in asks}
    took: dict[str, list[float]] = {name: [] for name in asks}
    for ask in asks.values():
        for query in queries[:TURN]:
            ask(query)
    for at in range(0, len(queries), TURN):
        for name, ask in asks.items():
            for query in queries[at : at + TURN]:
                start = time.perf_counter()
                answer = ask(query)
                took[name].append(1000 * (time.perf_counter() - start))
                answers[name].append(answer)
    return {
        name: {
            "answers": answers[name], "p50": float(np.median(took[name])), "p95": float(np.quantile(took[name], 0.95)),
        }
        for name in asks
    }  # fmt: skip


def measure_queries(folder: Path, data: Data) -> dict[str, Any]:
    """Recall and time of ours and of bare hnswlib; of ours also rows, tokens and every filter."""
    count, width = data.vectors.shape
    bare = hnswlib.Index(space="ip", dim=width)
    bare.load_index(str(folder / "bare.hnsw"), max_elements=count)
    bare.set_ef(EF_SEARCH)
    with open_archive(folder / "archive") as archive:
        found = in_turns(
            {
                "bare": lambda q: bare.knn_query(q[None], k=10, num_threads=1)[0][0].astype(np.int64),
                "ours": lambda q: archive.search_tiles(q, 10).ids - 1,
            },
            data.queries,
        )
        ours, plain = found["ours"], found["bare"]
        result: dict[str, Any] = {
            "p50": ours["p50"], "p95": ours["p95"], "bare_p50": plain["p50"], "bare_p95": plain["p95"],
            "p50_ratio": ours["p50"] / plain["p50"], "p95_ratio": ours["p95"] / plain["p95"],
            "recall10": recall(ours["answers"], data.truth), "bare_recall10": recall(plain["answers"], data.truth),
        }  # fmt: skip
        hits = [archive.search_tiles(query, 20).ids for query in data.queries[:50]]
        result["metadata_20_ms"] = average_ms(archive.tiles, hits)
        result["tokens_20_ms"] = average_ms(archive.tile_tokens, hits)
        result["filtered"] = measure_filters(archive, data)
        result["bytes_per_tile"] = archive.status().bytes / count
    return result


def average_ms(ask: Callable[[Ids], object], hits: list[Ids]) -> float:
    """Milliseconds a call, on average."""
    start = time.perf_counter()
    for ids in hits:
        ask(ids)
    return 1000 * (time.perf_counter() - start) / len(hits)


def measure_filters(archive: Archive, data: Data) -> dict[str, Any]:
    """Recall@20 and time under filters that let ever more of the archive through."""
    results = {}
    for share in SELECTIVITIES:
        wanted = SearchFilter(tags=(f"s{share}",))
        got = in_turns(
            {"ours": lambda q, w=wanted: archive.search_tiles(q, 20, w).ids - 1}, data.queries[:FILTER_QUERIES]
        )["ours"]
        found = recall(got["answers"], data.filtered[str(share)])
        results[str(share)] = {"recall20": found, "p50": got["p50"], "p95": got["p95"]}
    return results


def measure_opening(folder: Path, data: Data) -> dict[str, float]:
    """Seconds to the first answer, in turns."""
    count, width = data.vectors.shape
    opens = []
    for _ in range(5):
        start = time.perf_counter()
        with open_archive(folder / "archive") as archive:
            archive.search_tiles(data.queries[0], 1)
            middle = time.perf_counter()
        del archive
        between = time.perf_counter()
        loaded = hnswlib.Index(space="ip", dim=width)
        loaded.load_index(str(folder / "bare.hnsw"), max_elements=count)
        loaded.knn_query(data.queries[:1], k=1)
        opens.append((middle - start, time.perf_counter() - between))
        del loaded
    ours, bare = (float(np.median([one[at] for one in opens])) for at in (0, 1))
    return {"open_s": ours, "bare_open_s": bare, "open_ratio": ours / bare}


def resident_mb(code: str, width: int) -> float:
    """Memory of a process of its own after it ran ``code``, less what the imports take."""
    head = (
        "import numpy as np, hnswlib, psutil, lile_engine.archive as A, lile_engine.archive.local\n"
        f"q = np.ones({width}, np.float32) / {width} ** 0.5\nb = psutil.Process().memory_info().rss / 1e6\n"
    )
    tail = "\nprint(psutil.Process().memory_info().rss / 1e6 - b)"
    done = subprocess.run([sys.executable, "-c", head + code + tail], capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure_memory(folder: Path, data: Data) -> dict[str, float]:
    """Resident memory with the index loaded and asked."""
    count, width = data.vectors.shape
    ours = resident_mb(
        f"a = A.open_archive({str(folder / 'archive')!r})\nfor n in range(20): a.search_tiles(q, 20)", width
    )
    bare = resident_mb(
        f"i = hnswlib.Index(space='ip', dim={width}); "
        f"i.load_index({str(folder / 'bare.hnsw')!r}, max_elements={count})\nfor n in range(20): i.knn_query(q, k=20)",
        width,
    )
    return {"memory_mb": ours, "bare_memory_mb": bare, "memory_ratio": ours / bare}


def measure_others(folder: Path, data: Data) -> dict[str, Any]:
    """faiss HNSW and usearch at the same parameters, as far as they are built."""
    results: dict[str, Any] = {}
    if importlib.util.find_spec("faiss") and (folder / "faiss.index").exists():
        import faiss

        index = faiss.read_index(str(folder / "faiss.index"))
        index.hnsw.efSearch = EF_SEARCH
        faiss.omp_set_num_threads(1)
        results["faiss"] = in_turns({"it": lambda q: index.search(q[None], 10)[1][0]}, data.queries)["it"]
        del index
    if importlib.util.find_spec("usearch") and (folder / "usearch.index").exists():
        from usearch.index import Index

        other = Index.restore(str(folder / "usearch.index"))
        other.expansion_search = EF_SEARCH
        results["usearch"] = in_turns(
            {"it": lambda q: other.search(q, 10, threads=1).keys.astype(np.int64)}, data.queries
        )["it"]
    rates = other_rates(folder)
    for name, got in results.items():
        got["recall10"] = recall(got.pop("answers"), data.truth)
        got.update(rates.get(name, {}))
    return results


def measure(folder: Path, data: Data) -> dict[str, Any]:
    """All figures for one size that is built."""
    result: dict[str, Any] = {"tiles": len(data.vectors), "load": os.getloadavg()[0]}
    result |= build_rates(folder, len(data.vectors))
    result |= measure_queries(folder, data)
    result |= measure_opening(folder, data)
    result |= measure_memory(folder, data)
    result["others"] = measure_others(folder, data)
    return result


def table(results: list[dict[str, Any]]) -> None:
    """Prints what was found."""
    names = [
        "insert_per_s", "bare_insert_per_s", "insert_per_cpu_s", "bare_insert_per_cpu_s", "insert_ratio",
        "insert_cpu_ratio", "last_block_ratio",
        "last_block_cpu_ratio", "recall10", "bare_recall10", "p50", "bare_p50",
        "p50_ratio", "p95", "bare_p95", "p95_ratio", "open_s", "bare_open_s", "open_ratio", "memory_mb",
        "bare_memory_mb", "memory_ratio", "metadata_20_ms", "tokens_20_ms", "bytes_per_tile",
    ]  # fmt: skip
    print(f"{'':22}" + "".join(f"{result['tiles']:>16}" for result in results))
    for name in names:
        print(f"{name:22}" + "".join(f"{result[name]:16.3f}" for result in results))
    for share in SELECTIVITIES:
        cells = [result["filtered"][str(share)] for result in results]
        print(f"filter {share:<15}" + "".join(f"{c['recall20']:7.3f}{c['p50']:7.1f}ms" for c in cells))
    for name in sorted({name for result in results for name in result["others"]}):
        for value in ("insert_per_s", "insert_per_cpu_s", "p50", "p95", "recall10"):
            row = "".join(f"{result['others'].get(name, {}).get(value, float('nan')):16.3f}" for result in results)
            print(f"{name + ' ' + value:22}" + row)
    for name in sorted({name for result in results for name in result.get("phrases", {})}):
        row = "".join(f"{result.get('phrases', {}).get(name, float('nan')):16.3f}" for result in results)
        print(f"{name:22}" + row)


def run_size(args: argparse.Namespace, source: Source, count: int) -> dict[str, Any] | None:
    """Builds and measures one size, as far as the stage asks for; the result once it is measured."""
    kept = args.work / str(count) if args.work is not None else None
    folder = kept or Path(tempfile.mkdtemp(prefix="lile-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if args.stage == "table":
            measured: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
            return measured | build_rates(folder, count)
        data = prepare(folder, count, source)
        if args.stage in {"all", "build"}:
            build(folder, data, source, min(args.until or count, count))
        if args.stage in {"all", "others"} and not args.no_others:
            build_others(folder, data)
        if args.stage in {"build", "others"}:
            return None
        kept_result = folder / "result.json"
        if args.stage == "phrases":
            from archive_phrases import measure_phrases

            result: dict[str, Any] = json.loads(kept_result.read_text(encoding="utf-8"))
            result["phrases"] = measure_phrases(folder / "archive", args.model)
        else:
            result = measure(folder, data)
        kept_result.write_text(json.dumps(result), encoding="utf-8")
        return result
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--source", type=Path, help="an archive with real tiles of the bundled model")
    parser.add_argument("--work", type=Path, help="where to build and keep it (a temporary folder, thrown away)")
    parser.add_argument("--stage", choices=STAGES, default="all")
    parser.add_argument("--until", type=int, metavar="N", help="build only so many")
    parser.add_argument("--no-others", action="store_true", help="leave faiss and usearch out")
    parser.add_argument("--model", type=Path, metavar="DIR", help="the source's model, if it is no longer the bundled")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    args = parser.parse_args()
    source = read_source(args.source)
    results = []
    for count in sorted(args.sizes):
        result = run_size(args, source, count)
        if result is not None:
            results.append(result)
        print(f"{count} done", file=sys.stderr, flush=True)
    figures: dict[str, Any] = {"source": args.source is not None, "results": results}
    if results:
        table(results)
    if args.plot and results:
        plot(results, args.plot)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
