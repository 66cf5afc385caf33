"""`check` finds what is wrong and `--repair` mends what can be mended."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from lile_engine.archive import CaptionRow, open_archive
from lile_engine.archive.check import check_archive
from lile_engine.archive.copying import copy_archive
from lile_engine.archive.filesystem import clear_errors
from lile_engine.errors import ArchiveError


def test_a_sound_archive_is_clean(filled: tuple[Path, Any]) -> None:
    report = check_archive(filled[0])
    assert report.clean
    assert report.findings == ()
    assert report.vectors == 400
    assert report.bytes == 400 * (32 * 4 + 4 * 10)


@pytest.mark.parametrize("suffix", ["vec", "tok"])
@pytest.mark.parametrize("how", ["truncated", "flipped", "missing"])
def test_damaged_vectors_are_found_dropped_and_may_be_embedded_again(
    suffix: str, how: str, filled: tuple[Path, Any], make: Any
) -> None:
    folder, vectors = filled
    path = folder / "vectors" / f"2.{suffix}"
    data = path.read_bytes()
    if how == "truncated":
        os.truncate(path, len(data) - 7)
    elif how == "flipped":
        path.write_bytes(data[:90] + bytes([data[90] ^ 1]) + data[91:])
    else:
        path.unlink()
    report = check_archive(folder)
    assert {finding.where for finding in report.findings if finding.level == "problem"} == {"vectors/2"}
    assert check_archive(folder, repair=True).clean
    assert check_archive(folder).clean
    with open_archive(folder, write=True) as archive:
        assert archive.status().tiles == 300
        assert not archive.finished(f"{1:032x}", make.spec)
        assert archive.finished(f"{2:032x}", make.spec)
        ids = archive.add_tiles(2, make.grid(100), 0.5, vectors[100:200], make.tokens(100))
        assert archive.search_tiles(vectors[150], 1).ids.tolist() == [int(ids[50])]
    assert check_archive(folder).findings == ()


def test_rows_and_vectors_that_lost_each_other(filled: tuple[Path, Any]) -> None:
    folder, _ = filled
    connection = sqlite3.connect(folder / "archive.db")
    connection.execute("DELETE FROM tiles WHERE id BETWEEN 110 AND 120")  # vectors without rows
    connection.execute("DELETE FROM segments WHERE first_id = 201")  # rows without vectors
    connection.commit()
    connection.close()
    report = check_archive(folder)
    problems = sorted(finding.what for finding in report.findings if finding.level == "problem")
    assert problems == ["count", "rows", "rows"]
    assert check_archive(folder, repair=True).clean
    again = check_archive(folder)
    assert again.clean
    assert again.vectors == 200


def test_what_a_killed_writer_leaves_is_a_note_and_is_tidied(filled: tuple[Path, Any]) -> None:
    folder, _ = filled
    with open(folder / "vectors" / "1.vec", "ab") as stream:
        stream.write(b"half a batch")
    (folder / "vectors" / "77.vec").write_bytes(b"a store that was never committed")
    report = check_archive(folder)
    assert report.clean
    assert {finding.what for finding in report.findings} == {"leftover"}
    assert check_archive(folder, repair=True).clean
    assert not (folder / "vectors" / "77.vec").exists()


def test_captions_keep_their_words_when_their_vectors_are_lost(folder: Path, make: Any) -> None:
    with open_archive(folder, write=True) as archive:
        rows = [CaptionRow(0, f"caption {n}") for n in range(5)]
        archive.add_captions(rows, make.units(5), make.tokens(5), make.masks(*[4] * 5))
    (folder / "vectors" / "1.vec").unlink()
    report = check_archive(folder, repair=True)
    assert not report.clean  # a model must embed them again: `lile archive check --repair` does
    with open_archive(folder, write=True) as archive:
        assert archive.status().captions == 5
        missing = archive.missing_vectors("caption")
        assert missing.tolist() == [1, 2, 3, 4, 5]
        archive.put_vectors("caption", missing, make.units(5), make.tokens(5), make.masks(*[4] * 5))
    assert check_archive(folder).clean


def test_a_copy_is_the_same_archive(filled: tuple[Path, Any], tmp_path: Path) -> None:
    folder, vectors = filled
    copy_archive(folder, tmp_path / "copy")
    assert check_archive(tmp_path / "copy").findings == ()
    with open_archive(tmp_path / "copy") as archive:
        assert archive.search_tiles(vectors[11], 1).ids.tolist() == [12]
        assert archive.status().tiles == 400
    with pytest.raises(ArchiveError, match="not an empty folder"):
        copy_archive(folder, tmp_path / "copy")


def test_a_damaged_archive_is_not_copied(filled: tuple[Path, Any], tmp_path: Path) -> None:
    folder, _ = filled
    path = folder / "vectors" / "1.vec"
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(ArchiveError, match="damaged"):
        copy_archive(folder, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert not list(tmp_path.glob("*.copying"))


@pytest.mark.parametrize("lost", ["vectors", "index"])
def test_a_folder_that_is_lost_is_found_and_made_again(lost: str, filled: tuple[Path, Any], make: Any) -> None:
    folder, _ = filled
    shutil.rmtree(folder / lost)
    assert not check_archive(folder).clean
    assert check_archive(folder, repair=True).clean
    with open_archive(folder, write=True) as archive:
        assert archive.status().tiles == (400 if lost == "index" else 0)
        make.fill(archive, 2, 10)
    assert check_archive(folder).clean


def test_an_empty_archive_needs_no_folders(folder: Path) -> None:
    for place in ("vectors", "index"):  # what copies files may leave out empty ones
        (folder / place).rmdir()
    assert check_archive(folder).findings == ()


def test_captions_are_mended_while_another_model_is_half_way(folder: Path, make: Any) -> None:
    with open_archive(folder, write=True) as archive:
        rows = [CaptionRow(0, f"caption {n}") for n in range(3)]
        archive.add_captions(rows, make.units(3), make.tokens(3), make.masks(4, 4, 4))
        archive.begin_reembedding(make.other, None)
    (folder / "vectors" / "1.vec").unlink()
    check_archive(folder, repair=True)
    with open_archive(folder, write=True) as archive:
        missing = archive.missing_vectors("caption", in_use=True)
        archive.put_vectors("caption", missing, make.units(3), make.tokens(3), make.masks(4, 4, 4), in_use=True)
        assert len(archive.search_captions(make.units(1)[0], 3).ids) == 3
        assert len(archive.missing_vectors("caption")) == 3  # the other model's
    assert check_archive(folder).clean


def test_words_of_the_database_that_make_no_sense_are_told() -> None:
    with pytest.raises(ArchiveError, match="is damaged; restore it"), clear_errors("A"):
        b"\xff".decode()
