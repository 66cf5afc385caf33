"""The demo of a first start: phantom slides and an archive of them, drawn and embedded on the user's machine.

Nothing of it is stored in the program: no picture of a patient is needed, and the archive fits the bundled model.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lile_engine.paths import private_dir, resources_dir
from lile_engine.progress import ENOUGH_S, CancelToken, Progress, ProgressCallback, no_progress
from lile_engine.slides import TileSpec

if TYPE_CHECKING:
    from lile_engine.retrieval.metadata import SlideMetadata

_MARK = "demo.json"  # written last: a demo without it was not finished and is built again
_MPP = 0.5
_DRAWN = 0.6  # share of the whole time after which the slides are drawn
_EMBEDDED = 0.9  # of the rest, after which the tiles are embedded and the captions' turn comes
_STEPS = 1000


@dataclass(frozen=True)
class DemoSlide:
    """A phantom slide to draw: name, case, width and height in level-0 pixels at 0.5 µm, seed, its tissues."""

    name: str
    case: str
    width: int
    height: int
    seed: int
    tissues: tuple[str, ...]


SLIDES = (
    DemoSlide(
        "phantom-colon-tumour", "Demo A", 5120, 4096, 11,
        ("normal mucosa", "adenocarcinoma grade 1", "adenocarcinoma grade 3", "desmoplastic stroma", "necrosis",
         "smooth muscle", "lymphoid aggregate", "adipose"),
    ),
    DemoSlide(
        "phantom-colon-mucinous", "Demo A", 4096, 4096, 12,
        ("normal mucosa", "adenocarcinoma grade 2", "mucin", "loose stroma", "smooth muscle", "lymphoid aggregate",
         "vessel"),
    ),
    DemoSlide(
        "phantom-squamous", "Demo B", 5120, 4096, 13,
        ("keratinising squamous epithelium", "squamous epithelium", "squamous cell carcinoma", "loose stroma",
         "dense stroma", "lymphoid aggregate", "blood", "nerve"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Demo:
    """A demo that is ready: its slides and its archive."""

    slides: tuple[Path, ...]
    archive: Path


def read_demo(folder: Path) -> Demo | None:
    """The demo in ``folder``, None where it is missing or not finished."""
    try:
        plain = json.loads((folder / _MARK).read_text("utf-8"))
        slides = tuple(folder / "slides" / name for name in plain["slides"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    archive = folder / "archive"
    if not archive.is_dir() or not all(path.is_file() for path in slides):
        return None
    return Demo(slides, archive)


def build_demo(
    folder: Path,
    *,
    model: str | None = None,
    slides: tuple[DemoSlide, ...] = SLIDES,
    progress: ProgressCallback = no_progress,
    cancel: CancelToken | None = None,
) -> Demo:
    """Draws the slides that are missing, embeds them and imports the captions; goes on where it was stopped.

    ``model`` is a model folder, None the bundled one. Raises what drawing, `ModelError` and `ArchiveError` raise.
    """
    ready = read_demo(folder)
    if ready is not None:
        return ready
    private_dir(folder)
    whole = _Whole(progress)
    paths = draw_slides(private_dir(folder / "slides"), slides, whole.part(0.0, _DRAWN), cancel)
    archive = folder / "archive"
    index_demo(archive, paths, {s.name: s.case for s in slides}, model, whole.part(_DRAWN, 1.0), cancel)
    mark = folder / _MARK
    mark.write_text(json.dumps({"slides": [path.name for path in paths]}), encoding="utf-8")
    return Demo(tuple(paths), archive)


def draw_slides(
    folder: Path, slides: tuple[DemoSlide, ...], progress: ProgressCallback, cancel: CancelToken | None
) -> list[Path]:
    """Draws each slide that is not there yet; a slide is moved to its name only when it is whole."""
    from lile_engine.phantom.slide import draw_slide

    paths = []
    for number, slide in enumerate(slides, 1):
        path = folder / f"{slide.name}.tif"
        paths.append(path)
        if not path.is_file():
            message = f"drawing phantom slide {number} of {len(slides)}"
            say = _part(progress, (number - 1) / len(slides), number / len(slides), message)
            draw_slide(
                path, (slide.width, slide.height), slide.seed, slide.tissues, mpp=_MPP, progress=say, cancel=cancel
            )
    return paths


def index_demo(
    archive: Path,
    slides: list[Path],
    cases: dict[str, str],
    model: str | None,
    progress: ProgressCallback,
    cancel: CancelToken | None,
) -> None:
    """Makes the archive, or goes on with the one that is there, and fills it."""
    from lile_engine.archive import create_archive, open_archive
    from lile_engine.errors import ArchiveError
    from lile_engine.model.load import load_model
    from lile_engine.retrieval.captions import import_captions
    from lile_engine.retrieval.indexing import index_slides

    progress(Progress(0, 1, "", message="loading the model"))
    loaded = load_model(model)
    if archive.exists():
        # One that a former version or another model began is of no use; the demo holds nothing of the user's.
        try:
            with open_archive(archive) as opened:
                usable = opened.status().model.id == loaded.identity.id
        except ArchiveError:
            usable = False
        if not usable:
            shutil.rmtree(archive)
    if not archive.exists():
        create_archive(archive, loaded.identity, model)
    spec = TileSpec(mpp=_MPP, px=loaded.identity.input_px)
    say = _part(progress, 0.0, _EMBEDDED, "embedding the demo slides")
    index_slides(archive, slides, loaded, spec, metadata=_metadata(slides, cases), progress=say, cancel=cancel)
    say = _part(progress, _EMBEDDED, 1.0, "embedding captions")
    for file in caption_files():
        import_captions(archive, file, loaded, progress=say)


def _metadata(slides: list[Path], cases: dict[str, str]) -> SlideMetadata:
    from lile_engine.retrieval.metadata import SlideMetadata

    table = slides[0].with_name("slides.csv")
    rows = [f"{path.name},{cases[path.stem]},phantom,H&E" for path in slides]
    table.write_text("\n".join(["slide,case,organ,stain", *rows]) + "\n", encoding="utf-8")
    return SlideMetadata(table)


def caption_files() -> list[Path]:
    """The bundled caption libraries."""
    return sorted((resources_dir() / "captions").glob("*.jsonl"))


def _part(progress: ProgressCallback, start: float, end: float, message: str) -> ProgressCallback:
    """Progress of a part that runs from share ``start`` to ``end`` of the whole."""

    def say(p: Progress) -> None:
        share = min(p.done / p.total, 1.0) if p.total > 0 else 0.0
        progress(Progress(round(_STEPS * (start + (end - start) * share)), _STEPS, "", message=message))

    return say


class _Whole:
    """One bar for all parts of the work, with the time that is left."""

    def __init__(self, progress: ProgressCallback) -> None:
        self._progress, self._began = progress, time.monotonic()

    def part(self, start: float, end: float) -> ProgressCallback:
        """The callback of a part that runs from share ``start`` to ``end``."""

        def say(p: Progress) -> None:
            share = start + (end - start) * p.done / p.total if p.total else start
            elapsed = time.monotonic() - self._began
            left = elapsed * (1 - share) / share if share > 0.05 and elapsed >= ENOUGH_S else None
            self._progress(Progress(round(100 * share), 100, "%", seconds_left=left, message=p.message))

        return say
