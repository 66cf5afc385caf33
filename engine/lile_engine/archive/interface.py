"""The archive as the rest of the program sees it. Nothing here knows of files, SQLite or an index library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from lile_engine.archive.removal import Removal
from lile_engine.archive.rows import (
    ArchiveStatus,
    ArchiveSummary,
    Bools,
    CaptionRow,
    Floats,
    GridSpec,
    Ids,
    Kind,
    Neighbours,
    RunRecord,
    RunSlide,
    SearchFilter,
    SlideRow,
    Square,
    TileRow,
)
from lile_engine.model.protocol import ModelIdentity


class Archive(Protocol):
    """Slides, tiles and captions with the vectors of one model. Every method may raise `ArchiveError`.

    Vectors are unit length, float32 [d]; ids are never used twice. A reader sees what a writer in another process
    has committed, from its next call on.
    """

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def close(self) -> None: ...

    @property
    def model(self) -> ModelIdentity:
        """Whose vectors it holds."""
        ...

    def status(self) -> ArchiveStatus:
        """Everything there is to say of it; counts bytes, so not for every question."""
        ...

    def summary(self) -> ArchiveSummary:
        """What every question needs to know of it."""
        ...

    def slides(self) -> list[SlideRow]: ...
    def find_slide(self, name: str) -> SlideRow | None:
        """The slide of that identity, path (also one from here) or, if only one has it, name."""
        ...

    def slide_by_identity(self, identity: str) -> SlideRow | None:
        """The slide of that identity, its account of tiles aside: quick also where much is being written."""
        ...

    def slide_matches(self, search_filter: SearchFilter) -> list[SlideRow]:
        """The slides that pass the filter (its region aside)."""
        ...

    def known_tiles(self, identity: str, mpp: float, px: int) -> dict[tuple[int, int, int], int]:
        """Tiles of a slide at this mpp and input size: (x, y, size) in level-0 px -> tile id."""
        ...

    def finished(self, identity: str, spec: GridSpec) -> bool:
        """Whether the slide was once indexed to the end with this grid."""
        ...

    def search_tiles(self, vector: Floats, k: int, search_filter: SearchFilter | None = None) -> Neighbours: ...
    def search_captions(self, vector: Floats, k: int, search_filter: SearchFilter | None = None) -> Neighbours: ...

    def tiles(self, ids: Sequence[int] | Ids) -> list[TileRow]:
        """Rows in the order asked; ids that are gone are left out."""
        ...

    def captions(self, ids: Sequence[int] | Ids) -> list[CaptionRow]: ...
    def all_captions(self) -> list[CaptionRow]: ...
    def tile_vectors(self, ids: Sequence[int] | Ids) -> Floats:
        """Vectors float32 [n, d]; raises `ArchiveError` for an id that is gone."""
        ...

    def tile_tokens(self, ids: Sequence[int] | Ids) -> Floats:
        """Image tokens float32 [n, N, w]."""
        ...

    def caption_vectors(self, ids: Sequence[int] | Ids) -> Floats: ...
    def caption_tokens(self, ids: Sequence[int] | Ids) -> tuple[Floats, Bools]:
        """Text tokens float32 [n, M, w] and their mask bool [n, M]."""
        ...

    def tiles_of_slide(self, slide_id: int, mpp: float | None = None) -> tuple[Ids, Ids, Ids]:
        """(ids int64 [n], xy int64 [n, 2], size int64 [n]) of a slide, at one mpp if given."""
        ...

    def removal(self, *, slide: str | None = None, case: str | None = None) -> Removal:
        """What removing a slide or a case would take, and by which names it is known elsewhere."""
        ...

    def runs(self, last: int) -> list[RunRecord]:
        """The reports of the last runs, newest first."""
        ...

    def grids_of_slide(self, slide_id: int) -> list[tuple[float, int, float]]:
        """(mpp, px, overlap) of every grid the slide was indexed to the end with."""
        ...


class WritableArchive(Archive, Protocol):
    """An archive opened for writing: there is one writer at a time."""

    def add_slide(self, row: SlideRow) -> int:
        """Adds a slide, or updates the path, name and given metadata of the one with the same identity.

        What was known of it when it went with ``remove(erase=False)`` is taken up again.
        """
        ...

    def note_path(self, slide_id: int, path: str) -> None:
        """The same content lies at ``path`` too."""
        ...

    def paths_of(self, identity: str) -> set[str]:
        """Every path that the slide was seen at."""
        ...

    def content_of(self, slide_id: int) -> tuple[str, int] | None:
        """(digest, mtime_ns) of the slide's whole file as `set_content` told, None where nothing was told."""
        ...

    def set_content(self, slide_id: int, digest: str, mtime_ns: int) -> None:
        """Keeps the digest of the slide's whole file, and when that was last changed."""
        ...

    def update_slide(self, slide_id: int, fields: Mapping[str, str | tuple[str, ...] | None]) -> None:
        """Sets ``case``, ``organ``, ``stain``, ``tags`` or ``path`` of a slide."""
        ...

    def plan_slide(self, slide_id: int, tiles: int) -> None:
        """So many tiles the slide is to have."""
        ...

    def add_tiles(self, slide_id: int, tiles: Sequence[Square], mpp: float, vectors: Floats, tokens: Floats) -> Ids:
        """Adds tiles with vectors [n, d] and tokens [n, N, w]; when it returns they are safe on disk.

        Returns the new ids; tiles that are there already (same x, y, size) are passed over.
        """
        ...

    def finish_slide(self, slide_id: int, spec: GridSpec | None = None, failed: int = 0) -> None:
        """All tiles that were planned for the slide, with this grid, are there, but ``failed`` that cannot be read."""
        ...

    def failed_tiles(self, identity: str, spec: GridSpec) -> int:
        """How many tiles of a finished grid could not be read when it was last tried."""
        ...

    def add_captions(self, rows: Sequence[CaptionRow], vectors: Floats, tokens: Floats, mask: Bools) -> Ids:
        """Adds captions; one with the same text and place is merged (its tags joined). Returns the new ids."""
        ...

    def remove(self, *, slide: str | None = None, case: str | None = None, erase: bool = True) -> tuple[SlideRow, ...]:
        """Removes a slide (identity, name or path), or all of a case; returns the slides that went.

        ``erase``: captions and whatever else belongs to them go too, and nothing of it is left on disk when it
        returns. Without it only the tiles go, as before indexing a slide anew: from every answer at once, and their
        room in the search index is given back later, which is quicker; case, organ, stain and tags are kept for when
        the slide comes again.
        """
        ...

    def remove_captions(self, ids: Sequence[int] | Ids) -> None: ...
    def begin_reembedding(self, identity: ModelIdentity, model_path: str | None) -> None:
        """Prepares for the vectors of another model beside those in use; goes on where an earlier run stopped."""
        ...

    def missing_vectors(self, kind: Kind, *, in_use: bool = False) -> Ids:
        """Ids of tiles or captions that lack a vector: the other model's while re-embedding (unless those ``in_use``
        are meant), else this model's."""
        ...

    def put_vectors(
        self, kind: Kind, ids: Ids, vectors: Floats, tokens: Floats, mask: Bools | None = None, *, in_use: bool = False
    ) -> None:
        """Stores vectors for tiles (of one slide) or captions that lack them, as `missing_vectors` names them."""
        ...

    def finish_reembedding(self) -> None:
        """Switches to the other model's vectors; raises `ArchiveError` while any is missing."""
        ...

    def add_run(self, kind: str, started: str, seconds: float, slides: Sequence[RunSlide]) -> None:
        """Keeps the report of a run."""
        ...

    def save_index(self) -> None:
        """Brings the search index on disk up to date (it is also done on closing)."""
        ...
