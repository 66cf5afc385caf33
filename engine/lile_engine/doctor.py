"""What ``lile doctor`` looks at: whether this machine can run the program, and how fast it may be expected to be.

Nothing is sent anywhere and no name of a slide or case is printed, so the report can be pasted into a question.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from lile_engine import __version__
from lile_engine.paths import bundled_model_dir, home_dir

Verdict = Literal["ok", "warning", "problem"]

_PACKAGES = ("torch", "transformers", "openslide-python", "openslide-bin", "hnswlib", "numpy", "pillow")
_WANTED_FREE_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what it is, how it stands, and what to do where it does not stand well."""

    name: str
    verdict: Verdict
    detail: str


@dataclass(frozen=True)
class Report:
    """All findings; ``healthy`` unless one of them is a problem."""

    version: str
    python: str
    system: str
    device: str
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        return all(finding.verdict != "problem" for finding in self.findings)


def examine(model_dir: Path | None = None) -> Report:
    """Looks at packages, slide library, index library, device, model and the user's folder (about five seconds)."""
    checks: list[Callable[[], Finding]] = [
        _packages,
        _slide_library,
        _index_library,
        _device,
        lambda: _model(model_dir or bundled_model_dir()),
        _user_folder,
        _free_space,
    ]
    findings = tuple(check() for check in checks)
    return Report(
        version=__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} processors",
        device=_device_name(),
        findings=findings,
    )


def _packages() -> Finding:
    versions, missing = [], []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("packages", "problem", f"missing: {', '.join(missing)}; install the program again")
    return Finding("packages", "ok", ", ".join(versions))


def _slide_library() -> Finding:
    try:
        import openslide
    except (ImportError, OSError) as error:
        return Finding("OpenSlide", "problem", f"cannot be loaded ({error}); install openslide-bin again")
    return Finding("OpenSlide", "ok", openslide.__library_version__)


def _index_library() -> Finding:
    try:
        import hnswlib
        import numpy as np

        index = hnswlib.Index("ip", 8)
        index.init_index(16)
        index.add_items(np.eye(8, dtype=np.float32))
        found = int(index.knn_query(np.eye(8, dtype=np.float32)[3:4], k=1)[0][0, 0])
    except (ImportError, OSError, RuntimeError) as error:
        return Finding("hnswlib", "problem", f"does not work ({error}); install hnswlib again")
    if found != 3:
        return Finding("hnswlib", "problem", "finds the wrong neighbour; build hnswlib again on this machine")
    return Finding("hnswlib", "ok", "finds what it was given")


def _device_name() -> str:
    import torch

    if torch.cuda.is_available():
        return f"cuda: {torch.cuda.get_device_name(0)}"
    if torch.backends.mps.is_available():
        return "mps: Apple GPU"
    return f"cpu: {torch.get_num_threads()} threads"


def _device() -> Finding:
    name = _device_name()
    if name.startswith("cpu"):
        return Finding("device", "warning", f"{name}; without a GPU a large region takes minutes instead of seconds")
    return Finding("device", "ok", name)


def _model(folder: Path) -> Finding:
    from lile_engine.errors import ModelError
    from lile_engine.model.load import load_model

    try:
        identity = load_model(folder, device="cpu").identity
    except ModelError as error:
        return Finding("model", "problem", str(error))
    return Finding("model", "ok", f"{identity.name} {identity.id}, width {identity.width}")


def _user_folder() -> Finding:
    folder = home_dir()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        return Finding("user folder", "problem", f"{folder} cannot be written ({error.strerror}); make it writable")
    if sys.platform != "win32" and folder.exists() and folder.stat().st_mode & 0o077:
        return Finding("user folder", "warning", f"{folder} can be read by others; run: chmod -R go= '{folder}'")
    return Finding("user folder", "ok", str(folder))


def _free_space() -> Finding:
    folder = home_dir()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    verdict: Verdict = "ok" if free >= _WANTED_FREE_BYTES else "warning"
    return Finding("free space", verdict, f"{free / 1024**3:.1f} GiB where the archive and models are kept")
