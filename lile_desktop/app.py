"""Starts LILE Desktop. Nothing heavy is imported here: the worker processes import this module too."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Sequence


def build_parser() -> argparse.ArgumentParser:
    """The command line of the window."""
    parser = argparse.ArgumentParser(prog="lile-desktop", description="LILE Desktop. Research use only.")
    parser.add_argument("slides", nargs="*", metavar="SLIDE", help="slides or folders of slides to open")
    parser.add_argument("--archive", default="", metavar="DIR", help="use this archive instead of the one last used")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Opens the window and returns when it is closed."""
    multiprocessing.freeze_support()
    args = build_parser().parse_args(argv)
    from lile_desktop.start import make_application, open_window

    application = make_application(sys.argv[:1])
    window = open_window(args.slides, args.archive)
    code = application.exec()
    window.shut_down()
    return code


if __name__ == "__main__":
    sys.exit(main())
