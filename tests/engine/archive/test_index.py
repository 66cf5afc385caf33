"""The search index is derived: caught up, rebuilt, never trusted when it is not whole."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lile_engine.archive import open_archive
from lile_engine.archive.check import check_archive


def index_file(folder: Path) -> Path:
    described = json.loads((folder / "index" / "tile-1.json").read_text())
    return folder / "index" / described["file"]


def flip_a_byte(path: Path, at: int) -> None:
    with open(path, "r+b") as stream:
        stream.seek(at)
        byte = stream.read(1)[0]
        stream.seek(at)
        stream.write(bytes([byte ^ 0x55]))


def damage(how: str, folder: Path) -> None:
    path = index_file(folder)
    if how == "missing":
        path.unlink()
    elif how == "all missing":
        for file in (folder / "index").iterdir():
            file.unlink()
    elif how == "truncated":
        os.truncate(path, path.stat().st_size // 2)
    elif how == "flipped":
        flip_a_byte(path, path.stat().st_size // 2)
    elif how == "garbage":
        path.write_bytes(os.urandom(path.stat().st_size))
    elif how == "no json":
        (folder / "index" / "tile-1.json").write_text("{")
    elif how == "wrong generation":
        file = folder / "index" / "tile-1.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "generation": 10**6}))


@pytest.mark.parametrize(
    "how", ["missing", "all missing", "truncated", "flipped", "garbage", "no json", "wrong generation"]
)
def test_a_damaged_index_answers_rightly_is_found_and_is_mended(how: str, filled: tuple[Path, Any]) -> None:
    folder, vectors = filled
    damage(how, folder)
    with open_archive(folder) as archive:
        assert [int(archive.search_tiles(vectors[at], 1).ids[0]) for at in (0, 199, 399)] == [1, 200, 400]
    report = check_archive(folder)
    assert [finding.what for finding in report.findings if finding.level == "problem"] == ["index"]
    assert not report.clean
    assert check_archive(folder, repair=True).clean
    assert check_archive(folder).findings == ()
    with open_archive(folder) as archive:
        assert archive.search_tiles(vectors[5], 1).ids.tolist() == [6]


def test_an_index_that_is_behind_is_caught_up(filled: tuple[Path, Any], make: Any, tmp_path: Path) -> None:
    folder, _ = filled
    old = {path.name: path.read_bytes() for path in (folder / "index").iterdir()}
    with open_archive(folder, write=True) as archive:
        archive.remove(slide="slide0.svs", erase=False)
        slide = archive.add_slide(make.slide(9))
        vectors = make.units(50)
        archive.add_tiles(slide, make.grid(50), 0.5, vectors, make.tokens(50))
    for path in (folder / "index").iterdir():
        path.unlink()
    for name, data in old.items():  # as if the writer had been killed before it saved
        (folder / "index" / name).write_bytes(data)
    with open_archive(folder) as archive:
        assert archive.search_tiles(vectors[3], 1).ids.tolist() == [404]
        everything = archive.search_tiles(vectors[3], 1000).ids
        assert sorted(everything.tolist()) == list(range(101, 451))


def test_the_room_of_deleted_vectors_is_given_back(filled: tuple[Path, Any], make: Any) -> None:
    folder, _ = filled
    before = index_file(folder).stat().st_size
    with open_archive(folder, write=True) as archive:
        for number in range(3):
            archive.remove(slide=f"slide{number}.svs", erase=False)
    assert index_file(folder).stat().st_size < before / 2
    with open_archive(folder) as archive:
        assert len(archive.search_tiles(make.units(1)[0], 400).ids) == 100


def test_only_the_newest_index_file_is_kept(filled: tuple[Path, Any], make: Any) -> None:
    folder, _ = filled
    (folder / "index" / "tile-1-3.hnsw.tmp").write_bytes(b"half")
    with open_archive(folder, write=True) as archive:
        slide = archive.add_slide(make.slide(8))
        archive.add_tiles(slide, make.grid(3), 0.5, make.units(3), make.tokens(3))
    assert len(list((folder / "index").glob("tile-1-*"))) == 1
    assert np.all([path.suffix != ".tmp" for path in (folder / "index").iterdir()])


def test_a_foreign_file_beside_the_index_is_left_alone(filled: tuple[Path, Any]) -> None:
    folder = filled[0] / "index"
    foreign = [folder / name for name in (".DS_Store", "notes.txt", "._tile-1.json", "tile-old.hnsw", "Thumbs-1.db")]
    for path in foreign:
        path.touch()
    (folder / "tile-1-7.hnsw.tmp").touch()
    (folder / "tile-99.json").touch()
    open_archive(filled[0], write=True).close()
    assert all(path.exists() for path in foreign)
    assert not (folder / "tile-1-7.hnsw.tmp").exists()
    assert not (folder / "tile-99.json").exists()
    assert (folder / "tile-1.json").exists()
