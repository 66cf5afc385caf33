"""``lile train``, ``lile eval``, ``lile zeroshot``."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from lile_engine.cli.output import add_output_options, emit_event, emit_result, progress_printer, to_plain
from lile_engine.progress import CancelToken


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds this room's commands."""
    train = commands.add_parser(
        "train",
        help="train or fine-tune a model on pairs of image and text",
        epilog="On several GPUs: torchrun --nproc-per-node N -m lile_engine train CONFIG.toml",
    )
    train.add_argument("config", type=Path, metavar="CONFIG.toml")
    train.add_argument("--resume", action="store_true", help="go on from the saved state, bit for bit")
    add_output_options(train, progress=True)
    train.set_defaults(run=_train)

    evaluate = commands.add_parser("eval", help="measure retrieval on pairs of image and text")
    evaluate.add_argument("--protocol", choices=("pairs", "coco1k", "coco5k", "arch"), default="pairs")
    evaluate.add_argument("--data", type=Path, required=True, metavar="PATH", help="folder or list of pairs")
    _add_model(evaluate)
    evaluate.add_argument("--no-rerank", action="store_true", help="stage one only")
    evaluate.add_argument("--bootstrap", type=int, default=1000, metavar="N", help="resamples for the 95%% intervals")
    add_output_options(evaluate, progress=True)
    evaluate.set_defaults(run=_evaluate)

    zeroshot = commands.add_parser("zeroshot", help="classify images by phrases")
    zeroshot.add_argument("--labels", type=Path, required=True, metavar="labels.json", help="{class: [phrase, ...]}")
    zeroshot.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    _add_model(zeroshot)
    zeroshot.add_argument("--no-rerank", action="store_true", help="stage one only")
    add_output_options(zeroshot, progress=True)
    zeroshot.set_defaults(run=_zeroshot)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME|DIR", help="the bundled one unless named")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")


def _train(args: argparse.Namespace) -> int:
    from lile_engine.training.config import read_config
    from lile_engine.training.distributed import leave_ranks, rank_of_environment
    from lile_engine.training.loop import train
    from lile_engine.training.step import StepInfo

    speaks = rank_of_environment() == 0  # of several processes under torchrun, one

    def on_step(info: StepInfo) -> None:
        if speaks and args.progress == "jsonl":
            fields = {"step": info.step, "loss": info.loss, "cross": info.cross, "self": info.self_, "lr": info.lr}
            emit_event(args, "step", **fields)

    try:
        report = train(
            read_config(args.config),
            progress_printer(args),
            on_step,
            _cancelled_by_signal(),
            resume=args.resume,
            warn=lambda message: emit_event(args, "warning", message=message),
        )
    finally:
        leave_ranks()
    if not speaks:
        return 0
    recall = "" if report.best_rsum is None else f"; validation RSUM {report.best_rsum:.1f} at step {report.best_step}"
    emit_result(
        args,
        to_plain(report),
        f"{report.output}: {report.steps} steps on {report.pairs} pairs in {report.seconds:.0f} s{recall}",
    )
    return 0


def _cancelled_by_signal() -> CancelToken:
    """Ctrl+C, or the window ending the job, saves the state first; a second signal ends at once."""
    token = CancelToken()

    def stop(number: int, _: object) -> None:
        token.cancel()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return token


def _evaluate(args: argparse.Namespace) -> int:
    from lile_engine.model.load import load_model
    from lile_engine.training.evaluate import evaluate, read_protocol
    from lile_engine.training.pairs import warn_bad_rows
    from lile_engine.training.recall import Direction

    dataset = read_protocol(args.protocol, args.data)
    warn_bad_rows(dataset, lambda message: emit_event(args, "warning", message=message))
    report = evaluate(
        load_model(args.model, args.device),
        dataset,
        args.protocol,
        rerank=not args.no_rerank,
        bootstrap=args.bootstrap,
        progress=progress_printer(args),
    )

    def line(name: str, way: Direction) -> str:
        return f"{name:<28}{way.r1:8.3f}{way.r5:8.3f}{way.r10:8.3f}{way.median_rank:10.1f}"

    folds = f", {report.folds} folds" if report.folds > 1 else ""
    lines = [
        f"{report.images} images, {report.captions} captions{folds}" + " " * 4 + "    R@1     R@5    R@10    median",
        line("image to text", report.i2t),
        line("text to image", report.t2i),
    ]
    if report.reranked is not None:
        lines += [
            line("image to text, re-ranked", report.reranked.i2t),
            line("text to image, re-ranked", report.reranked.t2i),
        ]
    emit_result(args, to_plain(report), "\n".join(lines))
    return 0


def _zeroshot(args: argparse.Namespace) -> int:
    from lile_engine.model.load import load_model
    from lile_engine.training.zeroshot import classify_files, read_labels

    labels = read_labels(args.labels)
    results = classify_files(
        load_model(args.model, args.device),
        args.images,
        labels,
        rerank=not args.no_rerank,
        progress=progress_printer(args),
    )
    lines = [f"{r.path}\t{r.label}\t{r.probabilities[r.label]:.3f}" for r in results]
    emit_result(args, {"results": to_plain(results)}, "\n".join(lines))
    return 0
