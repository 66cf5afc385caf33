"""One process of a training under ``torchrun``, or the only one: three steps, then its gradients and weights in a file.

    torchrun --nproc-per-node 2 rank_worker.py MODEL PAIRS FOLDER

The network trains whole; no dropout, whose masks would differ. Beside it, a batch norm of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from lile_engine.model.checkpoint import load_checkpoint
from lile_engine.training.batches import Sampler
from lile_engine.training.config import config_from_dict
from lile_engine.training.distributed import Ranks, join_ranks, leave_ranks, share_norms
from lile_engine.training.optim import parameter_groups
from lile_engine.training.pairs import read_pairs
from lile_engine.training.step import parallel_losses, train_step
from lile_engine.training.supply import Supply

STEPS = 3


def norm_alone(ranks: Ranks) -> dict[str, torch.Tensor]:
    """One batch norm on 16 maps: its output, running statistics, and gradients of weight and input."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.BatchNorm2d(3))
    nn.init.normal_(module[0].weight)
    x, factors = torch.randn(16, 3, 5, 5) * 3 + 1, torch.randn(16, 3, 5, 5)
    part = ranks.share(16)
    share_norms(module, ranks)
    own = x[part].clone().requires_grad_()
    out = ranks.gather(module(own))
    (out**3 * factors).sum().backward()
    assert own.grad is not None
    weights = torch.stack([p.grad for p in module.parameters() if p.grad is not None])
    running = {f"norm.{n}": b.float() for n, b in module.named_buffers()}
    # Every process has the gradient of the same loss, so the sum over them is that many times too large.
    return running | {
        "norm.out": out.detach(),
        "norm.weights": ranks.sum(weights) / ranks.size,
        "norm.input": ranks.gather(own.grad) / ranks.size,
    }


def main() -> None:
    torch.set_num_threads(1)
    model_folder, pairs, out = sys.argv[1:]
    cpu = torch.device("cpu")
    ranks = join_ranks(cpu)
    config = config_from_dict(
        {
            "output": str(Path(out) / "unused"),
            "data": {"train": [pairs], "views": 1},
            "optim": {"batch": 16, "lr": 1e-2, "image_backbone": 1.0, "text_encoder": 1.0},
            # All negatives, for which of two equally hard ones is taken would hang on the last bit of a sum; and of 15
            # pictures, so that the pairs do not divide evenly among two processes.
            "loss": {"hard_negatives": 15, "random_negatives": 1, "cross_batch": 15},
        }
    )
    checkpoint = load_checkpoint(Path(model_folder))
    model = checkpoint.model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    data = read_pairs(Path(pairs))
    supply = Supply(config, model, checkpoint.tokenizer, [data], cpu)
    sampler = Sampler([data], batch=16, views=1, seed=4)
    # A large epsilon: where the true gradient is zero, Adam would turn the last bits of the sums into whole steps.
    optimizer = torch.optim.AdamW(parameter_groups(model, config.optim), eps=1e-2)
    share_norms(model, ranks)
    compute = parallel_losses(model, ranks)
    kept = {}
    for step in range(STEPS):
        batch = supply.input(sampler.at(step).share(ranks.share(16)))
        found = train_step(
            compute, optimizer, batch, config.loss, rate=1.0, clip=1e9, bf16=False, seed=(4, step), rank=ranks.rank
        )
        kept[f"loss.{step}"] = torch.tensor(found["loss"])
        if step == 0:
            kept |= {f"grad.{n}": p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    kept |= {f"weight.{n}": t.detach().float().clone() for n, t in model.state_dict().items()}
    kept |= norm_alone(ranks)
    save_file(kept, Path(out) / f"rank{ranks.rank}-of-{ranks.size}.safetensors")
    leave_ranks()


if __name__ == "__main__":
    main()
