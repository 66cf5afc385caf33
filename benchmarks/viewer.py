"""How smooth the viewer is: a scripted journey over slides, offscreen at 1920 x 1080.

    python benchmarks/viewer.py [SLIDE...] [--runs 5] [--moves 10000] [--shapes 100000] [--cache-mb 512]

For every slide: time to the first coarse picture and until all is sharp after opening (medians of the runs), also as a
ratio to bare reading and painting of the same tiles; then a journey (zoom through all levels, pan, fling, jumps) with
the time of each paint, the longest absence of the GUI thread, the time to sharp after a jump, the largest size of the
cache; then many moves, with the memory before and after; at last a part of the journey with many imported regions on
the slide. The slide has been read before, so all figures are with the file in the system's memory. Without slides,
those of the real data are used where they are, else a phantom slide is drawn. Prints a table and, last, one line of
JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import psutil
from PySide6.QtCore import QElapsedTimer, QEventLoop, Qt, QTimer
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication

from lile_desktop.viewer import SlideView, TileCache, ViewState
from lile_desktop.viewer.annotations import Annotation, prepared
from lile_desktop.viewer.motion import glide
from lile_desktop.viewer.painting_threads import choose_painting_threads
from lile_desktop.viewer.pyramid import build_pyramid
from lile_desktop.viewer.tile_loader import image_of
from lile_desktop.viewer.tile_painter import paint_tiles, tiles_for_view
from lile_desktop.viewer.view_state import fitted
from lile_engine.phantom import draw_slide
from lile_engine.slides import Region, SlideInfo
from lile_engine.slides.readers import ReaderPool

WIDTH, HEIGHT = 1920, 1080
REAL = ("atlas-BS9-HE2-duodenum.tif", "CMU-1-Small-Region.svs")
BEAT_MS = 2


class TimedView(SlideView):
    """Notes how long each paint takes."""

    def __init__(self, pool: ReaderPool, cache: TileCache) -> None:
        self.paints: list[float] = []
        self.painted_at: list[float] = []  # perf_counter seconds at which a paint ended
        self.paints_cpu: list[float] = []  # of this thread alone: what a busy machine does not change
        self.coarse_at: float | None = None
        super().__init__(pool, cache=cache)

    def paintEvent(self, event: QPaintEvent) -> None:
        began, began_cpu = time.perf_counter(), time.thread_time()
        super().paintEvent(event)
        self.painted_at.append(time.perf_counter())
        self.paints.append((self.painted_at[-1] - began) * 1000)
        self.paints_cpu.append((time.thread_time() - began_cpu) * 1000)
        if self.coarse_at is None and self.slide is not None and self.last_report.bare == 0:
            self.coarse_at = time.perf_counter()


class Heart:
    """Beats in the GUI thread and notes how late each beat was."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self._clock = QElapsedTimer()
        self._timer = QTimer(interval=BEAT_MS, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)

    def start(self) -> None:
        self.gaps = []
        self._clock.start()
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    def _beat(self) -> None:
        self.gaps.append(max(self._clock.nsecsElapsed() / 1e6 - BEAT_MS, 0.0))
        self._clock.restart()


@dataclass(frozen=True)
class Figures:
    """Milliseconds and MiB; ``coarse_ratio`` and ``sharp_ratio`` are over bare reading and painting of the same."""

    slide: str
    open_ms: float
    coarse_ms: float
    coarse_ratio: float
    sharp_ms: float
    bare_ms: float
    sharp_ratio: float
    jump_sharp_ms: float
    paint_median_ms: float
    paint_p95_ms: float
    paint_cpu_median_ms: float
    paint_cpu_p95_ms: float
    gap_p99_ms: float
    gap_max_ms: float
    frames_bare: int
    cache_most_mb: float
    cache_budget_mb: float
    moves: int
    memory_growth_mb: float
    shapes: int
    shapes_paint_p95_ms: float
    shapes_gap_max_ms: float
    load: float


def until(app: QApplication, done: Callable[[], bool], limit: float = 60.0) -> None:
    """Run the event loop until ``done``."""
    end = time.perf_counter() + limit
    while not done():
        app.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 5)
        if time.perf_counter() > end:
            raise SystemExit("the viewer did not come to rest within a minute")


