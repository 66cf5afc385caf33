"""Erasing a patient: to the end, also after an interruption, and nobody else."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from lile_engine.archive import CaptionRow, RunSlide, open_archive
from lile_engine.archive import database as db
from lile_engine.archive.writer import SLIDE_FILES, WritableLocalArchive
from lile_engine.errors import ArchiveError
from lile_engine.paths import home_dir, logs_dir
from lile_engine.retrieval.erasing import erase


def everything(folder: Path) -> bytes:
    """All bytes below a folder."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def add_caption(folder: Path, make: Any, *rows: CaptionRow) -> None:
    with open_archive(folder, write=True) as archive:
        n = len(rows)
        archive.add_captions(rows, make.units(n), make.tokens(n, count=3), make.masks(*([3] * n)))


def captions(folder: Path) -> set[str]:
    with open_archive(folder) as archive:
        return {row.text for row in archive.all_captions()}


@pytest.fixture
def secret(folder: Path, make: Any, lile_home: Path) -> Path:
    """An archive with a caption of case P7."""
    with open_archive(folder, write=True) as archive:
        make.fill(archive, 2, 20)
        archive.update_slide(1, {"case": "P7"})
    add_caption(folder, make, CaptionRow(0, "a rare tumour", case="P7"), CaptionRow(0, "fat", case="P8"))
    return folder


def reading(folder: Path) -> sqlite3.Connection:
    """A reader inside a transaction."""
    reader = sqlite3.connect(folder / "archive.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM slides").fetchone()
    return reader


@pytest.mark.parametrize("by_another_writer_first", [False, True])
def test_a_reader_in_the_way_is_told_and_the_same_call_finishes(
    secret: Path, make: Any, monkeypatch: pytest.MonkeyPatch, by_another_writer_first: bool
) -> None:
    monkeypatch.setattr(db, "_READERS_WAIT_MS", 50)
    reader = reading(secret)
    for _ in range(2):
        with pytest.raises(ArchiveError, match=r"Erasing is not finished: another program .* same command again"):
            erase(secret, case="P7")
    if by_another_writer_first:  # writing goes on meanwhile
        add_caption(secret, make, CaptionRow(0, "gland"))
    reader.close()
    assert erase(secret, case="P7").slides == ()
    assert b"rare tumour" not in everything(secret)
    assert b"P7" not in everything(secret)
    with pytest.raises(ArchiveError, match="no case P7"):
        erase(secret, case="P7")


def test_the_flag_outlives_a_kill_before_the_log_is_empty(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "_READERS_WAIT_MS", 50)
    reader = reading(secret)
    archive = open_archive(secret, write=True)
    with pytest.raises(ArchiveError, match="not finished"):
        archive.remove(case="P7")
    with pytest.raises(ArchiveError, match="not finished"):
        archive.remove(case="P7")
    assert isinstance(archive, WritableLocalArchive)
    archive._release()  # as a killed process leaves it
    assert sqlite3.connect(secret / "archive.db").execute("SELECT value FROM meta WHERE key = 'erase'").fetchone()
    reader.close()
    with open_archive(secret, write=True) as again:
        assert again.remove(case="P7") == ()
    assert b"rare tumour" not in everything(secret)


def test_a_call_that_ended_before_the_archive_forgot_is_finished_by_the_same_call(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs_dir().mkdir(parents=True)
    log = logs_dir() / "desktop.log"
    log.write_text("case P7 seen\nopened /slides/slide0.svs\nopened /slides/slide1.svs\n")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(WritableLocalArchive, "_remove", killed)
        with pytest.raises(KeyboardInterrupt):
            erase(secret, case="P7")
    with monkeypatch.context() as patch:
        patch.setattr(WritableLocalArchive, "_finish_erasing", killed)
        with pytest.raises(KeyboardInterrupt):
            erase(secret, case="P7")
    assert log.read_text() == "opened /slides/slide1.svs\n"  # whenever it ends, the home is clean before the archive
    erase(secret, case="P7")
    assert log.read_text() == "opened /slides/slide1.svs\n"
    assert b"P7" not in everything(secret)


def test_settings_forget_the_slide_and_its_folder(secret: Path) -> None:
    home_dir().mkdir(parents=True, exist_ok=True)
    settings = home_dir() / "settings.json"
    gone, stays = "/slides/slide0.svs", "/slides/slide1.svs"
    content = {"theme": "dark", "open_slides": [gone, stays], "recent_slides": [stays, gone], "last_folder": "/slides"}
    settings.write_text(json.dumps(content))
    settings.chmod(0o644)
    erase(secret, case="P7")
    kept = {"theme": "dark", "open_slides": [stays], "recent_slides": [stays], "last_folder": ""}
    assert json.loads(settings.read_text()) == kept
    if sys.platform != "win32":
        assert settings.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home_dir().glob("settings*")] == ["settings.json"]


