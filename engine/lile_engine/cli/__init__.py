"""The ``lile`` command: one command, one job. Each room brings its own commands; this file only joins them.

Exit 0 done, 1 failed with one clear line on stderr, 2 bad usage.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence

from lile_engine import __version__
from lile_engine.errors import LileError
from lile_engine.offline import stay_offline

_ROOMS = ("slide", "phantom", "archive", "search", "training", "models", "doctor", "demo")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; importing torch is left to the command that runs."""
    parser = argparse.ArgumentParser(
        prog="lile", description="LILE: image-text retrieval for pathology. Research use only."
    )
    parser.add_argument("--version", action="version", version=f"lile {__version__}")
    parser.add_argument("--debug", action="store_true", help="on failure print the traceback too")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for room in _ROOMS:
        importlib.import_module(f"lile_engine.cli.{room}").add_commands(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code (argparse itself exits 2 on bad usage)."""
    stay_offline()
    args = build_parser().parse_args(argv)
    logging.basicConfig(level=logging.DEBUG if args.debug else logging.ERROR, stream=sys.stderr)
    try:
        return int(args.run(args))
    except LileError as error:
        if args.debug:
            logging.exception("failed")
        print(f"lile: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lile: Cancelled; what was finished before is kept.", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of our output went away (``lile ... | head``): leave quietly, as other commands do.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # whatever nobody thought of: still one line, and a way to learn more
        if args.debug:
            logging.exception("failed")
        said = " ".join(str(error).split())[:200]
        print(
            f"lile: {type(error).__name__}: {said} (run `lile --debug {args.command} ...` for details).",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
