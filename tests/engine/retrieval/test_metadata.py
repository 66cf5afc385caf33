"""Case, organ, stain and tags from a table: paths, delimiters, tags, and rows that name nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lile_engine.archive import CaptionRow, SearchFilter, open_archive
from lile_engine.archive.rows import join_tags, split_tags
from lile_engine.errors import DataError
from lile_engine.retrieval.captions import export_captions, read_captions
from lile_engine.retrieval.indexing import index_slides
from lile_engine.retrieval.metadata import SlideMetadata


def test_paths_are_relative_to_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tables").mkdir()
    table = tmp_path / "tables" / "meta.csv"
    table.write_text("slide,case\n../a/one.svs,A\n./two.svs,B\nb/one.svs,C\nthree.svs,D\n")
    for here in (tmp_path, tmp_path / "tables"):
        monkeypatch.chdir(here)
        known = SlideMetadata(table)
        assert known.of(tmp_path / "a" / "one.svs").case == "A"
        assert known.of(tmp_path / "tables" / "two.svs").case == "B"
        assert known.of(tmp_path / "tables" / "b" / "one.svs").case == "C"
        assert known.of(tmp_path / "anywhere" / "three.svs").case == "D"
        assert known.of(tmp_path / "elsewhere" / "one.svs").case is None
        assert known.take_notes() == ()


def test_rows_that_name_no_slide_are_told_by_line(archive_dir: Path, slides: list[Path], model: Any) -> None:
    table = slides[0].parent / "meta.csv"
    broken = slides[0].with_name("broken.svs")
    broken.write_bytes(b"nothing")
    table.write_text("slide,case\nS00-A.tif,1\nS99-A.tif,2\n\nbroken.svs,3\nelsewhere/S01-A.tif,4\n")
    known = SlideMetadata(table)
    report = index_slides(archive_dir, [slides[0], broken], model, metadata=known)
    assert report.notes == (
        f"{table}, line 3: no slide of this run is S99-A.tif",
        f"{table}, line 6: no slide of this run is elsewhere/S01-A.tif",
    )
    assert report.notes[0] in report.to_text()
    assert index_slides(archive_dir, slides[:1], model, metadata=known).notes == ()  # a watched folder: said once
    table.write_text("slide,case\n" + "".join(f"T{n}.svs,1\n" for n in range(50)))
    notes = index_slides(archive_dir, slides[:1], model, metadata=SlideMetadata(table)).notes
    assert (len(notes), notes[-1]) == (21, "and 30 more rows of it")


def test_the_command_warns_and_gives_it_in_the_document(
    lile: Any, archive_dir: Path, slides: list[Path], tmp_path: Path
) -> None:
    table = tmp_path / "meta.csv"
    table.write_text("slide,case\nslides/S00-A.tif,K\nnone.tif,2\n")
    code, out, _ = lile("index", archive_dir, slides[0], "--metadata", table)
    assert code == 0
    assert "line 3: no slide of this run is none.tif" in out
    code, out, _ = lile("index", archive_dir, slides[0], "--metadata", table, "--progress", "jsonl")
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events][-2:] == ["warning", "result"]
    assert "line 3" in events[-2]["message"]
    code, out, _ = lile("index", archive_dir, slides[0], "--metadata", table, "--json")
    assert "line 3" in json.loads(out)["notes"][0]
    with open_archive(archive_dir) as archive:
        assert archive.slides()[0].case == "K"


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_columns_are_parted_by_what_the_first_line_says(tmp_path: Path, mark: str) -> None:
    table = tmp_path / "meta.csv"
    row = ["a.svs", "1", '"good;old"']
    table.write_text(mark.join(("slide", "case", "tags")) + "\n" + mark.join(row) + "\n", encoding="utf-8-sig")
    facts = SlideMetadata(table).of(tmp_path / "a.svs")
    assert (facts.case, facts.tags) == ("1", ("good", "old"))


def test_tags_survive_a_table(archive_dir: Path, model: Any, tmp_path: Path) -> None:
    tags = ("plain", "grade 2; margin", "a|b", '["x"]')
    for some in (tags, tags[:1], (), ("[odd",), ("two", "words here")):
        assert split_tags(join_tags(some)) == some
    assert split_tags(" good; old |new;") == ("good", "old", "new")
    with open_archive(archive_dir, write=True) as archive:
        encoded = model.encode_texts(["fat"])
        archive.add_captions([CaptionRow(0, "fat", tags=tags)], encoded.vectors, encoded.tokens, encoded.mask)
        for name in ("c.csv", "c.jsonl"):
            export_captions(archive, tmp_path / name)
            rows = list(read_captions(tmp_path / name))
            assert [row.tags for row in rows if isinstance(row, CaptionRow)] == [tags]
    assert sorted(path.name for path in tmp_path.glob("*c.*")) == ["c.csv", "c.jsonl"]


def test_slides_are_described_in_the_archive_and_search_follows(lile: Any, indexed: Path) -> None:
    with open_archive(indexed) as reader:  # open all the while, as the window's engine is
        names = [row.name for row in reader.slides()]
        said = ("--case", "K 7", "--organ", "colon", "--tags", "tumour;second look")
        code, out, _ = lile("archive", "describe", indexed, *names[:2], *said, "--json")
        assert (code, [row["case"] for row in json.loads(out)["slides"]]) == (0, ["K 7", "K 7"])
        first, second, third = reader.slides()
        assert (first.case, first.organ, first.tags) == ("K 7", "colon", ("tumour", "second look"))
        assert (second.case, third.organ) == ("K 7", None)
        for wanted in (SearchFilter(cases=("K 7",)), SearchFilter(organs=("colon",)), SearchFilter(tags=("tumour",))):
            found = reader.search_tiles(np.eye(reader.model.width, dtype=np.float32)[0], 500, wanted)
            assert {tile.slide.name for tile in reader.tiles(found.ids)} == set(names[:2])
        assert lile("archive", "describe", indexed, names[0], "--organ", "")[0] == 0
        assert (reader.slides()[0].case, reader.slides()[0].organ) == ("K 7", None)


def test_nothing_is_described_where_a_slide_is_missing(lile: Any, indexed: Path) -> None:
    with open_archive(indexed) as reader:
        before = reader.slides()
        code, _, err = lile("archive", "describe", indexed, before[0].name, "none.svs", "--case", "K")
        assert code == 1
        assert "There is no slide none.svs in the archive" in err
        code, _, err = lile("archive", "describe", indexed, before[0].name)
        assert (code, "give --case" in err) == (1, True)
        assert reader.slides() == before


def test_rows_of_one_slide_add_to_each_other_and_contradictions_are_told(tmp_path: Path) -> None:
    table = tmp_path / "meta.csv"
    table.write_text("slide,case,organ,tags\na.svs,A,,x\na.svs,,colon,y\n./a.svs,B,,\nsub/b.svs,C,,\n")
    known = SlideMetadata(table)
    facts = known.of(tmp_path / "elsewhere" / "a.svs")
    assert (facts.case, facts.organ, facts.tags) == ("A", "colon", ("x", "y"))
    assert known.of(tmp_path / "a.svs").case == "B"  # a path means one slide, a name any of that name
    table.write_text("slide,case\na.svs,A\nb.svs,B\na.svs,C\n")
    with pytest.raises(DataError, match=r"line 4: the slide a\.svs has the case C here and A in line 2"):
        SlideMetadata(table)
    table.write_text("slide,case\nsub/b.svs,A\n./sub/b.svs,B\n")
    with pytest.raises(DataError, match="line 3"):
        SlideMetadata(table)


def test_a_case_that_is_there_counts_more_than_the_files_own(tmp_path: Path) -> None:
    dicom = {"dicom.AccessionNumber": "ACC"}
    plain = SlideMetadata()
    assert plain.of(tmp_path / "a.dcm", dicom).case == "ACC"
    assert plain.of(tmp_path / "a.dcm", dicom, "typed").case == "typed"
    assert SlideMetadata(case_from="^(.)").of(tmp_path / "a.dcm", dicom, "typed").case == "a"  # asked for


def test_captions_may_be_parted_by_semicolons(tmp_path: Path) -> None:
    table = tmp_path / "captions.csv"
    table.write_text("\ufefftext;case;tags\nfat, and stroma;A;x\nmucin;B;\n", encoding="utf-8")
    rows = [row for row in read_captions(table) if isinstance(row, CaptionRow)]
    assert [(row.text, row.case, row.tags) for row in rows] == [("fat, and stroma", "A", ("x",)), ("mucin", "B", ())]
