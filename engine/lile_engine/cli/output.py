"""What a command prints: one JSON document, JSON lines of progress, or words for a person."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from typing import Any

from lile_engine.paths import printable
from lile_engine.progress import Progress, ProgressCallback, no_progress


def add_output_options(parser: argparse.ArgumentParser, *, progress: bool = False) -> None:
    """Gives a command ``--json`` and, for long work, ``--progress jsonl``."""
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document and nothing else")
    if progress:
        parser.add_argument(
            "--progress", choices=("none", "text", "jsonl"), default="text", help="how progress is told (jsonl: stdout)"
        )


def to_plain(value: Any) -> Any:
    """Data classes, tuples, paths and numpy scalars as what ``json`` writes; NaN becomes null, text `printable`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [to_plain(v) for v in value]
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return printable(value)
    if hasattr(value, "tolist"):
        return to_plain(value.tolist())
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    return printable(str(value))


def emit_event(args: argparse.Namespace, event: str, **fields: Any) -> None:
    """One line of a running job: a JSON line on stdout, or words on stderr for warnings."""
    if getattr(args, "progress", "none") == "jsonl":
        print(json.dumps({"event": event, **to_plain(fields)}), flush=True)
    elif event == "warning" and not getattr(args, "json", False):  # with --json it stands in the document
        print(f"warning: {fields.get('message', '')}", file=sys.stderr, flush=True)


def emit_result(args: argparse.Namespace, result: Any, human: str) -> None:
    """The end of a command: the last JSON line, the one JSON document, or ``human``."""
    if getattr(args, "progress", "none") == "jsonl":
        emit_event(args, "result", result=result)
    elif getattr(args, "json", False):
        print(json.dumps(to_plain(result), ensure_ascii=False))
    elif human:
        print(printable(human))


def progress_printer(args: argparse.Namespace) -> ProgressCallback:
    """The callback that tells progress as the command line asked for."""
    mode = getattr(args, "progress", "none")
    if mode == "jsonl":
        return lambda p: emit_event(args, "progress", **dataclasses.asdict(p))
    if mode == "text" and not getattr(args, "json", False) and sys.stderr.isatty():

        def show(p: Progress) -> None:
            rate = f"  {p.rate:.0f} {p.unit}/s" if p.rate else ""
            left = f"  {p.seconds_left:.0f} s left" if p.seconds_left is not None else ""
            print(f"\r{p.done}/{p.total} {p.unit}{rate}{left}  {p.message}\033[K", end="", file=sys.stderr, flush=True)
            if p.done >= p.total:
                print(file=sys.stderr)

        return show
    return no_progress
