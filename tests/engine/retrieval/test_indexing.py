"""`lile index` as a function: resume, skip, follow, survive."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lile_engine.archive import open_archive
from lile_engine.archive.check import check_archive
from lile_engine.errors import ArchiveError, ArchiveLockedError, Cancelled, ConfigError, DataError, SlideError
from lile_engine.progress import CancelToken, Progress
from lile_engine.retrieval.heatmap import heatmap
from lile_engine.retrieval.indexing import expand_paths, index_slides
from lile_engine.retrieval.metadata import SlideMetadata
from lile_engine.retrieval.reembedding import reembed
from lile_engine.retrieval.regions import embed_tiles
from lile_engine.retrieval.watching import watch_folder
from lile_engine.slides import Slide, TileSpec, open_slide, tile_grid
from tests.engine.retrieval.conftest import draw_slide

TILES = 66  # 6 x 11 of 64 px in the stained part


def test_what_was_done_is_not_done_again(archive_dir: Path, slides: list[Path], model: Any) -> None:
    told: list[Progress] = []
    report = index_slides(archive_dir, slides, model, progress=told.append)
    assert [(slide.state, slide.tiles) for slide in report.slides] == [("done", TILES)] * 3
    assert (told[-1].done, told[-1].total, told[-1].unit) == (3 * TILES, 3 * TILES, "tiles")
    assert "198 new tiles" in report.to_text()
    again = index_slides(archive_dir, slides, model)
    assert [slide.state for slide in again.slides] == ["skipped"] * 3
    assert again.tiles == 0


def test_the_vectors_are_those_of_the_tiles(indexed: Path, slides: list[Path], model: Any) -> None:
    with open_archive(indexed) as archive, open_slide(slides[1]) as slide:
        ids, xy, size = archive.tiles_of_slide(2)
        pixels = np.stack(
            [slide.read_square(x, y, s, 64) for (x, y), s in zip(xy.tolist(), size.tolist(), strict=True)]
        )
        encoded = model.encode_images(pixels)
        assert (
            np.abs(archive.tile_vectors(ids) - encoded.vectors).max() < 1e-2
        )  # batches of other sizes round otherwise
        assert np.abs(archive.tile_tokens(ids) - encoded.tokens).max() < 0.05


def test_a_cancelled_run_goes_on_where_it_stopped(archive_dir: Path, slides: list[Path], model: Any) -> None:
    cancel = CancelToken()

    def stop(progress: Progress) -> None:
        if progress.done > TILES:
            cancel.cancel()

    with pytest.raises(Cancelled):
        index_slides(archive_dir, slides, model, batch=8, progress=stop, cancel=cancel)
    with open_archive(archive_dir) as archive:
        before = archive.status().tiles
        assert TILES < before < 3 * TILES
        rows = archive.slides()
        assert [(row.complete, row.planned) for row in rows] == [(True, TILES), (False, TILES), (False, TILES)]
        assert 0 < rows[1].tiles < TILES
    report = index_slides(archive_dir, slides, model)
    assert report.tiles == 3 * TILES - before
    with open_archive(archive_dir) as archive:
        assert archive.status().tiles == 3 * TILES
        assert archive.status().slides_complete == 3
    assert check_archive(archive_dir).clean


def test_cancel_is_looked_at_within_a_batch(slides: list[Path], model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cancel, sizes = CancelToken(), []
    encode = type(model).encode_images

    def counted(self: Any, pixels: Any) -> Any:
        sizes.append(len(pixels))
        if len(sizes) == 5:
            cancel.cancel()
        return encode(self, pixels)

    monkeypatch.setattr(type(model), "encode_images", counted)
    spec = TileSpec(px=64)
    with open_slide(slides[0]) as slide:
        tiles = tile_grid(slide.info, spec)
        whole = next(embed_tiles(model, slide, tiles[:20], spec, 20, None))
        assert sizes == [8, 8, 4]
        assert len(whole[0]) == len(whole[1]) == len(whole[2]) == 20
        with pytest.raises(Cancelled):
            next(embed_tiles(model, slide, tiles[:40], spec, 40, cancel))
        assert sizes == [8, 8, 4, 8, 8]


def test_one_bad_slide_never_stops_the_rest(archive_dir: Path, slides: list[Path], model: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.svs"
    broken.write_bytes(slides[0].read_bytes()[:500])
    empty = tmp_path / "empty.tif"
    empty.touch()
    report = index_slides(archive_dir, [broken, slides[0], empty, tmp_path / "gone.svs", slides[1]], model)
    states = {Path(slide.path).name: slide.state for slide in report.slides}
    assert states == {
        "broken.svs": "failed", "S00-A.tif": "done", "empty.tif": "failed", "gone.svs": "failed", "S01-A.tif": "done",
    }  # fmt: skip
    assert all(slide.message for slide in report.failed)
    assert len(report.failed) == 3


def test_what_is_wrong_with_a_file_that_opens_stands_in_the_report(
    archive_dir: Path, slides: list[Path], model: Any, tmp_path: Path
) -> None:
    from PIL import Image

    path = tmp_path / "picture.svs"
    with open_slide(slides[0]) as slide:
        Image.fromarray(slide.read_region(0, 0, 0, 512, 512)).save(path, format="PNG")
    report = index_slides(archive_dir, [path], model, slide_mpp=0.5)
    assert report.slides[0].state == "done"
    assert report.slides[0].tiles > 0
    assert report.slides[0].message.startswith("picture.svs is not the whole slide that its name says")


def test_a_slide_without_mpp_names_the_flag(archive_dir: Path, model: Any, tmp_path: Path) -> None:
    path = tmp_path / "plain.png"
    from PIL import Image

    Image.fromarray(np.full((300, 300, 3), (200, 90, 160), np.uint8)).save(path)
    report = index_slides(archive_dir, [path], model)
    assert "--slide-mpp" in report.failed[0].message
    assert index_slides(archive_dir, [path], model, slide_mpp=0.5).slides[0].state == "done"
    # From then on it is known.
    assert index_slides(archive_dir, [path], model).slides[0].state == "skipped"


def test_a_moved_slide_is_followed_and_a_changed_one_done_anew(
    archive_dir: Path, slides: list[Path], model: Any, tmp_path: Path
) -> None:
    index_slides(archive_dir, slides[:2], model)
    moved = tmp_path / "moved.tif"
    shutil.move(slides[0], moved)
    shutil.copy(slides[2], slides[1])
    report = index_slides(archive_dir, [moved, slides[1]], model)
    assert [slide.state for slide in report.slides] == ["skipped", "done"]
    with open_archive(archive_dir) as archive:
        assert {Path(row.path).name for row in archive.slides()} == {"moved.tif", "S01-A.tif"}
        assert archive.status().tiles == 2 * TILES


def test_the_same_content_twice_is_one_slide(archive_dir: Path, slides: list[Path], model: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy.tif"
    shutil.copy(slides[0], copy)
    report = index_slides(archive_dir, [slides[0], copy], model)
    assert [slide.state for slide in report.slides] == ["skipped", "done"]
    with open_archive(archive_dir) as archive:
        assert archive.status().slides == 1


def test_no_tissue_is_said_and_not_tried_again(archive_dir: Path, model: Any, tmp_path: Path) -> None:
    path = tmp_path / "glass.tif"
    tifffile.imwrite(
        path, np.full((700, 700, 3), 245, np.uint8), tile=(64, 64), photometric="rgb", resolution=(20000, 20000),
        resolutionunit="CENTIMETER",
    )  # fmt: skip
    report = index_slides(archive_dir, [path], model)
    assert (report.slides[0].state, report.slides[0].message) == ("done", "no tissue found")
    assert index_slides(archive_dir, [path], model).slides[0].state == "skipped"


def test_folders_and_lists(slides: list[Path], tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"# mine\n{slides[1]}\nslides/S02-A.tif\n")
    (slides[0].parent / "notes.doc").touch()
    (slides[0].parent / ".hidden.tif").touch()
    assert expand_paths([slides[0].parent]) == slides
    assert expand_paths([listed, slides[1]]) == slides[1:]
    (tmp_path / "none").mkdir()
    with pytest.raises(SlideError, match="no slide in the folder"):
        expand_paths([tmp_path / "none"])


def test_cases_come_from_the_csv_then_the_pattern(archive_dir: Path, slides: list[Path], model: Any) -> None:
    table = slides[0].parent / "meta.csv"
    table.write_text("Slide,Case,organ,stain,tags\nS00-A.tif,Case 7,colon,H&E,good; old\nS01-A,,lung,,\n")
    index_slides(archive_dir, slides, model, metadata=SlideMetadata(table, r"^(?P<case>S\d+)"))
    with open_archive(archive_dir) as archive:
        rows = {row.name: row for row in archive.slides()}
    assert (rows["S00-A.tif"].case, rows["S00-A.tif"].organ, rows["S00-A.tif"].tags) == (
        "Case 7",
        "colon",
        ("good", "old"),
    )
    assert (rows["S01-A.tif"].case, rows["S01-A.tif"].organ) == ("S01", "lung")
    assert rows["S02-A.tif"].case == "S02"
    # Said later, it is taken in though the slide is done.
    index_slides(archive_dir, slides[2:], model, metadata=SlideMetadata(None, r"-(A)"))
    with open_archive(archive_dir) as archive:
        found = archive.find_slide("S02-A.tif")
        assert found is not None
        assert found.case == "A"


def test_a_corrected_scale_cuts_the_slide_anew_and_keeps_its_facts(indexed: Path, model: Any, tmp_path: Path) -> None:
    path = draw_slide(tmp_path / "silent.tif", 7, mpp=None)
    assert index_slides(indexed, [path], model, slide_mpp=0.5).tiles == TILES
    with open_archive(indexed, write=True) as archive:
        silent = archive.find_slide(str(path))
        assert silent is not None
        archive.update_slide(silent.id, {"case": "C", "tags": ("t",)})
    report = index_slides(indexed, [path], model, slide_mpp=1.0)
    assert (report.slides[0].state, report.slides[0].tiles > TILES) == ("done", True)
    with open_archive(indexed) as archive:
        row = archive.find_slide(str(path))
        assert row is not None
        assert (row.case, row.tags, row.mpp) == ("C", ("t",), 1.0)
        assert set(archive.tiles_of_slide(row.id)[2].tolist()) == {32}
        assert archive.status().captions == 4


def test_dicom_says_the_case_where_nobody_else_does(tmp_path: Path) -> None:
    dicom = {"dicom.PatientID": "P1", "dicom.AccessionNumber": " A7 "}
    assert SlideMetadata().of(tmp_path / "x.dcm", dicom).case == "A7"
    assert SlideMetadata().of(tmp_path / "x.dcm", {"dicom.PatientID": "P1"}).case == "P1"
    assert SlideMetadata(None, "^(x)").of(tmp_path / "x.dcm", dicom).case == "x"
    assert SlideMetadata().of(tmp_path / "x.dcm", {"dicom.PatientID": ""}).case is None
    container = {"dicom.ContainerIdentifier": "SLIDE_1"}  # names a glass slide, and the same one in many places
    assert SlideMetadata().of(tmp_path / "x.dcm", container).case is None


def test_a_dicom_file_without_names_belongs_to_its_study(real_data: Path) -> None:
    path = real_data / "odd" / "boxes_0.dcm"
    with open_slide(path) as slide:
        assert slide.info.properties["dicom.PatientID"] == ""
        case = SlideMetadata().of(path, slide.info.properties).case
        assert case == slide.info.properties["dicom.StudyInstanceUID"]


def test_bad_metadata_are_one_sentence(tmp_path: Path) -> None:
    table = tmp_path / "meta.csv"
    with pytest.raises(DataError, match="no metadata file"):
        SlideMetadata(table)
    table.write_text("name,case\nx,y\n")
    with pytest.raises(DataError, match="column named slide"):
        SlideMetadata(table)
    table.write_text("slide,case\na,b\n,c\n")
    with pytest.raises(DataError, match="line 3"):
        SlideMetadata(table)
    with pytest.raises(ConfigError, match="no regular expression"):
        SlideMetadata(None, "(")
    with pytest.raises(ConfigError, match="needs a group"):
        SlideMetadata(None, "abc")


def test_tiles_of_two_scales_live_side_by_side(archive_dir: Path, slides: list[Path], model: Any) -> None:
    index_slides(archive_dir, slides[:1], model)
    report = index_slides(archive_dir, slides[:1], model, TileSpec(mpp=1.0, px=64))
    assert report.slides[0].state == "done"
    with open_archive(archive_dir) as archive:
        assert archive.status().mpps == (0.5, 1.0)
        assert len(archive.tiles_of_slide(1, 0.5)[0]) == TILES


def test_another_models_archive_is_refused(archive_dir: Path, slides: list[Path], other_model_folder: Path) -> None:
    from lile_engine.model.load import load_model

    with pytest.raises(ArchiveError, match="reembed"):
        index_slides(archive_dir, slides, load_model(other_model_folder, "cpu"))


def test_reembedding_switches_when_all_slides_are_in_reach(
    indexed: Path, slides: list[Path], model: Any, other_model_folder: Path, tmp_path: Path
) -> None:
    from lile_engine.model.load import load_model

    other = load_model(other_model_folder, "cpu")
    away = tmp_path / "away.tif"
    shutil.move(slides[2], away)
    report = reembed(indexed, other, str(other_model_folder))
    assert not report.switched
    assert "S02-A.tif" in report.missing[0]
    with open_archive(indexed) as archive:
        assert archive.status().model.id == model.identity.id
    shutil.move(away, slides[2])
    report = reembed(indexed, other, str(other_model_folder))
    assert (report.switched, report.tiles) == (True, TILES)
    with open_archive(indexed) as archive:
        assert archive.status().model.id == other.identity.id
        assert archive.status().captions == 4
        with open_slide(slides[0]) as slide:
            tile = archive.tiles([1])[0]
            encoded = other.encode_images(slide.read_square(tile.x, tile.y, tile.size, 64)[None])
        assert float(archive.tile_vectors([1])[0] @ encoded.vectors[0]) > 0.999
    with pytest.raises(ArchiveError, match="already"):
        reembed(indexed, other, str(other_model_folder))


def test_a_watched_folder_hands_over_what_has_come_to_rest(slides: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from lile_engine.retrieval import watching

    monkeypatch.setattr(watching, "WATCH_SECONDS", 0.01)
    cancel, came = CancelToken(), []

    def run(paths: list[Path]) -> None:
        came.append([path.name for path in paths])
        if len(came) == 1:
            shutil.copy(slides[0], slides[0].with_name("new.tif"))
        else:
            cancel.cancel()

    watch_folder(slides[0].parent, run, cancel)
    assert came == [["S00-A.tif", "S01-A.tif", "S02-A.tif"], ["new.tif"]]
    with pytest.raises(SlideError, match="no folder"):
        watch_folder(slides[0].parent / "nowhere", run)


def test_a_watched_folder_waits_while_another_writes(slides: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from lile_engine.retrieval import watching

    monkeypatch.setattr(watching, "WATCH_SECONDS", 0.01)
    cancel, came, told = CancelToken(), [], []

    def run(paths: list[Path]) -> None:
        came.append(paths)
        if len(came) < 3:
            raise ArchiveLockedError("The archive is being written by another process; wait until it has finished.")
        cancel.cancel()
        raise SlideError("No slide could be indexed: broken.svs is empty.")

    watch_folder(slides[0].parent, run, cancel, told.append)
    assert came == [slides] * 3
    assert [sentence.split(";")[0] for sentence in told] == [
        "The archive is being written by another process", "No slide could be indexed: broken.svs is empty.",
    ]  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="only here may a name be any bytes")
def test_a_name_that_is_no_text_costs_its_slide_only(archive_dir: Path, slides: list[Path], model: Any) -> None:
    bad = Path(os.fsdecode(os.fsencode(slides[0].parent) + b"/bad\xff.tif"))
    shutil.copy(slides[2], bad)
    report = index_slides(archive_dir, [slides[0], bad, slides[1]], model)
    assert [slide.state for slide in report.slides] == ["failed", "done", "done"]
    assert report.failed[0].path.endswith("bad\\udcff.tif")
    assert "is not UTF-8" in report.failed[0].message
    (report.to_text() + report.failed[0].message).encode("utf-8")


def test_an_empty_folder_is_told_and_the_rest_go_on(
    archive_dir: Path, slides: list[Path], model: Any, tmp_path: Path
) -> None:
    (tmp_path / "none").mkdir()
    report = index_slides(archive_dir, [tmp_path / "none", slides[0]], model)
    assert [(slide.state, Path(slide.path).name) for slide in report.slides] == [
        ("failed", "none"), ("done", "S00-A.tif"),
    ]  # fmt: skip
    assert "no slide in the folder" in report.failed[0].message


def test_a_list_that_names_itself_is_read_once(slides: list[Path], tmp_path: Path) -> None:
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text(f"first.txt\nsecond.txt\n{slides[1]}\n")
    second.write_text(f"{slides[0]}\nfirst.txt\n{'x' * 5000}\n")
    assert expand_paths([first])[:2] == [slides[0], tmp_path / ("x" * 5000)]
    assert expand_paths([first])[2:] == [slides[1]]
    only = tmp_path / "self.txt"
    only.write_text("self.txt\n")
    with pytest.raises(SlideError, match="names no slide"):
        expand_paths([only])


def test_slide_mpp_is_for_slides_that_do_not_say(indexed: Path, slides: list[Path], model: Any, tmp_path: Path) -> None:
    silent = draw_slide(tmp_path / "silent.tif", 7, mpp=None)
    saying = draw_slide(tmp_path / "saying.tif", 8)
    report = index_slides(indexed, [slides[0], silent, saying], model, slide_mpp=1.0)
    by_name = {Path(slide.path).name: slide for slide in report.slides}
    assert by_name["S00-A.tif"].state == "skipped"
    assert "--slide-mpp was not used" in by_name["saying.tif"].message
    assert by_name["silent.tif"].message == ""
    with open_archive(indexed) as archive:
        rows = {row.name: row for row in archive.slides()}
    assert (rows["S00-A.tif"].mpp, rows["S00-A.tif"].tiles, rows["silent.tif"].mpp) == (0.5, TILES, 1.0)
    assert (rows["saying.tif"].mpp, rows["saying.tif"].tiles) == (0.5, TILES)
    with pytest.raises(ConfigError, match=r"0\.02 to 100"):
        index_slides(indexed, [silent], model, slide_mpp=0.0)


def test_the_same_squares_at_another_scale_are_told_and_the_heat_map_still_comes(
    indexed: Path, slides: list[Path], model: Any
) -> None:
    report = index_slides(indexed, slides[:1], model, TileSpec(mpp=0.25, px=128))
    assert (report.slides[0].state, report.tiles) == ("done", 0)
    assert report.slides[0].message.startswith("no new tiles were made: 66 squares")
    with open_archive(indexed) as archive:
        assert heatmap(archive, model, "S00-A.tif", "fat").mpp == 0.5


def test_tiles_that_failed_are_tried_again(
    archive_dir: Path, slides: list[Path], model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share that is away for a moment: the first run cannot read the top of the slide."""
    read = Slide.read_area

    def away(self: Slide, x: float, y: float, *args: Any) -> Any:
        if y < 64 and args[0] == 64 and self.info.name == "S00-A.tif":
            raise SlideError("the network is away")
        return read(self, x, y, *args)

    for left in (6, 6):
        with monkeypatch.context() as patch:
            patch.setattr(Slide, "read_area", away)
            report = index_slides(archive_dir, slides[:2], model)
        assert report.slides[-1].state == "done"
        mine = next(slide for slide in report.slides if slide.path == str(slides[0]))
        assert (mine.state, f"{left} damaged tiles left out: the network is away" in mine.message) == ("done", True)
    with open_archive(archive_dir, write=True) as archive:
        assert archive.status().tiles == 2 * TILES - 6
        assert archive.failed_tiles(archive.slides()[0].identity, TileSpec(0.5, 64)) == 6
    report = index_slides(archive_dir, slides[:2], model)
    by_path = {slide.path: slide for slide in report.slides}
    assert (by_path[str(slides[0])].state, by_path[str(slides[0])].tiles) == ("done", 6)
    assert "6 tiles that could not be read were tried again" in by_path[str(slides[0])].message
    assert by_path[str(slides[1])].state == "skipped"
    assert {slide.state for slide in index_slides(archive_dir, slides[:2], model).slides} == {"skipped"}
    assert check_archive(archive_dir).clean


