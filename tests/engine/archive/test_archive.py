"""Adding, reading, removing; what a person relies on."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lile_engine.archive import CaptionRow, RunSlide, create_archive, open_archive
from lile_engine.archive.check import check_archive
from lile_engine.archive.schema import MIGRATIONS, SCHEMA_VERSION
from lile_engine.archive.writer import SLIDE_FILES
from lile_engine.errors import ArchiveError


def test_what_was_added_comes_back(filled: tuple[Path, Any], make: Any) -> None:
    folder, vectors = filled
    with open_archive(folder) as archive:
        status = archive.status()
        assert (status.slides, status.slides_complete, status.tiles, status.captions) == (4, 4, 400, 0)
        assert status.model == make.identity
        assert status.mpps == (0.5,)
        ids = np.array([400, 1, 150])
        assert np.array_equal(archive.tile_vectors(ids), vectors[ids - 1])
        rows = archive.tiles(ids)
        assert [row.id for row in rows] == [400, 1, 150]
        assert [row.slide.name for row in rows] == ["slide3.svs", "slide0.svs", "slide1.svs"]
        assert (rows[2].x, rows[2].y, rows[2].size, rows[2].mpp) == (224 * 9, 224, 224, 0.5)
        assert archive.finished(f"{1:032x}", make.spec)
        assert not archive.finished(f"{9:032x}", make.spec)
        assert len(archive.known_tiles(f"{2:032x}", 0.5, 224)) == 100
        assert archive.known_tiles(f"{2:032x}", 1.0, 224) == {}


def test_tokens_come_back_within_their_quantisation(folder: Path, make: Any) -> None:
    tokens = make.tokens(10)
    with open_archive(folder, write=True) as archive:
        slide = archive.add_slide(make.slide(0))
        ids = archive.add_tiles(slide, make.grid(10), 0.5, make.units(10), tokens)
        assert np.abs(archive.tile_tokens(ids[::-1]) - tokens[::-1]).max() < 0.02


def test_a_tile_is_there_once_however_often_it_comes(folder: Path, make: Any) -> None:
    with open_archive(folder, write=True) as archive:
        slide = archive.add_slide(make.slide(0))
        tiles = make.grid(5)
        first = archive.add_tiles(slide, [*tiles, tiles[0]], 0.5, make.units(6), make.tokens(6))
        again = archive.add_tiles(slide, make.grid(7), 0.5, make.units(7), make.tokens(7))
        assert (len(first), len(again)) == (5, 2)
        assert archive.status().tiles == 7


def test_a_slide_that_moved_keeps_its_tiles_and_facts(filled: tuple[Path, Any], make: Any) -> None:
    folder, _ = filled
    with open_archive(folder, write=True) as archive:
        archive.update_slide(1, {"case": "C1", "tags": ("a", "b")})
        archive.add_slide(make.slide(0, path="/elsewhere/renamed.svs", name="renamed.svs", organ="colon"))
        row = archive.find_slide("/elsewhere/renamed.svs")
        assert row is not None
        assert (row.tiles, row.case, row.organ, row.tags) == (100, "C1", "colon", ("a", "b"))
        assert archive.status().slides == 4


def test_captions_with_the_same_words_and_place_are_one(folder: Path, make: Any) -> None:
    rows = [
        CaptionRow(0, "Dense collagen", source="a", tags=("x",)),
        CaptionRow(0, "fat", case="C"),
        CaptionRow(0, "dense  COLLAGEN", tags=("y",)),
        CaptionRow(0, "fat", slide="slide0.svs", x=1, y=2, size=3),
    ]
    tokens, mask = make.tokens(4, count=6), make.masks(3, 6, 2, 1)
    with open_archive(folder, write=True) as archive:
        ids = archive.add_captions(rows, make.units(4), tokens, mask)
        assert [row.text for row in archive.captions(ids)] == ["Dense collagen", "fat", "fat"]
        assert archive.captions([1])[0].tags == ("x", "y")
        back, found = archive.caption_tokens(ids)
        assert np.array_equal(found, mask[[0, 1, 3]])
        assert np.abs(back - tokens[[0, 1, 3]])[found].max() < 0.02
        assert len(archive.add_captions(rows, make.units(4), tokens, mask)) == 0


def test_vectors_of_another_model_are_refused(folder: Path, make: Any) -> None:
    with open_archive(folder, write=True) as archive:
        slide = archive.add_slide(make.slide(0))
        with pytest.raises(ArchiveError, match="random"):
            archive.add_tiles(slide, make.grid(1), 0.5, make.units(1, 16), make.tokens(1))
        with pytest.raises(ArchiveError, match="unit length"):
            archive.add_tiles(slide, make.grid(1), 0.5, make.units(1) * 2, make.tokens(1))
        with pytest.raises(ArchiveError, match="another model"):
            archive.search_tiles(make.units(1, 16)[0], 3)
        for bad in (np.nan, np.inf):
            with pytest.raises(ArchiveError, match="not finite"):
                archive.search_tiles(np.full(32, bad, np.float32), 3)
            with pytest.raises(ArchiveError, match="unit length"):
                archive.add_tiles(slide, make.grid(1), 0.5, np.full((1, 32), bad, np.float32), make.tokens(1))
        assert archive.status().tiles == 0


def test_removed_slides_are_gone_at_once_and_from_every_file(filled: tuple[Path, Any]) -> None:
    folder, vectors = filled
    secret = vectors[150].tobytes()
    own = folder / SLIDE_FILES / f"{1:032x}"
    own.mkdir(parents=True)
    (own / "regions.geojson").write_text("{}")
    with open_archive(folder) as reader, open_archive(folder, write=True) as archive:
        assert reader.search_tiles(vectors[150], 1).ids.tolist() == [151]
        gone = archive.remove(slide="slide1.svs")
        assert [row.name for row in gone] == ["slide1.svs"]
        assert reader.search_tiles(vectors[150], 400).ids.tolist().count(151) == 0
        assert len(reader.search_tiles(vectors[150], 400).ids) == 300
        with pytest.raises(ArchiveError, match="no longer"):
            reader.tile_vectors([151])
    assert not own.exists()
    left = b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    assert secret not in left
    assert b"slide1.svs" not in left
    assert check_archive(folder).clean


def test_removing_a_case_takes_its_captions_too(folder: Path, make: Any) -> None:
    with open_archive(folder, write=True) as archive:
        make.fill(archive, 2, 20, case="P7")
        archive.add_slide(make.slide(5))
        rows = [CaptionRow(0, f"caption {n}", case="P7" if n % 3 else None) for n in range(30)]
        tokens, mask = make.tokens(30, count=3), make.masks(*([3] * 30))
        archive.add_captions(rows, make.units(30), tokens, mask)
        archive.remove(case="P7")
        assert [row.text for row in archive.all_captions()] == [f"caption {n}" for n in range(0, 30, 3)]
        ids = [row.id for row in archive.all_captions()]
        back, found = archive.caption_tokens(ids)
        assert found.all()
        assert np.abs(back - tokens[::3]).max() < 0.02
        with pytest.raises(ArchiveError, match="no case P7"):
            archive.remove(case="P7")
    left = b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    assert b"P7" not in left
    assert b"caption 1" not in left.replace(b"caption 12", b"").replace(b"caption 15", b"").replace(b"caption 18", b"")
    assert check_archive(folder).clean


def test_ids_are_never_used_twice(folder: Path, make: Any) -> None:
    with open_archive(folder, write=True) as archive:
        make.fill(archive, 1, 10)
        archive.remove(slide="slide0.svs")
        slide = archive.add_slide(make.slide(1))
        assert archive.add_tiles(slide, make.grid(3), 0.5, make.units(3), make.tokens(3)).tolist() == [11, 12, 13]


def test_another_models_vectors_replace_the_old_ones_only_when_complete(filled: tuple[Path, Any], make: Any) -> None:
    folder, vectors = filled
    with open_archive(folder, write=True) as archive:
        archive.begin_reembedding(make.other, "/models/other")
        missing = archive.missing_vectors("tile")
        assert missing.tolist() == list(range(1, 401))
        new = make.units(400, 16)
        for start in (0, 100, 200):
            ids = missing[start : start + 100]
            archive.put_vectors("tile", ids, new[start : start + 100], make.tokens(100, 2))
        with pytest.raises(ArchiveError, match="100 vectors"):
            archive.finish_reembedding()
        assert archive.search_tiles(vectors[7], 1).ids.tolist() == [8]
    with open_archive(folder) as reader:
        assert reader.status().reembedding == make.other.id
        with open_archive(folder, write=True) as archive:
            archive.begin_reembedding(make.other, "/models/other")  # goes on where it stopped
            ids = archive.missing_vectors("tile")
            assert ids.tolist() == list(range(301, 401))
            archive.put_vectors("tile", ids, new[300:], make.tokens(100, 2))
            archive.finish_reembedding()
            assert archive.search_tiles(new[42], 1).ids.tolist() == [43]
        with pytest.raises(ArchiveError, match="open it again"):
            reader.search_tiles(vectors[7], 1)
    with open_archive(folder) as reader:
        assert reader.status().model == make.other
        assert len(reader.tiles([43])) == 1
    assert check_archive(folder).clean
    assert len(list((folder / "vectors").glob("*.vec"))) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps files private by the folder's own permissions")
def test_only_the_owner_can_read_it(filled: tuple[Path, Any]) -> None:
    folder, _ = filled
    for root, folders, files in os.walk(folder):
        for name in folders:
            assert stat.S_IMODE((Path(root) / name).stat().st_mode) == 0o700, name
        for name in files:
            assert stat.S_IMODE((Path(root) / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="no groups of this kind")
def test_a_group_may_share_it(tmp_path: Path, make: Any) -> None:
    import grp

    own = grp.getgrgid(os.getgid()).gr_name
    create_archive(tmp_path / "shared", make.identity, group=own)
    with open_archive(tmp_path / "shared", write=True) as archive:
        make.fill(archive, 1, 5)
    for path in (tmp_path / "shared").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o2770 if path.is_dir() else 0o660), path
    with pytest.raises(ArchiveError, match="no group"):
        create_archive(tmp_path / "other", make.identity, group="no-such-group-here")


def test_there_must_be_an_archive_and_nothing_is_overwritten(tmp_path: Path, make: Any) -> None:
    with pytest.raises(ArchiveError, match="no archive"):
        open_archive(tmp_path)
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ArchiveError, match="not an empty folder"):
        create_archive(tmp_path, make.identity)
    create_archive(tmp_path / "a", make.identity)
    with pytest.raises(ArchiveError, match="already"):
        create_archive(tmp_path / "a", make.identity)


@pytest.mark.skipif(sys.platform == "win32", reason="other places are impossible there")
def test_a_place_where_no_archive_can_be_is_named(tmp_path: Path, make: Any) -> None:
    (tmp_path / "file").touch()
    for place in ("/proc/lile-archive", tmp_path / "file" / "archive"):
        with pytest.raises(ArchiveError, match=r"cannot be made .* choose another place"):
            create_archive(place, make.identity)


_OF_VERSION_3 = (
    "DROP TABLE slide_paths; DROP TABLE former_slides; DROP TABLE contents; ALTER TABLE grids DROP COLUMN failed;"
)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_archive_of_an_older_schema_is_brought_up_to_date(filled: tuple[Path, Any], version: int, make: Any) -> None:
    """What later versions added is taken away again, as an old program would have left it."""
    folder, vectors = filled
    if version == 2:
        with open_archive(folder, write=True) as archive:
            archive.add_run("index", "2026-01-01", 1.0, [RunSlide("/once/here.svs", "done", 100, slide_id=1)])
    connection = sqlite3.connect(folder / "archive.db")
    connection.executescript(
        "DROP TABLE plans;"
        + (_OF_VERSION_3 if version < 3 else "")
        + ("DROP TABLE run_slides; DROP TABLE runs;" if version == 1 else "")
        + f"PRAGMA user_version = {version};"
    )
    connection.close()
    with open_archive(folder) as reader:  # a reader cannot change it and needs nothing of what is new
        assert reader.status().schema == version
        assert reader.search_tiles(vectors[3], 1).ids.tolist() == [4]
        assert reader.finished(f"{1:032x}", make.spec)
        assert [row.planned for row in reader.slides()] == [0] * 4
        assert len(reader.removal(slide="/slides/slide0.svs").slides) == 1
    assert check_archive(folder).clean
    with open_archive(folder, write=True) as archive:
        assert archive.status().schema == SCHEMA_VERSION == len(MIGRATIONS)
        archive.add_run("index", "2026-01-01", 1.0, [])
        assert archive.search_tiles(vectors[3], 1).ids.tolist() == [4]
        assert archive.finished(f"{1:032x}", make.spec)
        assert archive.failed_tiles(f"{1:032x}", make.spec) == 0
        known = {"/slides/slide0.svs"} | ({"/once/here.svs"} if version == 2 else set())
        assert archive.removal(slide="/slides/slide0.svs").places == known


def test_an_archive_of_a_newer_program_is_refused(folder: Path) -> None:
    connection = sqlite3.connect(folder / "archive.db")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    for write in (False, True):
        with pytest.raises(ArchiveError, match="newer"):
            open_archive(folder, write=write)


def test_a_database_that_is_none_is_one_sentence(folder: Path) -> None:
    (folder / "archive.db").write_bytes(b"not a database" * 500)
    with pytest.raises(ArchiveError, match="damaged"):
        open_archive(folder)


def test_a_slide_of_which_nothing_new_is_said_costs_no_commit(folder: Path, make: Any) -> None:
    row = make.slide(1, case="C", tags=("a",))
    with open_archive(folder, write=True) as archive:
        number = archive.add_slide(row)
        before = archive.status().generation
        assert archive.add_slide(row) == number
        assert archive.add_slide(make.slide(1)) == number  # says less, which takes nothing away
        assert archive.status().generation == before
        for other in ({"case": "D"}, {"path": "/elsewhere/s.svs"}, {"mpp": 0.25}, {"tags": ("b",)}, {"organ": "skin"}):
            assert archive.add_slide(make.slide(1, **{"path": row.path, **other})) == number
        assert archive.status().generation == before + 5
        found = archive.slide_by_identity(row.identity)
        assert found is not None
        assert (found.case, found.organ, found.mpp, found.tags) == ("D", "skin", 0.5, ("b",))
        assert archive.slide_by_identity("f" * 32) is None
