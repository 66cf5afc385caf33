"""A fine-tuning from the window: what is asked, whether it can be done, and the file that tells ``lile train``."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lile_desktop.text import tr
from lile_engine.paths import models_dir, private_dir
from lile_engine.training.config import DataSection, ModelSection, OptimSection, RunSection, TrainConfig, config_to_toml

_STATE = "state.safetensors"  # as `lile train` names it, in a folder beside the model's
_LONGEST_HEAD = 100_000_000
SHORT = 100  # a training of fewer steps is a try


@dataclass(frozen=True)
class TrainRequest:
    """What the user asked for: a folder of pairs, optimiser steps, pairs in a batch, a name for the new model."""

    pairs: Path
    steps: int
    batch: int
    name: str


def suggested_name(taken: Iterable[str]) -> str:
    """The first free "my-model", "my-model-2", ..."""
    used = set(taken)
    number = 1
    while (name := "my-model" if number == 1 else f"my-model-{number}") in used:
        number += 1
    return name


def taken_names() -> tuple[str, ...]:
    """The names of the user's own models, and of trainings that can be gone on with."""
    folder = models_dir()
    models = {p.name for p in folder.iterdir() if p.is_dir() and p.suffix != ".run"} if folder.is_dir() else set()
    return tuple(sorted(models | {one.name for one in _all_half_done()}))


@dataclass(frozen=True)
class HalfDone:
    """A training that was stopped or cut off: its name, where it goes and its configuration lies, the steps that are
    done of all, when it was saved last (seconds since 1970), its pairs in a batch (0: not known) and its folder of
    pairs ("": not known)."""

    name: str
    output: Path
    config: Path
    done: int
    steps: int
    saved: float
    batch: int
    pairs: str


def half_done() -> HalfDone | None:
    """The training that was stopped last and can be gone on with, None without one."""
    return max(_all_half_done(), key=lambda one: one.saved, default=None)


def _all_half_done() -> list[HalfDone]:
    return [one for path in models_dir().glob(f"*.run/{_STATE}") if (one := _half_done(path)) is not None]


def _half_done(state: Path) -> HalfDone | None:
    """What the state of a training says of it: a safetensors file, whose record stands in its JSON head."""
    output = state.parent.with_name(state.parent.name.removesuffix(".run"))
    config = output.with_name(f"{output.name}.toml")
    try:
        with state.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            head = json.loads(file.read(min(length, _LONGEST_HEAD)))
        record = json.loads(head["__metadata__"]["record"])
        steps, patience = record["config"]["optim"]["steps"], record["config"]["run"]["patience"]
        done, stale = record["step"], record["stale"]
        batch = record["config"]["optim"].get("batch", 0)
        pairs = [*record["config"].get("data", {}).get("train", []), ""][0]
        if not config.is_file() or not 0 < done < steps or 0 < patience <= stale:
            return None
        return HalfDone(output.name, output, config, done, steps, state.stat().st_mtime, batch, pairs)
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return None


def check_request(request: TrainRequest) -> str:
    """A sentence that says what is missing, "" where all is there."""
    if request.pairs == Path() or not request.pairs.is_dir():
        return tr("Choose a folder that holds a pairs.jsonl or pairs.csv and the images it names.")
    if not any(request.pairs.glob("*.jsonl")) and not any(request.pairs.glob("*.csv")):
        return tr("There is no .jsonl or .csv file of pairs in {0}; it must name image and caption.").format(
            request.pairs.name
        )
    if not re.fullmatch(r"[\w][\w .-]{0,63}", request.name):
        return tr("Give the new model a name of letters, digits, spaces, dots or hyphens.")
    if (models_dir() / request.name).exists():
        return tr("There is a model named {0} already; choose another name.").format(request.name)
    if request.name in taken_names():
        return tr("The training of {0} can be gone on with; choose another name for a new one.").format(request.name)
    return ""


def train_config(request: TrainRequest, start: str) -> TrainConfig:
    """The configuration of a fine-tuning of the model at ``start`` (a folder, or the name of the bundled one)."""
    warmup = max(1, min(20, request.steps // 10))
    return TrainConfig(
        output=models_dir() / request.name,
        model=ModelSection(start=start, name=request.name),
        # Each augmented view of an image costs its features; a short training does not see many of them.
        data=DataSection(train=(str(request.pairs.resolve()),), views=1 if request.steps < SHORT else 4),
        optim=OptimSection(steps=request.steps, batch=request.batch, lr=1e-4, warmup=warmup),
        run=RunSection(validate_steps=max(1, request.steps // (1 if request.steps < SHORT else 4)), save_steps=50),
    )


def write_config(config: TrainConfig) -> Path:
    """Writes the TOML file of a training beside its output and returns its path."""
    path = private_dir(config.output.parent) / f"{config.output.name}.toml"
    path.write_text(config_to_toml(config), encoding="utf-8")
    path.chmod(0o600)
    return path
