"""``lile phantom``: draw a phantom slide with its ground truth."""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

from lile_engine.cli.output import add_output_options, emit_result, progress_printer


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds this room's commands."""
    parser = commands.add_parser(
        "phantom",
        help="draw a slide of procedural tissue with its true regions as GeoJSON",
        description="Draws a phantom slide (pyramidal tiled JPEG TIFF) and its true regions beside it as .geojson. "
        "No patient's tissue is in it.",
    )
    parser.add_argument("out", type=Path, metavar="OUT.tif", help="where to write the slide")
    parser.add_argument(
        "--size", type=_size, default=(4096, 4096), metavar="PX or WxH", help="level-0 pixels (default 4096)"
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes (default 1)")
    parser.add_argument("--mpp", type=float, default=0.5, help="microns per pixel (default 0.5)")
    parser.add_argument("--tissues", metavar="A,B,...", help="only these tissues")
    parser.add_argument("--clean", action="store_true", help="no folds, dust, pen marks or out-of-focus patches")
    add_output_options(parser, progress=True)
    parser.set_defaults(run=run_phantom)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)(?:[x×,](\d+))?", text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write 4096 or 6000x4000")
    width = int(match[1])
    return width, int(match[2] or width)


def run_phantom(args: argparse.Namespace) -> int:
    """Draws the slide; prints where it and its ground truth lie."""
    from lile_engine.phantom import draw_slide

    tissues = [name.strip() for name in args.tissues.split(",") if name.strip()] if args.tissues else None
    start = time.monotonic()
    truth = draw_slide(
        args.out, args.size, args.seed, tissues, mpp=args.mpp, artefacts=not args.clean, progress=progress_printer(args)
    )
    result = {
        "slide": str(args.out),
        "truth": str(truth),
        "width": args.size[0],
        "height": args.size[1],
        "mpp": args.mpp,
        "seed": args.seed,
        "seconds": round(time.monotonic() - start, 2),
    }
    emit_result(
        args, result, f"Drew {args.out} ({args.size[0]} x {args.size[1]} px, {args.mpp} mpp); true regions in {truth}."
    )
    return 0
