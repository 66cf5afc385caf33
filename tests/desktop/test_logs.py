"""The log and what a crash leaves behind."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lile_desktop.logs import log_file, take_crash_report

CRASH = "from lile_desktop.logs import start_logging; import faulthandler; start_logging(); faulthandler._sigsegv()"
UNCAUGHT = "from lile_desktop.logs import start_logging; start_logging(); raise ValueError('nobody caught this')"


def _run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_a_crash_in_native_code_is_told_once_at_the_next_start(lile_home: Path) -> None:
    assert _run(CRASH).returncode != 0
    assert "Segmentation fault" in take_crash_report() or sys.platform == "win32"
    assert take_crash_report() == ""


def test_a_good_end_leaves_no_crash_report(lile_home: Path) -> None:
    assert take_crash_report() == ""
    _run("from lile_desktop.logs import start_logging; start_logging()")
    assert take_crash_report() == ""


def test_what_nobody_caught_stands_in_the_log(lile_home: Path) -> None:
    _run(UNCAUGHT)
    assert "nobody caught this" in log_file().read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are another thing on Windows")
def test_nobody_else_may_read_the_log(lile_home: Path) -> None:
    _run(UNCAUGHT)
    assert stat.S_IMODE(log_file().stat().st_mode) == 0o600
    assert stat.S_IMODE(log_file().parent.stat().st_mode) == 0o700
