"""Which slide is it? Answered from the content, so that a renamed or moved slide is still the same one.

What an identity can and cannot tell: up to 4 MiB every byte counts. Of a larger file its size and 1 MiB of it count,
so that a slide of gigabytes opens at once; two files of the same size that differ only between the samples (a copy
damaged in one place, a tile painted over without changing its length) have the same identity. Another scan, another
export or another compression of a slide differs in size or in nearly every block. Where it matters, when slides are
indexed, the whole file is read once (`content_digest`), and two contents with one identity are told apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

_WHOLE_BELOW = 4 * 2**20  # up to here every byte counts
_BLOCKS, _BLOCK_BYTES = 64, 16 * 2**10  # above: evenly spaced blocks, first and last included, 1 MiB in all
_READ_BYTES = 8 * 2**20


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


def is_sampled(path: Path, identity: str) -> bool:
    """Whether an identity was made of samples of this one file: false for small files, whose every byte counts, and
    for slides in several files. Raises OSError."""
    return path.stat().st_size > _WHOLE_BELOW and file_identity(path) == identity


def content_digest(path: Path, go_on: Callable[[], object] = lambda: None) -> str:
    """64 hex digits from every byte of the file, at the speed of the disk; ``go_on`` is called every 8 MiB and may
    raise. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
            go_on()
    return digest.hexdigest()


def series_identity(quickhash: str) -> str:
    """The identity of a slide that lies in several files, whichever of them was named; from OpenSlide's quickhash."""
    return hashlib.sha256(f"lile-slide-1:quickhash:{quickhash}".encode()).hexdigest()[:32]
