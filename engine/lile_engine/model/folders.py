"""Model folders: what may lie in one, how it is read, how one is written so that it is whole or not there.

A model never brings code and never a pickle: both could do anything on the pathologist's machine.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from lile_engine.errors import ModelError

if TYPE_CHECKING:  # looking at a folder must not import torch
    from torch import Tensor, nn

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".msgpack", ".h5")
# What a model folder of ours may hold: whatever else lies there is somebody's, and is never replaced.
OWN = (
    "config.json", "model.safetensors", "model_card.md", "checksums.json", "reference.safetensors", "trained_on.json",
    "phrases.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt",
)  # fmt: skip
_DEEPEST = 50
CODE = (".py", ".pyc", ".so", ".dll", ".dylib", ".sh", ".exe", ".pyd")


def check_folder(folder: Path) -> None:
    """Raises `ModelError` where ``folder`` is no folder, or holds code or pickled weights."""
    if not folder.is_dir():
        raise ModelError(f"There is no model folder at {folder}; choose a folder that holds config.json.")
    if not (folder / "config.json").is_file():
        raise ModelError(f"The folder {folder} has no config.json and so is no model; choose another one.")
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in CODE:
            raise ModelError(f"The model folder {folder} carries code ({path.name}) and is refused; remove that file.")
        if path.suffix.lower() in PICKLES:
            raise ModelError(
                f"The model folder {folder} carries weights that could run code ({path.name}); "
                f"make a safe copy with: lile models import {folder}"
            )


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json`` as a dictionary; raises `ModelError` if damaged or if it asks for code of its own."""
    try:
        plain = json.loads((folder / "config.json").read_text("utf-8"))
        _check_depth(plain)
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"The config.json in {folder} cannot be read; the model is damaged.") from error
    if not isinstance(plain, dict):
        raise ModelError(f"The config.json in {folder} is not a JSON object; the model is damaged.")
    if "auto_map" in json.dumps(plain):
        raise ModelError(f"The model in {folder} asks to run code of its own (auto_map) and is refused.")
    return plain


def _check_depth(plain: Any) -> None:
    """Raises ValueError for what is nested beyond any configuration: everything that walks it later would fail."""
    level = [plain]
    for _ in range(_DEEPEST):
        level = [v for x in level for v in (x.values() if isinstance(x, dict) else x) if isinstance(v, (dict, list))]
        if not level:
            return
    raise ValueError("nested too deeply")


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, floats as float32; raises `ModelError` if missing or damaged."""
    if not file.is_file():
        raise ModelError(f"The weights {file.name} are missing from {file.parent}; the model is not complete.")
    try:
        with safe_open(file, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"The weights {file} are damaged or cut short; get the model again.") from error
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}


def load_part(module: nn.Module, weights: dict[str, Tensor], what: str) -> None:
    """Fills ``module``; names may carry a prefix ("bert."), weights that it lacks (heads) are left out.

    Raises `ModelError` where a weight is missing or of another shape.
    """
    own = module.state_dict()
    prefixes = {""} | {name[: i + 1] for name in weights for i, c in enumerate(name) if c == "."}

    def stripped(prefix: str) -> dict[str, Tensor]:
        return {n[len(prefix) :]: t for n, t in weights.items() if n.startswith(prefix)}

    best = max(sorted(prefixes, key=len), key=lambda p: len(stripped(p).keys() & own.keys()))
    fitting = stripped(best)
    missing = [name for name in own if name not in fitting and not name.endswith(("position_ids", "batches_tracked"))]
    if missing:
        raise ModelError(f"The weights lack {len(missing)} tensors of the {what} ({missing[0]}); choose others.")
    wrong = [name for name in own if name in fitting and own[name].shape != fitting[name].shape]
    if wrong:
        raise ModelError(
            f"The weights do not fit the {what}: {wrong[0]} is {tuple(fitting[wrong[0]].shape)} "
            f"and should be {tuple(own[wrong[0]].shape)}."
        )
    module.load_state_dict({name: fitting[name] for name in own if name in fitting}, strict=False)


def check_target(target: Path) -> None:
    """Raises `ModelError` where a model cannot be written to ``target``: no folder can be made or changed there, or
    what lies there holds files that are no part of a model and would be lost."""
    try:
        above = next(p for p in target.absolute().parents if p.exists())
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        raise ModelError(
            f"The model cannot be written to {target} ({error.strerror}); choose a folder that you may write to."
        ) from error
    if not target.exists():
        return
    if not target.is_dir():
        raise ModelError(f"{target} is a file, and a model is a folder; choose another name.")
    strange = sorted(p.name for p in target.iterdir() if p.name not in OWN)
    if strange:
        raise ModelError(
            f"The folder {target} holds {strange[0]}, which is no part of a model and would be lost; name a new folder."
        )


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A private folder to fill, which becomes ``target`` at the end; on failure nothing of it is left.

    An older model at ``target`` stays until the new one is whole. Raises `ModelError` as `check_target` does.
    """
    check_target(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield scratch
        check_target(target)  # a training takes its time; something may have been put there meanwhile
        for path in scratch.rglob("*"):
            if path.is_file():
                path.chmod(0o600)
                _sync(path)
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
            os.rename(target, old / target.name)
            os.rename(scratch, target)
            shutil.rmtree(old)
        else:
            os.rename(scratch, target)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
