"""One writer, many readers, other computers, full and read-only disks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lile_engine.archive import create_archive, open_archive
from lile_engine.archive.check import check_archive
from lile_engine.archive.filesystem import network_type
from lile_engine.archive.lock import current_writer
from lile_engine.errors import ArchiveError, ArchiveLockedError

CHILD = Path(__file__).with_name("writing_child.py")


def test_a_second_writer_is_told_who_writes(folder: Path) -> None:
    with open_archive(folder, write=True) as archive:
        with pytest.raises(ArchiveLockedError, match=rf"process {os.getpid()} on {socket.gethostname()}"):
            open_archive(folder, write=True)
        assert f"process {os.getpid()}" in str(archive.status().writer)
    assert current_writer(folder) is None
    open_archive(folder, write=True).close()


def test_a_writer_in_another_process_and_its_death(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(folder), "--hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line == "holding\n":
            break
    with pytest.raises(ArchiveLockedError, match=f"process {child.pid} "):
        open_archive(folder, write=True)
    child.kill()
    child.communicate()
    assert current_writer(folder) is None
    with open_archive(folder, write=True) as archive:
        assert archive.status().slides == 4


def test_a_lock_of_another_computer_is_not_taken_over(folder: Path) -> None:
    (folder / "writer.lock").write_text(json.dumps({"pid": 1, "host": "elsewhere", "since": "2026-01-01T00:00:00"}))
    with pytest.raises(ArchiveLockedError, match=r"process 1 on elsewhere.*writer\.lock"):
        open_archive(folder, write=True)
    with open_archive(folder) as reader:
        assert "elsewhere" in str(reader.status().writer)


def test_readers_see_what_is_committed_while_a_writer_writes(folder: Path, make: Any) -> None:
    """Searches in three threads on two readers, while tiles come and a slide goes."""
    seen: list[int] = []
    stop = threading.Event()
    errors: list[BaseException] = []
    query = make.units(1)[0]

    def look(reader: Any) -> None:
        try:
            while not stop.is_set():
                found = reader.search_tiles(query, 5)
                rows = reader.tiles(found.ids)
                assert len(rows) <= len(found.ids) <= 5
                seen.append(reader.status().tiles)
        except BaseException as error:
            errors.append(error)

    with open_archive(folder) as one, open_archive(folder) as two, open_archive(folder, write=True) as archive:
        threads = [threading.Thread(target=look, args=(reader,)) for reader in (one, one, two)]
        for thread in threads:
            thread.start()
        for number in range(4):
            slide = archive.add_slide(make.slide(number))
            for batch in range(4):
                vectors = make.units(20)
                ids = archive.add_tiles(slide, make.grid(20, 20 * batch), 0.5, vectors, make.tokens(20))
                assert two.search_tiles(vectors[3], 1).ids.tolist() == [int(ids[3])]
        archive.remove(slide="slide0.svs")
        assert two.status().tiles == 240
        stop.set()
        for thread in threads:
            thread.join()
    assert errors == []
    assert seen


def test_a_failed_batch_changes_nothing(filled: tuple[Path, Any], make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = filled
    with open_archive(folder, write=True) as archive:
        with monkeypatch.context() as patch:

            def no_space(*_: object) -> int:
                raise OSError(28, "No space left on device")

            patch.setattr(os, "fsync", no_space)
            with pytest.raises(ArchiveError, match="full"):
                archive.add_tiles(1, make.grid(5, 500), 0.5, make.units(5), make.tokens(5))
        assert archive.status().tiles == 400
        assert len(archive.add_tiles(1, make.grid(5, 500), 0.5, make.units(5), make.tokens(5))) == 5
    assert check_archive(folder).findings == ()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB; skips where nobody may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_one_sentence_and_loses_nothing(small_disk: Path, make: Any) -> None:
    folder = small_disk / "archive"
    create_archive(folder, make.identity)
    added = 0
    with pytest.raises(ArchiveError, match="full"), open_archive(folder, write=True) as archive:  # noqa: PT012
        slide = archive.add_slide(make.slide(0))
        while True:
            archive.add_tiles(slide, make.grid(200, added), 0.5, make.units(200), make.tokens(200))
            added += 200
    assert added > 0
    assert check_archive(folder).clean
    with open_archive(folder) as archive:
        assert archive.status().tiles == added
        assert len(archive.search_tiles(make.units(1)[0], 5).ids) == 5
    subprocess.run(["mount", "-o", "remount,size=30m", str(small_disk)], check=True)
    with open_archive(folder, write=True) as archive:
        archive.add_tiles(1, make.grid(200, added), 0.5, make.units(200), make.tokens(200))
    assert check_archive(folder).findings == ()


@pytest.mark.parametrize("killed", [False, True])
def test_a_read_only_disk_can_be_read_but_not_written(small_disk: Path, make: Any, killed: bool) -> None:
    """Also with commits that are still in SQLite's log, as a killed writer leaves them."""
    folder = small_disk / "archive"
    create_archive(folder, make.identity)
    archive = open_archive(folder, write=True)
    vectors = make.fill(archive, 2, 30)
    if killed:
        log = (folder / "archive.db-wal").read_bytes()
        data = (folder / "archive.db").read_bytes()
        archive.close()
        (folder / "archive.db").write_bytes(data)
        (folder / "archive.db-wal").write_bytes(log)
    else:
        archive.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with open_archive(folder) as reader:
        assert reader.status().tiles == 60
        assert reader.search_tiles(vectors[31], 1).ids.tolist() == [32]
    with pytest.raises(ArchiveError, match="read-only"):
        open_archive(folder, write=True)
    assert check_archive(folder).clean


MOUNTS = """\
22 1 0:20 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:30 / /mnt/share rw - nfs4 server:/export rw
31 22 0:31 / /mnt/my\\040files rw - cifs //server/x rw
32 30 0:32 / /mnt/share/local rw - xfs /dev/sdb1 rw
33 22 0:33 / /mnt/both rw - nfs server:/a rw
34 22 0:34 / /mnt/both rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/archive", None),
        ("/mnt/share", "nfs4"),
        ("/mnt/share/a/b", "nfs4"),
        ("/mnt/shared", None),
        ("/mnt/my files/archive", "cifs"),
        ("/mnt/share/local/archive", None),
        ("/mnt/both/x", None),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="mount tables are a Unix thing")
def test_network_shares_are_told_by_the_mount_they_lie_on(path: str, kind: str | None) -> None:
    assert network_type(Path(path), MOUNTS) == kind


def test_a_network_share_can_be_read_but_not_written(
    filled: tuple[Path, Any], make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lile_engine.archive import database, filesystem

    folder, vectors = filled
    for module in (database, filesystem):
        monkeypatch.setattr(module, "network_type", lambda _: "nfs4")
    with open_archive(folder) as reader:
        assert reader.search_tiles(vectors[7], 1).ids.tolist() == [8]
    with pytest.raises(ArchiveError, match=r"network share \(nfs4\)"):
        open_archive(folder, write=True)
    with pytest.raises(ArchiveError, match="network share"):
        create_archive(folder.parent / "new", make.identity)
    assert not np.any([path.name.startswith("lile-archive-") for path in folder.iterdir()])
