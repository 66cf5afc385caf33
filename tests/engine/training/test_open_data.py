"""The lists of what the bundled checkpoint learns from: nothing measured is trained on, and the words hold."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lile_engine.paths import resources_dir
from lile_engine.phantom import TISSUES
from lile_engine.phantom.captions import phrases
from lile_engine.phantom.pairs import write_pairs
from lile_engine.training.open_data import CLASS_PHRASES, phantom_rows, read_jsonl, read_written, write_lists
from lile_engine.training.pairs import read_pairs
from lile_engine.training.terms import TERM_PHRASES


def test_no_phrase_stands_under_two_terms() -> None:
    """A phrase under two terms would call the one tissue by the other's name."""
    owners: dict[str, str] = {}
    for term, items in TERM_PHRASES.items():
        for phrase in items:
            assert owners.setdefault(phrase, term) == term, phrase


def test_phrases_negate_nothing_but_what_has_no_other_name() -> None:
    negated = [p for items in (*TERM_PHRASES.values(), *CLASS_PHRASES.values()) for p in items if " not " in f" {p} "]
    assert negated == []


def test_phantoms_of_one_tissue_are_one_group(tmp_path: Path) -> None:
    write_pairs(tmp_path, 1, 5, tissues=TISSUES[:3], px=64)
    rows = phantom_rows(tmp_path)
    assert [r["group"] for r in rows] == [f"phantom/{t}" for t in TISSUES[:3]]
    assert rows[1]["phrases"] == phrases(TISSUES[1])
    assert all(len(r["captions"]) == 1 for r in rows)


def test_real_lists_keep_cases_and_validation_apart(real_data: Path, tmp_path: Path) -> None:
    counts = write_lists(real_data, tmp_path, captions=resources_dir() / "training")
    assert counts["atlas"] + counts["atlas-heldout"] == 4919
    assert counts["oral"] == 1224 - 28  # 14 pictures lie in both classes, and say nothing
    assert (counts["tcga"], counts["her2st"]) == (240, 60)
    assert counts["pap"] == 950
    cases = [{r["case"] for r in read_jsonl(tmp_path / f"{n}.jsonl")} for n in ("atlas", "atlas-heldout")]
    assert len(cases[1]) == 16
    assert not cases[0] & cases[1]
    for name in counts:
        dataset = read_pairs(tmp_path / f"{name}.jsonl")
        assert not dataset.bad_rows
        assert not any("validate" in p.path.parts for p in dataset.pairs)


def test_written_captions_name_known_tiles_and_terms(real_data: Path) -> None:
    written = read_written(resources_dir() / "training")
    assert len(written.tiles) + len(written.crops) >= 500
    rows = [*written.tiles.values(), *written.mended.values(), *written.crops]
    terms = {term for row in read_jsonl(real_data / "atlas" / "captions.jsonl") for term in row["tissues"]}
    assert {term for row in rows for term in row["tissues"]} <= terms
    assert {term for row in written.phrases.values() for term in row.get("also", ())} <= terms
    assert not any("validate" in row["image"] for row in rows)
    for row in [*rows[::50], *list(written.phrases.values())[::400]]:
        assert hashlib.sha256((real_data / row["image"]).read_bytes()).hexdigest() == row["sha256"]


def test_a_written_caption_stands_before_the_class_and_never_against_it(real_data: Path, tmp_path: Path) -> None:
    write_lists(real_data, tmp_path, captions=resources_dir() / "training")
    oral = read_jsonl(tmp_path / "oral.jsonl")
    own = [row for row in oral if "group" not in row]
    assert len(own) > 100
    cancer = set(CLASS_PHRASES["oral/oscc"])
    for row in own:
        assert bool(cancer & set(row["phrases"])) <= ("squamous cell carcinoma" in row["tissues"])
    held = {row["image"] for row in read_jsonl(tmp_path / "atlas-heldout.jsonl")}
    assert not held & {str(real_data / image) for image in read_written(resources_dir() / "training").phrases}
