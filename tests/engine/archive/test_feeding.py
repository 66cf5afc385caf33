"""The writer's index grows in a thread of its own, is saved there now and then, and nothing depends on that."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lile_engine.archive import open_archive
from lile_engine.archive import writer as writer_module
from lile_engine.archive.check import check_archive
from lile_engine.archive.index import HnswIndex
from lile_engine.errors import ArchiveError


def in_index(folder: Path) -> int:
    """How many tiles the index on disk says it holds."""
    described = json.loads((folder / "index" / "tile-1.json").read_text())
    return sum(stop - start for start, stop in described["live"])


def count_saves(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The generations of the saves that begin from now on."""
    saves: list[int] = []
    begin = HnswIndex.begin_save

    def counted(self: HnswIndex, generation: int, group: int | None = None) -> Any:
        saves.append(generation)
        return begin(self, generation, group)

    monkeypatch.setattr(HnswIndex, "begin_save", counted)
    return saves


def test_what_was_added_is_found_by_the_writer_at_once(folder: Path, make: Any) -> None:
    with open_archive(folder, write=True) as archive:
        slide = archive.add_slide(make.slide(0))
        for batch in range(100):  # more than may wait
            vectors = make.units(3)
            ids = archive.add_tiles(slide, make.grid(3, 3 * batch), 0.5, vectors, make.tokens(3))
            if batch % 10 == 0:
                assert archive.search_tiles(vectors[1], 1).ids.tolist() == [int(ids[1])]
        assert sorted(archive.search_tiles(vectors[0], 400).ids.tolist()) == list(range(1, 301))


def test_what_a_caller_does_to_its_vectors_later_does_not_reach_the_index(folder: Path, make: Any) -> None:
    vectors = make.units(50)
    before = vectors.copy()
    with open_archive(folder, write=True) as archive:
        archive.add_tiles(archive.add_slide(make.slide(0)), make.grid(50), 0.5, vectors, make.tokens(50))
        vectors[:] = make.units(50)
        assert archive.search_tiles(before[7], 1).ids.tolist() == [8]


def test_the_index_is_saved_while_the_writer_goes_on(folder: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_SAVE_EVERY", 100)
    saves = count_saves(monkeypatch)
    with open_archive(folder, write=True) as archive:
        make.fill(archive, 4, 50)
        archive.save_index()  # waits for what is still being done, and has no more to do itself
        assert len(saves) == 2
        assert in_index(folder) == 200
        # Killed now, the archive loses nothing and is clean.
        assert check_archive(folder).findings == ()
    assert len(saves) == 2
    (folder / "index" / "tile-1.json").unlink()
    assert [finding.what for finding in check_archive(folder).findings if finding.level == "problem"] == ["index"]


def test_a_large_index_is_saved_less_often(folder: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_SAVE_EVERY", 10)
    saves = count_saves(monkeypatch)
    with open_archive(folder, write=True) as archive:
        make.fill(archive, 40, 10)
        archive.save_index()
        assert 5 < len(saves) < 20  # each adds a fifth


def test_a_disk_that_is_full_for_a_while_costs_no_more_than_a_save(
    folder: Path, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_SAVE_EVERY", 50)
    with open_archive(folder, write=True) as archive:
        with monkeypatch.context() as patch:

            def no_space(*_: object) -> None:
                raise OSError(28, "No space left on device")

            patch.setattr(os, "replace", no_space)
            vectors = make.fill(archive, 2, 50)
            assert archive.search_tiles(vectors[3], 1).ids.tolist() == [4]
            with pytest.raises(ArchiveError, match="full"):
                archive.save_index()  # waits for the one that failed, and tries itself
        assert not (folder / "index" / "tile-1.json").exists()
        assert not list((folder / "index").glob("*.tmp"))
    assert in_index(folder) == 100
    assert check_archive(folder).findings == ()


def test_a_step_that_failed_is_made_up_for(folder: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_archive(folder, write=True) as archive:
        with monkeypatch.context() as patch:

            def fails(*_: object) -> None:
                raise MemoryError

            patch.setattr(HnswIndex, "add", fails)
            first = make.fill(archive, 1, 30)
        slide = archive.add_slide(make.slide(1))
        second = make.units(20)
        archive.add_tiles(slide, make.grid(20), 0.5, second, make.tokens(20))
        vectors = np.concatenate([first, second])
        for at in (0, 29, 30, 49):
            assert archive.search_tiles(vectors[at], 1).ids.tolist() == [at + 1]
    assert in_index(folder) == 50


def test_removing_while_the_index_is_fed(folder: Path, make: Any) -> None:
    with open_archive(folder, write=True) as archive:
        vectors = make.fill(archive, 2, 200)
        archive.remove(slide="slide0.svs")
        found = archive.search_tiles(vectors[10], 500).ids
        assert sorted(found.tolist()) == list(range(201, 401))
    assert check_archive(folder).findings == ()
