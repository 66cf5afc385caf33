#!/usr/bin/env python3
"""The two commands of a checkout, with nothing but Python's standard library.

    python3 dev.py run  [--tour] [SLIDE ...]   install if needed, open the window (without a display: the tour)
    python3 dev.py test [--all] [PYTEST ...]   install if needed, then ruff, mypy and the tests

Both make ``.venv`` beside this file and install what pyproject.toml names; later runs find it done.
"""

from __future__ import annotations

import argparse
import ctypes.util
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
OLDEST, NEWEST = (3, 11), (3, 13)

# Shared libraries that Qt loads on Linux and a bare Debian lacks: name asked of the loader -> Debian package.
QT_LIBRARIES = {
    "EGL": "libegl1",
    "GL": "libgl1",
    "fontconfig": "libfontconfig1",
    "dbus-1": "libdbus-1-3",
    "glib-2.0": "libglib2.0-0",
    "xkbcommon": "libxkbcommon0",
    "xkbcommon-x11": "libxkbcommon-x11-0",
    "xcb-cursor": "libxcb-cursor0",
    "xcb-icccm": "libxcb-icccm4",
    "xcb-image": "libxcb-image0",
    "xcb-keysyms": "libxcb-keysyms1",
    "xcb-randr": "libxcb-randr0",
    "xcb-render-util": "libxcb-render-util0",
    "xcb-shape": "libxcb-shape0",
    "xcb-xkb": "libxcb-xkb1",
}


class Trouble(Exception):
    """Something the person at this machine has to do first; the message says what."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run_parser = commands.add_parser("run", help="open the window; without a display, do the guided tour")
    run_parser.add_argument("--tour", action="store_true", help="do the guided tour, on a machine with a display too")
    run_parser.add_argument("slides", nargs="*", help="slides to open")
    test_parser = commands.add_parser("test", help="ruff, mypy and the tests", add_help=False)
    test_parser.add_argument("--all", action="store_true", help="the slow sets too")
    args, rest = parser.parse_known_args()
    if rest and args.command != "test":
        parser.error(f"unknown option {rest[0]}")
    try:
        if args.command == "run":
            return run(args.tour, args.slides)
        return test(args.all, rest)
    except Trouble as trouble:
        print(f"dev.py: {trouble}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"dev.py: this step failed: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return 1


def run(tour: bool, slides: list[str]) -> int:
    """Opens the window, or goes through the tour where there is no display."""
    python = prepare(extras="")
    environment = dict(os.environ)
    if not has_display():
        print("There is no display here: the same application runs offscreen through its guided tour.", flush=True)
        tour = True
        environment["QT_QPA_PLATFORM"] = "offscreen"
    if tour:
        command = [python, "-m", "lile_desktop.tour", "--out", ROOT / "tour"]
    else:
        command = [python, "-m", "lile_desktop.app", *(str(Path(slide).resolve()) for slide in slides)]
    return subprocess.call([str(part) for part in command], cwd=ROOT, env=environment)


def test(everything: bool, pytest_arguments: list[str]) -> int:
    """Runs ruff, mypy and pytest, all three even if one fails; 0 only if all passed."""
    python = prepare(extras="[test]")
    environment = {"QT_QPA_PLATFORM": "offscreen", **os.environ, "PYTHONUNBUFFERED": "1"}
    selection = [] if everything else ["-m", "not slow"]
    steps = [
        [python, "-m", "ruff", "check", "."],
        [python, "-m", "ruff", "format", "--check", "."],
        [python, "-m", "mypy", "engine/lile_engine", "lile_desktop"],
        [python, "-m", "pytest", "-q", *selection, *pytest_arguments],
    ]
    failed = []
    for step in steps:
        started = time.monotonic()
        code = subprocess.call([str(part) for part in step], cwd=ROOT, env=environment)
        name = " ".join(str(part) for part in step[2:])
        print(f"-- {name}: {'passed' if code == 0 else f'FAILED ({code})'} in {time.monotonic() - started:.0f} s")
        if code != 0:
            failed.append(name)
    if failed:
        print("FAILED: " + "; ".join(failed), file=sys.stderr)
    return 1 if failed else 0


def prepare(extras: str) -> Path:
    """Makes the virtual environment and installs into it unless that was done for this pyproject.toml; its Python."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        raise Trouble(
            f"Python {platform.python_version()} does not fit: run dev.py with Python 3.11, 3.12 or 3.13 "
            "(for example: python3.12 dev.py run)."
        )
    if sys.platform == "darwin" and platform.machine() != "arm64":
        raise Trouble("PyTorch has no current build for Macs with Intel processors; Apple silicon is needed.")
    need_system_libraries()
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + sys.version.encode() + str(ROOT).encode())
    stamp = VENV / f"installed{extras.strip('[]') and '-' + extras.strip('[]')}.txt"
    if python.exists() and stamp.exists() and stamp.read_text(encoding="ascii") == wanted.hexdigest():
        return python
    need_compiler()
    started = time.monotonic()
    print(f"Installing into {VENV} (some minutes the first time) ...", flush=True)
    if not python.exists():
        make_venv()
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
    call(*pip, "--upgrade", "pip>=25")
    call(*pip, "-e", f".{extras}")
    stamp.write_text(wanted.hexdigest(), encoding="ascii")
    print(f"Installed in {time.monotonic() - started:.0f} s.", flush=True)
    return python


