"""What the window says and decides without a widget: regions, hits, words, subjects, layers, training requests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lile_desktop.asker import Subject, located, place_of, subject_of
from lile_desktop.hits import (
    answer_texts,
    card_line,
    card_title,
    hit_place_text,
    hit_tooltip,
    is_outside,
)
from lile_desktop.layers import FLAT, POOR_FIT, attention_overlay, attention_title, heat_overlay, hit_boxes, short
from lile_desktop.notices import notice_from
from lile_desktop.regions import estimate, estimate_text, region_size_text
from lile_desktop.slide_desk import slides_in
from lile_desktop.training import TrainRequest, check_request, suggested_name, train_config, write_config
from lile_desktop.viewer.overlays import OverlayStack, overlay_image
from lile_desktop.words import PhraseWord, split_words, telling_words
from lile_engine.answers import Answer, AttentionAnswer, HeatAnswer, PatchPlace, RegionState, RegionTiles
from lile_engine.errors import SlideError
from lile_engine.outside import OUTSIDE_PICTURE, PhraseRange
from lile_engine.paths import models_dir
from lile_engine.retrieval.results import Hit
from lile_engine.slides import Region, SlideInfo, Tile, TileSpec
from lile_engine.slides.types import Level
from lile_engine.training.config import read_config

PATCH = Hit(
    "patch", 7, 0.812, {"cosine": 0.7, "pair": 0.9}, "/slides/a.svs", "id-a", 1000, 2000, 448, 0.5, 0.25,
    "fat", "library", "case 1", True, None, 0.1,
)  # fmt: skip
CAPTION = Hit("caption", 3, 0.6, {"cosine": 0.6}, caption="smooth muscle of the bowel wall", source="library")
TILES = (Tile(0, 0, 448), Tile(448, 0, 448))
REGION = Answer(
    4, region=RegionTiles("/slides/a.svs", TILES, 1, 3, TileSpec()), state=RegionState(TILES, (), 0.2),
    patches=(PATCH,), captions=(CAPTION,), final=True,
)  # fmt: skip
PHRASE = Answer(5, phrase="necrosis", patches=(PATCH,), captions=(CAPTION,), final=True)


def slide(mpp: float | None = 0.25) -> SlideInfo:
    return SlideInfo(
        "/slides/a.svs", "id-a", "a.svs", "svs", "aperio", 10_000, 8_000, (Level(10_000, 8_000, 1.0),), mpp, 40.0,
        {}, (), (0, 0, 10_000, 8_000),
    )  # fmt: skip


# -- regions
def test_the_estimate_counts_tiles_and_seconds() -> None:
    found = estimate(slide(), Region.rectangle(0, 0, 896, 896), TileSpec(0.5, 224), 0.05)
    assert (found.tiles, found.seconds) == (4, pytest.approx(0.2))


def test_the_estimate_of_a_slide_without_scale_says_so() -> None:
    found = estimate(slide(None), Region.rectangle(0, 0, 896, 896), TileSpec(), 0.05)
    assert found.tiles == 0
    assert "does not say its scale" in estimate_text(Region.rectangle(0, 0, 896, 896), None, found)


@pytest.mark.parametrize(("mpp", "text"), [(0.25, "100 × 50 µm"), (4.0, "1.60 × 0.80 mm"), (None, "400 × 200 px")])
def test_sizes_are_in_microns_or_millimetres(mpp: float | None, text: str) -> None:
    assert region_size_text(Region.rectangle(10, 10, 400, 200), mpp) == text


def test_one_tile_is_one_tile() -> None:
    region = Region.rectangle(0, 0, 100, 100)
    text = estimate_text(region, 0.25, estimate(slide(), region, TileSpec(), 0.05))
    assert text == "25 × 25 µm, at most 1 tile, about 1 s"


# -- hits
def test_a_hit_names_its_place_in_millimetres() -> None:
    assert hit_place_text(PATCH) == "0.3, 0.6 mm"
    assert hit_place_text(CAPTION) == ""


def test_cards_of_patches_and_cases() -> None:
    case = Hit("case", 7, 0.5, {}, "/slides/a.svs", case="case 1", evidence=(PATCH, PATCH))
    assert (card_title(PATCH), card_line(PATCH)) == ("a", "0.3, 0.6")
    assert (card_title(case), card_line(case)) == ("case 1", "2 patches")


def test_the_tooltip_holds_all_that_makes_a_hit_traceable() -> None:
    text = hit_tooltip(PATCH)
    for part in (
        "/slides/a.svs",
        "“fat”, library",
        "score 0.812, cosine 0.700, pair 0.900",
        "x 1000, y 2000",
        "case 1",
    ):
        assert part in text


@pytest.mark.parametrize(("outside", "said"), [(None, False), (0.2, False), (0.95, True)])
def test_only_what_is_far_from_the_training_is_called_so(outside: float | None, said: bool) -> None:
    assert is_outside(Hit("patch", 1, 0.5, {}, outside=outside)) is said


def test_the_lines_above_an_answer() -> None:
    texts = answer_texts(REGION)
    assert texts.title == "Region of a"
    assert texts.note == ("2 tiles at 0.5 µm/px, 1 from the archive, 3 of background left out")
    assert texts.warning == ""
    assert answer_texts(PHRASE).title == "“necrosis”"


def test_tiles_of_another_scale_than_the_archive_s_are_warned_about() -> None:
    assert answer_texts(REGION, (0.5,)).warning == ""
    assert "tiles at 0.25, 1 µm/px" in answer_texts(REGION, (0.25, 1.0)).warning


def test_a_phrase_outside_the_training_is_warned_about() -> None:
    strange = Answer(4, phrase="space ship", phrase_outside=0.95, final=True)
    assert answer_texts(strange).warning.startswith("These answers may be outside what the model has learned")
    assert answer_texts(Answer(4, phrase="fat", phrase_outside=0.1, final=True)).warning == ""
    assert answer_texts(Answer(4, phrase="fat", final=True)).warning == ""


def test_a_region_unlike_the_training_is_warned_about() -> None:
    unlike = Answer(4, region=REGION.region, state=RegionState(TILES, ("a tile",), 0.97), final=True)
    assert "These answers may be outside what the model has learned" in answer_texts(unlike).warning
    usual = Answer(4, region=REGION.region, state=RegionState(TILES, (), OUTSIDE_PICTURE - 0.01), final=True)
    assert answer_texts(usual).warning == ""
    assert "1 tiles could not be read" in answer_texts(unlike).warning


# -- what the words are about
def test_a_patch_goes_with_the_phrase_that_found_it() -> None:
    assert subject_of(PHRASE, PATCH, None) == Subject("necrosis", place_of(PATCH))


def test_after_a_region_a_patch_goes_with_the_best_caption() -> None:
    assert subject_of(REGION, PATCH, None) == Subject(CAPTION.caption or "", place_of(PATCH))


def test_a_caption_goes_with_the_region_asked_about() -> None:
    assert subject_of(REGION, CAPTION, None) == Subject(CAPTION.caption or "", region=REGION)


def test_after_a_phrase_a_caption_goes_with_the_patch_chosen_before() -> None:
    place = PatchPlace("/slides/a.svs", 1, 2, 3)
    assert subject_of(PHRASE, CAPTION, place) == Subject(CAPTION.caption or "", place)
    assert subject_of(PHRASE, CAPTION, None) is None


def test_hits_are_found_on_the_slide_that_is_open_under_another_path() -> None:
    there = located(PHRASE, lambda path, identity: "/copy/a.svs" if identity == "id-a" else path)
    assert there.patches[0].slide == "/copy/a.svs"
    assert there.captions == PHRASE.captions


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Fat, with septa.", ["Fat", "with", "septa"]),
        ("H&E-stained well-differentiated", ["H", "E", "stained", "well", "differentiated"]),
        ("", []),
        ("…", []),
    ],
)
def test_a_phrase_is_split_into_words(text: str, words: list[str]) -> None:
    found = split_words(text)
    assert [w.text for w in found] == words
    assert all(text[w.start : w.end] == w.text for w in found)


def test_only_words_that_say_something_get_a_button() -> None:
    assert [w.text for w in telling_words("H&E section of the fat")] == ["section", "fat"]


# -- layers
def test_an_attention_map_lies_where_its_tiles_lie() -> None:
    values = np.ones((2, 3), np.float32)
    answer = AttentionAnswer("/s", "smooth muscle", (7, 13), (), values, 10, 20, 300, 200)
    overlay = attention_overlay(answer)
    assert (overlay.x, overlay.y, overlay.w, overlay.h, overlay.fade) == (10, 20, 300, 200, True)
    assert attention_title(answer) == "Word map: muscle"


def test_a_word_map_says_in_words_what_its_colours_are() -> None:
    values = np.ones((4, 4), np.float32)
    values[0, 0] = 3.0
    telling = attention_overlay(AttentionAnswer("/s", "fat", None, (), values, 0, 0, 9, 9))
    assert telling.end_texts() == ("even share", f"{telling.range()[1]:.3g}× as much")
    assert telling.note == ""
    stack = OverlayStack()
    stack.set("attention", telling)
    stack.set_range("attention", 0.5, 1.0)  # moved by hand: numbers
    moved = stack.get("attention")
    assert moved is not None
    assert moved.end_texts()[0] == f"{moved.range()[0]:.2f}×"


def test_a_word_map_with_little_to_show_is_faint_and_says_so() -> None:
    values = np.ones((4, 4), np.float32)
    values[0, 0] = 3.0
    telling = attention_overlay(AttentionAnswer("/s", "fat", None, (), values, 0, 0, 9, 9))
    alien = attention_overlay(AttentionAnswer("/s", "fat", None, (), values, 0, 0, 9, 9, fits=False))
    even = attention_overlay(AttentionAnswer("/s", "fat", None, (), values**0.2, 0, 0, 9, 9))
    assert (alien.note, even.note) == (POOR_FIT, FLAT)
    assert overlay_image(telling).pixelColor(0, 0).alpha() > 2 * overlay_image(alien).pixelColor(0, 0).alpha()
    assert overlay_image(even).pixelColor(0, 0).alpha() < 0.2 * overlay_image(telling).pixelColor(0, 0).alpha()


def test_the_ends_of_a_heat_map_are_words() -> None:
    values = np.array([[0.1, 0.3]], np.float32)
    known = heat_overlay(HeatAnswer("/s", "fat", values, 0, 0, 2, 1, PhraseRange(0.0, 0.5)))
    assert known.end_texts() == ("no fit", "fits")
    assert heat_overlay(HeatAnswer("/s", "fat", values, 0, 0, 2, 1)).end_texts() == ("least here", "most here")


def test_a_heat_map_has_the_same_strength_everywhere() -> None:
    overlay = heat_overlay(HeatAnswer("/s", "fat", np.ones((2, 2), np.float32), 0, 0, 10, 10))
    assert not overlay.fade


def test_only_hits_on_the_slide_in_view_get_a_box() -> None:
    other = Hit("patch", 8, 0.5, {}, "/slides/b.svs", "id-b", 0, 0, 448)
    boxes = hit_boxes((other, PATCH), "/slides/a.svs", PATCH)
    assert [(box.id, box.selected, box.label) for box in boxes] == [(1, True, "0.81")]


def test_a_long_phrase_is_cut_at_a_word() -> None:
    assert short("smooth muscle") == "smooth muscle"
    assert short("well differentiated adenocarcinoma of the colon") == "well differentiated…"


# -- notices
def test_our_own_errors_are_their_sentence(lile_home: Path) -> None:
    notice = notice_from(SlideError("a.svs is empty; copy it again."), "opening a.svs")
    assert notice.sentence == "a.svs is empty; copy it again."
    assert "SlideError" in notice.details


def test_foreign_errors_are_one_sentence_too(lile_home: Path) -> None:
    notice = notice_from(ValueError("first line\nsecond"), "opening a.svs")
    assert notice.sentence == "An unexpected problem came up while opening a.svs: first line."


# -- slides
def test_a_folder_stands_for_the_slides_in_it(tmp_path: Path) -> None:
    for name in ("b.svs", "a.tif", "notes.txt", "c.PNG"):
        (tmp_path / name).touch()
    found = slides_in([tmp_path, tmp_path / "a.tif"])
    assert [Path(p).name for p in found] == ["a.tif", "b.svs", "c.PNG"]


# -- training
def request(folder: Path, name: str = "mine") -> TrainRequest:
    return TrainRequest(folder, 20, 16, name)


def test_what_is_missing_of_a_training_is_said(lile_home: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs"
    assert "Choose a folder" in check_request(request(Path()))
    assert "Choose a folder" in check_request(request(pairs))
    pairs.mkdir()
    assert "no .jsonl or .csv" in check_request(request(pairs))
    (pairs / "pairs.jsonl").touch()
    assert check_request(request(pairs)) == ""
    assert "name" in check_request(request(pairs, "../evil"))
    (models_dir() / "mine").mkdir(parents=True)
    assert "already" in check_request(request(pairs))


def test_the_file_for_the_command_says_the_same(lile_home: Path, tmp_path: Path) -> None:
    config = train_config(request(tmp_path), "lile-base")
    assert read_config(write_config(config)) == config
    assert config.output == models_dir() / "mine"
    assert (config.optim.steps, config.optim.batch) == (20, 16)


def test_names_are_not_taken_twice() -> None:
    assert suggested_name(()) == "my-model"
    assert suggested_name(("my-model", "my-model-2")) == "my-model-3"


def test_a_word_knows_its_place() -> None:
    assert split_words("a fat cell")[1] == PhraseWord("fat", 2, 5)
