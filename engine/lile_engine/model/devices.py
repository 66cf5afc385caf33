"""Where a network runs and in which precision, and what to do when memory runs out."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from lile_engine.errors import ModelError

log = logging.getLogger(__name__)
Result = TypeVar("Result")


def pick_device(wanted: str = "auto") -> torch.device:
    """``auto`` takes CUDA, then MPS, then the CPU; raises `ModelError` for what this machine lacks."""
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise ModelError(f"The device {wanted!r} is unknown; use auto, cpu, cuda or mps.") from error
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(device.type, False):
        raise ModelError(f"This machine has no {device.type} device for torch; use --device auto or cpu.")
    return device


def pick_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it, else float32. Emulated bfloat16 is slower than float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type == "cpu" and _cpu_has_bf16():
        return torch.bfloat16
    return torch.float32


def describe_device(device: torch.device, precision: torch.dtype) -> str:
    """For people: ``cpu (bfloat16)``, ``cuda (NVIDIA H100, bfloat16)``."""
    name = f"{torch.cuda.get_device_name(device)}, " if device.type == "cuda" else ""
    return f"{device.type} ({name}{str(precision).removeprefix('torch.')})"


def in_batches(run: Callable[[int, int], Result], total: int, batch: int, what: str) -> tuple[list[Result], int]:
    """``run(start, stop)`` over 0..total; when memory runs out the batch is halved, which is said, and it goes on.

    Returns the results and the batch that fitted, for the next call. Raises `ModelError` if even one is too many.
    """
    results: list[Result] = []
    start = 0
    while start < total:
        stop = min(start + batch, total)
        try:
            results.append(run(start, stop))
            start = stop
            continue
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if stop - start == 1:
                raise ModelError(f"There is not enough memory for a single one of the {what}; use --device cpu.") from (
                    error
                )
            batch = (stop - start) // 2
        # Outside the handler: the traceback would keep the tensors of the failed try alive.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        log.warning("Out of memory: going on with %d %s at a time.", batch, what)
    return results, batch


# As CUDA, its libraries, and the allocator of the machine say it.
_OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of the GPU or of the machine, ran out."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def _cpu_has_bf16() -> bool:
    # torch names these with an underscore but has no public word for them; a missing one means no.
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in checks)