def bare_ms(pool: ReaderPool, info: SlideInfo, *, coarse: bool = False) -> float:
    """The tiles of the fitted view (or the first, coarse one) read and painted with nothing around it."""
    pyramid = build_pyramid(info)
    view = fitted(ViewState(width=WIDTH, height=HEIGHT), info.width, info.height)
    began = time.perf_counter()
    futures = {}
    for key in [pyramid.overview] if coarse else tiles_for_view(pyramid, view, 1.0):
        part = pyramid.read_of(key)
        if coarse and pyramid.thumbnail:
            futures[key] = pool.associated(info.path, "thumbnail", priority=0)
        elif part.native is None:
            futures[key] = pool.read_area(info.path, part.x, part.y, part.w0, part.h0, part.w, part.h)
        else:
            futures[key] = pool.read(info.path, part.native, part.x, part.y, part.w, part.h)
    images = {key: image_of(future.result()) for key, future in futures.items()}
    frame = QImage(WIDTH, HEIGHT, QImage.Format.Format_RGB32)
    painter = QPainter(frame)
    paint_tiles(painter, pyramid, view, 1.0, images.get)
    painter.end()
    return (time.perf_counter() - began) * 1000


def journey(app: QApplication, view: TimedView) -> list[float]:
    """Zoom in and out through all levels, pan, fling, jump; returns the times to sharp after the jumps in ms."""
    info = view.slide
    assert info is not None
    chance = np.random.default_rng(1)
    view.fit()
    for factor in [1.3] * 16 + [1 / 1.3] * 12 + [1.3] * 10:
        view.zoom_by(factor, float(chance.uniform(0, WIDTH)), float(chance.uniform(0, HEIGHT)))
        until(app, lambda: not view.moving)
    for _ in range(60):
        view.pan_by(-25, 10)
        app.processEvents()
    for vx, vy in ((-3000, 0), (0, -2500), (2500, 2500)):
        view.start_glide(glide(vx, vy))
        until(app, lambda: not view.moving)
    jumps = []
    for x, y in chance.uniform(0.2, 0.8, (6, 2)):
        began = time.perf_counter()
        view.set_view(ViewState(float(x) * info.width, float(y) * info.height, 1.0))
        app.processEvents()
        until(app, lambda: view.is_sharp)
        jumps.append((time.perf_counter() - began) * 1000)
    return jumps


def memory_growth(app: QApplication, view: TimedView, moves: int) -> float:
    """MiB that many moves over the slide leave behind, after half of them, which fill the cache."""
    info = view.slide
    assert info is not None
    chance = np.random.default_rng(2)
    process = psutil.Process()
    before = 0
    for number in range(moves):
        if number == moves // 2:
            before = process.memory_info().rss
        x, y, zoom = chance.uniform(0, 1, 3)
        view.set_view(ViewState(float(x) * info.width, float(y) * info.height, float(0.02 * 60**zoom)))
        app.processEvents()
    return (process.memory_info().rss - before) / 2**20


def scatter(info: SlideInfo, count: int) -> list[Annotation]:
    """So many outlines of 12 corners, the size of nuclei, all over a slide."""
    chance = np.random.default_rng(4)
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    centres = chance.uniform(0, 1, (count, 2)) * (info.width, info.height)
    radii = chance.uniform(8, 16, (count, 1))
    xs = centres[:, :1] + radii * np.cos(turn)
    ys = centres[:, 1:] + radii * np.sin(turn)
    return [
        Annotation(0, Region.polygon(list(zip(x, y, strict=True))))
        for x, y in zip(xs.tolist(), ys.tolist(), strict=True)
    ]


def with_shapes(app: QApplication, view: TimedView, count: int) -> tuple[float, float]:
    """95th percentile of the paints and the longest absence in ms while the view moves over ``count`` regions."""
    info = view.slide
    assert info is not None
    view.annotations.replace_with(prepared(scatter(info, count)))
    view.fit()
    until(app, lambda: view.is_sharp)
    heart = Heart()
    view.paints.clear()
    heart.start()
    for factor in [1.4] * 10 + [1 / 1.4] * 6:
        view.zoom_by(factor, WIDTH / 2, HEIGHT / 2)
        until(app, lambda: not view.moving)
    for _ in range(60):
        view.pan_by(-25, 10)
        app.processEvents()
    heart.stop()
    view.annotations.replace_all([])
    return float(np.percentile(view.paints, 95)), max(heart.gaps)


