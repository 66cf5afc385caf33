"""Whole trainings of a tiny network: it learns, stops, resumes bit for bit, and says what is wrong."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from safetensors.torch import load_file

from lile_engine.errors import Cancelled, ConfigError, DataError, ModelError
from lile_engine.model.checkpoint import load_checkpoint
from lile_engine.model.load import load_model
from lile_engine.progress import CancelToken, Progress
from lile_engine.slides import open_slide
from lile_engine.training.batches import Sampler
from lile_engine.training.config import TrainConfig, config_to_toml
from lile_engine.training.distributed import ALONE
from lile_engine.training.evaluate import evaluate
from lile_engine.training.loop import train
from lile_engine.training.optim import parameter_groups
from lile_engine.training.pairs import read_pairs
from lile_engine.training.step import StepInfo, parallel_losses, train_step
from lile_engine.training.supply import Supply
from tests.tiny_models import tiny_training


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, make_pairs: Callable[..., Path]) -> Path:
    return make_pairs(tmp_path_factory.mktemp("pairs") / "p")


def test_32_pairs_are_learned_by_heart(tiny_model: Path, pairs: Path, tmp_path: Path) -> None:
    """Both ways, stage one and re-ranked, measured from the saved model as a user would."""
    steps: list[StepInfo] = []
    optim = {"steps": 180}
    report = train(tiny_training(tiny_model, pairs, tmp_path / "out", optim=optim), on_step=steps.append)
    assert report.pairs == 32
    assert steps[-1].loss < 0.3 * steps[0].loss
    assert [s.step for s in steps] == list(range(1, 181))
    result = evaluate(load_model(tmp_path / "out", "cpu"), read_pairs(pairs), bootstrap=0)
    assert (result.i2t.r1, result.t2i.r1) == (1.0, 1.0)
    assert result.reranked is not None
    assert (result.reranked.i2t.r1, result.reranked.t2i.r1) == (1.0, 1.0)


def test_frozen_encoders_stay_and_the_rest_moves(tiny_model: Path, pairs: Path, tmp_path: Path) -> None:
    train(tiny_training(tiny_model, pairs, tmp_path / "out", optim={"steps": 3}))
    before, after = (load_file(f / "model.safetensors") for f in (tiny_model, tmp_path / "out"))
    for name, tensor in before.items():
        same = torch.equal(tensor, after[name])
        if name.startswith(("backbone.", "text_encoder.")):
            assert same, name
        elif tensor.dim() >= 2:
            assert not same, name


def test_stage_one_alone_leaves_cross_attention_alone(tiny_model: Path, pairs: Path, tmp_path: Path) -> None:
    infos: list[StepInfo] = []
    train(
        tiny_training(tiny_model, pairs, tmp_path / "out", optim={"steps": 3}, loss={"weight_cross": 0.0}),
        on_step=infos.append,
    )
    assert all(i.cross == 0 and i.loss == i.self_ for i in infos)


def test_lambda_zero_still_reports_no_self_loss(tiny_model: Path, pairs: Path, tmp_path: Path) -> None:
    infos: list[StepInfo] = []
    train(
        tiny_training(tiny_model, pairs, tmp_path / "out", optim={"steps": 3}, loss={"weight_self": 0.0}),
        on_step=infos.append,
    )
    assert all(i.self_ == 0 and i.loss == i.cross for i in infos)


def test_hinge_trains_too(tiny_model: Path, pairs: Path, tmp_path: Path) -> None:
    infos: list[StepInfo] = []
    train(tiny_training(tiny_model, pairs, tmp_path / "out", loss={"kind": "hinge"}), on_step=infos.append)
    assert np.mean([i.loss for i in infos[-5:]]) < np.mean([i.loss for i in infos[:5]])


def test_mixed_precision_learns_much_the_same(tiny_model: Path, pairs: Path, tmp_path: Path) -> None:
    ends = []
    for bf16 in (False, True):
        infos: list[StepInfo] = []
        train(tiny_training(tiny_model, pairs, tmp_path / str(bf16), optim={"bf16": bf16}), on_step=infos.append)
        ends.append(np.mean([i.loss for i in infos[-5:]]))
        assert ends[-1] < 0.8 * infos[0].loss
    assert ends[1] == pytest.approx(ends[0], rel=0.15)


def test_gradients_are_clipped(tiny_model: Path, pairs: Path) -> None:
    checkpoint = load_checkpoint(tiny_model)
    config = tiny_training(tiny_model, pairs, Path("unused"))
    model = checkpoint.model.train()
    model.freeze(image=True, text=True)
    data = read_pairs(pairs)
    supply = Supply(config, model, checkpoint.tokenizer, [data], torch.device("cpu"))
    batch = supply.input(Sampler([data], batch=16, views=1, seed=1).at(0))
    optimizer = torch.optim.AdamW(parameter_groups(model, config.optim))
    norms = []
    for clip in (1e9, 0.01):
        train_step(
            parallel_losses(model, ALONE), optimizer, batch, config.loss, rate=0.0, clip=clip, bf16=False, seed=(1, 0)
        )
        norms.append(torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm())
    assert norms[0] > 0.02
    assert norms[1] == pytest.approx(0.01, rel=1e-3)


def test_cancelled_then_resumed_equals_never_interrupted(tiny_model: Path, pairs: Path, tmp_path: Path) -> None:
    def run(output: Path, stop_at: int | None) -> list[float]:
        config = tiny_training(
            tiny_model,
            pairs,
            output,
            optim={"steps": 12, "text_encoder": 0.5},
            data={"views": 3, "validation_share": 0.2},
            augment={"strength": 1.0},
            run={"validate_steps": 4},
        )
        losses: list[float] = []
        token = CancelToken()

        def on_step(info: StepInfo) -> None:
            losses.append(info.loss)
            if info.step == stop_at:
                token.cancel()

        if stop_at is not None:
            with pytest.raises(Cancelled):
                train(config, on_step=on_step, cancel=token)
            stop_at = None
        train(config, on_step=on_step, resume=True)
        return losses

    straight = run(tmp_path / "a", None)
    broken = run(tmp_path / "b", 5)
    assert broken == straight
    one, other = (load_file(tmp_path / n / "model.safetensors") for n in "ab")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_killed_then_resumed_equals_never_interrupted(tiny_model: Path, pairs: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle of a step; the file of the state is whole, and the end is the same to the bit."""
    optim = {"steps": 16, "batch": 8}
    straight = tiny_training(tiny_model, pairs, tmp_path / "a", optim=optim, run={"save_steps": 4})
    killed = dataclasses.replace(straight, output=tmp_path / "b")
    train(straight)
    file = tmp_path / "b.toml"
    file.write_text(config_to_toml(killed))
    command = [sys.executable, "-m", "lile_engine", "train", str(file), "--progress", "jsonl"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        if json.loads(line)["event"] == "step" and json.loads(line)["step"] >= 6:
            os.kill(child.pid, signal.SIGKILL)
            break
    child.wait()
    child.stdout.close()
    assert child.returncode == -signal.SIGKILL
    assert not (tmp_path / "b" / "model.safetensors").exists()
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    first = next(e for e in events if e["event"] == "step")
    assert first["step"] > 1  # it went on, it did not start anew
    assert events[-1]["event"] == "result"
    one, other = (load_file(tmp_path / n / "model.safetensors") for n in "ab")
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send to a child")
def test_terminated_training_saves_first_and_says_so(tiny_model: Path, pairs: Path, tmp_path: Path) -> None:
    """What the window does when a job is cancelled."""
    config = tiny_training(tiny_model, pairs, tmp_path / "b", optim={"steps": 5000}, run={"save_steps": 100_000})
    file = tmp_path / "b.toml"
    file.write_text(config_to_toml(config))
    command = [sys.executable, "-m", "lile_engine", "train", str(file), "--progress", "jsonl"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.stdout.readline()
    child.terminate()
    _, error = child.communicate(timeout=120)
    assert child.returncode == 1
    assert error.strip().endswith("what was finished before is kept.")
    assert (config.state_dir / "state.safetensors").is_file()


def test_another_configuration_is_not_resumed(tiny_model: Path, pairs: Path, tmp_path: Path) -> None:
    config = tiny_training(tiny_model, pairs, tmp_path / "out", optim={"steps": 2})
    train(config)
    with pytest.raises(ConfigError, match=r"\[loss\] is not what this training was started with"):
        train(dataclasses.replace(config, loss=dataclasses.replace(config.loss, weight_self=0.5)), resume=True)
    with pytest.raises(ConfigError, match=r"\[run\] is not what this training was started with"):
        train(dataclasses.replace(config, run=dataclasses.replace(config.run, seed=9)), resume=True)
    told = dataclasses.replace(config.run, save_minutes=9.0, threads=2)  # these change nothing that is learned
    assert train(dataclasses.replace(config, run=told), resume=True).steps == 2
    (config.state_dir / "state.safetensors").write_bytes(b"torn")
    with pytest.raises(DataError, match="missing or damaged"):
        train(config, resume=True)


def test_where_nothing_can_be_written_is_told_before_the_first_step(
    tiny_model: Path, pairs: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    steps: list[StepInfo] = []
    with pytest.raises(ModelError, match="cannot be written to"):
        train(tiny_training(tiny_model, pairs, tmp_path / "file" / "model"), on_step=steps.append)
    config = tiny_training(tiny_model, pairs, tmp_path / "model", optim={"steps": 1})
    train(config)
    (tmp_path / "model" / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match=r"notes\.txt"):
        train(config, on_step=steps.append)
    assert not steps


def test_rate_and_time_left_after_a_resume_are_of_this_run(tiny_model: Path, pairs: Path, tmp_path: Path) -> None:
    config = tiny_training(tiny_model, pairs, tmp_path / "out", optim={"steps": 40, "batch": 4}, run={"save_steps": 1})
    token = CancelToken()
    with pytest.raises(Cancelled):
        train(config, on_step=lambda info: token.cancel() if info.step == 38 else None, cancel=token)
    told: list[Progress] = []
    times: list[float] = []
    train(config, told.append, lambda _: times.append(time.monotonic()), resume=True)
    assert told[-1].done == 40
    assert len(times) == 2
    assert told[-1].rate is not None
    assert told[-1].rate <= 2 / (times[1] - times[0])  # two steps in more than that time, not forty


def test_the_model_says_which_slides_and_cases_it_knows(tiny_model: Path, pairs: Path, tmp_path: Path) -> None:
    """So that ``lile archive remove --case`` can name it; a model trained further knows what its parent knew."""
    rows = [json.loads(line) for line in (pairs / "pairs.jsonl").read_text().splitlines()]
    slide = tmp_path / "slide.tif"
    tifffile.imwrite(slide, np.full((256, 256, 3), 200, np.uint8), tile=(64, 64), photometric="rgb", metadata=None)
    for row in rows:
        row["image"], row["case"] = str(pairs / row["image"]), "Miller"
    place = {"slide": str(slide), "x": 0, "y": 0, "w": 64, "h": 64, "mpp": 0.5, "caption": "a", "case": "Smith"}
    (tmp_path / "first.jsonl").write_text("".join(json.dumps(r) + "\n" for r in (*rows, place)))
    (tmp_path / "second.jsonl").write_text("".join(json.dumps({**r, "case": "Jones"}) + "\n" for r in rows))
    train(tiny_training(tiny_model, tmp_path / "first.jsonl", tmp_path / "one", optim={"steps": 1}))
    train(tiny_training(tmp_path / "one", tmp_path / "second.jsonl", tmp_path / "two", optim={"steps": 1}))
    with open_slide(slide) as opened:
        identity = opened.info.identity
    listed = [json.loads((tmp_path / n / "trained_on.json").read_text()) for n in ("one", "two")]
    assert listed[0] == {"slides": [identity], "cases": ["Miller", "Smith"]}
    assert listed[1] == {"slides": [identity], "cases": ["Jones", "Miller", "Smith"]}
    assert load_model(tmp_path / "one", "cpu").identity.name == "one"


def test_stops_early_and_keeps_the_best(tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path) -> None:
    config = tiny_training(
        tiny_model,
        make_pairs(tmp_path / "p", per_kind=2),
        tmp_path / "out",
        optim={"steps": 200, "lr": 1e-6},
        data={"validation_share": 0.25},
        run={"validate_steps": 2, "patience": 3},
    )
    report = train(config)
    assert report.stopped_early
    assert report.steps < 200
    assert report.best_rsum == max(v["rsum"] for v in report.validations)
    assert report.validation_pairs >= 16


def test_too_few_pairs(tiny_model: Path, pairs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    first = json.loads((pairs / "pairs.jsonl").read_text().splitlines()[0])
    first["image"] = str(pairs / first["image"])
    (folder / "pairs.jsonl").write_text(json.dumps(first))
    with pytest.raises(DataError, match="fewer than 2 pairs"):
        train(tiny_training(tiny_model, folder, tmp_path / "out"))


def test_bad_rows_are_told(tiny_model: Path, make_pairs: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_pairs(tmp_path / "p")
    with (folder / "pairs.jsonl").open("a") as file:
        file.write('{"image": "gone.png", "caption": "x"}\n')
    told: list[str] = []
    report = train(tiny_training(tiny_model, folder, tmp_path / "out", optim={"steps": 1}), warn=told.append)
    assert report.left_out == 1
    assert "line 33" in told[0]
    with pytest.raises(DataError, match="line 33"):
        train(tiny_training(tiny_model, folder, tmp_path / "out", data={"bad_rows": "refuse"}))


def _new_config(
    source: Path, sizes: dict[str, object], pairs: Path, output: Path, closed: bool, **optim: object
) -> TrainConfig:
    model = {"start": "new", "text_source": str(source), "config": sizes, "closed_form": closed}
    return tiny_training(source, pairs, output, model=model, data={"validation": [str(pairs)]}, optim=optim)


def test_closed_form_begins_where_steps_would_have_to_lead(
    tokenizer_folder: Path, tiny_sizes: dict[str, object], pairs: Path, tmp_path: Path
) -> None:
    found = []
    for closed in (False, True):
        output = tmp_path / f"closed-{closed}"
        report = train(_new_config(tokenizer_folder, tiny_sizes, pairs, output, closed, steps=1, lr=1e-6, ema=0.0))
        assert report.best_rsum is not None
        found.append(report.best_rsum)
    assert found[1] > found[0] + 50


def test_closed_form_needs_frozen_encoders(
    tokenizer_folder: Path, tiny_sizes: dict[str, object], pairs: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="closed_form"):
        train(_new_config(tokenizer_folder, tiny_sizes, pairs, tmp_path / "out", True, steps=1, text_encoder=0.1))
