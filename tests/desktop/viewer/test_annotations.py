from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lile_desktop.viewer.annotations import Annotation, AnnotationStore, RegionClass, prepared
from lile_desktop.viewer.shape_index import Shape, ShapeIndex
from lile_desktop.viewer.view_state import Rect
from lile_engine.slides import Region

TUMOUR = RegionClass("Tumour", (213, 94, 0))


def box(x: float, y: float = 0.0, side: float = 10.0) -> Region:
    return Region.rectangle(x, y, side, side)


@pytest.fixture
def store() -> AnnotationStore:
    return AnnotationStore()


def test_every_change_can_be_undone_and_redone(store: AnnotationStore) -> None:
    states = [store.all()]
    first = store.add(box(0))
    states.append(store.all())
    second = store.add(box(20), region_class=TUMOUR)
    states.append(store.all())
    store.change([replace(first, name="A")])
    states.append(store.all())
    store.remove([second.id])
    states.append(store.all())
    store.exchange([first.id], [Annotation(0, box(50)), Annotation(0, box(70))], "Split")
    states.append(store.all())
    for state in reversed(states[:-1]):
        store.undo()
        assert set(store.all()) == set(state)
    assert store.undo_title is None
    for state in states[1:]:
        store.redo()
        assert set(store.all()) == set(state)
    assert store.redo_title is None


def test_a_new_change_cuts_off_what_could_be_redone(store: AnnotationStore) -> None:
    store.add(box(0))
    store.undo()
    store.add(box(20))
    assert store.redo_title is None


def test_locked_ones_stay_until_unlocked(store: AnnotationStore) -> None:
    made = store.add(box(0), locked=True)
    store.remove([made.id])
    store.change([replace(made, name="no")])
    assert store.all() == [made]
    store.change([replace(made, locked=False)])
    store.remove([made.id])
    assert store.all() == []


def test_selection_follows_what_is_there(store: AnnotationStore) -> None:
    a, b = store.add(box(0)), store.add(box(20))
    store.select([b.id, a.id, 99])
    assert store.selection == (b.id, a.id)
    store.remove([b.id])
    assert store.selection == (a.id,)


def test_found_by_rectangle(store: AnnotationStore) -> None:
    a, b = store.add(box(0)), store.add(box(100))
    assert store.within(Rect(5, 5, 10, 10)) == [a]
    assert store.within(Rect(0, 0, 200, 200)) == [a, b]
    store.change([replace(a, region=box(300))])
    assert store.within(Rect(5, 5, 10, 10)) == []


def test_replace_all_forgets_what_could_be_undone_and_is_no_edit(store: AnnotationStore) -> None:
    store.add(box(0))
    edits: list[int] = []
    store.edited.connect(lambda: edits.append(1))
    store.replace_all([Annotation(0, box(7))])
    assert store.undo_title is None
    assert edits == []
    assert [a.region for a in store.all()] == [box(7)]


def test_the_index_keeps_up_with_many_changes() -> None:
    index = ShapeIndex()
    chance = np.random.default_rng(3)
    truth: dict[int, tuple[float, float, float, float]] = {}
    for number in range(3000):
        x, y = (float(v) for v in chance.uniform(0, 1000, 2))
        index.put(Shape(number, (((x, y), (x + 5, y), (x + 5, y + 5)),), (1, 2, 3)))
        truth[number] = (x, y, x + 5, y + 5)
        if number % 3 and chance.random() < 0.8:
            gone = int(chance.choice(list(truth)))
            index.remove(gone)
            del truth[gone]
    assert len(index) == len(truth)
    found = set(index.query(Rect(200, 300, 150, 100)).tolist())
    expected = {n for n, (x0, y0, x1, y1) in truth.items() if x0 <= 350 and x1 >= 200 and y0 <= 400 and y1 >= 300}
    assert found == expected
    edges, owner = index.edges(index.slots_in(Rect(-1, -1, 2000, 2000)))
    assert len(edges) == 3 * len(truth)
    assert len(set(owner.tolist())) == len(truth)


def test_edges_of_a_hole_and_of_an_open_line() -> None:
    index = ShapeIndex()
    index.put(Shape(1, (((0, 0), (10, 0), (10, 10)), ((1, 1), (2, 1), (2, 2)))))
    index.put(Shape(2, (((0, 0), (5, 0), (5, 5)),), closed=False))
    edges, owner = index.edges(np.array([0, 1]))
    assert edges[2].tolist() == [10, 10, 0, 0]
    assert edges[5].tolist() == [2, 2, 1, 1]
    assert edges[8].tolist() == [5, 5, 5, 5]
    assert owner.tolist() == [0] * 6 + [1] * 3


def numbers(store: AnnotationStore) -> list[int]:
    return [one.number for one in store.all()]


def test_a_number_is_given_once_and_kept(store: AnnotationStore) -> None:
    first, second, third = (store.add(box(x)) for x in (0, 20, 40))
    store.remove([second.id])
    assert numbers(store) == [1, 3]
    store.undo()
    assert {one.id: one.number for one in store.all()} == {first.id: 1, second.id: 2, third.id: 3}
    store.exchange([first.id, second.id], [replace(first, region=box(0, side=30.0))], "Merge")
    assert numbers(store) == [3, 1]
    store.undo()
    store.remove([third.id])
    assert store.add(box(60)).number == 4  # 3 was another one


def test_a_number_that_is_taken_is_not_given_again(store: AnnotationStore) -> None:
    store.add(box(0))
    added = store.add_many([Annotation(0, box(20), number=1), Annotation(0, box(40), number=7), Annotation(0, box(60))])
    assert [one.number for one in added] == [8, 7, 9]


def test_what_was_drawn_while_a_file_was_read_gives_way_to_the_numbers_in_it(store: AnnotationStore) -> None:
    first = store.set_aside()
    drawn, undone = store.add(box(0)), store.add(box(20))
    store.undo()
    store.take_in(prepared([Annotation(0, box(40), number=1), Annotation(0, box(60), number=2)], first))
    assert numbers(store) == [1, 2, 3]
    assert store.get(drawn.id) == replace(drawn, number=3)
    store.redo()
    assert store.get(undone.id) == replace(undone, number=4)
    store.undo()
    store.undo()
    assert numbers(store) == [1, 2]
    assert store.add(box(80)).number == 5
