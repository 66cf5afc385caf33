"""The paper's claim, tried: does the loss on the self-attended vectors (lambda) help retrieval?

    python benchmarks/ablation.py --image-weights FILE --text-source DIR [--what phantom,atlas] [--seeds 3]
        [--folds 5] [--work DIR] [--real PATH]

Trains the same small LILE with lambda 0 and lambda 1: same start, batches, steps and step function as ``lile train``,
encoders frozen. In each batch *every* picture is compared with *every* text by cross-attention, because with lambda 0
the stage-one vectors, which otherwise choose the negatives, learn nothing; ``--negatives mined`` trains as ``lile
train`` does by itself, with the two hardest by stage one and one at random. Two tasks:

- phantoms, each captioned with everything that the grammar can say of it (name and true traits); measured on phantoms
  of other seeds;
- the captioned atlas tiles, five folds by case, measured on tiles of cases not trained on.

Images with the same caption count as matches. Three measures, each the mean of both ways: the stage-one vectors alone;
the pair score over *all* candidates (what cross-attention can do, whatever stage one brings it); and search as the
program does it, ``alpha * cos + (1 - alpha) * s_x`` on the best tenth of stage one. Differences are paired (same task,
fold and seed); intervals are 95 % over runs (t), for the atlas over the folds after averaging each fold's seeds.
Runs that are done are kept in ``runs.jsonl`` and not done again. Prints a table and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from scipy import stats

from lile_engine.model.lile import Lile
from lile_engine.phantom.captions import description
from lile_engine.phantom.pairs import write_pairs
from lile_engine.phantom.tissue import TISSUES, tile_traits
from lile_engine.training.batches import Sampler
from lile_engine.training.config import TrainConfig, config_from_dict
from lile_engine.training.distributed import ALONE
from lile_engine.training.evaluate import text_matches
from lile_engine.training.open_data import atlas_rows
from lile_engine.training.optim import Ema, parameter_groups, rate_at
from lile_engine.training.pairs import PairDataset, read_pairs
from lile_engine.training.recall import Recall, recall_at_k
from lile_engine.training.start import prepare_start
from lile_engine.training.step import parallel_losses, train_step
from lile_engine.training.supply import Supply, TextCache

# The parts of the shipped network (one self-attention layer each, two cross-attention blocks), narrower and coarser.
SMALL = {
    "width": 128, "heads": 4, "token_grid": 4, "token_width": 64, "cross_width": 64, "cross_heads": 4,
    "cross_blocks": 2,
}  # fmt: skip
NEGATIVES: dict[str, Callable[[int], dict[str, int]]] = {
    "all": lambda batch: {"hard_negatives": batch, "random_negatives": 0},
    "mined": lambda _: {"hard_negatives": 2, "random_negatives": 1},
}
MEASURES = ("stage_one", "pair_score", "reranked")
LAMBDAS = (0.0, 1.0)
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One training, measured after ``step`` steps: mean of both ways of recall@1, @5 and @10, by measure."""

    what: str
    fold: int
    seed: int
    weight_self: float
    step: int
    steps: int
    images: int
    captions: int
    seconds: float
    recall: dict[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Task:
    """Which pairs of a list to train on and which to measure on."""

    what: str
    fold: int
    train: tuple[int, ...]
    test: tuple[int, ...]


def phantom_list(work: Path, train: int, test: int) -> tuple[Path, list[Task]]:
    """Phantoms of two seeds, ``train`` and ``test`` of each tissue, as one list with their full descriptions."""
    rows: list[dict[str, Any]] = []
    parts: list[tuple[int, ...]] = []
    for name, count, seed in (("train", train, 31), ("test", test, 32)):
        folder = work / f"phantom-{name}-{count}"
        if not (folder / "done").is_file():
            write_pairs(folder, count, seed)
            (folder / "done").touch()
        begin = len(rows)
        for number, line in enumerate((folder / "pairs.jsonl").read_text("utf-8").splitlines()):
            row = json.loads(line)
            tissue, seed_of_tile = row["tissues"][0], seed * 100_003 + number % count
            caption = description(tissue, tile_traits(tissue, seed_of_tile))
            rows.append({"image": str((folder / row["image"]).resolve()), "caption": caption})
        assert len(rows) - begin == count * len(TISSUES)
        parts.append(tuple(range(begin, len(rows))))
    return _write(work / "phantom.jsonl", rows), [Task("phantom", 0, parts[0], parts[1])]


def atlas_list(work: Path, data: Path, folds: int, most: int) -> tuple[Path, list[Task]]:
    """The captioned atlas tiles and their folds by case; ``most`` tiles of the test fold are measured."""
    rows = [{k: r[k] for k in ("image", "captions", "case")} for r in atlas_rows(data)]
    cases = sorted({r["case"] for r in rows})
    random.Random(5).shuffle(cases)
    tasks = []
    for fold in range(folds):
        held = set(cases[fold::folds])
        test = [i for i, r in enumerate(rows) if r["case"] in held]
        random.Random(fold).shuffle(test)
        train = [i for i, r in enumerate(rows) if r["case"] not in held]
        tasks.append(Task("atlas", fold, tuple(train), tuple(test[:most])))
    return _write(work / "atlas.jsonl", rows), tasks


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def configuration(pairs: Path, weight_self: float, seed: int, steps: int, args: argparse.Namespace) -> TrainConfig:
    """The training configuration; every pair of the batch is compared by cross-attention."""
    return config_from_dict(
        {
            "output": str(args.work / "unused"),
            "model": {
                "start": "new",
                "text_source": str(args.text_source),
                "image_weights": str(args.image_weights),
                "config": SMALL,
            },
            "data": {"train": [str(pairs)], "views": args.views, "cache": str(args.work / "cache")},
            "optim": {"steps": steps, "batch": args.batch, "lr": 1e-3, "warmup": 20, "ema": 0.98, "bf16": True},
            "loss": {"weight_self": weight_self, **NEGATIVES[args.negatives](args.batch)},
            "run": {"seed": seed, "device": "cpu"},
        }
    )


class KeptTexts(TextCache):
    """The hidden states of a list's captions, in a file: a run in a new process need not compute them again."""

    def fill(self, texts: list[str], file: Path) -> None:
        """Reads ``file`` where it holds these texts, else computes and writes it."""
        if file.is_file():
            tensors = load_file(file)
            if len(tensors) == 2 * len(texts):
                self._known = {t: (tensors[f"hidden.{i}"], tensors[f"mask.{i}"]) for i, t in enumerate(texts)}
                return
        rows = [self._row(text) for text in texts]
        tensors = {f"hidden.{i}": hidden for i, (hidden, _) in enumerate(rows)}
        save_file(tensors | {f"mask.{i}": mask for i, (_, mask) in enumerate(rows)}, file)


class Bench:
    """One list of pairs with its frozen features, shared by all trainings on it."""

    def __init__(self, pairs: Path, args: argparse.Namespace) -> None:
        self.path, self.args = pairs, args
        self.data = read_pairs(pairs, bad_rows="refuse")
        config = configuration(pairs, 1.0, 1, 1, args)
        start = prepare_start(config)
        cpu = torch.device("cpu")
        self.texts = KeptTexts(start.model, start.tokenizer, cpu)
        self.texts.fill(sorted({c for p in self.data.pairs for c in p.captions}), pairs.with_suffix(".safetensors"))
        self.supply = Supply(config, start.model, start.tokenizer, [self.data], cpu, self.texts)
        self.features = self.supply.cache_for(self.data)
        begun = time.monotonic()
        self.features.fill(range(args.views))
        print(f"features of {len(self.data)} pictures in {time.monotonic() - begun:.0f} s", flush=True)

    def run(self, task: Task, weight_self: float, seed: int, steps: int) -> Iterator[Run]:
        """Trains, and measures half-way and at the end."""
        begun = time.monotonic()
        config = configuration(self.path, weight_self, seed, steps, self.args)
        model = prepare_start(config).model.train()
        optimizer = torch.optim.AdamW(parameter_groups(model, config.optim), betas=(0.9, 0.98), eps=1e-8)
        compute, ema = parallel_losses(model, ALONE), Ema(model, config.optim.ema)
        part = PairDataset(tuple(self.data.pairs[i] for i in task.train))
        sampler = Sampler([part], batch=config.optim.batch, views=config.data.views, seed=seed)
        for step in range(steps):
            batch = sampler.at(step)
            items = tuple(replace(item, index=task.train[item.index]) for item in batch.items)
            train_step(
                compute,
                optimizer,
                self.supply.input(replace(batch, items=items)),
                config.loss,
                rate=rate_at(step, config.optim),
                clip=config.optim.clip,
                bf16=config.optim.bf16,
                seed=(seed, step),
            )
            ema.update(model, step)
            if step + 1 in (steps // 2, steps):
                images, captions, found = self.measure(ema.model, task.test)
                yield Run(
                    task.what, task.fold, seed, weight_self, step + 1, steps, images, captions,
                    time.monotonic() - begun, found,
                )  # fmt: skip

    @torch.inference_mode()
    def measure(self, model: Lile, test: tuple[int, ...]) -> tuple[int, int, dict[str, tuple[float, float, float]]]:
        """Numbers of images and captions, and the recalls of each measure."""
        texts, matches = text_matches([self.data.pairs[i] for i in test])
        images = [model.encode_image_features(self.features.maps(p, [0] * len(p), "cpu")) for p in _parts(test, 64)]
        vectors = torch.cat([e.vectors for e in images])
        tokens = torch.cat([e.tokens for e in images])
        words = model.encode_text_features(*self.texts.hidden(texts))
        assert words.mask is not None
        stage_one: Scores = (vectors @ words.vectors.T).double().numpy()
        pair_score: Scores = torch.cat(
            [model.score_pairs(part, words.tokens, words.mask) for part in tokens.split(4)]
        ).double().numpy()  # fmt: skip
        i2t = _reranked(stage_one, pair_score, model.config.alpha)
        t2i = _reranked(stage_one.T, pair_score.T, model.config.alpha)
        found = {
            "stage_one": recall_at_k(stage_one, matches),
            "pair_score": recall_at_k(pair_score, matches),
            "reranked": Recall(recall_at_k(i2t, matches).i2t, recall_at_k(t2i.T, matches).t2i, 0.0),
        }
        means = {
            name: ((r.i2t.r1 + r.t2i.r1) / 2, (r.i2t.r5 + r.t2i.r5) / 2, (r.i2t.r10 + r.t2i.r10) / 2)
            for name, r in found.items()
        }
        return len(test), len(texts), means


def _parts(indices: tuple[int, ...], size: int) -> list[list[int]]:
    return [list(indices[i : i + size]) for i in range(0, len(indices), size)]


def _reranked(stage_one: Scores, pair_score: Scores, alpha: float) -> Scores:
    """Search: the best tenth of each row by stage one, re-scored, before all others."""
    k = max(1, stage_one.shape[1] // 10)
    top = np.argpartition(-stage_one, k - 1, axis=1)[:, :k]
    out = stage_one.copy()
    mixed = 4 + alpha * stage_one + (1 - alpha) * pair_score
    np.put_along_axis(out, top, np.take_along_axis(mixed, top, 1), 1)
    return out


def report(runs: list[Run]) -> dict[str, Any]:
    """Means by lambda, and the paired difference with its interval, at the end and half-way."""
    found: dict[str, Any] = {}
    for what in dict.fromkeys(r.what for r in runs):
        of_task = [r for r in runs if r.what == what]
        for step in sorted({r.step for r in of_task}, reverse=True):
            by = {(r.weight_self, r.fold, r.seed): r for r in of_task if r.step == step}
            both = sorted((f, s) for (w, f, s) in by if w == 0.0 and (1.0, f, s) in by)
            if not both:
                continue
            images = by[0.0, *both[0]].images
            print(f"\n{what}, after {step} steps: {len(both)} pairs of runs, about {images} pictures measured")
            print(f"{'':<12}{'R@1 lambda 0':>13}{'lambda 1':>10}{'difference (95 %)':>29}{'R@10 0':>9}{'1':>8}")
            for measure in MEASURES:
                entry = _entry(by, both, measure)
                found[f"{what}_{step}_{measure}"] = entry
                half = entry["half_interval"] if entry["half_interval"] is not None else float("nan")
                print(
                    f"{measure:<12}{entry['lambda0_r1']:>13.3f}{entry['lambda1_r1']:>10.3f}"
                    f"{entry['difference']:>+14.3f} ({entry['difference'] - half:+.3f} to"
                    f" {entry['difference'] + half:+.3f}){entry['lambda0_r10']:>9.3f}{entry['lambda1_r10']:>8.3f}"
                )
    return found


def _entry(by: dict[tuple[float, int, int], Run], both: list[tuple[int, int]], measure: str) -> dict[str, Any]:
    r1, r10 = (np.array([[by[w, f, s].recall[measure][k] for w in LAMBDAS] for f, s in both]) for k in (0, 2))
    difference = r1[:, 1] - r1[:, 0]
    folds = sorted({f for f, _ in both})
    # Seeds of one fold share their test tiles: where there are several folds, those are the independent units.
    units = difference
    if len(folds) > 1:
        units = np.array([np.mean([d for d, (f, _) in zip(difference, both, strict=True) if f == g]) for g in folds])
    half = None
    if len(units) > 1:
        half = float(stats.t.ppf(0.975, len(units) - 1) * stats.sem(units))
    return {
        "lambda0_r1": float(r1[:, 0].mean()),
        "lambda1_r1": float(r1[:, 1].mean()),
        "difference": float(units.mean()),
        "half_interval": half,
        "lambda0_r10": float(r10[:, 0].mean()),
        "lambda1_r10": float(r10[:, 1].mean()),
        "runs": len(both),
    }


def read_runs(log: Path) -> list[Run]:
    """The runs that were done before."""
    if not log.is_file():
        return []
    return [Run(**json.loads(line)) for line in log.read_text("utf-8").splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-weights", type=Path, required=True, help="EfficientNet-Lite0 as safetensors")
    parser.add_argument("--text-source", type=Path, required=True, help="folder of MiniLM")
    parser.add_argument("--work", type=Path, default=Path("ablation"))
    parser.add_argument("--what", default="phantom,atlas")
    parser.add_argument("--negatives", choices=tuple(NEGATIVES), default="all", help="that cross-attention learns from")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200, help="on phantoms")
    parser.add_argument("--atlas-steps", type=int, default=160)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--views", type=int, default=1)
    parser.add_argument("--per-tissue", type=int, default=60)
    parser.add_argument("--test-per-tissue", type=int, default=10)
    parser.add_argument("--test-tiles", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--most-runs", type=int, default=10**6, help="stop after so many trainings; go on next time")
    parser.add_argument("--report", action="store_true", help="only print what was measured before")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--real", type=Path, default=Path(os.environ.get("LILE_REAL_DATA", beside)))
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    log = args.work / ("runs.jsonl" if args.negatives == "all" else f"runs-{args.negatives}.jsonl")
    runs = read_runs(log)
    if not args.report:
        if "phantom" in args.what:
            pairs, tasks = phantom_list(args.work, args.per_tissue, args.test_per_tissue)
            runs += all_runs(pairs, tasks, args.steps, runs, log, args)
        if "atlas" in args.what and (args.real / "atlas").is_dir():
            pairs, tasks = atlas_list(args.work, args.real, args.folds, args.test_tiles)
            runs += all_runs(pairs, tasks, args.atlas_steps, runs, log, args)
    print(json.dumps(report(runs)))


def all_runs(
    pairs: Path, tasks: list[Task], steps: int, before: list[Run], log: Path, args: argparse.Namespace
) -> list[Run]:
    """Whatever is missing of one list's trainings: all folds of the first seed, then of the next."""
    done = {(r.what, r.fold, r.seed, r.weight_self) for r in before if r.step == r.steps}
    missing = [
        (seed, task, weight_self)
        for seed in range(1, args.seeds + 1)
        for task in tasks
        for weight_self in LAMBDAS
        if (task.what, task.fold, seed, weight_self) not in done
    ]
    if not missing:
        return []
    bench = Bench(pairs, args)
    new: list[Run] = []
    for seed, task, weight_self in missing[: args.most_runs]:
        fresh = list(bench.run(task, weight_self, seed, steps))
        with log.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(run)) + "\n" for run in fresh)
        print(fresh[-1], flush=True)
        new += fresh
    return new


if __name__ == "__main__":
    main()
