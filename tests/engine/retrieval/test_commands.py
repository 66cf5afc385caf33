"""The `lile` command of these rooms, as a shell would call it."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lile_engine.archive import open_archive
from lile_engine.paths import home_dir, logs_dir


def test_the_line_from_nothing_to_an_answer(
    lile: Any, tmp_path: Path, slides: list[Path], model_folder: Path, model: Any
) -> None:
    archive = tmp_path / "mine"
    assert lile("archive", "init", archive, "--model", model_folder)[0] == 0
    code, out, _ = lile("index", archive, *slides, "--case-from", r"^(S\d+)", "--progress", "jsonl")
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert events[-1]["event"] == "result"
    assert events[-1]["result"]["tiles"] == 198
    assert {event["event"] for event in events} == {"progress", "slide", "result"}
    captions = tmp_path / "c.jsonl"
    captions.write_text('{"text": "fat"}\nbroken\n{"text": "necrosis"}\n')
    code, out, err = lile("captions", "import", archive, captions, "--json")
    assert (code, json.loads(out)["added"]) == (0, 2)
    assert [row["line"] for row in json.loads(out)["bad"]] == [2]
    assert err == "", "with --json the document says it all"
    code, out, _ = lile("archive", "runs", archive)
    assert code == 0
    assert out.splitlines()[-1].endswith(" tiles/s")
    assert out.splitlines()[-1].startswith("index of 20")
    assert sum(line.startswith("done") for line in out.splitlines()) == 3
    lile("index", archive, slides[0])
    code, out, _ = lile("archive", "runs", archive, "--last", "9", "--json")
    runs = json.loads(out)["runs"]
    assert [[slide["state"] for slide in run["slides"]] for run in runs] == [["skipped"], ["done"] * 3]
    code, out, _ = lile("archive", "status", archive, "--json")
    status = json.loads(out)
    assert (status["slides"], status["tiles"], status["captions"]) == (3, 198, 2)
    assert status["model"]["id"] == model.identity.id
    assert status["generation"] > 0
    code, out, _ = lile("search", archive, "--text", "fat", "--text", "necrosis", "-0.5", "-k", "4", "--json")
    found = json.loads(out)
    assert (code, len(found["hits"])) == (0, 4)
    assert [part["weight"] for part in found["provenance"]["query"]] == [1.0, -0.5]
    code, out, _ = lile("search", archive, "--region", slides[0], 0, 0, 128, 128, "--kind", "captions", "--json")
    assert {hit["caption"] for hit in json.loads(out)["hits"]} == {"fat", "necrosis"}
    code, out, _ = lile("search", archive, "--image", slides[1], "--kind", "cases", "-k", "2")
    assert (code, out.count("case S0")) == (0, 2)
    code, out, _ = lile("captions", "export", archive, tmp_path / "out.csv")
    assert (code, (tmp_path / "out.csv").read_text().count("\n")) == (0, 3)
    assert lile("archive", "check", archive)[0] == 0
    assert lile("archive", "copy", archive, tmp_path / "copy")[0] == 0
    assert lile("archive", "check", tmp_path / "copy")[0] == 0


def test_maps_as_pictures(lile: Any, indexed: Path, slides: list[Path], model_folder: Path, tmp_path: Path) -> None:
    picture, shapes = tmp_path / "heat.png", tmp_path / "heat.geojson"
    code, out, _ = lile(
        "heatmap", indexed, "S00-A.tif", "--text", "fat", "--out", picture, "--geojson", shapes, "--json"
    )
    assert (code, json.loads(out)["rows"]) == (0, 11)
    with Image.open(picture) as image:
        assert image.size == (1600, 1100)
        right = np.asarray(image)[:, 700:]
    assert (right > 235).all()  # the glass keeps its colour
    features = json.loads(shapes.read_text())["features"]
    assert len(features) == 66
    assert features[0]["properties"]["objectType"] == "detection"
    image_file = tmp_path / "tile.png"
    Image.fromarray(np.full((80, 90, 3), 128, np.uint8)).save(image_file)
    code, out, _ = lile(
        "attention", "--image", image_file, "--text", "colon with fat", "--word", "fat", "--out", tmp_path / "a.png",
        "--json", "--model", model_folder,
    )  # fmt: skip
    found = json.loads(out)
    assert (code, found["grid"], found["word"]["text"]) == (0, [4, 4], "fat")
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (90, 80)
    code, _, error = lile("heatmap", indexed, "S00-A.tif", "--text", "fat", "--out", tmp_path / "a.xyz")
    assert (code, error.count("\n")) == (1, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="no such modes there")
def test_maps_are_their_owners_alone(lile: Any, indexed: Path, model_folder: Path, tmp_path: Path) -> None:
    pictures = [tmp_path / name for name in ("heat.png", "heat.geojson", "word.png")]
    pictures[0].touch(0o644)  # of before
    command = ("heatmap", indexed, "S00-A.tif", "--text", "fat", "--out", pictures[0], "--geojson", pictures[1])
    assert lile(*command)[0] == 0
    words = ("attention", "--image", pictures[0], "--text", "fat", "--out", pictures[2], "--model", model_folder)
    assert lile(*words)[0] == 0
    assert {stat.S_IMODE(path.stat().st_mode) for path in pictures} == {0o600}
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {path.name for path in pictures}


def test_tiles_of_no_size_are_refused(lile: Any, indexed: Path, slides: list[Path]) -> None:
    for option in ("--mpp", "--tile-px"):
        code, _, error = lile("index", indexed, slides[0], option, "0")
        assert code == 1
        assert "cannot be cut" in error


def test_failures_are_one_line_and_exit_1(lile: Any, indexed: Path, tmp_path: Path, model_folder: Path) -> None:
    plain = tmp_path / "plain.png"
    Image.fromarray(np.full((200, 200, 3), (200, 90, 160), np.uint8)).save(plain)
    broken = tmp_path / "broken.svs"
    broken.write_bytes(b"not a slide")
    for arguments, words in (
        (("archive", "status", tmp_path / "none"), "no archive"),
        (("archive", "init", indexed, "--model", model_folder), "already"),
        (("archive", "init", tmp_path / "new", "--model", tmp_path), "model"),
        (("index", indexed, plain), "--slide-mpp"),
        (("index", indexed, broken), "broken.svs"),
        (("index", indexed, tmp_path / "gone.svs"), "gone.svs"),
        (("search", indexed, "--text", "of the"), "no word"),
        (("search", indexed), "Nothing was asked"),
        (("search", indexed, "--text", "fat", "-k", 0), "at least 1"),
        (("search", indexed, "--text", "fat", "--kind", "captions", "--tag", "none"), "No caption"),
        (("search", indexed, "--image", broken), "cannot be read"),
        (("search", indexed, "--region", "S00-A.tif", 700, 100, 128, 128), "no tissue"),
        (("search", indexed, "--text", "fat", "--slide", "none"), "filter"),
        (("archive", "remove", indexed, "--case", "none"), "no case none"),
        (("captions", "import", indexed, broken), "Captions"),
        (("captions", "import", indexed, tmp_path / "gone.jsonl"), "There is no file"),
        (("index", indexed, plain, "--metadata", tmp_path / "gone.csv"), "no metadata file"),
        (("archive", "init", plain / "archive", "--model", model_folder), "choose another place"),
    ):
        code, out, err = lile(*arguments)
        assert (code, out) == (1, ""), arguments
        assert len(err.strip().splitlines()) == 1, err
        assert words in err
    for arguments in (
        ("search", indexed, "--text", "fat", "x"),
        ("search", indexed, "--text", "fat", "nan"),
        ("search", indexed, "--region", "a", "1"),
        ("index",),
    ):
        assert lile(*arguments)[0] == 2


def test_one_problem_is_not_problems(lile: Any, indexed: Path) -> None:
    (indexed / "index" / "tile-1.json").write_text("{}")
    code, _, err = lile("archive", "check", indexed)
    assert (code, err) == (1, f"lile: The archive {indexed} has 1 problem; mend it with --repair.\n")


def test_repair_embeds_captions_again(lile: Any, indexed: Path) -> None:
    for path in (indexed / "vectors").glob("*.vec"):
        path.write_bytes(bytes(path.stat().st_size))
    code, out, err = lile("archive", "check", indexed)
    assert code == 1
    assert "--repair" in err
    code, out, _ = lile("archive", "check", indexed, "--repair", "--device", "cpu")
    assert code == 0, out
    with open_archive(indexed) as archive:
        assert (archive.status().tiles, archive.status().captions) == (0, 4)
        assert len(archive.caption_vectors([row.id for row in archive.all_captions()])) == 4
    assert lile("archive", "check", indexed)[0] == 0


def test_erasing_a_case_reaches_logs_pairs_and_regions(lile: Any, indexed: Path, slides: list[Path]) -> None:
    with open_archive(indexed, write=True) as archive:
        archive.update_slide(1, {"case": "Miller"})
        identity = archive.slides()[0].identity
    logs_dir().mkdir(parents=True)
    log = logs_dir() / "desktop.log"
    log.write_text(f"opened {slides[0]}\nopened {slides[1]}\ncase Miller seen\n")
    pairs = home_dir() / "pairs" / "mine" / "pairs.jsonl"
    pairs.parent.mkdir(parents=True)
    pairs.write_text(json.dumps({"slide": str(slides[0])}) + "\n" + json.dumps({"slide": str(slides[1])}) + "\n")
    regions = home_dir() / "regions" / identity
    regions.mkdir(parents=True)
    trained = home_dir() / "models" / "my-model"
    trained.mkdir(parents=True)
    (trained / "trained_on.json").write_text(json.dumps({"slides": [], "cases": ["Miller"]}))
    code, out, _ = lile("archive", "remove", indexed, "--case", "Miller", "--json")
    erased = json.loads(out)
    assert (code, erased["slides"], erased["log_lines"], erased["pairs"]) == (0, [str(slides[0])], 2, 1)
    assert erased["models"] == ["my-model"]
    assert log.read_text() == f"opened {slides[1]}\n"
    assert "S00" not in pairs.read_text()
    assert not regions.exists()


def test_erasing_takes_what_is_named_and_nothing_that_only_sounds_like_it(
    lile: Any, indexed: Path, slides: list[Path]
) -> None:
    with open_archive(indexed, write=True) as archive:
        archive.update_slide(1, {"case": "12"})
    folder = home_dir() / "pairs" / "mine"
    folder.mkdir(parents=True)
    pairs = [
        {"image": "a.png", "caption": "fat", "case": "12"},
        {"image": "b.png", "caption": "fat", "case": "123", "x": 12},
        {"image": "c.png", "caption": "fat, 12 of it"},
        {"image": "b.png", "caption": "gland", "slide": f"/moved/{slides[0].name}"},
        {"image": str(slides[0]), "caption": "gland", "x": 1, "y": 1},
    ]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    for name in ("a.png", "b.png", "c.png"):
        (folder / name).touch()
    logs_dir().mkdir(parents=True)
    (logs_dir() / "desktop.log").write_text("case 123 opened\ncase 12 opened\n")
    settings = home_dir() / "settings.json"
    settings.write_text(json.dumps({"theme": "dark", "recent_slides": [str(slides[1]), str(slides[0])]}))
    code, out, _ = lile("archive", "remove", indexed, "--case", "12", "--json")
    erased = json.loads(out)
    assert (code, erased["pairs"], erased["log_lines"]) == (0, 3, 1)
    kept = [json.loads(line) for line in (folder / "pairs.jsonl").read_text().splitlines()]
    assert kept == [pairs[1], pairs[2]]
    assert sorted(path.name for path in folder.glob("*.png")) == ["b.png", "c.png"]
    assert slides[0].exists()
    assert (logs_dir() / "desktop.log").read_text() == "case 123 opened\n"
    assert json.loads(settings.read_text()) == {"theme": "dark", "recent_slides": [str(slides[1])]}
