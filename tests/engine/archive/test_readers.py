"""Readers beside a writer that removes: they answer, save nothing that was erased, and raise no false alarm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lile_engine.archive import CaptionRow, SearchFilter, check, copying, local, open_archive
from lile_engine.archive.check import check_archive
from lile_engine.archive.copying import copy_archive
from lile_engine.archive.index import HnswIndex, IndexFile
from lile_engine.archive.local import LocalArchive


def before(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, step: Callable[[], object]) -> None:
    """Has ``step`` happen just before the first call of ``owner.name``, as another process might have it."""
    real, done = getattr(owner, name), []

    def call(*args: Any, **kwargs: Any) -> Any:
        if not done:
            done.append(1)
            step()
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)


def remove(folder: Path, slide: str, erase: bool = True) -> None:
    with open_archive(folder, write=True) as archive:
        archive.remove(slide=slide, erase=erase)


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((folder / "index").iterdir()))


def lose_index(folder: Path) -> None:
    for path in (folder / "index").iterdir():
        path.unlink()


def test_what_was_erased_while_a_reader_caught_up_is_not_saved_by_it(
    filled: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, vectors = filled
    monkeypatch.setattr(local, "_SAVE_FOR_OTHERS", 50)
    lose_index(folder)  # as after a killed writer: the reader builds it, and would save it
    with open_archive(folder) as reader:
        before(monkeypatch, LocalArchive, "_save_for_others", lambda: remove(folder, "slide0.svs"))
        assert len(reader.search_tiles(vectors[0], 5).ids) == 5
        assert vectors[0].tobytes() not in on_disk(folder)
        assert 1 not in reader.search_tiles(vectors[0], 400).ids


def test_what_a_reader_still_holds_of_erased_vectors_is_not_saved(
    filled: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    folder, vectors = filled
    with open_archive(folder) as reader:
        reader.search_tiles(vectors[0], 5)
        remove(folder, "slide0.svs")
        monkeypatch.setattr(local, "_SAVE_FOR_OTHERS", 50)
        lose_index(folder)
        assert 1 not in reader.search_tiles(vectors[0], 400).ids
        assert vectors[0].tobytes() not in on_disk(folder)


def test_a_reader_saves_what_it_built_where_nobody_wrote(
    filled: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, vectors = filled
    monkeypatch.setattr(local, "_SAVE_FOR_OTHERS", 50)
    lose_index(folder)
    with open_archive(folder) as reader:
        reader.search_tiles(vectors[0], 5)
    described = IndexFile.read(folder / "index" / "tile-1.json")
    assert described is not None
    assert described.live == ((1, 401),)


def test_a_question_survives_that_its_files_are_taken_away(
    filled: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, vectors = filled
    with open_archive(folder) as reader:
        reader.slides()
        before(monkeypatch, LocalArchive, "_pieces", lambda: remove(folder, "slide1.svs"))
        found = reader.search_tiles(vectors[0], 300, SearchFilter(not_slides=("slide3.svs",)))
        assert sorted(found.ids.tolist()) == [*range(1, 101), *range(201, 301)]
        assert [row.slide.name for row in reader.tiles([1, 101, 201])] == ["slide0.svs", "slide2.svs"]


def test_a_filter_means_the_slides_of_its_moment(filled: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, vectors = filled
    monkeypatch.setattr(local, "EXACT_BELOW", 10)
    with open_archive(folder) as reader:
        reader.search_tiles(vectors[0], 5)
        before(monkeypatch, LocalArchive, "slide_matches", lambda: remove(folder, "slide0.svs", erase=False))
        found = reader.search_tiles(vectors[150], 50, SearchFilter(slides=("slide1.svs", "slide2.svs")))
        assert {row.slide.name for row in reader.tiles(found.ids)} <= {"slide1.svs", "slide2.svs"}
        assert len(found.ids) == 50
        assert found.ids[0] == 151


def test_captions_that_went_are_told_as_gone(folder: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_archive(folder, write=True) as archive:
        rows = [CaptionRow(0, f"caption {n}") for n in range(9)]
        ids = archive.add_captions(rows, make.units(9), make.tokens(9, 8), make.masks(*range(1, 9), 4))
        with open_archive(folder) as reader:
            kept = reader.caption_tokens(ids[3:])
            before(monkeypatch, LocalArchive, "_select", lambda: archive.remove_captions([1, 3]))
            with pytest.raises(Exception, match="no longer in the archive"):
                reader.caption_tokens(ids)
            after = reader.caption_tokens(ids[3:])
            assert all(np.array_equal(one, two) for one, two in zip(kept, after, strict=True))
            assert np.array_equal(reader.caption_vectors(ids[3:]), archive.caption_vectors(ids[3:]))


def test_a_reader_that_is_far_behind_takes_the_index_that_was_saved(
    folder: Path, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_SAVE_FOR_OTHERS", 50)
    with open_archive(folder) as reader:
        assert len(reader.search_tiles(make.units(1)[0], 5).ids) == 0
        with open_archive(folder, write=True) as archive:
            vectors = make.fill(archive, 3, 100)
        assert reader.search_tiles(vectors[250], 1).ids.tolist() == [251]
        assert reader._indexes["tile"].changed == 0  # nothing had to be added


def test_an_index_that_was_filled_in_part_knows_what_is_in_it(folder: Path, make: Any) -> None:
    index, vectors = HnswIndex(folder / "index", "tile-1", 32), make.units(20)

    def read(runs: Any) -> Any:
        yield np.arange(1, 11), vectors[:10]
        raise FileNotFoundError("taken away")

    with pytest.raises(FileNotFoundError):
        index.sync([(1, 21)], read)
    assert index.search(vectors[4], 20)[0].tolist()[0] == 5
    index.sync([(2, 11)], read)
    assert sorted(index.search(vectors[4], 20)[0].tolist()) == [*range(2, 11)]


@pytest.mark.parametrize("step", ["_stores", "_rows", "_indexes"])
def test_check_beside_a_writer_raises_no_false_alarm(
    step: str, filled: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = filled
    before(monkeypatch, check._Check, step, lambda: remove(folder, "slide1.svs", erase=False))
    report = check_archive(folder)
    assert report.clean, report.to_text()
    assert report.vectors == 300


def test_a_copy_beside_a_writer_that_removes_is_sound(
    filled: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = filled
    before(monkeypatch, copying, "_copy_stores", lambda: remove(folder, "slide1.svs"))
    copy_archive(folder, tmp_path / "copy")
    report = check_archive(tmp_path / "copy")
    assert report.clean, report.to_text()
    assert report.vectors == 300
    assert not (tmp_path / "copy" / "copying.lock").exists()


def test_a_copy_never_has_an_index_that_is_ahead_of_its_rows(
    filled: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    folder, _ = filled

    def more() -> None:
        with open_archive(folder, write=True) as archive:
            number = archive.add_slide(make.slide(9))
            archive.add_tiles(number, make.grid(10), 0.5, make.units(10), make.tokens(10))

    before(monkeypatch, copying, "_copy_stores", more)
    copy_archive(folder, tmp_path / "copy")
    report = check_archive(tmp_path / "copy")
    assert report.clean, report.to_text()
    assert report.vectors == 400
