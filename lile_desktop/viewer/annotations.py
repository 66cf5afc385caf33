"""The regions drawn on a slide: what they are, where they lie, and every change to them, undone and redone."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal

from lile_desktop.viewer.shape_index import Shape, ShapeIndex
from lile_desktop.viewer.view_state import Rect
from lile_engine.slides import Region
from lile_engine.slides.geojson import Annotation as FileAnnotation

UNDO_LIMIT = 500
BLOCK = 10_000_000  # numbers set aside for a file that is still being read

# Okabe and Ito's colours, told apart with any colour vision and on haematoxylin and eosin
PALETTE: tuple[tuple[int, int, int], ...] = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (213, 94, 0),
    (86, 180, 233),
    (204, 121, 167),
    (240, 228, 66),
)
UNCLASSED = (20, 20, 22)


@dataclass(frozen=True)
class RegionClass:
    """A class of regions, such as "Tumour", and its RGB colour."""

    name: str
    color: tuple[int, int, int]


@dataclass(frozen=True)
class Annotation:
    """A region on a slide. ``id`` is the store's own number; ``kind`` is "region", or "points" where each point
    of the exterior stands for itself, or "line" where the exterior is an open line. ``more`` are further parts of
    the same object; ``source`` is the object of the file it was read from, with all that is kept for the file.
    ``number`` is what an unnamed one is told by ("Rectangle 3"): given once, never to another, kept in the file; 0
    before that."""

    id: int
    region: Region
    kind: str = "region"
    region_class: RegionClass | None = None
    name: str = ""
    locked: bool = False
    more: tuple[Region, ...] = ()
    source: FileAnnotation | None = None
    number: int = 0

    @property
    def parts(self) -> tuple[Region, ...]:
        """All parts: ``region`` and ``more``."""
        return (self.region, *self.more)

    @property
    def bounds(self) -> Rect:
        """The upright level-0 rectangle around all parts."""
        xs = [x for part in self.parts for x, _ in part.exterior]
        ys = [y for part in self.parts for _, y in part.exterior]
        return Rect(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))

    @property
    def color(self) -> tuple[int, int, int] | None:
        return self.region_class.color if self.region_class else None


@dataclass(frozen=True)
class Change:
    """A change for the undo list: each annotation's state before and after, None where there is none."""

    title: str
    before: Mapping[int, Annotation | None]
    after: Mapping[int, Annotation | None]

    def reversed(self) -> Change:
        return Change(self.title, self.after, self.before)

    def renumbered(self, numbers: Mapping[int, int]) -> Change:
        """The same with other numbers, by the ids of the annotations."""

        def side(states: Mapping[int, Annotation | None]) -> dict[int, Annotation | None]:
            return {key: replace(a, number=numbers[key]) if a is not None else None for key, a in states.items()}

        return Change(self.title, side(self.before), side(self.after))


@dataclass(frozen=True)
class Prepared:
    """Annotations by their numbers and where they lie."""

    items: Mapping[int, Annotation]
    index: ShapeIndex


def shape_of(annotation: Annotation) -> Shape:
    """An annotation as the index keeps it."""
    rings = tuple(ring for part in annotation.parts for ring in (part.exterior, *part.holes))
    return Shape(annotation.id, rings, annotation.color, annotation.kind == "region")


def numbers_for(annotations: Sequence[Annotation], taken: Iterable[int] = (), highest: int = 0) -> Iterator[int]:
    """The number of each: its own where that is not taken, else the next above all of them and ``highest``."""
    held = set(taken)
    highest = max(highest, max(held, default=0), max((one.number for one in annotations), default=0))
    for one in annotations:
        number = one.number
        if not number or number in held:
            number = highest = highest + 1
        held.add(number)
        yield number


