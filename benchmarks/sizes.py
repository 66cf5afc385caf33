"""What the sizes of LILE bring: width, number of tokens and depth, against recall on real tiles.

    python benchmarks/sizes.py --image-weights FILE --text-source DIR [--data DIR] [--steps 100] [--work DIR]

Every variant of ``forward.py`` (which says what they cost) is trained alike (same tiles, captions, seeds and steps,
encoders frozen) on a part of the captioned atlas tiles and measured on tiles of cases it has not seen: recall@10, mean
of both ways, by the vectors alone and re-ranked. Trainings this short tell bad sizes from good ones, not good from
best; the spread over seeds is printed so that nobody reads more into them. What is done is kept in ``runs.jsonl`` and
not done again. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from pathlib import Path

import torch
from forward import VARIANTS, shipped_config

from lile_engine.model.checkpoint import load_checkpoint
from lile_engine.model.runtime import LileRuntime
from lile_engine.training.config import TrainConfig, config_from_dict
from lile_engine.training.evaluate import evaluate
from lile_engine.training.loop import train
from lile_engine.training.open_data import atlas_rows
from lile_engine.training.pairs import read_pairs
from lile_engine.training.start import prepare_start
from lile_engine.training.supply import TextCache


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--image-weights", type=Path, required=True, help="EfficientNet-Lite0 as safetensors")
    parser.add_argument("--text-source", type=Path, required=True, help="folder of MiniLM")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with atlas/captions.jsonl")
    parser.add_argument("--work", type=Path, default=Path("runs/sizes"))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--train-tiles", type=int, default=1500)
    parser.add_argument("--test-tiles", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="names of variants")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    lists = write_lists(args)
    log = args.work / "runs.jsonl"
    found = {}
    if log.is_file():
        for line in log.read_text("utf-8").splitlines():
            name, seed, *recalls = json.loads(line)
            found[name, seed] = recalls
    texts: TextCache | None = None
    for seed in range(args.seeds):
        for name, changes in VARIANTS:
            if (name, seed) in found or (args.only and name not in args.only):
                continue
            config = configuration(name, changes, seed, lists, args)
            if texts is None:
                start = prepare_start(config)
                texts = TextCache(start.model, start.tokenizer, torch.device("cpu"))
            found[name, seed] = trained(config, lists[1], texts)
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, seed, *found[name, seed]]) + "\n")
    print(f"{'':18}{'recall@10':>12}{'re-ranked':>12}{'spread':>8}{'seeds':>7}")
    rows = []
    for name, _ in VARIANTS:
        of_variant = [recalls for (n, _), recalls in found.items() if n == name]
        if of_variant:
            first, second = (statistics.fmean(column) for column in zip(*of_variant, strict=True))
            spread = max(r[0] for r in of_variant) - min(r[0] for r in of_variant)
            print(f"{name:18}{first:12.3f}{second:12.3f}{spread:8.3f}{len(of_variant):7}", flush=True)
            rows.append({"name": name, "recall10": first, "reranked10": second, "spread": spread})
    print(json.dumps({"steps": args.steps, "train_tiles": args.train_tiles, "seeds": args.seeds, "rows": rows}))


def write_lists(args: argparse.Namespace) -> tuple[Path, Path]:
    """Pairs to train on and pairs of other cases to measure on."""
    rows = [{k: r[k] for k in ("image", "captions", "case")} for r in atlas_rows(args.data)]
    cases = sorted({r["case"] for r in rows})
    random.Random(5).shuffle(cases)
    held = set(cases[::5])
    random.Random(6).shuffle(rows)
    paths = []
    for name, part, most in (
        ("train", [r for r in rows if r["case"] not in held], args.train_tiles),
        ("test", [r for r in rows if r["case"] in held], args.test_tiles),
    ):
        path = args.work / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in part[:most]), encoding="utf-8")
        paths.append(path)
    return paths[0], paths[1]


def configuration(
    name: str, changes: dict[str, object], seed: int, lists: tuple[Path, Path], args: argparse.Namespace
) -> TrainConfig:
    """The training of one variant: the shipped sizes but for ``changes``."""
    sizes = json.loads(shipped_config().replace(**changes).to_json())
    for key in ("model_type", "format", "text_config", "name"):
        del sizes[key]
    return config_from_dict(
        {
            "output": str((args.work / f"{name.replace(' ', '-')}-{seed}").resolve()),
            "model": {
                "start": "new",
                "text_source": str(args.text_source.resolve()),
                "image_weights": str(args.image_weights.resolve()),
                "config": sizes,
            },
            "data": {
                "train": [str(lists[0].resolve())],
                "validation_share": 0.0,
                "views": 1,
                "cache": str((args.work / "cache").resolve()),
            },
            "optim": {"steps": args.steps, "batch": 48, "lr": 1e-3, "warmup": 20, "bf16": True},
            "loss": {"cross_batch": 16},
            "run": {"seed": seed, "device": "cpu"},
        }
    )


def trained(config: TrainConfig, test: Path, texts: TextCache) -> list[float]:
    """Recall@10 of one training, mean of both ways: stage one, re-ranked."""
    train(config, texts=texts)
    found = evaluate(LileRuntime(load_checkpoint(config.output), "cpu"), read_pairs(test), rerank_k=30, bootstrap=0)
    second = found.reranked
    assert second is not None
    return [(found.i2t.r10 + found.t2i.r10) / 2, (second.i2t.r10 + second.t2i.r10) / 2]


if __name__ == "__main__":
    main()
