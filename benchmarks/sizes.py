"""What the sizes of LILE cost and bring: width, number of tokens, depth, against recall on real tiles.

    python benchmarks/sizes.py --image-weights FILE --text-source DIR [--data DIR] [--steps 150] [--work DIR]

Every variant of ``forward.py`` is trained alike (same tiles, captions, seeds and steps, encoders frozen) on a part
of the captioned atlas tiles and measured on tiles of cases it has not seen: recall@10, mean of both ways, by the
vectors alone and re-ranked. Trainings this short tell bad sizes from good ones, not good from best; the spread
over seeds is printed so that nobody reads more into them. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from pathlib import Path

import torch
from forward import VARIANTS, measure, shipped_config

from lile_engine.model.checkpoint import load_checkpoint
from lile_engine.model.devices import pick_device, pick_precision
from lile_engine.model.runtime import LileRuntime
from lile_engine.training.config import config_from_dict
from lile_engine.training.evaluate import evaluate
from lile_engine.training.loop import train
from lile_engine.training.open_data import atlas_rows
from lile_engine.training.pairs import read_pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--image-weights", type=Path, required=True, help="EfficientNet-Lite0 as safetensors")
    parser.add_argument("--text-source", type=Path, required=True, help="folder of MiniLM")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with atlas/captions.jsonl")
    parser.add_argument("--work", type=Path, default=Path("runs/sizes"))
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--train-tiles", type=int, default=1500)
    parser.add_argument("--test-tiles", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="of the speed measurement")
    parser.add_argument("--only", nargs="*", help="names of variants")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    lists = write_lists(args)
    device = pick_device("cpu")
    precision = pick_precision(device)
    pixels = torch.randint(0, 256, (64, 3, 224, 224), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    print(f"{'':18}{'cost':>7}{'pairs/s':>9}{'recall@10':>12}{'re-ranked':>12}{'spread':>8}")
    rows = []
    for name, changes in VARIANTS:
        if args.only and name not in args.only:
            continue
        found = [trained(name, changes, seed, lists, args) for seed in range(args.seeds)]
        with torch.inference_mode():
            speed = measure(shipped_config().replace(**changes), pixels, device, precision, args.rounds)
        first, second = (statistics.fmean(column) for column in zip(*found, strict=True))
        spread = max(abs(a[0] - b[0]) for a in found for b in found)
        print(
            f"{name:18}{speed['image_cost']:7.3f}{speed['pairs_per_s']:9.0f}{first:12.3f}{second:12.3f}{spread:8.3f}",
            flush=True,
        )
        rows.append({"name": name, "recall10": first, "reranked10": second, "spread": spread, **speed})
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


def trained(
    name: str, changes: dict[str, object], seed: int, lists: tuple[Path, Path], args: argparse.Namespace
) -> tuple[float, float]:
    """Recall@10 of one training, mean of both ways: stage one, re-ranked."""
    output = args.work / f"{name.replace(' ', '-')}-{seed}"
    table = {
        "output": str(output.resolve()),
        "model": {
            "start": "new",
            "text_source": str(args.text_source.resolve()),
            "image_weights": str(args.image_weights.resolve()),
            "config": {k: list(v) if isinstance(v, tuple) else v for k, v in changes.items()},
        },
        "data": {
            "train": [str(lists[0].resolve())],
            "validation": [str(lists[1].resolve())],
            "views": 2,
            "cache": str((args.work / "cache").resolve()),
        },
        "optim": {"steps": args.steps, "batch": 64, "lr": 1e-3, "warmup": 20, "bf16": True},
        "loss": {"cross_batch": 16},
        "run": {"seed": seed, "validate_steps": args.steps, "device": "cpu"},
    }
    train(config_from_dict(table))
    found = evaluate(LileRuntime(load_checkpoint(output), "cpu"), read_pairs(lists[1]), bootstrap=0)
    first, second = found, found.reranked
    assert second is not None
    return (first.i2t.r10 + first.t2i.r10) / 2, (second.i2t.r10 + second.t2i.r10) / 2


if __name__ == "__main__":
    main()
