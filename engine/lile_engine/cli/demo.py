"""``lile demo``: the phantom slides and the archive that the window shows at its first start."""

from __future__ import annotations

import argparse
from pathlib import Path

from lile_engine.cli.output import add_output_options, emit_result, progress_printer


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds this room's commands."""
    demo = commands.add_parser("demo", help="draw the demo slides and build the demo archive")
    actions = demo.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="build the demo in a folder, or finish one that was begun")
    build.add_argument("folder", type=Path, metavar="DIR")
    build.add_argument("--model", metavar="NAME|DIR", help="the bundled one unless named")
    add_output_options(build, progress=True)
    build.set_defaults(run=_build)


def _build(args: argparse.Namespace) -> int:
    from lile_engine.demo import build_demo

    demo = build_demo(args.folder, model=args.model, progress=progress_printer(args))
    result = {"slides": [str(path) for path in demo.slides], "archive": str(demo.archive)}
    emit_result(args, result, f"{len(demo.slides)} phantom slides and their archive are in {args.folder}.")
    return 0
