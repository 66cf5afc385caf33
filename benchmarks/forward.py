"""How fast the network runs, and what LILE's parts cost on top of the bare backbone.

    python benchmarks/forward.py [--rounds 10] [--batch 64] [--device cpu] [--variants]

Bare image network: the whole, uncut EfficientNet-Lite0 with its classifier, batch norms folded, same precision
and layout. Bare text network: the BERT encoder alone. Bare and LILE take turns within each round, so that a
busy machine slows both: rates are those of the fastest rounds, the cost is the median of the rounds' ratios.
"shipped" is the bundled checkpoint's configuration, or the default one where none is bundled. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch

from lile_engine.model.bert import hidden_states
from lile_engine.model.config import LileConfig
from lile_engine.model.create import build_lile
from lile_engine.model.devices import describe_device, pick_device, pick_precision
from lile_engine.model.efficientnet_lite import EfficientNetLite0
from lile_engine.model.runtime import prepare
from lile_engine.model.text import build_text_encoder
from lile_engine.paths import bundled_model_dir

PHRASE_TOKENS = 24  # a caption of the atlas has about 20 words

# Name, and what it changes from the shipped configuration.
VARIANTS: tuple[tuple[str, dict[str, object]], ...] = (
    ("shipped", {}),
    ("d=128", {"width": 128}),
    ("d=384", {"width": 384, "heads": 6}),
    ("14 x 14 tokens", {"token_grid": 14}),
    ("2 self layers", {"self_layers": 2}),
    ("no self layer", {"self_layers": 0}),
    ("cut at block 10", {"taps": (4, 10)}),
    ("cross d=256", {"cross_width": 256}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--variants", action="store_true", help="other widths, grids and depths too")
    args = parser.parse_args()
    torch.manual_seed(0)
    device = pick_device(args.device)
    precision = pick_precision(device) if args.precision == "auto" else getattr(torch, args.precision)
    pixels = torch.randint(0, 256, (args.batch, 3, 224, 224), dtype=torch.uint8, device=device)
    pixels = pixels.contiguous(memory_format=torch.channels_last)

    print(f"{describe_device(device, precision)}, {torch.get_num_threads()} threads, batch {args.batch}, 224 px")
    print(f"{'':18}{'images/s':>10}{'bare':>8}{'cost':>7}{'texts/s':>9}{'bare':>8}{'cost':>7}{'pairs/s':>9}{'MB':>6}")
    rows = []
    with torch.inference_mode():
        for name, changes in VARIANTS if args.variants else VARIANTS[:1]:
            row = measure(shipped_config().replace(**changes), pixels, device, precision, args.rounds)
            rows.append({"name": name, **row})
            print(
                f"{name:18}{row['images_per_s']:10.1f}{row['bare_images_per_s']:8.1f}{row['image_cost']:7.3f}"
                f"{row['texts_per_s']:9.1f}{row['bare_texts_per_s']:8.1f}{row['text_cost']:7.3f}"
                f"{row['pairs_per_s']:9.0f}{row['megabytes']:6.1f}",
                flush=True,
            )
    print(json.dumps({"device": describe_device(device, precision), "batch": args.batch, "rows": rows}))


def shipped_config() -> LileConfig:
    """The configuration of the bundled checkpoint, or the default."""
    file = bundled_model_dir() / "config.json"
    return LileConfig.from_json(file.read_text("utf-8")) if file.is_file() else LileConfig()


def measure(
    config: LileConfig, pixels: torch.Tensor, device: torch.device, precision: torch.dtype, rounds: int
) -> dict[str, float]:
    """Rates of one configuration and of the bare networks beside it."""
    model = prepare(build_lile(config), device, precision)
    bare = bare_image_network(device, precision)
    encoder = build_text_encoder(config.text_config)[0].eval().to(precision).to(device)
    batch = len(pixels)
    ids = torch.randint(1000, 30000, (batch, PHRASE_TOKENS), device=device)
    seen = torch.ones_like(ids, dtype=torch.bool)
    images, texts = model.encode_images(pixels), model.encode_texts(ids, seen, seen)
    side = 16

    def whole() -> None:
        x = (pixels.to(precision) - 127) * (1 / 128)  # as LILE prepares them, so that only the networks differ
        bare.classify(x.contiguous(memory_format=torch.channels_last))

    jobs: dict[str, Callable[[], object]] = {
        "images": lambda: model.encode_images(pixels),
        "bare_images": whole,
        "texts": lambda: model.encode_texts(ids, seen, seen),
        "bare_texts": lambda: hidden_states(encoder, ids, seen),
        "pairs": lambda: model.score_pairs(images.tokens[:side], texts.tokens[:side], seen[:side]),
    }
    seconds = timed(jobs, rounds, device)
    best = {name: statistics.fmean(sorted(times)[: max(1, rounds // 4)]) for name, times in seconds.items()}
    weights = sum(p.numel() for p in build_lile(config).parameters()) * 2 / 1e6
    return {
        "images_per_s": batch / best["images"],
        "bare_images_per_s": batch / best["bare_images"],
        "image_cost": cost(seconds["images"], seconds["bare_images"]),
        "texts_per_s": batch / best["texts"],
        "bare_texts_per_s": batch / best["bare_texts"],
        "text_cost": cost(seconds["texts"], seconds["bare_texts"]),
        "pairs_per_s": min(side, batch) ** 2 / best["pairs"],
        "megabytes": weights,
    }


def bare_image_network(device: torch.device, precision: torch.dtype) -> EfficientNetLite0:
    """The whole EfficientNet-Lite0, classifier included, folded."""
    network = EfficientNetLite0(classifier=True).eval().fold().to(precision).to(device)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def timed(jobs: dict[str, Callable[[], object]], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of ``rounds`` runs of each job, the jobs taking turns, after one to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds + 1):
        for name, job in jobs.items():
            started = time.perf_counter()
            job()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - started)
    return {name: times[1:] for name, times in seconds.items()}


def cost(ours: list[float], bare: list[float]) -> float:
    """How many times the bare network's time ours takes: the median over rounds."""
    return statistics.median(a / b for a, b in zip(ours, bare, strict=True))


if __name__ == "__main__":
    main()
