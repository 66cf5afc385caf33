"""Pickled weights (.pth, .bin) to safetensors, once, in a child process that only unpickles tensors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lile_engine.errors import ModelError

_CHILD = """
import sys, torch
from safetensors.torch import save_file
loaded = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
for key in ("state_dict", "model", "module"):
    if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
        loaded = loaded[key]
tensors = {n: t.detach().clone().contiguous() for n, t in loaded.items() if isinstance(t, torch.Tensor)}
if not tensors:
    raise SystemExit("no tensors")
save_file(tensors, sys.argv[2])
"""


def convert_pickle(source: Path, target: Path, timeout_s: float = 600.0) -> None:
    """Writes the tensors of a pickled state dict to ``target`` (safetensors), names unchanged.

    The child unpickles tensors and plain containers only; anything else in the file makes it stop. Raises
    `ModelError` if the file holds more than tensors, or none.
    """
    if not source.is_file():
        raise ModelError(f"There are no weights at {source}; check the path.")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _CHILD, str(source.resolve()), str(partial.resolve())],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode:
            raise ModelError(
                f"The file {source} is damaged or holds more than weights and is refused."
            ) from RuntimeError(done.stderr[-2000:])
        partial.replace(target)
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"Reading {source} took longer than {timeout_s:.0f} s and was stopped.") from error
    finally:
        partial.unlink(missing_ok=True)
