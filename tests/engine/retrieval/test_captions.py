from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lile_engine.archive import open_archive
from lile_engine.errors import DataError
from lile_engine.retrieval.captions import BadRow, export_captions, import_captions, read_captions


def test_bad_rows_are_named_by_line_and_duplicates_merged(archive_dir: Path, model: Any, tmp_path: Path) -> None:
    file = tmp_path / "captions.jsonl"
    file.write_text(
        "\n".join(
            [
                json.dumps({"text": "fat", "tags": ["a"]}),
                "not json",
                json.dumps({"caption": "FAT ", "tags": ["b"], "source": "book"}),
                "",
                json.dumps({"text": "  "}),
                json.dumps({"text": "gland", "x": 3}),
                json.dumps({"text": "gland", "slide": "s.svs", "x": 3, "y": 4, "w": 50, "h": 60}),
                json.dumps(["a list"]),
                json.dumps({"captions": ["necrosis", "lymphoid stroma"]}),
                json.dumps({"text": "colon", "x": "here", "y": 1, "size": 2}),
            ]
        )
    )
    report = import_captions(archive_dir, file, model)
    assert (report.added, report.merged) == (4, 1)
    assert [row.line for row in report.bad] == [2, 5, 6, 8, 10]
    again = import_captions(archive_dir, file, model)
    assert (again.added, again.merged) == (0, 5)
    with open_archive(archive_dir) as archive:
        rows = {row.text: row for row in archive.all_captions()}
    assert rows["fat"].tags == ("a", "b")
    assert (rows["gland"].x, rows["gland"].y, rows["gland"].size) == (3, 4, 60)
    assert rows["necrosis"].source == "captions.jsonl"


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_what_is_exported_imports_again(indexed: Path, model: Any, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"out.{ending}"
    with open_archive(indexed) as archive:
        assert export_captions(archive, file) == 4
    report = import_captions(indexed, file, model)
    assert (report.added, report.merged, report.bad) == (0, 4, ())
    with open_archive(indexed) as archive, pytest.raises(DataError, match=r"\.jsonl or \.csv"):
        export_captions(archive, tmp_path / "out.xlsx")


def test_arch_folders(archive_dir: Path, model: Any, tmp_path: Path) -> None:
    books = tmp_path / "arch" / "books_set"
    books.mkdir(parents=True)
    table = {
        "0": {"figure_id": "1.2", "letter": "A", "caption": "colon with fat", "uuid": "u1"},
        "1": {"figure_id": "1.2", "letter": "B", "caption": "colon with fat", "uuid": "u2"},
        "2": {"caption": "lymphoid stroma", "uuid": "u3"},
        "3": {"caption": ""},
    }
    (books / "captions.json").write_text(json.dumps(table))
    report = import_captions(archive_dir, tmp_path / "arch", model)
    assert (report.added, report.merged, len(report.bad)) == (2, 1, 1)
    with open_archive(archive_dir) as archive:
        assert [row.source for row in archive.all_captions()] == ["ARCH books_set 1.2 A", "ARCH books_set u3"]


def test_files_that_are_no_captions(archive_dir: Path, model: Any, tmp_path: Path) -> None:
    for name, text in (
        ("a.txt", "x"), ("b.csv", "one,two\n1,2\n"), ("c.jsonl", "nothing\n"), ("d.jsonl", ""), ("e.csv", ""),
    ):  # fmt: skip
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match=name):
            import_captions(archive_dir, tmp_path / name, model)
    with pytest.raises(DataError, match=r"no file .*gone\.jsonl"):
        import_captions(archive_dir, tmp_path / "gone.jsonl", model)
    (tmp_path / "f.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        import_captions(archive_dir, tmp_path / "f.jsonl", model)
    with pytest.raises(DataError, match=r"captions\.json"):
        import_captions(archive_dir, tmp_path, model)


def test_absurd_places_and_nests_are_bad_rows(tmp_path: Path) -> None:
    rows = [
        '{"text": "fat", "x": 1, "y": 2, "w": NaN, "h": 3}',
        '{"text": "fat", "x": 1%s, "y": 2, "size": 3}' % ("0" * 400),
        "[" * 100_000,
        '{"text": ' + "[" * 100_000,
        '{"text": "fat", "more": ' + "[" * 900 + "]" * 900 + "}",
        '{"text": "fat", "x": 1, "y": 2, "size": -5}',
        '{"text": "fat", "x": 1, "y": 2, "size": 0}',
        '{"text": "fat", "x": 1, "y": 2, "w": 0, "h": 0}',
        '{"text": "fat", "x": 900000000, "y": 2, "size": 4}',
        '{"text": "fat", "x": -500, "y": 2, "size": 4}',
        '{"text": "fat", "x": true, "y": 2, "size": 4}',
        '{"text": "fat", "x": 1e999, "y": 2, "size": 4}',
        '{"text": "fat", "x": -2, "y": 2, "size": 4}',
    ]
    file = tmp_path / "captions.jsonl"
    file.write_text("\n".join(rows))
    read = list(read_captions(file))
    assert [row.line for row in read if isinstance(row, BadRow)] == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12]
    table = tmp_path / "captions.csv"
    table.write_text("text,x,y,size\nfat,nan,1,1\nfat,1,1,-1\nfat,1,1,1\n")
    assert [row.line for row in read_captions(table) if isinstance(row, BadRow)] == [2, 3]
    (tmp_path / "captions.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="ARCH"):
        list(read_captions(tmp_path))
