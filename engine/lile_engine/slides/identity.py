"""Which slide is it? Answered from the content, so that a renamed or moved slide is still the same one."""

from __future__ import annotations

import hashlib
from pathlib import Path

_WHOLE_BELOW = 4 * 2**20  # up to here every byte counts
_BLOCKS, _BLOCK_BYTES = 64, 16 * 2**10  # above: evenly spaced blocks, first and last included, 1 MiB in all


def file_identity(path: Path) -> str:
    """32 hex digits from the size and the content of the file: all of it up to 4 MiB, else 64 blocks of 16 KiB.

    Reads at most 4 MiB, so it takes milliseconds on a slide of any size. Raises OSError.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(f"lile-slide-1:{size}:".encode())
    with path.open("rb") as file:
        if size <= _WHOLE_BELOW:
            digest.update(file.read(_WHOLE_BELOW))
        else:
            for index in range(_BLOCKS):
                file.seek(index * (size - _BLOCK_BYTES) // (_BLOCKS - 1))
                digest.update(file.read(_BLOCK_BYTES))
    return digest.hexdigest()[:32]


def series_identity(quickhash: str) -> str:
    """The identity of a slide that lies in several files, whichever of them was named; from OpenSlide's quickhash."""
    return hashlib.sha256(f"lile-slide-1:quickhash:{quickhash}".encode()).hexdigest()[:32]
