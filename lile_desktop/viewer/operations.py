"""What can be done to selected regions besides drawing: merge, split, cut out, lock, class. Each is one undo step."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lile_desktop.viewer.annotations import Annotation, AnnotationStore, RegionClass
from lile_desktop.viewer.combine import overlaps, path_of_regions, united, without


@dataclass(frozen=True)
class Possible:
    """What can be done to the regions that are selected: one rule for every menu that offers it."""

    classed: bool
    named: bool
    merged: bool
    cut: bool
    split: bool
    locked: bool
    unlocked: bool
    deleted: bool


def possible(store: AnnotationStore) -> Possible:
    """What can be done now; nothing at all where no region is selected."""
    chosen = store.selected()
    free = [a for a in chosen if not a.locked]
    several = len(_open_regions(store)) > 1
    return Possible(
        classed=bool(free),
        named=len(chosen) == 1 and bool(free),
        merged=several,
        cut=several,
        split=any(a.more for a in free),
        locked=bool(free),
        unlocked=bool(chosen) and not free,
        deleted=bool(free),
    )


def _open_regions(store: AnnotationStore) -> list[Annotation]:
    return [a for a in store.selected() if a.kind == "region" and not a.locked]


def merge_selected(store: AnnotationStore) -> None:
    """One region of the selected ones; name, number and class are the first one's. Fewer than two: nothing happens."""
    chosen = _open_regions(store)
    if len(chosen) < 2:
        return
    parts = united(part for annotation in chosen for part in annotation.parts)
    merged = replace(chosen[0], region=parts[0], more=parts[1:])
    added = store.exchange([a.id for a in chosen], [merged], "Merge")
    store.select(a.id for a in added)


def split_selected(store: AnnotationStore) -> None:
    """A region of its own for each part of the selected ones; the first part keeps the number."""
    chosen = [a for a in store.selected() if a.more and not a.locked]
    pieces = [
        replace(a, region=part, more=(), source=a.source if place == 0 else None, number=a.number if place == 0 else 0)
        for a in chosen
        for place, part in enumerate(a.parts)
    ]
    if pieces:
        added = store.exchange([a.id for a in chosen], pieces, "Split")
        store.select(a.id for a in added)


def cut_out_selected(store: AnnotationStore) -> int:
    """Cut the other selected regions out of the largest one (a hole, where they lie inside); they go. Those that do
    not overlap it stay: how many. Where none does, nothing happens."""
    chosen = sorted(_open_regions(store), key=lambda a: -sum(part.area_px() for part in a.parts))
    if len(chosen) < 2:
        return 0
    largest = path_of_regions(chosen[0].parts)
    gone = [a for a in chosen[1:] if overlaps(largest, a.parts)]
    apart = [a for a in chosen[1:] if a not in gone]
    if gone:
        left = without(chosen[0].parts, [part for a in gone for part in a.parts])
        rest = [replace(chosen[0], region=left[0], more=left[1:])] if left else []
        added = store.exchange([a.id for a in (chosen[0], *gone)], rest, "Cut out")
        store.select(a.id for a in (*added, *apart))
    return len(apart)


def set_locked(store: AnnotationStore, locked: bool) -> None:
    """Lock the selected regions against change, or unlock them."""
    store.change([replace(a, locked=locked) for a in store.selected()], "Lock" if locked else "Unlock")


def set_class(store: AnnotationStore, region_class: RegionClass | None) -> None:
    """Give the selected regions a class, or none."""
    store.change([replace(a, region_class=region_class) for a in store.selected()], "Class")


def set_name(store: AnnotationStore, number: int, name: str) -> None:
    """Name a region."""
    annotation = store.get(number)
    if annotation is not None:
        store.change([replace(annotation, name=name)], "Name")


def classes_in_use(store: AnnotationStore) -> list[RegionClass]:
    """The classes of the regions that are there, by name."""
    found = {a.region_class.name: a.region_class for a in store.all() if a.region_class is not None}
    return [found[name] for name in sorted(found)]
