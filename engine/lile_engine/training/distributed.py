"""One training by several processes (``torchrun``): each encodes its share of every batch, all compare the whole batch.

A contrast learns from the negatives of its batch, so splitting a batch into smaller ones that never meet would be
another training. Here vectors, tokens and pair scores are gathered with their gradients, every process sees the same
loss as a single one would, and DistributedDataParallel averages the gradients. The arithmetic: with ``n`` processes the
gradient that comes back through `Ranks.gather` is the sum over all of them, n times what one process would have, and
the mean over processes undoes it. Batch statistics are shared too (`share_norms`).

Everything is the identity for one process, so the same code serves both.
"""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lile_engine.errors import ConfigError

Something = TypeVar("Something")


@dataclass(frozen=True)
class Ranks:
    """This process among those of the training: ``rank`` of ``size``."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that measures, saves and speaks."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Which of ``count`` things are this process's; ``count`` is a multiple of ``size``."""
        each = count // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def gather(self, own: Tensor) -> Tensor:
        """The rows of all processes [size * b, ...] in order of rank, of which each brings ``own`` [b, ...]."""
        return own if self.size == 1 else cast(Tensor, _Gather.apply(own, self))  # type: ignore[no-untyped-call]

    def sum(self, own: Tensor) -> Tensor:
        """The sum over all processes, with gradient."""
        return own if self.size == 1 else cast(Tensor, _Sum.apply(own))  # type: ignore[no-untyped-call]

    def largest(self, value: int) -> int:
        """The largest of the processes' numbers."""
        if self.size == 1:
            return value
        found = torch.tensor(value, device=_device())
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def same(self, tensor: Tensor) -> Tensor:
        """The first process's ``tensor``, for choices that all must make alike."""
        if self.size > 1:
            tensor = tensor.contiguous()
            dist.broadcast(tensor, 0)
        return tensor

    def told(self, value: Something) -> Something:
        """What the first process says; plain values."""
        if self.size == 1:
            return value
        box: list[Any] = [value]
        dist.broadcast_object_list(box, 0, device=_device())
        return cast(Something, box[0])

    def wait(self) -> None:
        """Until all have come this far."""
        if self.size > 1:
            dist.barrier()


ALONE = Ranks()


def rank_of_environment() -> int:
    """Which process ``torchrun`` made this one; 0 without it. Needs no process group."""
    return int(os.environ.get("RANK", "0"))


def join_ranks(device: torch.device) -> Ranks:
    """Meets the other processes that ``torchrun`` started (NCCL between GPUs, gloo between CPUs); alone without it."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or not dist.is_available():
        return ALONE
    if not dist.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Ranks(dist.get_rank(), dist.get_world_size())


def leave_ranks() -> None:
    """Ends the meeting, where there was one."""
    if dist.is_available() and dist.is_initialized():
        gc.collect()  # what still holds the group would end its threads after the group is gone, and abort the process
        dist.destroy_process_group()


def check_batch(batch: int, ranks: Ranks) -> None:
    """Raises `ConfigError` where a batch does not divide among the processes."""
    if batch % ranks.size:
        raise ConfigError(
            f"[optim] batch = {batch} does not divide among {ranks.size} processes; take a multiple of {ranks.size}."
        )


def share_norms(module: nn.Module, ranks: Ranks) -> None:
    """Lets every batch norm under ``module`` take its statistics over the batch of all processes, in place.

    Names of parameters and buffers stay as they are. (torch's own SyncBatchNorm knows GPUs only.)
    """
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d) and ranks.size > 1:
            setattr(module, name, _SharedNorm(child, ranks))
        else:
            share_norms(child, ranks)


class _SharedNorm(nn.BatchNorm2d):
    def __init__(self, norm: nn.BatchNorm2d, ranks: Ranks) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        self._ranks = ranks
        self._parameters, self._buffers = norm._parameters, norm._buffers
        self.train(norm.training)

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        x = input.float()
        count = x.numel() // x.shape[1] * self._ranks.size
        mean = self._ranks.sum(x.sum((0, 2, 3))) / count
        centred = x - mean[:, None, None]
        variance = self._ranks.sum(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            self.num_batches_tracked += 1
            share = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance * count / max(1, count - 1), share)
        out = centred * torch.rsqrt(variance + self.eps)[:, None, None]
        if self.affine:
            out = out * self.weight[:, None, None] + self.bias[:, None, None]
        return out.to(input.dtype)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        parts = [torch.empty_like(own) for _ in range(ranks.size)]
        dist.all_gather(parts, own.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total[ctx.ranks.share(len(total))], None


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor]:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return (total,)


def _device() -> torch.device:
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
