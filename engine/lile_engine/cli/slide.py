"""``lile slide``: what a slide is."""

from __future__ import annotations

import argparse
import re


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``slide info``."""
    from lile_engine.cli.output import add_output_options

    slide = commands.add_parser("slide", help="look at a slide")
    actions = slide.add_subparsers(dest="action", metavar="ACTION", required=True)
    info = actions.add_parser("info", help="format, size, levels, microns per pixel, associated images")
    info.add_argument("path", metavar="PATH", help="a slide or a plain image")
    info.add_argument(
        "--mpp", "--slide-mpp", dest="slide_mpp", type=float, metavar="M", help="microns per pixel, if you know better"
    )
    add_output_options(info)
    info.set_defaults(run=_info)


def _info(args: argparse.Namespace) -> int:
    from lile_engine.cli.output import emit_result
    from lile_engine.slides import open_slide

    with open_slide(args.path, mpp=args.slide_mpp) as slide:
        info = slide.info
    scale = f"{info.mpp:.4g} um per pixel" if info.mpp else "unknown (give --mpp)"
    lines = [
        f"{info.name}: {info.format}, {info.vendor}",
        f"size        {info.width} x {info.height} pixels",
        f"resolution  {scale}" + (f", about {info.magnification:g}x" if info.magnification else ""),
        f"levels      {', '.join(f'{lv.width}x{lv.height} (1/{lv.downsample:.4g})' for lv in info.levels)}",
        f"also holds  {', '.join(info.associated) or 'no other images'}",
        f"identity    {info.identity}",
    ]
    if info.note:
        lines.append(f"note        {info.note}")
    # A name may hold the end of a line, and each fact keeps to its own.
    emit_result(args, info, "\n".join(re.sub(r"[\x00-\x1f\x7f]", " ", line) for line in lines))
    return 0