def test_only_a_line_feed_ends_a_line(secret: Path) -> None:
    folder = home_dir() / "pairs" / "mine"
    folder.mkdir(parents=True)
    kept = [
        json.dumps({"image": "a.png", "caption": "fat\u2028and \u0085gland", "case": "P8"}, ensure_ascii=False)
        + "\r\n",
        json.dumps({"image": "b.png", "caption": "left\u2028slide0.svs", "case": "P8"}, ensure_ascii=False),
    ]
    gone = json.dumps({"image": "c.png", "caption": "x\u2028y", "case": "P7"}, ensure_ascii=False) + "\n"
    for name in ("a.png", "b.png", "c.png"):
        (folder / name).touch()
    (folder / "pairs.jsonl").write_bytes((kept[0] + gone + kept[1]).encode())
    assert erase(secret, case="P7").pairs == 1
    assert (folder / "pairs.jsonl").read_bytes() == "".join(kept).encode()
    assert sorted(path.name for path in folder.glob("*.png")) == ["a.png", "b.png"]


@pytest.fixture
def twins(folder: Path, make: Any, lile_home: Path) -> Path:
    """Slides of cases A and B with the same file name."""
    with open_archive(folder, write=True) as archive:
        for number, case in enumerate("AB"):
            archive.add_slide(make.slide(number, name="S.svs", path=f"/{case}x/S.svs", case=case))
    return folder


def test_a_shared_file_name_does_not_take_another_case_along(twins: Path, make: Any) -> None:
    add_caption(
        twins, make,
        CaptionRow(0, "of B", slide="S.svs", case="B"), CaptionRow(0, "of A", slide="S.svs", case="A"),
        CaptionRow(0, "unknown", slide="S.svs"), CaptionRow(0, "by identity", slide=f"{0:032x}"),
        CaptionRow(0, "the other's", slide="/Bx/S.svs"),
    )  # fmt: skip
    logs_dir().mkdir(parents=True)
    log = logs_dir() / "desktop.log"
    log.write_text("opened /Bx/S.svs\nopened /Ax/S.svs\nopened S.svs\n/Ax/S.svs beside /Bx/S.svs\n")
    pairs = [
        {"slide": "S.svs", "case": "B"},
        {"slide": "/Bx/S.svs"},
        {"slide": "S.svs", "case": "A"},
        {"slide": "S.svs"},
    ]
    list_of_pairs = home_dir() / "pairs" / "mine" / "pairs.jsonl"
    list_of_pairs.parent.mkdir(parents=True)
    list_of_pairs.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    erase(twins, case="A")
    assert captions(twins) == {"of B", "the other's"}
    assert log.read_text() == "opened /Bx/S.svs\n"
    assert [json.loads(line) for line in list_of_pairs.read_text().splitlines()] == pairs[:2]


def test_a_caption_of_the_only_slide_of_that_name_goes_with_it(folder: Path, make: Any, lile_home: Path) -> None:
    with open_archive(folder, write=True) as archive:
        archive.add_slide(make.slide(0))  # its case is not known
    add_caption(folder, make, CaptionRow(0, "fat", slide="slide0.svs", case="P9"))
    erase(folder, slide="slide0.svs")
    assert captions(folder) == set()


def test_a_name_that_two_slides_have_removes_neither(twins: Path) -> None:
    with pytest.raises(ArchiveError, match=r"/Ax/S\.svs and /Bx/S\.svs"):
        erase(twins, slide="S.svs")
    assert erase(twins, slide="/Ax/S.svs").slides == ("/Ax/S.svs",)
    with open_archive(twins) as archive:
        assert [row.case for row in archive.slides()] == ["B"]


def test_reports_forget_copies_of_the_slide(secret: Path) -> None:
    with open_archive(secret, write=True) as archive:
        archive.add_run("index", "2026-01-01", 1.0, [
            RunSlide("/old/name of P7.svs", "done", 20, slide_id=1),
            RunSlide("/copies/again.svs", "skipped", message="the same content was named before"),
        ])  # fmt: skip
        archive.add_run("index", "2026-01-02", 1.0, [
            RunSlide("/copies/slide0.svs", "failed", message="cannot be read"),
            RunSlide("/elsewhere/name of P7.svs", "failed", message="cannot be read"),
            RunSlide("/slides/slide1.svs", "failed", message="cannot be read"),
            RunSlide("/slides/other.svs", "skipped", message="the same content was named before"),
        ])  # fmt: skip
    erase(secret, case="P7")
    rows = sqlite3.connect(secret / "archive.db").execute("SELECT path FROM run_slides ORDER BY path").fetchall()
    assert rows == [("/slides/other.svs",), ("/slides/slide1.svs",)]
    assert b"copies" not in everything(secret)


@pytest.mark.parametrize("where", ["archive", "home"])
def test_regions_that_cannot_be_deleted_are_told(secret: Path, where: str) -> None:
    own = secret / SLIDE_FILES / f"{0:032x}" if where == "archive" else home_dir() / "regions" / f"{0:032x}"
    if sys.platform == "win32" or os.geteuid() == 0:  # no folder is closed to them: something that is no folder
        own.parent.mkdir(parents=True)
        own.write_text("")
    else:
        own.mkdir(parents=True)
        (own / "regions.geojson").write_text("{}")
        own.chmod(0o500)
    with pytest.raises(ArchiveError) as told:
        erase(secret, case="P7")
    assert str(own) in str(told.value)
    own.unlink() if own.is_file() else own.chmod(0o700)
    assert erase(secret, case="P7").slides == ("/slides/slide0.svs",)  # the archive still knew what to erase
    assert not own.exists()
    assert b"P7" not in everything(secret)
