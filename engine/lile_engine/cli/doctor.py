"""``lile doctor``: can this machine run the program?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lile_engine.cli.output import add_output_options, emit_result


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``lile doctor``."""
    doctor = commands.add_parser("doctor", help="check this machine: packages, device, model, folders")
    doctor.add_argument("--model", type=Path, metavar="DIR", help="check this checkpoint instead of the bundled one")
    add_output_options(doctor)
    doctor.set_defaults(run=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    from lile_engine.cli.output import to_plain
    from lile_engine.doctor import examine

    report = examine(args.model)
    signs = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}
    lines = [f"LILE {report.version} on Python {report.python}, {report.system}, {report.device}"]
    lines += [f"{signs[finding.verdict]}  {finding.name}: {finding.detail}" for finding in report.findings]
    emit_result(args, {**to_plain(report), "healthy": report.healthy}, "\n".join(lines))
    if report.healthy:
        return 0
    wrong = ", ".join(finding.name for finding in report.findings if finding.verdict == "problem")
    print(f"lile: something is wrong with: {wrong}; the report says what to do.", file=sys.stderr)
    return 1
