"""Copies: whole or not at all, and nothing of the user's own is touched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lile_engine.archive import create_archive, open_archive
from lile_engine.archive.check import check_archive
from lile_engine.archive.copying import _MARK, copy_archive
from lile_engine.archive.lock import WriterLock
from lile_engine.errors import ArchiveError, ArchiveLockedError


@pytest.mark.parametrize("what", ["folder", "archive", "file", "link"])
def test_what_is_in_the_way_is_told_and_left(filled: tuple[Path, Any], tmp_path: Path, make: Any, what: str) -> None:
    folder, _ = filled
    own = tmp_path / "b.copying"
    if what == "folder":
        own.mkdir()
        (own / "thesis.txt").write_text("mine")
    elif what == "archive":
        create_archive(own, make.identity)
    elif what == "file":
        own.write_text("mine")
    else:
        own.symlink_to(folder)
    before = sorted(own.rglob("*")), own.read_bytes() if own.is_file() else b""
    with pytest.raises(ArchiveError, match=r"b\.copying is in the way .* move it"):
        copy_archive(folder, tmp_path / "b")
    assert (sorted(own.rglob("*")), own.read_bytes() if own.is_file() else b"") == before
    assert not (tmp_path / "b").exists()
    assert check_archive(folder).clean


def test_what_a_killed_copy_left_is_replaced(filled: tuple[Path, Any], tmp_path: Path) -> None:
    """Killed as the first vectors had been copied."""
    folder, _ = filled
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom lile_engine.archive.copying import copy_archive\n"
        "copy_archive(Path(sys.argv[1]), Path(sys.argv[2]), progress=lambda _: os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    if sys.platform == "win32":
        code = code.replace("signal.SIGKILL", "signal.SIGTERM")
    killed = subprocess.run([sys.executable, "-c", code, folder, tmp_path / "b"], check=False)
    assert killed.returncode != 0
    assert (tmp_path / "b.copying" / _MARK).exists()
    copy_archive(folder, tmp_path / "b")
    assert check_archive(tmp_path / "b").findings == ()
    assert not list(tmp_path.glob("*.copying"))
    assert not (tmp_path / "b" / _MARK).exists()


def test_a_copy_that_is_being_made_is_not_disturbed(filled: tuple[Path, Any], tmp_path: Path) -> None:
    (tmp_path / "b.copying").mkdir()
    held = WriterLock(tmp_path / "b.copying", file=_MARK)
    with pytest.raises(ArchiveLockedError, match="wait until it has finished"):
        copy_archive(filled[0], tmp_path / "b")
    held.release()
    assert (tmp_path / "b.copying").exists()


def test_an_archive_is_not_copied_into_itself(filled: tuple[Path, Any], tmp_path: Path) -> None:
    folder, _ = filled
    (tmp_path / "door").symlink_to(folder)
    before = sorted(folder.rglob("*"))
    for target in (folder / "b", folder / "vectors" / "b" / "c", tmp_path / "door" / "b"):
        with pytest.raises(ArchiveError, match="lies in the archive"):
            copy_archive(folder, target)
    assert sorted(folder.rglob("*")) == before


def test_no_archive_no_copy(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArchiveError, match="no archive"):
        copy_archive(tmp_path / "empty", tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]


# Each word: what of the making of an archive a kill came before.
@pytest.mark.parametrize("before", ["vectors", "lock", "database", "tables", "model"])
def test_an_archive_whose_making_was_killed_is_made_by_the_same_call(tmp_path: Path, make: Any, before: str) -> None:
    folder = tmp_path / "archive"
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom lile_engine.archive import create, create_archive\n"
        "from lile_engine.archive import database as db\nfrom lile_engine.model.protocol import ModelIdentity\n"
        "place, name = {'vectors': (create, '_allow'), 'lock': (create, 'WriterLock'),\n"
        "    'database': (db, 'connect_to_write'), 'tables': (create, 'migrate'), 'model': (db, 'model_json'),\n"
        "}[sys.argv[2]]\n"
        "setattr(place, name, lambda *_: os._exit(9))\n"
        "create_archive(Path(sys.argv[1]), ModelIdentity('0' * 16, 'm', 32, 4, 8, 224, 0.5))\n"
    )
    assert subprocess.run([sys.executable, "-c", code, folder, before], check=False).returncode == 9
    with pytest.raises(ArchiveError, match="lile archive init"):
        open_archive(folder)
    with pytest.raises(ArchiveError, match="lile archive init"):
        open_archive(folder, write=True)
    create_archive(folder, make.identity)
    with open_archive(folder, write=True) as archive:
        make.fill(archive, 1, 5)
    assert check_archive(folder).findings == ()
    with pytest.raises(ArchiveError, match="already"):
        create_archive(folder, make.identity)


def test_a_folder_with_anything_else_is_not_taken_for_a_killed_one(tmp_path: Path, make: Any) -> None:
    for name in ("vectors/mine.txt", "notes.txt", "archive.db"):
        folder = tmp_path / name.replace("/", "-")
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("a database of another program, or a text")
        with pytest.raises(ArchiveError, match=r"not an empty folder|already"):
            create_archive(folder, make.identity)
        assert (folder / name).read_text().endswith("text")
