"""The training configuration: defaults, paths, and what is refused by name."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from lile_engine.errors import ConfigError
from lile_engine.training.config import (
    RANGES,
    TrainConfig,
    config_from_dict,
    config_to_dict,
    config_to_toml,
    read_config,
)

MINIMAL = {"output": "out", "data": {"train": ["pairs"]}}


def test_little_needs_saying(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text('output = "my-model"\n[data]\ntrain = "pairs"\n')
    config = read_config(file)
    assert config.output == tmp_path / "my-model"
    assert config.data.train == (str(tmp_path / "pairs"),)
    assert config.model.start == "lile-base"
    assert config.state_dir == tmp_path / "my-model.run"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({**MINIMAL, "loss": {"weight_slef": 1}}, r"\[loss\] weight_slef is not a known key; did you mean weight_self"),
        ({**MINIMAL, "los": {}}, "los is not a known key"),
        ({**MINIMAL, "optim": {"steps": "many"}}, r"\[optim\] steps = 'many' is not of the right kind; it must be int"),
        ({**MINIMAL, "optim": {"steps": True}}, "right kind"),
        ({**MINIMAL, "optim": 3}, "must be a table"),
        ({**MINIMAL, "optim": {"batch": 1}}, "at least 2"),
        ({"output": "x"}, r"\[data\] train is missing"),
        ({"data": {"train": ["p"]}}, "output is missing"),
        ({**MINIMAL, "data": {"train": ["p"], "bad_rows": "hide"}}, "bad_rows"),
        ({**MINIMAL, "data": {"train": ["p"], "weights": [1.0, 2.0]}}, "one number per train entry"),
        ({**MINIMAL, "loss": {"weight_self": 0, "weight_cross": 0}}, "nothing to learn"),
        ({**MINIMAL, "loss": {"kind": "triplet"}}, "infonce"),
    ],
)
def test_refused_with_the_name(table: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config_from_dict(table)


@pytest.mark.parametrize("section", RANGES)
def test_every_number_has_its_range(section: str) -> None:
    kind = next(f for f in dataclasses.fields(TrainConfig) if f.name == section).default
    numbers = {
        f.name
        for f in dataclasses.fields(kind)
        if isinstance(f.default, (int, float)) and not isinstance(f.default, bool)
    }
    assert set(RANGES[section]) == numbers
    for key, (least, most) in RANGES[section].items():
        whole = isinstance(getattr(kind, key), int)
        for value, fits in ((least, True), (most, True), (least - 1, False), (most * 2 + 1, False), (math.nan, False)):
            if whole and value is math.nan:
                continue
            given = int(value) if whole else float(value)
            others = {"random_negatives": 1} if key == "hard_negatives" else {}
            others |= {"weight_self": 1.0} if key == "weight_cross" else {}
            table = {"output": "out", "data": {"train": ["pairs"]}}
            table[section] = {**table.get(section, {}), **others, key: given}  # type: ignore[dict-item]
            if fits:
                assert getattr(getattr(config_from_dict(table), section), key) == given
            else:
                with pytest.raises(ConfigError, match=rf"\[{section}\] {key} "):
                    config_from_dict(table)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"loss": {"cross_batch": 1}}, "cross_batch must be 0"),
        ({"loss": {"hard_negatives": 0, "random_negatives": 0}}, "must not both be 0"),
        ({"optim": {"lr": 10**400}}, "at most"),
        ({"data": {"train": ["p"], "weights": [float("nan")]}}, "weights must be positive"),
    ],
)
def test_numbers_that_mean_nothing(table: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config_from_dict({**MINIMAL, **table})


def test_toml_that_no_reader_expects(tmp_path: Path) -> None:
    for text in ("a = " + "[" * 50_000, "a = " + "1" * 5000):
        (tmp_path / "odd.toml").write_text(text)
        with pytest.raises(ConfigError, match=r"odd\.toml is"):
            read_config(tmp_path / "odd.toml")


def test_broken_toml_and_missing_file(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("output = [")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_config(tmp_path / "bad.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "none.toml")


def test_what_is_written_reads_back_equal(tmp_path: Path) -> None:
    config = config_from_dict(
        {
            "output": str(tmp_path / 'odd "name"'),
            "model": {"start": "new", "config": {"width": 32, "taps": [2, 4]}},
            "data": {"train": [str(tmp_path / "a"), str(tmp_path / "b")], "weights": [1, 2.5]},
            "optim": {"lr": 1e-5},
        }
    )
    file = tmp_path / "again.toml"
    file.write_text(config_to_toml(config))
    assert config_to_dict(read_config(file)) == config_to_dict(config)
