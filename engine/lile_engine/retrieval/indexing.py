"""Fills an archive from slides: resumes, skips what is done, and lets no bad slide stop the rest."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from lile_engine.archive import RunSlide, SlideRow, WritableArchive, open_archive
from lile_engine.archive.rows import run_text
from lile_engine.errors import ArchiveError, Cancelled, ConfigError, ModelError, SlideError
from lile_engine.model.protocol import ImageTextModel
from lile_engine.paths import printable
from lile_engine.progress import CancelToken, ProgressCallback, ProgressMeter, no_progress
from lile_engine.retrieval.contents import check_twin, has_changed, keep_digest, still_at
from lile_engine.retrieval.metadata import SlideFacts, SlideMetadata
from lile_engine.retrieval.regions import embed_tiles
from lile_engine.retrieval.search import check_model
from lile_engine.slides import Slide, SlideInfo, Tile, TileSpec, open_slide, tile_grid, tissue_mask
from lile_engine.slides.mpp import LEAST_MPP, MOST_MPP, find_mpp, is_plausible

# Endings that are looked for in folders; a file that is named is tried whatever its ending.
SLIDE_ENDINGS = frozenset(
    ".svs .tif .tiff .ndpi .vms .vmu .scn .mrxs .svslide .bif .dcm .czi .jpg .jpeg .png .bmp .ome.tif".split()  # noqa: SIM905
)
_NO_TISSUE = "no tissue found"
_DARK = "the slide is dark, as in fluorescence, and the model learned from bright-field stains such as H&E"
_LIST_ENDINGS = frozenset({".txt", ".lst", ".list"})


@dataclass(frozen=True)
class IndexReport:
    """What became of every slide, in the order they were done; ``notes``: what was odd about the run as a whole."""

    archive: str
    slides: tuple[RunSlide, ...]
    seconds: float
    tiles: int
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[RunSlide, ...]:
        """The slides that could not be indexed."""
        return tuple(slide for slide in self.slides if slide.state == "failed")

    @property
    def without_tissue(self) -> tuple[RunSlide, ...]:
        """The slides on which there was nothing to index."""
        return tuple(slide for slide in self.slides if slide.state == "done" and slide.message.endswith(_NO_TISSUE))

    @property
    def dark(self) -> tuple[RunSlide, ...]:
        """The slides that were indexed though they are dark, which the model never learned."""
        return tuple(slide for slide in self.slides if _DARK in slide.message)

    def to_text(self) -> str:
        """The report for a person: a line per slide, then the sum."""
        return "\n".join([run_text(self.slides, self.seconds), *(f"note: {note}" for note in self.notes)])


@dataclass(frozen=True)
class _Planned:
    """A slide that is to be done: the path, and its tiles that are still missing."""

    path: Path
    row: SlideRow
    tiles: list[Tile]
    stored: int
    note: str = ""


def expand_paths(paths: Sequence[Path | str]) -> list[Path]:
    """Files as they are, folders as the slides below them, and text files (.txt, .lst) as lists of paths, one a line.

    A list counts once, also where lists name each other. What cannot be used (a folder without slides, a missing
    file) stays in as it is, to be reported when its turn comes; raises `SlideError` if there is nothing else.
    """
    found: dict[Path, None] = {}
    empty: list[Path] = []
    lists: set[Path] = set()
    waiting = [Path(os.path.abspath(given)) for given in reversed(paths)]  # no .. in it, and a link keeps its name
    while waiting:
        path = waiting.pop()
        if os.path.isdir(path):
            inside = [file for file in sorted(path.rglob("*")) if looks_like_slide(file)]
            empty += [] if inside else [path]
            found.update(dict.fromkeys(inside or [path]))
        elif path.suffix.lower() in _LIST_ENDINGS and os.path.isfile(path):
            if path.resolve() in lists:
                continue
            lists.add(path.resolve())
            try:
                lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").split("\n")
            except OSError:
                found[path] = None
                continue
            names = [_unquoted(line.strip()) for line in lines if line.strip() and not line.startswith("#")]
            waiting += [Path(os.path.abspath(path.parent / name)) for name in reversed(names)]
        else:
            found[path] = None
    if paths and len(found) == len(set(empty)):
        raise SlideError(_nothing_in(empty[0]) if empty else f"The list {paths[0]} names no slide; write one a line.")
    return list(found)


def _unquoted(name: str) -> str:
    """A path without the quotes that "copy as path" of some file managers puts around it."""
    return name[1:-1] if len(name) > 2 and name[0] == name[-1] == '"' else name


def _nothing_in(folder: Path) -> str:
    return f"There is no slide in the folder {folder}; known endings are .svs, .tif, .ndpi, ..."


def looks_like_slide(file: Path) -> bool:
    """Whether a file in a folder is tried as a slide: it has a known ending and is not hidden."""
    return file.suffix.lower() in SLIDE_ENDINGS and not file.name.startswith(".") and os.path.isfile(file)


def index_slides(
    archive_dir: Path | str,
    paths: Sequence[Path | str],
    model: ImageTextModel,
    spec: TileSpec | None = None,
    *,
    metadata: SlideMetadata | None = None,
    slide_mpp: float | None = None,
    batch: int = 32,
    progress: ProgressCallback = no_progress,
    on_slide: Callable[[RunSlide], None] | None = None,
    cancel: CancelToken | None = None,
) -> IndexReport:
    """Indexes slides into an archive; ``spec`` None cuts them as the model was trained; ``slide_mpp`` (um per
    level-0 pixel) counts for slides whose file does not say it.

    What an earlier run did is not done again; a slide that moved is followed by its content, one whose content
    changed is indexed anew. Raises `ArchiveError` and `ModelError` for what concerns all slides, `Cancelled` when
    cancelled; what concerns one slide stands in the report.
    """
    spec = spec or TileSpec(mpp=model.identity.mpp, px=model.identity.input_px)
    if batch < 1:
        raise ConfigError("The batch must hold at least one tile; give --batch 1 or more.")
    if slide_mpp is not None and not is_plausible(slide_mpp):
        raise ConfigError(f"--slide-mpp {slide_mpp:g} cannot be true of a slide; give {LEAST_MPP:g} to {MOST_MPP:g}.")
    start, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    done: list[RunSlide] = []
    cancel = cancel or CancelToken()
    with open_archive(archive_dir, write=True) as archive:
        check_model(archive, model)
        job = _Job(archive, model, spec, metadata or SlideMetadata(), slide_mpp, batch, cancel)

        def report(slide: RunSlide) -> None:
            done.append(slide)
            if on_slide is not None:
                on_slide(slide)

        try:
            planned = job.plan(expand_paths(paths), report)
            meter = ProgressMeter(progress, sum(len(one.tiles) for one in planned), "tiles")
            for number, one in enumerate(planned, 1):
                report(job.run(one, meter, f"slide {number} of {len(planned)}: {one.path.name}"))
        except BaseException:
            with contextlib.suppress(ArchiveError):  # what stopped the run is the thing to tell
                archive.add_run("index", started, time.monotonic() - start, done)
            raise
        archive.add_run("index", started, time.monotonic() - start, done)
    tiles = sum(slide.tiles for slide in done if slide.state != "skipped")
    return IndexReport(str(archive_dir), tuple(done), time.monotonic() - start, tiles, job.metadata.take_notes())


@dataclass(frozen=True)
class _Job:
    archive: WritableArchive
    model: ImageTextModel
    spec: TileSpec
    metadata: SlideMetadata
    slide_mpp: float | None
    batch: int
    cancel: CancelToken

    def plan(self, paths: list[Path], report: Callable[[RunSlide], None]) -> list[_Planned]:
        """Opens and enters every slide and finds its missing tiles; reports what need not or cannot be done."""
        planned: list[_Planned] = []
        seen: dict[str, Path] = {}
        lay_at: dict[str, list[str]] = {}
        for row in self.archive.slides():
            lay_at.setdefault(row.path, []).append(row.identity)
        opened: list[Path] = []
        for path in paths:
            self.cancel.raise_if_cancelled()
            start = time.monotonic()
            try:
                one = self._plan_one(path, seen, opened)
            except (SlideError, OSError) as error:
                message = printable(_sentence(error))
                report(RunSlide(printable(str(path)), "failed", seconds=time.monotonic() - start, message=message))
                continue
            if isinstance(one, RunSlide):
                report(one)
            else:
                planned.append(one)
        # The file holds something else now. Only here it is known that the slide of before was not just renamed.
        lay_there = {identity for path in opened for identity in lay_at.get(str(path), ())}
        for identity in sorted(lay_there - set(seen)):
            copy = still_at(self.archive, identity)
            if copy is None:
                self.archive.remove(slide=identity, erase=False)
            elif (lay := self.archive.slide_by_identity(identity)) is not None:
                self.archive.add_slide(replace(lay, path=copy, name=Path(copy).name))
        return planned

    def _plan_one(self, path: Path, seen: dict[str, Path], opened: list[Path]) -> _Planned | RunSlide:
        facts = self.metadata.of(path)  # also of a slide that fails, whose row in the CSV is no slip
        if printable(str(path)) != str(path):
            raise SlideError(f"The name of {path} is not UTF-8, so the archive cannot keep it; rename it.")
        if not os.path.lexists(path):
            raise SlideError(f"There is no file {path}.")
        if path.is_dir():
            raise SlideError(_nothing_in(path))
        with open_slide(path) as slide:
            opened.append(path)
            known = self.archive.slide_by_identity(slide.info.identity)
            before = seen.get(slide.info.identity)
            if before is not None:
                check_twin(path, before, slide.info.identity, self.cancel)
                if known is not None:
                    self.archive.note_path(known.id, str(path))
                message = f"the same content was named before, as {before.name}"
                return RunSlide(str(path), "skipped", message=message, slide_id=known.id if known else None)
            if known is not None and has_changed(self.archive, known, path, self.cancel):
                self.archive.remove(slide=known.identity, erase=False)
            seen[slide.info.identity] = path
            facts = self.metadata.of(path, slide.info.properties, known.case if known is not None else None)
            own = find_mpp(slide.info.properties)
            mpp = None
            if self.slide_mpp is not None and own is None:
                mpp = self.slide_mpp
            elif slide.info.mpp is None and known is not None and known.mpp:
                mpp = known.mpp
            return self._plan_open(path, slide, mpp, facts)

    def _plan_open(self, path: Path, slide: Slide, mpp: float | None, facts: SlideFacts) -> _Planned | RunSlide:
        info = slide.info if mpp is None else replace(slide.info, mpp=mpp)
        known_row = self.archive.slide_by_identity(info.identity)
        rescaled = known_row is not None and known_row.mpp != info.mpp
        finished = not rescaled and self.archive.finished(info.identity, self.spec)
        again = self.archive.failed_tiles(info.identity, self.spec) if finished else 0
        mask = None if finished and not again else tissue_mask(slide)
        every = [] if mask is None else tile_grid(info, self.spec, mask=mask)
        if rescaled:  # its tiles were cut by another scale: they go, what is known of the slide stays
            self.archive.remove(slide=info.identity, erase=False)
        row = SlideRow(
            0, str(path), info.identity, info.name, info.width, info.height, info.mpp,
            facts.case, facts.organ, facts.stain, facts.tags,
        )  # fmt: skip
        row = replace(row, id=self.archive.add_slide(row))
        known = self.archive.known_tiles(info.identity, self.spec.mpp, self.spec.px)
        if finished and not again:
            return RunSlide(str(path), "skipped", len(known), message="done before", slide_id=row.id)
        if not every:
            self.archive.finish_slide(row.id, self.spec)
            message = _joined(info.note, self._unused_mpp(info), _NO_TISSUE)
            return RunSlide(str(path), "done", 0, message=message, slide_id=row.id)
        self.archive.plan_slide(row.id, len(every))
        missing = [tile for tile in every if (tile.x, tile.y, tile.size) not in known]
        retried = f"{again} tiles that could not be read were tried again" if again else ""
        dark = _DARK if mask is not None and mask.dark else ""
        return _Planned(path, row, missing, len(every) - len(missing), _joined(self._unused_mpp(info), retried, dark))

    def _unused_mpp(self, info: SlideInfo) -> str:
        if self.slide_mpp is None or info.mpp is None or abs(info.mpp - self.slide_mpp) <= 0.01 * info.mpp:
            return ""
        return f"the slide says {info.mpp:.4g} microns per pixel itself, so --slide-mpp was not used"

    def run(self, one: _Planned, meter: ProgressMeter, message: str) -> RunSlide:
        """Embeds the missing tiles of a slide, each batch safe on disk before the next."""
        start, added, failures, doubled = time.monotonic(), 0, 0, 0
        reason = ""
        try:
            with open_slide(one.path, mpp=one.row.mpp) as slide:
                if slide.info.identity != one.row.identity:
                    raise SlideError(f"{one.path.name} changed while it was waiting; index it again.")
                for tiles, vectors, tokens, bad in embed_tiles(
                    self.model, slide, one.tiles, self.spec, self.batch, self.cancel
                ):
                    self.cancel.raise_if_cancelled()
                    new = len(self.archive.add_tiles(one.row.id, tiles, self.spec.mpp, vectors, tokens))
                    added, doubled = added + new, doubled + len(tiles) - new
                    failures += len(bad)
                    reason = reason or (bad[0][1] if bad else "")
                    meter.advance(len(tiles) + len(bad), message)
        except (ArchiveError, ModelError, Cancelled):
            raise
        except (SlideError, OSError, MemoryError) as error:
            seconds = time.monotonic() - start
            return RunSlide(str(one.path), "failed", added, seconds, _sentence(error), one.row.id)
        seconds = time.monotonic() - start
        if failures and not added and not one.stored and not doubled:
            return RunSlide(str(one.path), "failed", 0, seconds, f"no tile can be read: {reason}", one.row.id)
        try:
            keep_digest(self.archive, one.row, self.cancel)
        except OSError as error:
            return RunSlide(str(one.path), "failed", added, seconds, _sentence(error), one.row.id)
        self.archive.finish_slide(one.row.id, self.spec, failures)
        note = f"{failures} damaged tiles left out: {reason}" if failures else ""
        if one.stored and not note:
            note = f"{one.stored} tiles were there already"
        same = f"{doubled} squares are there already at another microns per pixel" if doubled else ""
        if same and not added:
            same = f"no new tiles were made: {same}"
        return RunSlide(
            str(one.path), "done", added, seconds, _joined(slide.info.note, one.note, note, same), one.row.id
        )


def _joined(*remarks: str) -> str:
    return "; ".join(remark.rstrip(".") for remark in remarks if remark)


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}"
    return str(error) or type(error).__name__
