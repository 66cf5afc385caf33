"""Takes the slides that arrive in a folder, one batch after the other."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from lile_engine.errors import ArchiveLockedError, SlideError
from lile_engine.progress import CancelToken
from lile_engine.retrieval.indexing import looks_like_slide

WATCH_SECONDS = 5.0  # between two looks; a file counts as whole when it did not change between them


def _log(sentence: str) -> None:
    logging.getLogger(__name__).warning("%s", sentence)


def watch_folder(
    folder: Path,
    run: Callable[[list[Path]], object],
    cancel: CancelToken | None = None,
    tell: Callable[[str], object] = _log,
) -> None:
    """Calls ``run`` with the slides that have arrived in a folder, whole (their size has come to rest), until
    cancelled or interrupted. While another writes to the archive they wait; ``tell`` is told so, once, and what is
    wrong with slides. Raises `SlideError` if the folder is not there to begin with."""
    if not folder.is_dir():
        raise SlideError(f"There is no folder {folder} to watch.")
    sizes: dict[Path, tuple[int, int]] = {}
    done: dict[Path, tuple[int, int]] = {}
    waiting, told = threading.Event(), ""
    cancel = cancel or CancelToken()
    while not cancel.cancelled:
        now = dict(_slides_in(folder))
        ready = [file for file, stamp in now.items() if sizes.get(file) == stamp and done.get(file) != stamp]
        if ready:
            sentence = ""
            try:
                run(ready)
            except ArchiveLockedError as error:
                sentence, ready = str(error), []  # their turn comes when the lock is free
            except SlideError as error:
                tell(str(error))
            if sentence and sentence != told:
                tell(sentence)
            told = sentence
            done.update((file, now[file]) for file in ready)
        sizes = now
        waiting.wait(WATCH_SECONDS)


def _slides_in(folder: Path) -> Iterator[tuple[Path, tuple[int, int]]]:
    """Slides below a folder with size and time of the last change; what goes while it is read is passed over."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            with contextlib.suppress(OSError):
                file = Path(root) / name
                if looks_like_slide(file):
                    stat = file.stat()
                    yield file, (stat.st_size, stat.st_mtime_ns)
