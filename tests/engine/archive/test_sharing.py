"""An archive of a group: what one member makes another reads, changes and deletes; nobody else can."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lile_engine.archive import CaptionRow, create_archive, open_archive
from lile_engine.archive.check import check_archive
from lile_engine.archive.copying import copy_archive
from lile_engine.archive.writer import SLIDE_FILES
from lile_engine.errors import ArchiveError
from lile_engine.paths import archive_group, open_private, private_dir
from lile_engine.retrieval.captions import export_captions
from lile_engine.slides import Region
from lile_engine.slides.geojson import Annotation, read_geojson, write_geojson

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no groups of this kind")

SQUARE = Annotation.from_region(Region.rectangle(0, 0, 9, 9))


@contextlib.contextmanager
def member_of(group: int) -> Iterator[None]:
    """Another user, with the usual umask, for as long as this lasts."""
    groups, mask = os.getgroups(), os.umask(0o022)
    os.setgroups([])
    os.setegid(group)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
        os.umask(mask)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that every user can pass through (pytest's own are closed)."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}


def region(path: Path) -> Path:
    write_geojson(private_dir(path.parent) / path.name, [SQUARE])
    return path


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another user")
def test_another_member_reads_and_writes_everything(reachable: Path, make: Any) -> None:
    import grp

    group = grp.getgrgid(max(entry.gr_gid for entry in grp.getgrall() if 0 < entry.gr_gid < 65534))
    folder = reachable / "below" / "shared"
    create_archive(folder, make.identity, group=group.gr_name)
    with open_archive(folder, write=True) as archive:
        make.fill(archive, 2, 20)
        archive.add_captions([CaptionRow(0, "fat")], make.units(1), make.tokens(1), make.masks(4))
    theirs = region(folder / SLIDE_FILES / ("1" * 32) / "regions.geojson")
    assert len(read_geojson(theirs)) == 1  # loads what the other user may not be allowed to load
    with member_of(group.gr_gid):
        write_geojson(theirs, [*read_geojson(theirs), SQUARE])
        region(folder / SLIDE_FILES / ("2" * 32) / "regions.geojson")
        with open_archive(folder, write=True) as archive:
            slide = archive.add_slide(make.slide(7, identity="2" * 32))
            archive.add_tiles(slide, make.grid(3), 0.5, make.units(3), make.tokens(3))
            archive.finish_slide(slide, make.spec)
            archive.add_run("index", "2026-01-01", 1.0, [])
    for path in [folder.parent, folder, *folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o2770 if path.is_dir() else 0o660), path
        assert path.stat().st_gid == group.gr_gid, path
    assert len(read_geojson(theirs)) == 2
    with open_archive(folder, write=True) as archive:
        assert archive.status().slides == 3
        archive.remove(slide="2" * 32)
        assert not (folder / SLIDE_FILES / ("2" * 32)).exists()
    assert check_archive(folder).findings == ()
    with member_of(65534):
        with pytest.raises(PermissionError):
            os.listdir(folder)
        with pytest.raises(PermissionError):
            theirs.read_text()


def own_group() -> str:
    import grp

    return grp.getgrgid(os.getgid()).gr_name


def test_what_belongs_to_a_slide_is_the_groups_in_its_archive_and_its_owners_elsewhere(
    tmp_path: Path, make: Any
) -> None:
    create_archive(tmp_path / "shared", make.identity, group=own_group())
    create_archive(tmp_path / "mine", make.identity)
    assert archive_group(tmp_path / "shared" / SLIDE_FILES / "x") == os.getgid()
    assert archive_group(tmp_path / "mine" / SLIDE_FILES / "x") is None
    for archive, of_folder, of_file in (("shared", 0o2770, 0o660), ("mine", 0o700, 0o600)):
        path = region(tmp_path / archive / SLIDE_FILES / "x" / "regions.geojson")
        assert stat.S_IMODE(path.stat().st_mode) == of_file
        assert stat.S_IMODE(path.parent.stat().st_mode) == of_folder
        assert stat.S_IMODE(path.parent.parent.stat().st_mode) == of_folder
    for archive, of_file in (("shared", 0o660), ("mine", 0o600)):
        with open_archive(tmp_path / archive, write=True) as writing:
            writing.add_captions([CaptionRow(0, "fat")], make.units(1), make.tokens(1), make.masks(4))
            old = tmp_path / "captions.jsonl"
            old.touch()
            old.chmod(0o644)
            export_captions(writing, old)
        assert stat.S_IMODE(old.stat().st_mode) == of_file
    copy_archive(tmp_path / "shared", tmp_path / "copy")
    assert set(modes(tmp_path / "copy").values()) == {0o700, 0o600}
    assert archive_group(tmp_path / "copy") is None


def test_an_empty_folder_that_was_there_is_closed_or_opened_as_asked(tmp_path: Path, make: Any) -> None:
    for name, group, expected in (("mine", None, 0o700), ("shared", own_group(), 0o2770)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o755)
        create_archive(tmp_path / name, make.identity, group=group)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == expected


def test_missing_parents_are_private_and_what_was_there_stays(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    private_dir(tmp_path / "a" / "b" / "c")
    assert set(modes(tmp_path / "a").values()) == {0o700}
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    private_dir(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    os.close(open_private(tmp_path / "file", os.O_WRONLY | os.O_CREAT))
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another user")
def test_what_root_makes_in_somebodys_archive_is_its_owners(reachable: Path, make: Any) -> None:
    reachable.chmod(0o777)
    with member_of(65534):
        create_archive(reachable / "mine", make.identity)
    with open_archive(reachable / "mine", write=True) as archive:
        make.fill(archive, 1, 5)
    region(reachable / "mine" / SLIDE_FILES / "x" / "regions.geojson")
    assert {path.stat().st_uid for path in (reachable / "mine").rglob("*")} == {65534}
    with member_of(65534), open_archive(reachable / "mine", write=True) as archive:
        make.fill(archive, 2, 5)
        assert archive.status().tiles == 10


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another user")
def test_a_group_that_one_is_not_in_is_told_and_nothing_is_made(reachable: Path, make: Any) -> None:
    import grp

    group = grp.getgrgid(max(entry.gr_gid for entry in grp.getgrall() if 0 < entry.gr_gid < 65534))
    reachable.chmod(0o777)
    with member_of(65534), pytest.raises(ArchiveError, match="You are not in the group"):
        create_archive(reachable / "theirs", make.identity, group=group.gr_name)
    assert not (reachable / "theirs").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another user")
def test_a_reader_that_may_not_write_reads_beside_the_writer(reachable: Path, make: Any) -> None:
    folder = reachable / "open"
    create_archive(folder, make.identity)
    with open_archive(folder, write=True) as archive:
        make.fill(archive, 2, 20)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        with member_of(65534):
            reader = open_archive(folder)
        make.fill(archive, 4, 20)
        assert reader.status().tiles == 40  # as it was when it was opened
        reader.close()
    with member_of(65534), pytest.raises(ArchiveError, match="closed to you"):
        open_archive(folder, write=True)
