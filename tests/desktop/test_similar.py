"""The same sentence in other words is gathered under the best; what differs in substance never is."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from lile_desktop.panels.caption_list import FOLDED_ROLE, INDENTED_ROLE, CaptionList
from lile_desktop.similar import grouped
from lile_engine.retrieval.results import Hit


def captions(*texts: str) -> list[Hit]:
    return [Hit("caption", n, 0.9 - n / 100, {}, caption=text) for n, text in enumerate(texts)]


def test_other_words_for_the_same_are_one_group() -> None:
    hits = captions("Normal colonic mucosa.", "Fat.", "Normal mucosa of the colon.", "Colon with normal mucosa")
    groups = grouped(hits)
    assert [group.best.caption for group in groups] == ["Normal colonic mucosa.", "Fat."]
    assert [hit.id for hit in groups[0].others] == [2, 3]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Well differentiated adenocarcinoma.", "Poorly differentiated adenocarcinoma."),
        ("Adenocarcinoma, grade 1", "Adenocarcinoma, grade 3"),
        ("Squamous epithelium with keratin", "Squamous epithelium without keratin"),
        ("Smooth muscle", "Nerve"),
        ("", ""),
    ],
)
def test_what_differs_stays_apart(one: str, other: str) -> None:
    assert len(grouped(captions(one, other))) == 2


def test_captions_of_two_cases_stay_apart() -> None:
    hits = [Hit("caption", n, 0.5, {}, caption="Fat lobules", case=case) for n, case in enumerate(("A", "B"))]
    assert len(grouped(hits)) == 2


def test_every_hit_is_in_exactly_one_group() -> None:
    hits = captions("Fat.", "Fat lobules.", "Lobules of fat", "Nerve", "Peripheral nerve", "Nerve bundle, peripheral")
    found = [hit.id for group in grouped(hits) for hit in (group.best, *group.others)]
    assert sorted(found) == [0, 1, 2, 3, 4, 5]


def test_the_list_folds_and_a_chosen_caption_unfolds(qtbot: QtBot) -> None:
    shown = CaptionList()
    qtbot.addWidget(shown)
    shown.resize(320, 400)
    shown.show()
    hits = captions("Normal colonic mucosa.", "Fat.", "Normal mucosa of the colon.")
    shown.show_hits(hits, settled=True, same=False)
    model = shown.hits_model
    assert model.rowCount() == 2
    assert model.index(0).data(FOLDED_ROLE) == 1
    assert model.index(0).data().endswith("1 more in similar words")
    with qtbot.waitSignal(shown.chosen) as chosen:
        shown.activated.emit(model.index(0))
    assert chosen.args == [hits[0]]
    assert [model.hit_at(row).id for row in range(model.rowCount())] == [0, 2, 1]  # type: ignore[union-attr]
    assert model.index(1).data(INDENTED_ROLE)
    assert model.index(0).data(FOLDED_ROLE) == 0
    shown.activated.emit(model.index(1))
    assert model.rowCount() == 3
    assert len(model.hits()) == 3
