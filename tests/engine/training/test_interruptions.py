"""What comes between: pictures that cannot be read, other pairs, a full disk, no memory, a run begun anew."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lile_engine.errors import Cancelled, DataError, ModelError
from lile_engine.model.checkpoint import load_checkpoint, save_checkpoint
from lile_engine.progress import CancelToken
from lile_engine.training.batches import Sampler
from lile_engine.training.config import TrainConfig, config_to_dict
from lile_engine.training.distributed import ALONE
from lile_engine.training.loop import train
from lile_engine.training.optim import Ema, parameter_groups
from lile_engine.training.pairs import read_pairs
from lile_engine.training.rescue import rescued
from lile_engine.training.state import STATE, RunRecord, read_record
from tests.tiny_models import tiny_training


def _config(model: Path, pairs: Path, output: Path, /, **sections: dict[str, object]) -> TrainConfig:
    usual: dict[str, dict[str, object]] = {"optim": {"steps": 8, "batch": 4, "warmup": 2}, "run": {"save_steps": 100}}
    own = {name: {**usual.get(name, {}), **sections.get(name, {})} for name in (*usual, *sections)}
    return tiny_training(model, pairs, output, **own)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """As a full disk, and as real: the system refuses to write more."""
    if sys.platform == "win32":
        pytest.skip("Windows has no limit on the size of a file")
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _stopped(config: TrainConfig, after: int) -> None:
    token = CancelToken()
    with pytest.raises(Cancelled):
        train(config, on_step=lambda info: token.cancel() if info.step == after else None, cancel=token)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_a_picture_cut_short_costs_no_step(tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path) -> None:
    """Its header is whole, so it is found only when it is shown: the state is saved, and mended it goes on."""
    pairs = make_pairs(tmp_path / "p")
    data = read_pairs(pairs)
    train(_config(tiny_model, pairs, tmp_path / "straight"))
    sampler = Sampler([data], batch=4, views=1, seed=1)
    picture = data.pairs[sampler.at(5).items[0].index].path
    whole = picture.read_bytes()
    picture.write_bytes(whole[: len(whole) // 2])
    config = _config(tiny_model, pairs, tmp_path / "out", data={"bad_rows": "skip"})
    with pytest.raises(DataError, match=picture.name):
        train(config)
    record = read_record(config.state_dir)
    assert record is not None
    assert record.step == 5
    picture.write_bytes(whole)
    told: list[str] = []
    train(config, resume=True, warn=told.append)
    assert ["Pictures have changed" in message for message in told] == [True]
    straight, mended = _weights(tmp_path / "straight"), _weights(tmp_path / "out")
    assert all(torch.equal(tensor, mended[name]) for name, tensor in straight.items())


def test_a_picture_that_is_none_is_a_bad_row(tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path) -> None:
    pairs = make_pairs(tmp_path / "p")
    (pairs / "images" / "red-dots-0.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    told: list[str] = []
    report = train(_config(tiny_model, pairs, tmp_path / "out", optim={"steps": 1}), warn=told.append)
    assert report.left_out == 1
    assert report.pairs == 31
    assert told == ["pairs.jsonl line 2: names red-dots-0.png, which is not an image that can be read; left out."]


def test_other_pairs_are_not_gone_on_with(tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path) -> None:
    pairs = make_pairs(tmp_path / "p")
    config = _config(tiny_model, pairs, tmp_path / "out")
    _stopped(config, 3)
    rows = (pairs / "pairs.jsonl").read_text().splitlines()
    (pairs / "pairs.jsonl").write_text("\n".join(rows[:16]))
    with pytest.raises(DataError, match="not those that this training was started with"):
        train(config, resume=True)
    (pairs / "pairs.jsonl").write_text("\n".join(rows).replace("with dots", "with rings"))
    with pytest.raises(DataError, match="put them back"):
        train(config, resume=True)
    (pairs / "pairs.jsonl").write_text("\n".join(rows))
    assert train(config, resume=True).steps == 8


def test_stopped_early_stays_stopped(tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path) -> None:
    config = _config(
        tiny_model,
        make_pairs(tmp_path / "p"),
        tmp_path / "out",
        optim={"steps": 100, "lr": 1e-6},
        data={"validation_share": 0.25},
        run={"validate_steps": 1, "patience": 2},
    )
    first = train(config)
    assert first.stopped_early
    weights = _weights(tmp_path / "out")
    again = train(config, resume=True)
    assert again.stopped_early
    assert (again.steps, again.best_rsum, again.best_step) == (first.steps, first.best_rsum, first.best_step)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in _weights(tmp_path / "out").items())


def test_begun_anew_the_half_done_one_is_kept(
    tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path
) -> None:
    config = _config(tiny_model, make_pairs(tmp_path / "p"), tmp_path / "out")
    _stopped(config, 3)
    state = (config.state_dir / STATE).read_bytes()
    told: list[str] = []
    train(config, warn=told.append)
    aside = config.state_dir.with_name("out.run.earlier")
    assert len(told) == 1
    assert "3 steps" in told[0]
    assert str(aside) in told[0]
    assert (aside / STATE).read_bytes() == state
    told.clear()
    train(config, warn=told.append)  # a finished one is no loss
    assert not told
    assert (aside / STATE).read_bytes() == state


def test_a_full_disk_is_told(tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path) -> None:
    pairs = make_pairs(tmp_path / "p")
    cached = _config(tiny_model, pairs, tmp_path / "out", data={"cache": str(tmp_path / "cache")})
    with no_file_larger_than(20_000), pytest.raises(DataError, match=r"cannot be kept in .*cache .*make room there"):
        train(cached)
    plain = _config(tiny_model, pairs, tmp_path / "out", optim={"steps": 2})
    with no_file_larger_than(20_000), pytest.raises(DataError, match=r"cannot be saved in .*out\.run .*make room"):
        train(plain)
    assert not list(plain.state_dir.glob("*.partial"))
    train(plain)
    assert train(cached).steps == 8
    checkpoint = load_checkpoint(tiny_model)
    before = (tmp_path / "out" / "model.safetensors").read_bytes()
    with no_file_larger_than(20_000), pytest.raises(ModelError, match=r"cannot be written to .*out .*make room there"):
        save_checkpoint(tmp_path / "out", checkpoint.model, tiny_model, "")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == before


def test_a_cache_that_is_a_file(tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("mine")
    config = _config(tiny_model, make_pairs(tmp_path / "p"), tmp_path / "out", data={"cache": str(tmp_path / "cache")})
    with pytest.raises(DataError, match=r"Features cannot be kept in .*cache .*name another"):
        train(config)
    assert (tmp_path / "cache").read_text() == "mine"


def _failing(kind: str) -> None:
    if kind == "torch":
        torch.empty(2**58)
    elif kind == "machine":
        bytearray(2**62)
    else:
        raise RuntimeError(f"CUDA error: {kind} when calling `cublasCreate(handle)`")


@pytest.mark.parametrize("kind", ["torch", "machine", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED"])
def test_without_memory_the_batch_is_named_and_the_state_saved(
    kind: str, tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path
) -> None:
    config = _config(tiny_model, make_pairs(tmp_path / "p"), tmp_path / "out", optim={"batch": 24})
    model = load_checkpoint(tiny_model).model.train()
    model.freeze(image=True, text=True)
    ema, optimizer = Ema(model, 0.9), torch.optim.AdamW(parameter_groups(model, config.optim))
    record = RunRecord(step=7, config=config_to_dict(config))
    running = model.get_buffer("image_grid.norms.0.running_mean")
    before = running.clone()

    def step() -> None:
        with rescued(config, record, model, ema, optimizer, ALONE):
            running.add_(1.0)  # a forward pass that failed half-way
            _failing(kind)

    with pytest.raises(ModelError, match=r"\[optim\] batch = 24; lower it"):
        step()
    assert torch.equal(running, before)
    assert read_record(config.state_dir) == RunRecord(**json.loads(json.dumps(vars(record))))


def test_other_failures_pass_as_they_are(tiny_model: Path, tmp_path: Path) -> None:
    config = _config(tiny_model, tmp_path, tmp_path / "out")
    model = load_checkpoint(tiny_model).model
    optimizer = torch.optim.AdamW(parameter_groups(model, config.optim))
    with (
        pytest.raises(RuntimeError, match="shapes"),
        rescued(config, RunRecord(step=7), model, Ema(model, 0.9), optimizer, ALONE),
    ):
        raise RuntimeError("shapes do not fit")
    assert read_record(config.state_dir) is None
