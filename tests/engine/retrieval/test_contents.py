"""Slides whose identity is the same though they are not: large files that differ between the samples."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lile_engine.archive import open_archive
from lile_engine.retrieval.indexing import index_slides
from lile_engine.slides import open_slide
from lile_engine.slides.identity import content_digest, file_identity, is_sampled

SIZE = 1536


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """7 MB, uncompressed; stained in one corner."""
    pixels = np.full((SIZE, SIZE, 3), 245, np.uint8)
    pixels[:384, :384] = np.random.default_rng(2).integers(90, 200, (384, 384, 3))
    pixels[:384, :384, 1] //= 2
    path = tmp_path / "large.tif"
    tifffile.imwrite(
        path, pixels, tile=(128, 128), photometric="rgb", metadata=None, resolution=(20000, 20000),
        resolutionunit="CENTIMETER",
    )  # fmt: skip
    return path


def painted_over(path: Path) -> None:
    """Changes a stained pixel that the samples leave out."""
    identity = file_identity(path)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        first = tiff.pages[0].dataoffsets[0]
    for at in range(first, first + 128 * 128 * 3, 8192):  # a sample is 16 KiB
        changed = data[:]
        changed[at : at + 3] = b"\x00\xff\x00"
        path.write_bytes(changed)
        if file_identity(path) == identity:
            return
    raise AssertionError("every byte of the first tile is sampled")


def test_the_identity_of_a_large_file_is_sampled_and_the_digest_is_not(large: Path, tmp_path: Path) -> None:
    with open_slide(large) as slide:
        identity = slide.info.identity
    assert is_sampled(large, identity)
    digest = content_digest(large)
    painted_over(large)
    with open_slide(large) as slide:
        assert slide.info.identity == identity
    assert content_digest(large) != digest
    small = tmp_path / "small.png"
    small.write_bytes(b"x" * 1000)
    assert not is_sampled(small, file_identity(small))
    assert not is_sampled(large, "of a series")


def test_two_that_differ_between_the_samples_are_never_taken_as_one(
    archive_dir: Path, large: Path, model: Any, tmp_path: Path
) -> None:
    other = tmp_path / "other.tif"
    shutil.copy(large, other)
    painted_over(other)
    report = index_slides(archive_dir, [large, other], model)
    assert [Path(slide.path).name for slide in report.failed] == ["other.tif"]
    assert "cannot be in one archive" in report.failed[0].message
    again = index_slides(archive_dir, [other], model)  # also in a run of its own
    assert again.slides[0].state == "failed"
    with open_archive(archive_dir) as archive:
        assert [row.path for row in archive.slides()] == [str(large)]
    copy = tmp_path / "copy.tif"
    shutil.copy(large, copy)
    report = index_slides(archive_dir, [large, copy], model)
    assert [slide.state for slide in report.slides] == ["skipped", "skipped"]


def test_a_file_that_changed_between_the_samples_is_indexed_anew(archive_dir: Path, large: Path, model: Any) -> None:
    index_slides(archive_dir, [large], model)
    with open_archive(archive_dir, write=True) as archive:
        row = archive.slides()[0]
        archive.update_slide(row.id, {"case": "C7"})
        before = archive.tile_vectors(archive.tiles_of_slide(row.id)[0])
    painted_over(large)
    os.utime(large, ns=(1, 1))  # whatever the clock's step
    report = index_slides(archive_dir, [large], model)
    assert [slide.state for slide in report.slides] == ["done"]
    with open_archive(archive_dir) as archive:
        row = archive.slides()[0]
        assert row.case == "C7"
        after = archive.tile_vectors(archive.tiles_of_slide(row.id)[0])
    assert len(after) == len(before)
    assert not np.array_equal(after, before)
    assert index_slides(archive_dir, [large], model).slides[0].state == "skipped"


def test_a_file_that_was_only_touched_or_moved_is_the_same(
    archive_dir: Path, large: Path, model: Any, tmp_path: Path
) -> None:
    index_slides(archive_dir, [large], model)
    os.utime(large, ns=(5, 5))
    assert index_slides(archive_dir, [large], model).slides[0].state == "skipped"
    with open_archive(archive_dir, write=True) as archive:
        stored = archive.content_of(1)
        assert stored is not None
        assert stored[1] == 5
    moved = tmp_path / "moved.tif"
    large.rename(moved)
    assert index_slides(archive_dir, [moved], model).slides[0].state == "skipped"
    painted_over(moved)
    moved = moved.rename(tmp_path / "third.tif")
    assert index_slides(archive_dir, [moved], model).slides[0].state == "done"


def test_two_that_changed_their_names_are_both_known(
    archive_dir: Path, large: Path, model: Any, tmp_path: Path
) -> None:
    other = tmp_path / "other.tif"
    pixels = tifffile.imread(large)
    pixels[:384, :384] = pixels[383::-1, :384]
    tifffile.imwrite(
        other, pixels, tile=(128, 128), photometric="rgb", metadata=None, resolution=(20000, 20000),
        resolutionunit="CENTIMETER",
    )  # fmt: skip
    assert index_slides(archive_dir, [large, other], model).failed == ()
    large.rename(tmp_path / "x")
    other.rename(large)
    (tmp_path / "x").rename(other)
    report = index_slides(archive_dir, [large], model)  # the other's place holds another slide by now
    assert [slide.message for slide in report.slides] == ["done before"]


def test_a_slide_that_lies_elsewhere_too_keeps_its_tiles(archive_dir: Path, slides: list[Path], model: Any) -> None:
    first, second, third = slides
    shutil.copy(first, second)
    index_slides(archive_dir, [first, second], model)
    shutil.copy(third, first)
    index_slides(archive_dir, [first], model)
    with open_archive(archive_dir) as archive:
        assert [(row.path, row.tiles) for row in archive.slides()] == [(str(second), 66), (str(first), 66)]
    third.rename(first)
    second.unlink()
    index_slides(archive_dir, [first], model)
    with open_archive(archive_dir) as archive:
        assert sum(row.tiles for row in archive.slides()) == 132  # nobody named its place: it may be out of reach
