"""The paper's claim, tried: does the loss on the self-attended vectors (lambda) help retrieval?

    python benchmarks/ablation.py --image-weights FILE [--text-source DIR] [--seeds 3] [--steps 150] [--work DIR]
        [--what phantom,atlas] [--real PATH]

Trains the same small LILE with lambda 0 and lambda 1: same pairs, steps, seeds, frozen encoders, and in each batch
*every* picture is compared with *every* text by cross-attention, because with lambda 0 the stage-one vectors, which
otherwise choose the negatives, learn nothing. Measured on pairs kept out (phantoms of other seeds; atlas cases in five
folds): stage one alone; the pair score alone over all candidates; and search as shipped, the pair score on the best K
of stage one. Captions with the same words, and those of one phantom tissue, count as matches. Intervals are 95 % over
runs (t) for the differences.
Prints a table and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from lile_engine.model.checkpoint import load_checkpoint
from lile_engine.model.runtime import LileRuntime
from lile_engine.phantom.pairs import write_pairs
from lile_engine.training.config import config_from_dict
from lile_engine.training.evaluate import EvalReport, evaluate
from lile_engine.training.loop import train
from lile_engine.training.open_data import Row, atlas_rows, read_jsonl
from lile_engine.training.pairs import read_pairs
from lile_engine.training.recall import Recall
from lile_engine.training.start import prepare_start
from lile_engine.training.supply import TextCache

SMALL = {"width": 128, "heads": 4, "token_width": 64, "cross_width": 64, "cross_heads": 4, "cross_blocks": 2}
MEASURES = ("stage_one", "pair_score", "reranked")


@dataclass(frozen=True)
class Run:
    """One training: mean of both ways of recall@1 and recall@10, by measure."""

    what: str
    weight_self: float
    seed: int
    fold: int
    r1: dict[str, float]
    r10: dict[str, float]


@dataclass(frozen=True)
class Task:
    """Pairs to train on and to measure on."""

    what: str
    fold: int
    train: Path
    test: Path


def phantom_task(work: Path, per_tissue: int) -> Task:
    """Phantoms with their long captions, other seeds for the test; captions of one tissue count as matches."""
    lists = {}
    for name, count, seed in (("train", per_tissue, 31), ("test", max(4, per_tissue // 5), 32)):
        folder = work / f"phantom-{name}"
        if not (folder / "pairs.jsonl").is_file():
            write_pairs(folder, count, seed)
        rows = read_jsonl(folder / "pairs.jsonl")
        for row in rows:
            row["image"], row["captions"] = str(folder / row["image"]), row["captions"][-1:]
            row["group"] = row["tissues"][0]
        lists[name] = _write(work / f"phantom-{name}.jsonl", rows)
    return Task("phantom", 0, lists["train"], lists["test"])


def atlas_tasks(work: Path, data: Path, folds: int, most: int) -> Iterator[Task]:
    """The captioned atlas tiles, five folds by case; ``most`` tiles of the test fold are measured."""
    rows = [{k: r[k] for k in ("image", "captions", "case")} for r in atlas_rows(data)]
    cases = sorted({r["case"] for r in rows})
    random.Random(5).shuffle(cases)
    for fold in range(folds):
        held = set(cases[fold::folds])
        test = [r for r in rows if r["case"] in held]
        random.Random(fold).shuffle(test)
        yield Task(
            "atlas",
            fold,
            _write(work / f"atlas-train-{fold}.jsonl", [r for r in rows if r["case"] not in held]),
            _write(work / f"atlas-test-{fold}.jsonl", test[:most]),
        )


def _write(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def one_run(task: Task, weight_self: float, seed: int, args: argparse.Namespace, texts: TextCache | None) -> Run:
    """Trains and measures."""
    output = args.work / f"{task.what}-{task.fold}-lambda{weight_self:g}-seed{seed}"
    config = config_from_dict(table(task.train, output, weight_self, seed, args))
    train(config, texts=texts, resume=True)
    model = LileRuntime(load_checkpoint(output), "cpu")
    test = read_pairs(task.test)
    everything = evaluate(model, test, alpha=0.0, rerank_k=10**6, bootstrap=0)
    shipped = evaluate(model, test, bootstrap=0)
    assert everything.reranked is not None
    assert shipped.reranked is not None
    ways: dict[str, EvalReport | Recall] = {
        "stage_one": everything,
        "pair_score": everything.reranked,
        "reranked": shipped.reranked,
    }
    return Run(
        task.what,
        weight_self,
        seed,
        task.fold,
        {k: (w.i2t.r1 + w.t2i.r1) / 2 for k, w in ways.items()},
        {k: (w.i2t.r10 + w.t2i.r10) / 2 for k, w in ways.items()},
    )


def table(pairs: Path, output: Path, weight_self: float, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """The training configuration; every pair of the batch is compared by cross-attention."""
    return {
        "output": str(output),
        "model": {
            "start": "new",
            "text_source": str(args.text_source),
            "image_weights": str(args.image_weights),
            "config": SMALL,
        },
        "data": {
            "train": [str(pairs)],
            "validation_share": 0.0,
            "views": args.views,
            "cache": str(args.work / "cache"),
        },
        "optim": {"steps": args.steps, "batch": args.batch, "lr": 1e-3, "warmup": 20, "ema": 0.98, "bf16": True},
        "loss": {"weight_self": weight_self, "hard_negatives": args.batch, "random_negatives": 0},
        "run": {"seed": seed, "device": "cpu", "threads": args.threads, "save_steps": 100_000},
    }


def report(runs: list[Run]) -> dict[str, Any]:
    """Means by lambda, and the paired difference (same fold and seed) with its interval."""
    found: dict[str, Any] = {}
    for what in dict.fromkeys(r.what for r in runs):
        print(f"\n{what}: recall of both ways, mean over runs")
        print(f"{'':<14}{'R@1 lambda 0':>14}{'lambda 1':>10}{'difference (95 %)':>28}{'R@10 0':>10}{'1':>8}")
        for measure in MEASURES:
            by = {(r.weight_self, r.seed, r.fold): r for r in runs if r.what == what}
            both = [(by[0.0, s, f], by[1.0, s, f]) for (w, s, f) in by if w == 0.0 and (1.0, s, f) in by]
            low, high = ([pair[i].r1[measure] for pair in both] for i in (0, 1))
            low10, high10 = (float(np.mean([pair[i].r10[measure] for pair in both])) for i in (0, 1))
            difference = np.array(high) - np.array(low)
            mean = float(difference.mean())
            half = float("nan")
            if len(difference) > 1:
                half = float(stats.t.ppf(0.975, len(difference) - 1) * stats.sem(difference))
            print(
                f"{measure:<14}{np.mean(low):>14.3f}{np.mean(high):>10.3f}"
                f"{mean:>+13.3f} ({mean - half:+.3f} to {mean + half:+.3f}){low10:>9.3f}{high10:>8.3f}"
            )
            found[f"{what}_{measure}"] = {
                "lambda0_r1": float(np.mean(low)),
                "lambda1_r1": float(np.mean(high)),
                "difference": mean,
                "half_interval": None if np.isnan(half) else half,
                "lambda0_r10": low10,
                "lambda1_r10": high10,
                "runs": len(difference),
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-weights", type=Path, required=True, help="EfficientNet-Lite0 as safetensors")
    parser.add_argument("--text-source", type=Path, required=True, help="folder of MiniLM")
    parser.add_argument("--work", type=Path, default=Path("ablation"))
    parser.add_argument("--what", default="phantom,atlas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--views", type=int, default=2)
    parser.add_argument("--per-tissue", type=int, default=40)
    parser.add_argument("--test-tiles", type=int, default=250)
    parser.add_argument("--threads", type=int, default=1)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--real", type=Path, default=Path(os.environ.get("LILE_REAL_DATA", beside)))
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    tasks: list[tuple[Task, range]] = []
    if "phantom" in args.what:
        tasks.append((phantom_task(args.work, args.per_tissue), range(1, args.seeds + 1)))
    if "atlas" in args.what and (args.real / "atlas").is_dir():
        tasks += [(t, range(1, 2)) for t in atlas_tasks(args.work, args.real, args.folds, args.test_tiles)]
    texts: TextCache | None = None
    runs: list[Run] = []
    log = args.work / "runs.jsonl"
    for task, seeds in tasks:
        for seed in seeds:
            for weight_self in (0.0, 1.0):
                if texts is None:
                    config = config_from_dict(table(task.train, args.work / "unused", weight_self, seed, args))
                    start = prepare_start(config)
                    texts = TextCache(start.model, start.tokenizer, torch.device("cpu"))
                runs.append(one_run(task, weight_self, seed, args, texts))
                with log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(runs[-1])) + "\n")
                print(runs[-1], flush=True)
    print(json.dumps(report(runs)))


if __name__ == "__main__":
    main()