def test_a_renamed_slide_keeps_its_case_though_another_has_its_name_now(
    archive_dir: Path, slides: list[Path], model: Any, tmp_path: Path
) -> None:
    first, second, third = slides
    index_slides(archive_dir, [first], model)
    with open_archive(archive_dir, write=True) as archive:
        archive.update_slide(1, {"case": "P7", "tags": ("t",)})
    renamed = first.rename(tmp_path / "renamed.tif")
    shutil.copy(second, first)
    report = index_slides(archive_dir, [first, renamed], model)
    by_name = {Path(slide.path).name: slide.state for slide in report.slides}
    assert by_name == {"S00-A.tif": "done", "renamed.tif": "skipped"}  # nothing of it is embedded again
    with open_archive(archive_dir) as archive:
        assert {row.path: row.case for row in archive.slides()} == {str(first): None, str(renamed): "P7"}
    # Renamed again, and its name reused, in a run that does not name it: the case is back with the slide.
    away = renamed.rename(tmp_path / "away.tif")
    shutil.copy(third, renamed)
    index_slides(archive_dir, [renamed], model)
    with open_archive(archive_dir) as archive:
        assert {row.path: row.case for row in archive.slides()} == {str(first): None, str(renamed): None}
        assert archive.status().tiles == 2 * TILES
    index_slides(archive_dir, [away], model)
    with open_archive(archive_dir) as archive:
        found = archive.find_slide(str(away))
        assert found is not None
        assert (found.case, found.tags, found.tiles) == ("P7", ("t",), TILES)


def test_a_copy_is_reported_with_its_slide(archive_dir: Path, slides: list[Path], model: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy.tif"
    shutil.copy(slides[0], copy)
    report = index_slides(archive_dir, [slides[0], copy], model)
    skipped = report.slides[0]
    assert (skipped.path, skipped.state, skipped.slide_id) == (str(copy), "skipped", 1)
    assert skipped.message == "the same content was named before, as S00-A.tif"
    with open_archive(archive_dir, write=True) as archive:
        assert archive.removal(slide=str(slides[0])).places == {str(slides[0]), str(copy)}


def test_lists_as_other_programs_write_them(tmp_path: Path, slides: list[Path]) -> None:
    listed = tmp_path / "list.txt"
    lines = ["# slides", str(slides[0]), f'"{slides[1]}"', "", "slides/" + slides[2].name]
    listed.write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8", newline="")
    assert expand_paths([listed]) == slides[:3]