def prepared(annotations: Iterable[Annotation], first: int = 1) -> Prepared:
    """Annotations ready for `AnnotationStore.replace_with` or `take_in`, with ids from ``first`` on and each with a
    number of its own; in any thread."""
    found = list(annotations)
    numbers = numbers_for(found)
    items = {
        key: replace(one, id=key, number=number)
        for (key, one), number in zip(enumerate(found, first), numbers, strict=True)
    }
    index = ShapeIndex()
    index.extend([shape_of(annotation) for annotation in items.values()])
    return Prepared(items, index)


class AnnotationStore(QObject):
    """All annotations of one slide. Every change goes through the undo list."""

    changed = Signal()  # whatever the reason
    edited = Signal()  # by a person: something that the file does not hold yet
    resetting = Signal()  # all is about to be replaced
    selection_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._items: dict[int, Annotation] = {}
        self._index: ShapeIndex | None = None  # numpy comes with the first shape
        self._selection: tuple[int, ...] = ()
        self._undo: list[Change] = []
        self._redo: list[Change] = []
        self._ids = itertools.count(1)
        self._highest = 0  # the number given last; one that was deleted lends its number to nobody
        self.revision = 0  # grows with every change

    def __len__(self) -> int:
        return len(self._items)

    def get(self, number: int) -> Annotation | None:
        return self._items.get(number)

    def all(self) -> list[Annotation]:
        """All annotations, oldest first."""
        return list(self._items.values())

    @property
    def index(self) -> ShapeIndex:
        if self._index is None:
            self._index = ShapeIndex()
        return self._index

    @property
    def selection(self) -> tuple[int, ...]:
        return self._selection

    def selected(self) -> list[Annotation]:
        return [self._items[number] for number in self._selection]

    def select(self, numbers: Iterable[int]) -> None:
        """Select these and no others."""
        chosen = tuple(dict.fromkeys(number for number in numbers if number in self._items))
        if chosen != self._selection:
            self._selection = chosen
            self.selection_changed.emit()

    def add(self, region: Region, **facts: object) -> Annotation:
        """Add a region; ``facts`` are the other fields of `Annotation`."""
        return self.add_many([replace(Annotation(0, region), **facts)])[0]  # type: ignore[arg-type]

    def add_many(self, annotations: Iterable[Annotation], title: str = "Add") -> list[Annotation]:
        """Add annotations as one step of the undo list; they get numbers of this store."""
        added = self._entered(annotations, self._items.values())
        if added:
            self._do(Change(title, {a.id: None for a in added}, {a.id: a for a in added}))
        return added

    def change(self, annotations: Iterable[Annotation], title: str = "Change") -> None:
        """Put these in place of the ones with the same numbers; locked ones only where the lock itself changes."""
        fresh = {
            a.id: a
            for a in annotations
            if a.id in self._items and a != self._items[a.id] and not (self._items[a.id].locked and a.locked)
        }
        if fresh:
            self._do(Change(title, {number: self._items[number] for number in fresh}, fresh))

    def remove(self, numbers: Iterable[int], title: str = "Delete") -> None:
        """Remove annotations; locked ones stay."""
        gone = {n: self._items[n] for n in numbers if n in self._items and not self._items[n].locked}
        if gone:
            self._do(Change(title, gone, dict.fromkeys(gone)))

    def exchange(self, gone: Iterable[int], added: Iterable[Annotation], title: str) -> list[Annotation]:
        """Remove some and add others as one step (merge, split)."""
        old = {n: self._items[n] for n in gone if n in self._items and not self._items[n].locked}
        new = self._entered(added, (one for key, one in self._items.items() if key not in old))
        before = {**old, **{a.id: None for a in new}}
        after = {**dict.fromkeys(old), **{a.id: a for a in new}}
        if before:
            self._do(Change(title, before, after))
        return new

    def _entered(self, annotations: Iterable[Annotation], staying: Iterable[Annotation]) -> list[Annotation]:
        """With ids of this store; a number that one brings is kept where none of those ``staying`` has it."""
        fresh = list(annotations)
        taken = (one.number for one in staying) if any(one.number for one in fresh) else ()
        numbers = list(numbers_for(fresh, taken, self._highest))
        self._highest = max(self._highest, max(numbers, default=0))
        return [replace(one, id=next(self._ids), number=n) for one, n in zip(fresh, numbers, strict=True)]

    def replace_all(self, annotations: Iterable[Annotation]) -> None:
        """Forget everything, also what could be undone, and begin with these (a slide was opened)."""
        self.replace_with(prepared(annotations))

    def replace_with(self, fresh: Prepared) -> None:
        """Like `replace_all`, with what another thread has prepared: quick also for 100,000."""
        self.resetting.emit()
        self._items = dict(fresh.items)
        self._index = fresh.index
        self._ids = itertools.count(max(fresh.items, default=0) + 1)
        self._highest = max((one.number for one in fresh.items.values()), default=0)
        self._undo.clear()
        self._redo.clear()
        self._selection = ()
        self.revision += 1
        self.changed.emit()
        self.selection_changed.emit()

    def set_aside(self) -> int:
        """Sets a block of numbers aside for annotations that are still being read; gives the first of them."""
        first = next(self._ids)
        self._ids = itertools.count(first + BLOCK)
        return first

    def take_in(self, fresh: Prepared) -> None:
        """Put these, with ids of `set_aside`, below what is there. Selection and what can be undone stay; they keep
        the numbers they bring, and what was drawn meanwhile gives way."""
        self._give_way({one.number for one in fresh.items.values()})
        own = self._items
        self._items = {**fresh.items, **own}
        self._index = fresh.index
        self.index.extend([shape_of(annotation) for annotation in own.values()])
        self.revision += 1
        self.changed.emit()

    def _give_way(self, taken: set[int]) -> None:
        """Gives other numbers to those here, what can be done or undone included, whose numbers are ``taken``."""
        history = [*self._undo, *self._redo]
        sides = [side for change in history for side in (change.before, change.after)]
        here = {key: one for side in [*sides, self._items] for key, one in side.items() if one is not None}
        numbers = dict(zip(here, numbers_for(list(here.values()), taken, self._highest), strict=True))
        self._highest = max([self._highest, *taken, *numbers.values()])
        if taken.isdisjoint(one.number for one in here.values()):
            return
        self._items = {key: replace(one, number=numbers[key]) for key, one in self._items.items()}
        self._undo = [change.renumbered(numbers) for change in self._undo]
        self._redo = [change.renumbered(numbers) for change in self._redo]

    @property
    def undo_title(self) -> str | None:
        return self._undo[-1].title if self._undo else None

    @property
    def redo_title(self) -> str | None:
        return self._redo[-1].title if self._redo else None

    def undo(self) -> None:
        if self._undo:
            change = self._undo.pop()
            self._redo.append(change)
            self._apply(change.before)
            self.edited.emit()

    def redo(self) -> None:
        if self._redo:
            change = self._redo.pop()
            self._undo.append(change)
            self._apply(change.after)
            self.edited.emit()

    def within(self, rect: Rect) -> list[Annotation]:
        """Annotations whose bounds touch a level-0 rectangle, oldest first."""
        return [self._items[int(number)] for number in self.index.query(rect)]

    def _do(self, change: Change) -> None:
        self._undo = [*self._undo[-UNDO_LIMIT + 1 :], change]
        self._redo.clear()
        self._apply(change.after)
        self.edited.emit()

    def _apply(self, states: Mapping[int, Annotation | None]) -> None:
        for number, annotation in states.items():
            if annotation is None:
                self._items.pop(number, None)
                self.index.remove(number)
            else:
                self._items[number] = annotation
                self.index.put(shape_of(annotation))
        self.revision += 1
        kept = tuple(n for n in self._selection if n in self._items)
        if kept != self._selection:
            self._selection = kept
            self.selection_changed.emit()
        self.changed.emit()
