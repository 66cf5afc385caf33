"""The one file that says what a training is: TOML in, frozen data classes out.

A key that is not known is refused by name, because a mistyped ``lamda`` that silently trains with the default costs
a night. Paths are taken relative to the TOML file.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import tomllib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lile_engine.errors import ConfigError


@dataclass(frozen=True)
class ModelSection:
    """``[model]``: what the training starts from.

    ``start`` is the name of a model ("lile-base"), a model folder, or "new" (then ``text_source`` and
    ``image_weights`` say where the encoders start; empty means from scratch). ``config`` holds keys of `LileConfig`
    for a new model. ``name`` is the name of the model that comes out. ``closed_form`` lets a new model with frozen
    encoders begin where linear algebra can put it (`lile_engine.model.canonical`), instead of at random.
    """

    start: str = "lile-base"
    name: str = ""
    text_source: str = ""
    image_weights: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    closed_form: bool = False


@dataclass(frozen=True)
class DataSection:
    """``[data]``: folders or files of pairs, ARCH or MS-COCO (see `readers.read_set`).

    ``validation`` may be empty: then ``validation_share`` of the pairs is kept out, whole groups of the same image,
    slide or case together. ``phrase_share`` is how often a pair that has phrases shows one instead of a caption.
    ``bad_rows`` is "skip" (each is reported) or "refuse". ``views`` is the number of
    augmented views of an image whose frozen features are kept (drawn from ``view_seed``, so that trainings of several
    seeds share them); ``cache`` a folder to keep them on disk, else they are kept in memory up to
    ``cache_megabytes``.
    """

    train: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    validation: tuple[str, ...] = ()
    validation_share: float = 0.1
    phrase_share: float = 0.5
    bad_rows: str = "skip"
    views: int = 4
    view_seed: int = 1
    cache: str = ""
    cache_megabytes: int = 1024


@dataclass(frozen=True)
class AugmentSection:
    """``[augment]``: how far an image may be changed; 0 or false switches a change off.

    ``stain`` is the standard deviation of the haematoxylin and eosin concentrations (log scale), ``vectors`` that of
    the stain vectors (radians), ``brightness`` that of the lamp (optical density), ``scale`` the largest zoom either
    way (0.25 = 0.8 to 1.25), ``blur`` the largest sigma in pixels, ``jpeg`` the lowest quality that may occur (100 =
    never recompressed).
    """

    stain: float = 0.25
    vectors: float = 0.06
    brightness: float = 0.03
    flips: bool = True
    scale: float = 0.25
    blur: float = 1.0
    jpeg: int = 50
    strength: float = 1.0


@dataclass(frozen=True)
class OptimSection:
    """``[optim]``: AdamW with linear warm-up and cosine decay to ``floor`` times the rate.

    ``image_backbone`` and ``text_encoder`` are factors on ``lr`` for the pretrained encoders (0 = frozen), lowered by
    ``layer_decay`` for each layer further from the output. ``ema`` is the decay of the running mean of the weights
    that is saved (0 = none; it is warmed up, so short trainings are not held back).
    """

    steps: int = 200
    batch: int = 32
    lr: float = 3e-4
    weight_decay: float = 0.05
    warmup: int = 10
    floor: float = 0.02
    clip: float = 1.0
    ema: float = 0.99
    image_backbone: float = 0.0
    text_encoder: float = 0.0
    layer_decay: float = 0.8
    bf16: bool = False


@dataclass(frozen=True)
class LossSection:
    """``[loss]``: ``L = L_cross + weight_self * L_self`` (DESIGN section 3; ``weight_self`` is lambda).

    ``kind`` is "infonce" or "hinge" (hardest negatives). ``L_cross`` sees each positive pair and ``hard_negatives``
    negatives of each image and of each text, mined from the stage-one vectors, and as many at random. ``cross_batch``
    is how many pairs of the batch take part in it (0 = all). ``weight_cross = 0`` trains stage one alone.
    """

    weight_self: float = 1.0
    weight_cross: float = 1.0
    kind: str = "infonce"
    margin: float = 0.2
    hard_negatives: int = 2
    random_negatives: int = 1
    cross_batch: int = 0


@dataclass(frozen=True)
class RunSection:
    """``[run]``: saving, measuring and stopping.

    The state is saved every ``save_steps`` steps or ``save_minutes`` minutes, whichever comes first; validation
    recall is measured every ``validate_steps``; ``patience`` measurements without a better one end the training
    (0 = never).
    """

    seed: int = 1
    device: str = "auto"
    threads: int = 0
    save_steps: int = 200
    save_minutes: float = 3.0
    validate_steps: int = 50
    patience: int = 0


# Least and most of each number, ends included: beyond them a value means nothing, or is a slip that costs a night.
_LARGE = 10**9
_SEED = 2**63 - 1
RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "data": {
        "validation_share": (0, 0.999), "phrase_share": (0, 1), "views": (1, 10_000), "view_seed": (0, _SEED),
        "cache_megabytes": (0, _LARGE),
    },
    "augment": {
        "stain": (0, 2), "vectors": (0, 1), "brightness": (0, 2), "scale": (0, 3), "blur": (0, 50), "jpeg": (10, 100),
        "strength": (0, 10),
    },
    "optim": {
        "steps": (1, _LARGE), "batch": (2, 10**6), "lr": (1e-12, 10), "weight_decay": (0, 10), "warmup": (0, _LARGE),
        "floor": (0, 1), "clip": (1e-9, 1e12), "ema": (0, 0.999999), "image_backbone": (0, 100),
        "text_encoder": (0, 100), "layer_decay": (1e-3, 1),
    },
    "loss": {
        "weight_self": (0, 1e6), "weight_cross": (0, 1e6), "margin": (0, 2), "hard_negatives": (0, 10**6),
        "random_negatives": (0, 10**6), "cross_batch": (0, 10**6),
    },
    "run": {
        "seed": (0, _SEED), "threads": (0, 4096), "save_steps": (1, _LARGE), "save_minutes": (0, 1e6),
        "validate_steps": (1, _LARGE), "patience": (0, _LARGE),
    },
}  # fmt: skip


@dataclass(frozen=True)
class TrainConfig:
    """A whole training. ``output`` is the model folder that comes out; the state of the run lies beside it."""

    output: Path
    model: ModelSection = ModelSection()
    data: DataSection = DataSection()
    augment: AugmentSection = AugmentSection()
    optim: OptimSection = OptimSection()
    loss: LossSection = LossSection()
    run: RunSection = RunSection()

    @property
    def state_dir(self) -> Path:
        """Where the resumable state lies: beside the output, so the model folder holds nothing but the model."""
        return self.output.with_name(self.output.name + ".run")


def read_config(path: Path) -> TrainConfig:
    """Reads a TOML file. Raises `ConfigError` naming the key (and the nearest known one) or the value."""
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read; check that it is a training configuration.") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deeply for a configuration; write it anew.") from error
    except ValueError as error:  # TOML or UTF-8 that is none, or a number of thousands of digits
        raise ConfigError(f"{path} is not valid TOML ({error}); mend that line.") from error
    return config_from_dict(table, base=path.resolve().parent, source=path.name)


def config_from_dict(table: dict[str, Any], *, base: Path = Path(), source: str = "configuration") -> TrainConfig:
    """The same from a dictionary; relative paths are taken from ``base``."""
    config = _build(TrainConfig, table, source, "")
    config = _resolve_paths(config, base)
    _check(config, source)
    return config


def config_to_dict(config: TrainConfig) -> dict[str, Any]:
    """Plain types only, to be kept beside the state and compared when a training is resumed."""
    plain = dataclasses.asdict(config)
    plain["output"] = str(config.output)
    return plain


def config_to_toml(config: TrainConfig) -> str:
    """The configuration as TOML text that `read_config` reads back to an equal one."""
    lines = [f"output = {_toml_value(str(config.output))}"]
    for section in dataclasses.fields(TrainConfig)[1:]:
        lines += ["", f"[{section.name}]"]
        for name, value in dataclasses.asdict(getattr(config, section.name)).items():
            lines.append(f"{name} = {_toml_value(value)}")
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
        return f'"{escaped}"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml_value(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml_value(v)}" for k, v in value.items()) + " }" if value else "{}"
    return repr(value)


def _build(cls: Any, table: Any, source: str, where: str) -> Any:
    if not isinstance(table, dict):
        raise ConfigError(f"{source}: {where} must be a table of keys; write it as [{where}].")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in table:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(fields)}."
            raise ConfigError(f"{source}: {f'[{where}] ' if where else ''}{key} is not a known key; {hint}")
    hints = typing.get_type_hints(cls)
    values = {}
    for name, value in table.items():
        if dataclasses.is_dataclass(hints[name]):
            values[name] = _build(hints[name], value, source, name)
        else:
            values[name] = _convert(hints[name], value, f"{source}: {f'[{where}] ' if where else ''}{name}")
    try:
        return cls(**values)
    except TypeError as error:
        raise ConfigError(f"{source}: output is missing; say which model folder the training should write.") from error


def _convert(kind: Any, value: Any, name: str) -> Any:
    origin = typing.get_origin(kind)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(max(-1e300, min(value, 1e300))) if isinstance(value, int) else value
    if origin is tuple:
        inner = typing.get_args(kind)[0]
        items = value if isinstance(value, (list, tuple)) else [value]
        return tuple(_convert(inner, item, name) for item in items)
    if origin is dict and isinstance(value, dict):
        return dict(value)
    plain = isinstance(kind, type) and not isinstance(kind, types.GenericAlias) and origin is None
    if plain and isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    label = getattr(kind, "__name__", str(kind))
    raise ConfigError(f"{name} = {value!r} is not of the right kind; it must be {label}.")


def _resolve_paths(config: TrainConfig, base: Path) -> TrainConfig:
    def at(text: str) -> str:
        return str((base / Path(text).expanduser()).resolve()) if text else ""

    data = dataclasses.replace(
        config.data,
        train=tuple(at(p) for p in config.data.train),
        validation=tuple(at(p) for p in config.data.validation),
        cache=at(config.data.cache),
    )
    start = config.model.start
    if start != "new" and ("/" in start or "\\" in start or (base / start / "config.json").is_file()):
        start = at(start)
    model = dataclasses.replace(
        config.model,
        start=start,
        text_source=at(config.model.text_source),
        image_weights=at(config.model.image_weights),
    )
    return dataclasses.replace(config, output=Path(at(str(config.output))), data=data, model=model)


def _check(config: TrainConfig, source: str) -> None:
    def need(holds: bool, key: str, rule: str) -> None:
        if not holds:
            raise ConfigError(f"{source}: {key} {rule}.")

    data, loss = config.data, config.loss
    # The model replaces the whole folder, so nothing but an older model may lie there.
    out = config.output
    free = not out.exists() or (out.is_dir() and ((out / "model.safetensors").is_file() or not any(out.iterdir())))
    need(free, "output", f"is {out}, which holds something else than a model; name a new folder")
    for section, ranges in RANGES.items():
        for key, (least, most) in ranges.items():
            value = getattr(getattr(config, section), key)
            told = f"[{section}] {key}"
            need(math.isfinite(value), told, "must be a finite number")
            need(value >= least, told, f"is {value} and must be at least {least:g}")
            need(value <= most, told, f"is {value} and may be at most {most:g}")
    need(bool(data.train), "[data] train", "is missing; name at least one folder or file of pairs")
    need(data.bad_rows in ("skip", "refuse"), "[data] bad_rows", 'must be "skip" or "refuse"')
    need(not data.weights or len(data.weights) == len(data.train), "[data] weights", "needs one number per train entry")
    need(all(0 < w < math.inf for w in data.weights), "[data] weights", "must be positive, and numbers")
    need(loss.kind in ("infonce", "hinge"), "[loss] kind", 'must be "infonce" or "hinge"')
    need(loss.weight_self + loss.weight_cross > 0, "[loss] weights", "are all 0, so there is nothing to learn")
    need(loss.hard_negatives + loss.random_negatives > 0, "[loss] negatives", "must not both be 0")
    need(
        loss.cross_batch != 1, "[loss] cross_batch", "must be 0 (all) or at least 2: a pair alone differs from nothing"
    )
