"""The state of a training on disk: one safetensors file, replaced whole, so a kill at any instant leaves a usable one.

Tensors are the weights that train, their running mean and AdamW's moments, all by parameter name; step, configuration
and measurements so far are JSON in the file's metadata. No generator state is needed (see `batches`). Never a pickle.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lile_engine.errors import DataError
from lile_engine.model.lile import Lile
from lile_engine.paths import private_dir
from lile_engine.training.kept import file_stamp
from lile_engine.training.optim import Ema, trained_tensors
from lile_engine.training.pairs import PairDataset

STATE, BEST = "state.safetensors", "best.safetensors"


@dataclass
class RunRecord:
    """What is known of a run besides its tensors. ``step`` steps are done; ``best`` is the best validation RSUM;
    ``rows`` and ``files`` tell the pairs it learns from (`pairs_digest`, `files_digest`)."""

    step: int = 0
    best: float | None = None
    best_step: int = 0
    stale: int = 0
    config: dict[str, Any] = field(default_factory=dict)
    validations: list[dict[str, float]] = field(default_factory=list)
    rows: str = ""
    files: str = ""

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or the patience was used up; nothing begun counts as finished."""
        steps = self.config.get("optim", {}).get("steps", 0)
        patience = self.config.get("run", {}).get("patience", 0)
        return self.step == 0 or self.step >= steps or 0 < patience <= self.stale


def save_state(folder: Path, record: RunRecord, model: Lile, ema: Ema, optimizer: torch.optim.AdamW) -> None:
    """Writes the state; the file before it stays in place until the new one is whole and on the disk."""
    trains = {n for n, p in model.named_parameters() if p.requires_grad}
    tensors = {f"model.{n}": t for n, t in trained_tensors(model, trains).items()}
    tensors |= {f"ema.{n}": t for n, t in trained_tensors(ema.model, trains).items()}
    for group in optimizer.param_groups:
        for name, parameter in zip(group["names"], group["params"], strict=True):
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"optim.{key}.{name}"] = value
    write_tensors(folder / STATE, tensors, {"record": json.dumps(asdict(record))})


def load_state(folder: Path, model: Lile, ema: Ema, optimizer: torch.optim.AdamW) -> RunRecord:
    """Puts a saved state back. Raises `DataError` when there is none or it does not fit."""
    tensors, metadata = read_tensors(folder / STATE)
    try:
        record = RunRecord(**json.loads(metadata["record"]))
        for prefix, target in (("model.", model), ("ema.", ema.model)):
            _copy_into(target, {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
        for group in optimizer.param_groups:
            for name, parameter in zip(group["names"], group["params"], strict=True):
                saved = {k: tensors[f"optim.{k}.{name}"] for k in ("step", "exp_avg", "exp_avg_sq")}
                optimizer.state[parameter] = {k: v if k == "step" else v.to(parameter.device) for k, v in saved.items()}
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{folder / STATE} does not fit this training; start it anew without --resume.") from error
    return record


def read_record(folder: Path) -> RunRecord | None:
    """What is known of the run whose state lies in ``folder``; None where there is none that can be read."""
    try:
        with safe_open(folder / STATE, "pt") as file:
            return RunRecord(**json.loads((file.metadata() or {})["record"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


def pairs_digest(datasets: Sequence[PairDataset]) -> str:
    """What the lists say: pictures, texts, groups and cases, in their order."""
    digest = hashlib.sha256()
    for number, pair in ((n, p) for n, d in enumerate(datasets) for p in d.pairs):
        told = [number, *pair.picture, pair.captions, pair.phrases, pair.tissues, pair.group, pair.case]
        digest.update(repr(told).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


def files_digest(datasets: Sequence[PairDataset]) -> str:
    """Size and time of the files that the lists name."""
    paths = dict.fromkeys(pair.path for d in datasets for pair in d.pairs)
    return hashlib.sha256(repr([file_stamp(path) for path in paths]).encode()).hexdigest()


def save_best(folder: Path, ema: Ema, trains: set[str]) -> None:
    """Keeps the running mean of the weights as the best so far."""
    write_tensors(folder / BEST, trained_tensors(ema.model, trains), {})


def load_best(folder: Path, ema: Ema) -> None:
    """Puts the best weights so far into ``ema.model``."""
    _copy_into(ema.model, read_tensors(folder / BEST)[0])


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """A safetensors file, private, written beside and renamed over. Raises `DataError` where it cannot be written; the
    file before it then stays."""
    partial = path.with_name(path.name + ".partial")
    try:
        private_dir(path.parent)
        save_file({n: t.detach().cpu().contiguous().clone() for n, t in tensors.items()}, partial, metadata)
        partial.chmod(0o600)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise DataError(
            f"The state of the training cannot be saved in {path.parent} ({error}); make room there, then go on from "
            "the state before with --resume."
        ) from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file. Raises `DataError` when it is missing or damaged."""
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} is missing or damaged, so this training cannot be gone on with.") from error


@torch.no_grad()
def _copy_into(model: Lile, tensors: dict[str, Tensor]) -> None:
    own = model.state_dict(keep_vars=True)
    for name, value in tensors.items():
        own[name].copy_(value)
