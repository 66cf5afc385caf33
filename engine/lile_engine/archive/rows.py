"""What travels in and out of an archive: frozen, plain data."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lile_engine.model.protocol import ModelIdentity

if TYPE_CHECKING:
    from lile_engine.slides import Region

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
Bools = NDArray[np.bool_]
Kind = Literal["tile", "caption"]


class Square(Protocol):
    """A square of a slide in level-0 pixels, such as `lile_engine.slides.Tile`."""

    @property
    def x(self) -> int: ...
    @property
    def y(self) -> int: ...
    @property
    def size(self) -> int: ...


class GridSpec(Protocol):
    """How a slide was cut into tiles, such as `lile_engine.slides.TileSpec`."""

    @property
    def mpp(self) -> float: ...
    @property
    def px(self) -> int: ...
    @property
    def overlap(self) -> float: ...
    @property
    def min_tissue(self) -> float: ...


def split_tags(text: str) -> tuple[str, ...]:
    """The tags in a cell: parted by ; or |, or a JSON list of words where a tag holds one of these itself."""
    tags: list[str] = []
    if text.lstrip().startswith("["):
        with contextlib.suppress(ValueError):
            listed = json.loads(text)
            if isinstance(listed, list) and all(isinstance(tag, str) for tag in listed):
                tags = listed
    return tuple(tag.strip() for tag in tags or re.split(r"[;|]", text) if tag.strip())


def join_tags(tags: Iterable[str]) -> str:
    """Tags as `split_tags` reads them."""
    listed = list(tags)
    plain = ";".join(listed)
    return plain if split_tags(plain) == tuple(listed) else json.dumps(listed, ensure_ascii=False)


@dataclass(frozen=True)
class SlideRow:
    """A slide. ``identity`` is its content's; ``case`` None: not known, then the slide counts as its own case.

    ``tiles``, ``complete`` (every planned tile is there) and ``planned`` (how many tiles it was last to have, 0 where
    nobody said) are the archive's own account and ignored when a row is added, as is ``id``.
    """

    id: int
    path: str
    identity: str
    name: str
    width: int
    height: int
    mpp: float | None
    case: str | None = None
    organ: str | None = None
    stain: str | None = None
    tags: tuple[str, ...] = ()
    tiles: int = 0
    complete: bool = False
    planned: int = 0

    @property
    def case_key(self) -> str:
        """The case, or the slide's own name where no case is known."""
        return self.case if self.case is not None else self.name


@dataclass(frozen=True)
class TileRow:
    """A tile: its slide, its place and size in level-0 pixels, and the mpp it was embedded at."""

    id: int
    slide: SlideRow
    x: int
    y: int
    size: int
    mpp: float


@dataclass(frozen=True)
class CaptionRow:
    """A caption. ``slide`` is an identity or a name, with x, y, size in level-0 pixels where it has a place."""

    id: int
    text: str
    source: str = ""
    case: str | None = None
    tags: tuple[str, ...] = ()
    slide: str | None = None
    x: int | None = None
    y: int | None = None
    size: int | None = None


@dataclass(frozen=True)
class SearchFilter:
    """What a hit must satisfy; an empty tuple asks nothing. Slides are named by identity, name or path.

    ``region`` is (slide, Region): tiles of that slide whose centre lies in the region.
    """

    slides: tuple[str, ...] = ()
    not_slides: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    not_cases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    organs: tuple[str, ...] = ()
    region: tuple[str, Region] | None = None

    @property
    def empty(self) -> bool:
        return self == SearchFilter()


@dataclass(frozen=True)
class Neighbours:
    """Best first: ``ids`` int64 [k'], ``scores`` float32 [k'] (cosine); k' <= k.

    ``exact`` tells whether every vector was compared, ``compared`` how many were candidates.
    """

    ids: Ids
    scores: Floats
    exact: bool
    compared: int


@dataclass(frozen=True)
class RunSlide:
    """What became of one slide in a run: ``state`` is "done", "skipped", "failed" or "cancelled"."""

    path: str
    state: str
    tiles: int = 0
    seconds: float = 0.0
    message: str = ""
    slide_id: int | None = None


@dataclass(frozen=True)
class RunRecord:
    """A run that was kept: when it began (UTC), how long it took, and what became of each slide."""

    kind: str
    started: str
    seconds: float
    slides: tuple[RunSlide, ...]

    def to_text(self) -> str:
        """For a person: a line per slide, then the sum."""
        return run_text(self.slides, self.seconds, f"{self.kind} of {self.started[:19].replace('T', ' ')} UTC: ")


def run_text(slides: Sequence[RunSlide], seconds: float, head: str = "") -> str:
    """A line per slide, then the sum after ``head``."""
    lines = [
        f"{slide.state:9} {slide.tiles:7} tiles {slide.seconds:8.1f} s  {' '.join(slide.path.splitlines())}"
        + (f"  ({slide.message})" if slide.message else "")
        for slide in slides
    ]
    tiles = sum(slide.tiles for slide in slides if slide.state != "skipped")
    failed = sum(slide.state == "failed" for slide in slides)
    lines.append(
        f"{head}{len(slides)} slides, {tiles} new tiles in {seconds:.1f} s"
        + (f", {tiles / seconds:.0f} tiles/s" if seconds > 0 and tiles else "")
        + (f", {failed} failed" if failed else "")
    )
    return "\n".join(lines)


@dataclass(frozen=True)
class ArchiveSummary:
    """What every question needs to know of an archive; cheap to ask for."""

    path: str
    generation: int
    slides: int
    tiles: int
    captions: int
    mpps: tuple[float, ...]


@dataclass(frozen=True)
class ArchiveStatus:
    """An archive at one moment. ``index_generation`` is that of the index file on disk, None without one."""

    path: str
    slides: int
    slides_complete: int
    tiles: int
    captions: int
    cases: int
    model: ModelIdentity
    model_path: str | None
    generation: int
    index_generation: int | None
    mpps: tuple[float, ...]
    bytes: int
    writer: str | None
    schema: int
    reembedding: str | None = None
