"""``python -m lile_desktop.tour``: the main job, done by the real application, with pictures of each step.

Nothing heavy is imported here: the worker processes import this module too.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path


def build_parser() -> argparse.ArgumentParser:
    """The command line of the tour."""
    parser = argparse.ArgumentParser(
        prog="python -m lile_desktop.tour", description="Takes the application through its main job. Research use only."
    )
    parser.add_argument("--out", type=Path, default=Path("tour"), help="folder for the pictures")
    parser.add_argument("--appearance", choices=("system", "light", "dark"), default="light")
    parser.add_argument("--size", default="1440x900", metavar="WxH", help="size of the window")
    parser.add_argument("--steps", type=int, default=20, help="training steps")
    parser.add_argument("--keep-home", action="store_true", help="use the demo of an earlier tour in the same folder")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the tour in a folder of its own, so that the user's archive and settings stay as they are.

    Returns 0 where everything came out as it should, else 1.
    """
    multiprocessing.freeze_support()
    args = build_parser().parse_args(argv)
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    home = out / "home"
    if home.exists() and not args.keep_home:
        shutil.rmtree(home)
    os.environ["LILE_HOME"] = str(home)
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from lile_desktop.guide import Guide

    width, height = (int(n) for n in args.size.lower().split("x"))
    return Guide(out, args.appearance, (width, height), args.steps).run()


if __name__ == "__main__":
    sys.exit(main())