def measure(app: QApplication, path: Path, runs: int, moves: int, shapes: int, cache_mb: int) -> Figures:
    """All figures of one slide."""
    pool = ReaderPool(2)
    cache = TileCache(cache_mb * 2**20)
    view = TimedView(pool, cache)
    view.resize(WIDTH, HEIGHT)
    view.show()
    largest = 0

    def note(_: object) -> None:
        nonlocal largest
        largest = max(largest, cache.bytes_held)

    view.loader.tile_loaded.connect(note)
    pool.open(path).result(60)  # the readers are up
    opens, coarses, sharps, bares, bares_coarse = [], [], [], [], []
    for _ in range(runs):
        view.set_slide(None)
        cache.clear()
        until(app, lambda: view.loader.in_flight == 0)
        bares_coarse.append(bare_ms(pool, pool.open(path).result(60), coarse=True))
        bares.append(bare_ms(pool, pool.open(path).result(60)))
        began = time.perf_counter()
        info = pool.open(path).result(60)
        opened = time.perf_counter()
        view.coarse_at = None
        view.set_slide(info)
        view.fit()
        until(app, lambda: view.is_sharp)
        opens.append((opened - began) * 1000)
        coarses.append(((view.coarse_at or time.perf_counter()) - opened) * 1000)
        sharps.append((time.perf_counter() - opened) * 1000)
    heart = Heart()
    view.paints.clear()
    view.paints_cpu.clear()
    bare_frames = 0

    def count(_: object) -> None:
        nonlocal bare_frames
        bare_frames += view.last_report.bare > 0

    view.view_changed.connect(count)
    heart.start()
    jumps = journey(app, view)
    heart.stop()
    paints, paints_cpu = np.array(view.paints), np.array(view.paints_cpu)
    growth = memory_growth(app, view, moves) if moves else 0.0
    cache_most = largest / 2**20
    shapes_p95, shapes_gap = with_shapes(app, view, shapes) if shapes else (0.0, 0.0)
    sharp, bare = statistics.median(sharps), statistics.median(bares)
    figures = Figures(
        slide=path.name,
        open_ms=statistics.median(opens),
        coarse_ms=statistics.median(coarses),
        coarse_ratio=statistics.median(coarses) / statistics.median(bares_coarse),
        sharp_ms=sharp,
        bare_ms=bare,
        sharp_ratio=sharp / bare,
        jump_sharp_ms=statistics.median(jumps),
        paint_median_ms=float(np.median(paints)),
        paint_p95_ms=float(np.percentile(paints, 95)),
        paint_cpu_median_ms=float(np.median(paints_cpu)),
        paint_cpu_p95_ms=float(np.percentile(paints_cpu, 95)),
        gap_p99_ms=float(np.percentile(heart.gaps, 99)),
        gap_max_ms=max(heart.gaps),
        frames_bare=bare_frames,
        cache_most_mb=cache_most,
        cache_budget_mb=float(cache_mb),
        moves=moves,
        memory_growth_mb=growth,
        shapes=shapes,
        shapes_paint_p95_ms=shapes_p95,
        shapes_gap_max_ms=shapes_gap,
        load=os.getloadavg()[0] / (os.cpu_count() or 1),
    )
    view.set_slide(None)
    view.close()
    pool.close()
    return figures


def slides_to_use(asked: list[Path], folder: Path) -> list[Path]:
    """The slides named, else the real ones, else a phantom drawn into ``folder``."""
    if asked:
        return asked
    data = Path(os.environ.get("LILE_REAL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    real = [data / "slides" / name for name in REAL if (data / "slides" / name).exists()]
    if real:
        return real
    phantom = folder / "phantom.tif"
    draw_slide(phantom, 8000, 1)
    return [phantom]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slides", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--moves", type=int, default=10_000)
    parser.add_argument("--shapes", type=int, default=100_000)
    parser.add_argument("--cache-mb", type=int, default=512)
    arguments = parser.parse_args()
    choose_painting_threads()  # as the application does
    app = QApplication([])
    with tempfile.TemporaryDirectory() as folder:
        results = [
            measure(app, path, arguments.runs, arguments.moves, arguments.shapes, arguments.cache_mb)
            for path in slides_to_use(arguments.slides, Path(folder))
        ]
    for name in Figures.__dataclass_fields__:
        values = [getattr(result, name) for result in results]
        shown = [f"{value:>28.1f}" if isinstance(value, float) else f"{value!s:>28}" for value in values]
        print(f"{name:<18}", *shown)
    print(
        json.dumps(
            {
                "viewer": [
                    {k: round(v, 2) if isinstance(v, float) else v for k, v in asdict(result).items()}
                    for result in results
                ]
            }
        )
    )


if __name__ == "__main__":
    main()
