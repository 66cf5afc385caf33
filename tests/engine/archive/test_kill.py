"""SIGKILL at random instants: what was told to be committed is there once, and the end is always the same.

A sample runs with the tests; all fifty kills: ``python -m pytest tests/engine/archive/test_kill.py -m slow``.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lile_engine.archive import open_archive
from lile_engine.archive.check import check_archive

CHILD = Path(__file__).with_name("writing_child.py")
BATCHES, BATCH = 6, 12

Contents = dict[str, Any]


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(CHILD), str(folder)], stdout=subprocess.PIPE, text=True)


def contents(folder: Path) -> Contents:
    """Everything in an archive but ids: they depend on what was interrupted."""
    found: Contents = {}
    with open_archive(folder) as archive:
        for row in archive.slides():
            ids, xy, size = archive.tiles_of_slide(row.id)
            vectors, tokens = archive.tile_vectors(ids), archive.tile_tokens(ids)
            places = [(int(x), int(y), int(s)) for (x, y), s in zip(xy, size, strict=True)]
            assert len(set(places)) == len(places) == row.tiles
            for at, place in enumerate(places):
                found[f"{row.name} {place}"] = (vectors[at].tobytes(), tokens[at].tobytes())
            found[row.name] = (row.case, row.complete)
        captions = archive.all_captions()
        ids = np.array([row.id for row in captions], np.int64)
        vectors, (tokens, mask) = archive.caption_vectors(ids), archive.caption_tokens(ids)
        assert len({row.text for row in captions}) == len(captions)
        for at, row in enumerate(captions):
            found[row.text] = (row.case, vectors[at].tobytes(), tokens[at][mask[at]].tobytes())
        nearest = archive.search_tiles(np.eye(24, dtype=np.float32)[0], 1000)
        assert len(set(nearest.ids.tolist())) == len(nearest.ids) == archive.status().tiles
    return found


def check_after_kill(folder: Path, lines: list[str]) -> None:
    report = check_archive(folder)
    assert report.clean, report.to_text()
    found = contents(folder)
    removed = "removed 0" in lines
    # The kill may fall between the removal and its being told: then slide 0 may be there or not, but not in part.
    unsure = "captions 2" in lines
    if unsure:
        left = sum(key.startswith("0.svs (") for key in found)
        assert left in (0, BATCHES * BATCH)
        assert sum(key.startswith("caption 0") for key in found) == (4 if left else 0)
    for line in lines:
        kind, *numbers = line.split()
        if kind == "tiles" and not (unsure and numbers[0] == "0"):
            slide, batch = map(int, numbers)
            assert all(f"{slide}.svs {(224 * at, 224 * batch, 224)}" in found for at in range(BATCH)), line
        elif kind == "captions" and not (unsure and numbers[0] == "0"):
            assert all(f"caption {numbers[0]} {n}" in found for n in range(4)), line
    if removed:
        assert not any(key.startswith(("0.svs (", "caption 0")) for key in found)


def kill_often(tmp_path: Path, kills: int, seed: int) -> int:
    """Kills the writer ``kills`` times, on fresh archives as they are finished; returns how many hit it at work."""
    begin = time.monotonic()
    whole = start(tmp_path / "undisturbed")
    assert whole.stdout is not None
    assert whole.stdout.readline() == "ready\n"
    ready = time.monotonic()
    assert whole.stdout.read().endswith("finished\n")
    assert whole.wait() == 0
    length = time.monotonic() - ready
    assert time.monotonic() - begin < 120
    expected = contents(tmp_path / "undisturbed")

    chance = random.Random(seed)
    number, hits = 0, 0
    lines: list[str] = []
    while hits < kills:
        folder = tmp_path / f"killed{number}"
        child = start(folder)
        assert child.stdout is not None
        first = child.stdout.readline()
        try:
            # Short enough that an archive is hit several times before it is done.
            child.wait(timeout=chance.uniform(0, length / 2))
        except subprocess.TimeoutExpired:
            child.kill()
            hits += 1
        told = first + child.stdout.read()
        # A kill may tear the last line in two: only what was told to its end was promised.
        lines += told[: told.rfind("\n") + 1].splitlines()
        child.wait()
        if (folder / "archive.db").exists():
            check_after_kill(folder, [line for line in lines if line not in ("ready", "finished")])
        if "finished" in lines and child.returncode == 0:
            assert contents(folder) == expected
            number, lines = number + 1, []
    if lines:
        last = start(tmp_path / f"killed{number}")
        last.communicate()
        assert last.returncode == 0
        assert contents(tmp_path / f"killed{number}") == expected
    return hits


def test_a_sample_of_kills(tmp_path: Path) -> None:
    assert kill_often(tmp_path, 4, seed=5) == 4


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_kills(tmp_path: Path) -> None:
    assert kill_often(tmp_path, 50, seed=50) == 50
