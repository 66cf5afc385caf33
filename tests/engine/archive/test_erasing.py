"""Erasing a patient: to the end, also after an interruption, and nobody else."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from lile_engine import unfinished
from lile_engine.archive import CaptionRow, RunSlide, SearchFilter, open_archive
from lile_engine.archive import database as db
from lile_engine.archive.writer import SLIDE_FILES, WritableLocalArchive
from lile_engine.errors import ArchiveError
from lile_engine.paths import home_dir, logs_dir
from lile_engine.retrieval.erasing import erase
from lile_engine.unfinished import UnfinishedJob


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


@pytest.fixture
def moved(folder: Path, make: Any, lile_home: Path) -> Path:
    """Case P7 lay at /slides/slide0.svs, then at /kept/patient.svs; another slide without a case lies there now."""
    with open_archive(folder, write=True) as archive:
        make.fill(archive, 1, 20)
        archive.update_slide(1, {"case": "P7"})
        archive.add_slide(make.slide(0, path="/kept/patient.svs", name="patient.svs"))
        archive.add_slide(make.slide(5, path="/slides/slide0.svs", name="slide0.svs"))
    return folder


def test_what_was_written_under_an_earlier_name_goes_too(moved: Path, make: Any) -> None:
    add_caption(moved, make, CaptionRow(0, "of its first time", slide="/kept/patient.svs"))
    with open_archive(moved, write=True) as archive:
        archive.update_slide(1, {"path": "/third/name.svs"})
    logs_dir().mkdir(parents=True)
    log = logs_dir() / "desktop.log"
    log.write_text("opened /kept/patient.svs\nopened patient.svs\nopened /third/name.svs\nopened /slides/slide9.svs\n")
    settings = home_dir() / "settings.json"
    settings.write_text(json.dumps({"recent_slides": ["/kept/patient.svs", "/slides/slide0.svs"]}))
    assert erase(moved, case="P7").slides == ("/third/name.svs",)
    assert log.read_text() == "opened /slides/slide9.svs\n"
    assert json.loads(settings.read_text())["recent_slides"] == ["/slides/slide0.svs"]
    for trace in (b"patient", b"third", b"P7", b"first time"):
        assert trace not in everything(moved)
    with open_archive(moved) as archive:
        assert [row.identity for row in archive.slides()] == [f"{5:032x}"]


def test_a_name_that_another_slide_has_now_takes_what_has_no_other_case(moved: Path, make: Any) -> None:
    add_caption(
        moved, make,
        CaptionRow(0, "whose?", slide="/slides/slide0.svs"),
        CaptionRow(0, "of P8", slide="/slides/slide0.svs", case="P8"),
        CaptionRow(0, "of the new slide", slide=f"{5:032x}"),
    )  # fmt: skip
    with open_archive(moved, write=True) as archive:
        archive.add_run("index", "2026-01-01", 1.0, [RunSlide("/slides/slide0.svs", "done", 3, slide_id=2)])
    erase(moved, case="P7")
    assert captions(moved) == {"of P8", "of the new slide"}
    rows = sqlite3.connect(moved / "archive.db").execute("SELECT path, slide_id FROM run_slides").fetchall()
    assert rows == [("/slides/slide0.svs", 2)]


def test_a_slide_that_went_without_being_erased_is_remembered_and_can_be_erased(moved: Path, make: Any) -> None:
    with open_archive(moved, write=True) as archive:
        archive.update_slide(1, {"tags": ("rare",), "organ": "liver"})
        assert [row.path for row in archive.remove(slide=f"{0:032x}", erase=False)] == ["/kept/patient.svs"]
        assert archive.status().tiles == 0
        archive.add_slide(make.slide(0, path="/back/again.svs", organ="lung"))
        found = archive.find_slide(f"{0:032x}")
        assert found is not None
        assert (found.case, found.organ, found.tags) == ("P7", "lung", ("rare",))
        archive.remove(slide=f"{0:032x}", erase=False)
    own = home_dir() / "regions" / f"{0:032x}"
    own.mkdir(parents=True)
    erase(moved, case="P7")
    assert not own.exists()
    for trace in (b"patient", b"again", b"P7", b"rare"):
        assert trace not in everything(moved)
    with pytest.raises(ArchiveError, match="no case P7"):
        erase(moved, case="P7")


def test_a_copy_met_in_a_run_is_the_slides_own_row_of_the_report(secret: Path) -> None:
    """And only its copies go from the report, not what was skipped of others."""
    with open_archive(secret, write=True) as archive:
        archive.note_path(1, "/copies/again.svs")
        archive.add_run("index", "2026-01-02", 1.0, [
            RunSlide("/slides/slide0.svs", "done", 20, slide_id=1),
            RunSlide("/copies/again.svs", "skipped", message="the same content was named before", slide_id=1),
            RunSlide("/copies/other.svs", "skipped", message="the same content was named before", slide_id=2),
        ])  # fmt: skip
    logs_dir().mkdir(parents=True)
    (logs_dir() / "desktop.log").write_text("opened /copies/again.svs\nopened /copies/other.svs\n")
    erase(secret, case="P7")
    rows = sqlite3.connect(secret / "archive.db").execute("SELECT path FROM run_slides").fetchall()
    assert rows == [("/copies/other.svs",)]
    assert (logs_dir() / "desktop.log").read_text() == "opened /copies/other.svs\n"
    assert b"again.svs" not in everything(secret)


def test_a_slide_is_named_by_its_path_from_here(
    folder: Path, make: Any, lile_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    with open_archive(folder, write=True) as archive:
        for number, place in enumerate(("k.png", "sub/k.png", "sub/l.png", "m.png")):
            archive.add_slide(make.slide(number, path=str(tmp_path / place), name=Path(place).name))
    monkeypatch.chdir(tmp_path)
    with open_archive(folder) as reader:
        assert [row.name for row in reader.slide_matches(SearchFilter(slides=("sub/../sub/l.png",)))] == ["l.png"]
        assert len(reader.slide_matches(SearchFilter(not_slides=("./k.png",)))) == 3
        found = reader.find_slide("./sub/k.png")
        assert found is not None
        assert found.identity == f"{1:032x}"
    assert erase(folder, slide="./k.png").slides == (str(tmp_path / "k.png"),)
    monkeypatch.chdir(tmp_path / "sub")
    assert erase(folder, slide="../sub/l.png").slides == (str(tmp_path / "sub" / "l.png"),)
    assert erase(folder, slide="m.png").slides == (str(tmp_path / "m.png"),)


def test_what_would_go_is_told_without_writing(secret: Path) -> None:
    with open_archive(secret) as reader:
        removal = reader.removal(case="P7")
        assert [row.id for row in removal.slides] == [1]
        assert [row.text for row in reader.captions(removal.captions)] == ["a rare tumour"]
        assert not reader.removal(slide=reader.slides()[1].identity).captions


def test_a_slide_that_waits_to_be_indexed_is_forgotten(secret: Path) -> None:
    with open_archive(secret) as reader:
        first, second = (row.path for row in reader.slides())
    both = UnfinishedJob("Indexing 2 slides", ("index", str(secret)), (first, second))
    unfinished.keep([both, UnfinishedJob("Indexing one", ("index", str(secret)), (first,))])
    assert unfinished.unfinished_jobs()[0].command == ["index", str(secret), first, second]
    erase(secret, case="P7")
    assert unfinished.unfinished_jobs() == [UnfinishedJob("Indexing 2 slides", ("index", str(secret)), (second,))]
    if sys.platform != "win32":
        assert (home_dir() / unfinished.FILE_NAME).stat().st_mode & 0o777 == 0o600
    unfinished.keep([])
    assert not (home_dir() / unfinished.FILE_NAME).exists()
    (home_dir() / unfinished.FILE_NAME).write_text("[{")
    assert unfinished.unfinished_jobs() == []


def test_captions_are_erased_without_building_the_index_of_tiles_anew(folder: Path, make: Any) -> None:
    with open_archive(folder, write=True) as archive:
        make.fill(archive, 1, 50)
        vectors = make.units(4)
        archive.add_captions(
            [CaptionRow(0, f"caption {n}") for n in range(4)], vectors, make.tokens(4), make.masks(4, 4, 4, 4)
        )
    of_tiles = {path.name: path.stat().st_mtime_ns for path in (folder / "index").glob("tile-*.hnsw")}
    with open_archive(folder, write=True) as archive:
        archive.remove_captions([2])
    assert {path.name: path.stat().st_mtime_ns for path in (folder / "index").glob("tile-*.hnsw")} == of_tiles
    data = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert vectors[1].tobytes() not in data
    assert vectors[2].tobytes() in data


def test_erasing_reaches_tiles_that_went_before(folder: Path, make: Any) -> None:
    with open_archive(folder, write=True) as archive:
        vectors = make.fill(archive, 8, 20, case="C")
    with open_archive(folder, write=True) as archive:
        archive.remove(slide="slide1.svs", erase=False)  # too few to have the index built anew
    assert vectors[20].tobytes() in b"".join(path.read_bytes() for path in (folder / "index").iterdir())
    with open_archive(folder, write=True) as archive:
        archive.remove(slide="slide1.svs")
    data = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert vectors[20].tobytes() not in data
    assert vectors[40].tobytes() in data
