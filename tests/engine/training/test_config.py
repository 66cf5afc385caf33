"""The training configuration: defaults, paths, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from lile_engine.errors import ConfigError
from lile_engine.training.config import config_from_dict, config_to_dict, config_to_toml, read_config

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
