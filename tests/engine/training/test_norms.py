"""A backbone that trains from nothing is saved with statistics that fit its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lile_engine.errors import Cancelled
from lile_engine.model.checkpoint import load_checkpoint
from lile_engine.model.config import LileConfig
from lile_engine.model.create import create_lile
from lile_engine.model.load import load_model
from lile_engine.progress import CancelToken
from lile_engine.training.config import TrainConfig, config_from_dict
from lile_engine.training.evaluate import evaluate
from lile_engine.training.loop import train
from lile_engine.training.norms import gathers_norms, settle_norms
from lile_engine.training.pairs import read_pairs
from lile_engine.training.step import StepInfo


def _config(words: Path, sizes: dict[str, object], pairs: Path, output: Path, **optim: object) -> TrainConfig:
    return config_from_dict(
        {
            "output": str(output),
            "model": {"start": "new", "text_source": str(words), "config": sizes},
            "data": {"train": [str(pairs)], "validation": [str(pairs)], "views": 1},
            "augment": {"strength": 0.0, "flips": False, "jpeg": 100},
            "optim": {"batch": 32, "lr": 2e-3, "image_backbone": 1.0, "text_encoder": 1.0, **optim},
            "run": {"threads": 1, "device": "cpu", "validate_steps": 20},
        }
    )


@pytest.mark.slow
def test_32_pairs_are_learned_by_heart_from_nothing(
    tokenizer_folder: Path, tiny_sizes: dict[str, object], make_pairs: Callable[..., Path], tmp_path: Path
) -> None:
    """Both encoders from random weights; measured from the saved model, as a user would."""
    pairs = make_pairs(tmp_path / "p")
    report = train(_config(tokenizer_folder, tiny_sizes, pairs, tmp_path / "out", steps=120))
    result = evaluate(load_model(tmp_path / "out", "cpu"), read_pairs(pairs), bootstrap=0)
    assert (result.i2t.r1, result.t2i.r1) == (1.0, 1.0)
    # What was measured on the way is what was saved.
    assert report.best_rsum == pytest.approx(600, abs=1)


def test_gone_on_with_it_ends_the_same(
    tokenizer_folder: Path, tiny_sizes: dict[str, object], make_pairs: Callable[..., Path], tmp_path: Path
) -> None:
    pairs = make_pairs(tmp_path / "p")
    models = []
    for name, stop in (("a", None), ("b", 3)):
        config = _config(tokenizer_folder, tiny_sizes, pairs, tmp_path / name, steps=5)
        token = CancelToken()
        if stop is not None:

            def stopping(info: StepInfo, token: CancelToken = token, stop: int = stop) -> None:
                if info.step == stop:
                    token.cancel()

            with pytest.raises(Cancelled):
                train(config, on_step=stopping, cancel=token)
        train(config, resume=stop is not None)
        models.append(load_checkpoint(tmp_path / name).model.state_dict())
    assert all(torch.equal(tensor, models[1][name]) for name, tensor in models[0].items())
    assert any(tensor.mean() != 0 for name, tensor in models[0].items() if name.endswith("running_mean"))


def test_settled_statistics_are_those_of_the_batches(tiny_config: LileConfig) -> None:
    model = create_lile(tiny_config, seed=3)
    assert gathers_norms(model)
    model.freeze(image=True)
    assert not gathers_norms(model)
    model.eval()
    batches = [torch.randint(0, 256, (8, 3, 64, 64), dtype=torch.uint8, generator=torch.manual_seed(n)) for n in (1, 2)]
    weights = {n: p.clone() for n, p in model.named_parameters()}
    norm = next(m for m in model.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d))
    seen: list[torch.Tensor] = []
    hook = norm.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    settle_norms(model, batches)
    hook.remove()
    assert not any(module.training for module in model.modules())
    assert all(torch.equal(p, weights[n]) for n, p in model.named_parameters())
    assert len(seen) == 2
    means = torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0)
    variances = torch.stack([x.transpose(0, 1).flatten(1).var(1) for x in seen]).mean(0)
    torch.testing.assert_close(norm.running_mean, means, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(norm.running_var, variances, rtol=1e-3, atol=1e-4)
