"""What fails in the middle of a training does not take with it what was learned before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from lile_engine.errors import LileError, ModelError
from lile_engine.model.devices import is_out_of_memory
from lile_engine.model.lile import Lile
from lile_engine.training.config import TrainConfig
from lile_engine.training.distributed import Ranks
from lile_engine.training.optim import Ema
from lile_engine.training.state import RunRecord, save_state


@contextlib.contextmanager
def rescued(
    config: TrainConfig, record: RunRecord, model: Lile, ema: Ema, optimizer: torch.optim.AdamW, ranks: Ranks
) -> Iterator[None]:
    """Saves the state as it was on entering where something within fails that may be mended: a picture that cannot be
    read, a full disk, memory that runs out (then `ModelError`, naming the batch)."""
    # A forward pass that fails half-way has moved the statistics of some norms.
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    try:
        yield
    except (LileError, RuntimeError, MemoryError) as error:
        scarce = not isinstance(error, LileError) and is_out_of_memory(error)
        if not scarce and not isinstance(error, LileError):
            raise
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])
        if ranks.first and record.step > 0 and _untouched(record, optimizer):
            with contextlib.suppress(LileError):  # the first failure is the one to tell
                save_state(config.state_dir, record, model, ema, optimizer)
        if scarce:
            raise ModelError(
                f"There is not enough memory for a step of [optim] batch = {config.optim.batch}; lower it, or train on "
                "a larger device."
            ) from error
        raise


def _untouched(record: RunRecord, optimizer: torch.optim.AdamW) -> bool:
    """Whether no weight has been changed by a step beyond those recorded."""
    return all(int(state["step"]) <= record.step for state in optimizer.state.values() if "step" in state)
