from __future__ import annotations

import pytest

from lile_desktop.viewer import operations as ops
from lile_desktop.viewer.annotations import AnnotationStore, RegionClass
from lile_engine.slides import Region

TUMOUR = RegionClass("Tumour", (213, 94, 0))


@pytest.fixture
def store() -> AnnotationStore:
    return AnnotationStore()


def test_merge_split_and_back(store: AnnotationStore) -> None:
    a = store.add(Region.rectangle(0, 0, 10, 10), name="A", region_class=TUMOUR)
    b = store.add(Region.rectangle(50, 0, 10, 10))
    store.select([a.id, b.id])
    ops.merge_selected(store)
    (merged,) = store.all()
    assert len(merged.parts) == 2
    assert (merged.name, merged.region_class) == ("A", TUMOUR)
    assert store.selection == (merged.id,)
    ops.split_selected(store)
    assert sorted(x.region.bounds[0] for x in store.all()) == [0, 50]
    store.undo()
    store.undo()
    assert set(store.all()) == {a, b}


def test_merge_of_touching_ones_is_one_part(store: AnnotationStore) -> None:
    made = [store.add(Region.rectangle(x, 0, 10, 10)) for x in (0, 5)]
    store.select(a.id for a in made)
    ops.merge_selected(store)
    assert len(store.all()[0].parts) == 1
    assert store.all()[0].region.area_px() == pytest.approx(150)


def test_cut_out_makes_a_hole(store: AnnotationStore) -> None:
    made = [store.add(Region.rectangle(x, x, s, s)) for x, s in ((20, 10), (0, 100))]
    store.select(a.id for a in made)
    ops.cut_out_selected(store)
    (left,) = store.all()
    assert len(left.region.holes) == 1
    assert left.region.area_px() == pytest.approx(100 * 100 - 10 * 10)


def test_cutting_leaves_regions_alone_that_do_not_overlap(store: AnnotationStore) -> None:
    large = store.add(Region.rectangle(0, 0, 100, 100))
    inside = store.add(Region.rectangle(40, 40, 20, 20))
    far, beside = store.add(Region.rectangle(500, 500, 10, 10)), store.add(Region.rectangle(100, 0, 10, 10))
    store.select(a.id for a in (large, inside, far, beside))
    assert ops.cut_out_selected(store) == 2
    *others, left = store.all()
    assert others == [far, beside]
    assert len(left.region.holes) == 1
    assert store.selection == (left.id, far.id, beside.id)
    store.undo()
    assert set(store.all()) == {large, inside, far, beside}
    store.select([large.id, far.id])
    assert ops.cut_out_selected(store) == 1
    assert set(store.all()) == {large, inside, far, beside}
    assert store.undo_title == "Add"


def test_what_fills_a_hole_is_not_cut_out(store: AnnotationStore) -> None:
    ring = store.add(Region(((0, 0), (100, 0), (100, 100), (0, 100)), (((30, 30), (70, 30), (70, 70), (30, 70)),)))
    core = store.add(Region.rectangle(40, 40, 10, 10))
    store.select([ring.id, core.id])
    assert ops.cut_out_selected(store) == 1
    assert store.all() == [ring, core]


def test_locked_ones_are_left_alone(store: AnnotationStore) -> None:
    a, b = store.add(Region.rectangle(0, 0, 10, 10)), store.add(Region.rectangle(5, 0, 10, 10))
    store.select([a.id])
    ops.set_locked(store, True)
    store.select([a.id, b.id])
    ops.merge_selected(store)
    assert len(store) == 2
    store.select([a.id])
    ops.set_locked(store, False)
    store.select([a.id, b.id])
    ops.merge_selected(store)
    assert len(store) == 1


def test_names_and_classes(store: AnnotationStore) -> None:
    a, b = store.add(Region.rectangle(0, 0, 10, 10)), store.add(Region.rectangle(5, 0, 10, 10))
    ops.set_name(store, a.id, "edge")
    store.select([a.id, b.id])
    ops.set_class(store, TUMOUR)
    assert [x.region_class for x in store.all()] == [TUMOUR, TUMOUR]
    assert store.all()[0].name == "edge"
    assert ops.classes_in_use(store) == [TUMOUR]
    store.undo()
    assert ops.classes_in_use(store) == []


def test_numbers_stay_with_the_largest_the_first_and_the_first_part(store: AnnotationStore) -> None:
    small, large = store.add(Region.rectangle(0, 0, 10, 10)), store.add(Region.rectangle(0, 0, 50, 50))
    store.select([small.id, large.id])
    ops.cut_out_selected(store)
    assert [a.number for a in store.all()] == [2]
    store.undo()
    apart = store.add(Region.rectangle(200, 0, 10, 10))
    store.select([large.id, apart.id])
    ops.merge_selected(store)
    assert {a.number for a in store.all()} == {1, 2}
    ops.split_selected(store)
    assert sorted(a.number for a in store.all()) == [1, 2, 4]