def make_venv() -> None:
    """Makes ``.venv``; Debian keeps the module that fills it in a package of its own."""
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        need_packages([package], "Python's venv module is incomplete here")
    shutil.rmtree(VENV, ignore_errors=True)
    call(sys.executable, "-m", "venv", VENV)


def need_system_libraries() -> None:
    """On Linux: the libraries that Qt loads. As root on Debian they are installed, else named."""
    if not sys.platform.startswith("linux"):
        return
    missing = [package for library, package in QT_LIBRARIES.items() if not find_library(library)]
    if missing:
        need_packages(missing, "Qt needs system libraries that are missing here")


def need_compiler() -> None:
    """hnswlib is published as source only, so a C++ compiler and Python's headers are looked for before pip fails."""
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if sys.platform.startswith("linux"):
        missing = []
        if not (shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")):
            missing.append("g++")
        if not header.exists():
            missing.append(f"python{sys.version_info.major}.{sys.version_info.minor}-dev")
        if missing:
            need_packages(missing, "hnswlib is built from source, which needs a C++ compiler and Python's headers")
    elif sys.platform == "darwin":
        if subprocess.call(["xcode-select", "-p"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            raise Trouble("hnswlib is built from source: install Apple's compiler first with: xcode-select --install")
    elif sys.platform == "win32" and not has_visual_cpp():
        raise Trouble(
            "hnswlib is built from source: install 'Visual Studio Build Tools' with the workload "
            "'Desktop development with C++' first (winget install Microsoft.VisualStudio.2022.BuildTools)."
        )


def has_visual_cpp() -> bool:
    """Whether Microsoft's C++ compiler is installed, as its installer's own locator says."""
    if shutil.which("cl"):
        return True
    locator = Path(os.environ.get("PROGRAMFILES(X86)", r"C:\Program Files (x86)"))
    locator = locator / "Microsoft Visual Studio" / "Installer" / "vswhere.exe"
    if not locator.exists():
        return False
    question = ["-products", "*", "-requires", "Microsoft.VisualStudio.Component.VC.Tools.x86.x64"]
    found = subprocess.run([locator, *question, "-property", "installationPath"], capture_output=True, text=True)
    return bool(found.stdout.strip())


def need_packages(packages: list[str], why: str) -> None:
    """Installs Debian packages as root; else raises `Trouble` that names the command to run."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not shutil.which("apt-get"):
        raise Trouble(f"{why}; install what your system calls: {' '.join(packages)}")
    if not is_root:
        raise Trouble(f"{why}; run: sudo apt-get install {' '.join(packages)}")
    print(f"{why}; installing {' '.join(packages)} ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    subprocess.run([*quiet, "update"], env=environment, stdout=subprocess.DEVNULL, check=False)
    install = [*quiet, "install", "-y", "--no-install-recommends", *packages]
    done = subprocess.run(install, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Trouble(f"{why}; apt-get could not install {' '.join(packages)}: {done.stderr.strip()}")


def find_library(name: str) -> bool:
    """Whether the loader knows ``lib<name>.so``; ldconfig lies in /sbin, which is not on every user's path."""
    if ctypes.util.find_library(name):
        return True
    ldconfig = shutil.which("ldconfig") or "/sbin/ldconfig"
    try:
        known = subprocess.run([ldconfig, "-p"], capture_output=True, text=True).stdout
    except OSError:
        return False
    return f"lib{name}.so" in known


def has_display() -> bool:
    """Whether a window can be shown: always on Windows and macOS, else if X or Wayland is announced."""
    if os.environ.get("QT_QPA_PLATFORM") == "offscreen":
        return False
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def call(*command: object) -> None:
    """Runs a step and raises if it fails."""
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
