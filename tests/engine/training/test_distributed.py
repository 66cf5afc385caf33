"""One training by two processes (torchrun, gloo) is the training of one process: gradients, weights, losses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from lile_engine.errors import ConfigError
from lile_engine.training.config import config_from_dict, config_to_toml
from lile_engine.training.distributed import ALONE, Ranks, check_batch, share_norms

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
needs_gloo = pytest.mark.skipif(os.name == "nt", reason="torchrun's rendezvous is not built for Windows")


def _run(*command: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@needs_gloo
def test_two_processes_learn_what_one_does(tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path) -> None:
    worker = str(Path(__file__).with_name("rank_worker.py"))
    arguments = (worker, str(tiny_model), str(make_pairs(tmp_path / "p")), str(tmp_path))
    _run(sys.executable, *arguments)
    _run(*TORCHRUN, *arguments)
    alone, first, second = (
        load_file(tmp_path / f"{name}.safetensors") for name in ("rank0-of-1", "rank0-of-2", "rank1-of-2")
    )
    assert alone.keys() == first.keys() == second.keys()
    assert sum(name.startswith("grad.backbone.") for name in alone) > 10
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name  # to the bit: otherwise they would drift apart
        # Three steps of Adam move a weight by up to 0.03.
        bound = 1e-3 if name.startswith("weight.") else 1e-4
        torch.testing.assert_close(tensor, alone[name], rtol=1e-3, atol=bound, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.slow
@needs_gloo
def test_the_command_under_torchrun(tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path) -> None:
    """One of the two speaks and saves; losses and model are those of the command alone."""
    pairs = make_pairs(tmp_path / "p", per_kind=2)
    events, models = [], []
    for name, launcher in (("one", (sys.executable,)), ("two", TORCHRUN)):
        config = config_from_dict(
            {
                "output": str(tmp_path / name),
                "model": {"start": str(tiny_model)},
                "data": {"train": [str(pairs)], "validation_share": 0.2, "views": 2, "cache": str(tmp_path / "cache")},
                "optim": {"steps": 6, "batch": 16},
                "run": {"threads": 1, "device": "cpu", "validate_steps": 3},
            }
        )
        (tmp_path / f"{name}.toml").write_text(config_to_toml(config))
        out = _run(*launcher, "-m", "lile_engine", "train", str(tmp_path / f"{name}.toml"), "--progress", "jsonl")
        events.append([json.loads(line) for line in out.splitlines()])
        models.append(load_file(tmp_path / name / "model.safetensors"))
    losses = [[e["loss"] for e in of_run if e["event"] == "step"] for of_run in events]
    assert len(losses[0]) == len(losses[1]) == 6
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    results = [of_run[-1]["result"] for of_run in events]
    assert results[1]["best_rsum"] == pytest.approx(results[0]["best_rsum"], abs=5)
    assert [e["event"] for e in events[1]].count("result") == 1
    for name, tensor in models[0].items():
        assert (tensor.float() - models[1][name].float()).abs().mean() < 1e-3, name


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch = 33 does not divide among 2 processes"):
        check_batch(33, Ranks(0, 2))
    check_batch(33, ALONE)


def test_alone_everything_is_the_identity() -> None:
    x = torch.arange(6.0)
    assert ALONE.gather(x) is x
    assert ALONE.sum(x) is x
    assert ALONE.same(x) is x
    assert ALONE.told("word") == "word"
    assert ALONE.largest(3) == 3
    assert x[ALONE.share(6)].tolist() == x.tolist()
    norms = nn.Sequential(nn.BatchNorm2d(3))
    share_norms(norms, ALONE)
    assert type(norms[0]) is nn.BatchNorm2d


def test_shares_are_the_batch_in_order() -> None:
    assert [list(range(8))[Ranks(r, 4).share(8)] for r in range(4)] == [[0, 1], [2, 3], [4, 5], [6, 7]]
