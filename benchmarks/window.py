"""How long the window takes to come up, and whether it ever stays away while the engine works.

    python benchmarks/window.py [SLIDE] [--runs 5] [--seconds 40]

First: a new process each, from its start to the end of the first frame of the window, against a bare QMainWindow with
the same Qt modules imported, and against one that imports the same names from them too (PySide makes a class when its
name is first asked for); torch must not be imported by then. All have their byte code ready, as an installed program
has. Then, with the bundled model and an archive that holds a small phantom: a region of the slide is embedded in the
engine process over and over while ``lile index`` indexes the same slide as a job, and the view is panned and zoomed
all the time; a timer in the GUI thread notes how long it was away, and where the system tells it, how much of that
the thread ran and how much it waited for a processor. Prints a table and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from viewer import Heart, slides_to_use, until

from lile_engine.phantom import draw_slide

BARE = """
import sys, time
from PySide6.QtCore import QEvent, QObject, QProcess, QTimer
from PySide6.QtGui import QAction, QImage, QPainter
from PySide6.QtWidgets import QApplication, QMainWindow
NAMES
class First(QObject):
    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint:
            QTimer.singleShot(0, self.told)  # after the whole window was painted
        return False
    def told(self):
        print(time.time(), "torch" in sys.modules, flush=True)
        app.quit()
app = QApplication([])
MAKE
first = First()
window.installEventFilter(first)
window.show()
app.exec()
"""
PLAIN = "window = QMainWindow(); window.resize(1440, 900)"
WHOLE = """
from lile_desktop.start import make_application
from lile_desktop.logs import start_logging
from lile_desktop.main_window import MainWindow
from lile_desktop.settings import SettingsStore
from lile_desktop.theme import apply_theme, theme_for
start_logging()
settings = SettingsStore()
apply_theme(app, theme_for(settings.value.appearance))
window = MainWindow(settings)
"""
LATE_MS = 50.0


def qt_names() -> str:
    """Import statements of all that the modules loaded with the window import from Qt."""
    code = (
        "import sys, lile_desktop.start\n"
        "print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('lile_desktop') and m.__file__), sep='\\n')"
    )
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    names: dict[str, set[str]] = defaultdict(set)
    for file in listed.stdout.splitlines():
        for node in ast.parse(Path(file).read_text("utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("PySide6."):
                names[node.module] |= {alias.name for alias in node.names}
    return "\n".join(f"from {module} import {', '.join(sorted(found))}" for module, found in sorted(names.items()))


def first_frame_ms(make: str, names: str, environment: dict[str, str]) -> float:
    """From the start of a new Python to the end of the first frame of its window."""
    code = BARE.replace("MAKE", make).replace("NAMES", names)
    began = time.time()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment)
    if done.returncode != 0 or not done.stdout:
        raise SystemExit(done.stderr)
    painted, torch = done.stdout.split()[:2]
    if torch != "False":
        raise SystemExit("torch was imported before the first frame")
    return (float(painted) - began) * 1000


def first_frames(runs: int, folder: Path) -> dict[str, float | str]:
    """Medians in ms of the bare windows and of ours, in turn, and ours as a ratio to them."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    names = qt_names()
    kinds = {"bare_window_ms": (PLAIN, ""), "bare_same_names_ms": (PLAIN, names), "window_ms": (WHOLE, "")}
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(runs + 1):
        for kind, (make, imports) in kinds.items():
            taken = first_frame_ms(make, imports, environment)
            if number > 0:  # the first ones write the byte code
                times[kind].append(taken)
    figures: dict[str, float | str] = {kind: statistics.median(taken) for kind, taken in times.items()}
    ours = statistics.median(times["window_ms"])
    figures["ratio"] = ours / statistics.median(times["bare_window_ms"])
    figures["ratio_same_names"] = ours / statistics.median(times["bare_same_names_ms"])
    return figures


class Pulse(Heart):
    """Also notes, for each absence, how long the thread ran and how long it waited for a processor (Linux)."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[float] = []
        self.waited: list[float] = []
        self._schedule = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._last = self._clocks()

    def _clocks(self) -> tuple[float, float]:
        if not self._schedule.exists():
            return 0.0, 0.0
        ran, waited = self._schedule.read_text().split()[:2]
        return int(ran) / 1e6, int(waited) / 1e6

    def _beat(self) -> None:
        super()._beat()
        now = self._clocks()
        self.ran.append(now[0] - self._last[0])
        self.waited.append(now[1] - self._last[1])
        self._last = now


def lile(*arguments: str) -> None:
    """Runs a ``lile`` command to its end."""
    subprocess.run([sys.executable, "-m", "lile_engine", *arguments], check=True, capture_output=True, timeout=600)


def gaps_while_working(slide: Path, seconds: float, folder: Path) -> dict[str, float | str]:
    """Absences of the GUI thread in ms while a region is embedded, a slide indexed and the view moved."""
    from PySide6.QtWidgets import QApplication

    from lile_desktop.collector import spare_what_is_loaded
    from lile_desktop.engine_client import EngineState
    from lile_desktop.main_window import MainWindow
    from lile_desktop.notices import Notice
    from lile_desktop.settings import SettingsStore
    from lile_desktop.theme import apply_theme, theme_for
    from lile_desktop.viewer.painting_threads import choose_painting_threads
    from lile_engine.paths import home_dir
    from lile_engine.slides import Region

    archive = home_dir() / "archive"
    phantom = folder / "indexed before.tif"
    draw_slide(phantom, 4000, 1)
    lile("archive", "init", str(archive))
    lile("index", str(archive), str(phantom))
    choose_painting_threads()  # as the application does
    app = QApplication([])
    settings = SettingsStore()
    settings.update(archive=str(archive))
    apply_theme(app, theme_for("light"))
    window = MainWindow(settings)
    spare_what_is_loaded(window.client)  # likewise
    window.resize(1920, 1080)
    window.show()
    window.begin([str(slide)])
    until(app, lambda: window.client.state is EngineState.READY and window.view.slide is not None, 180)
    info = window.view.slide
    assert info is not None
    chance = np.random.default_rng(5)
    side = min(info.width, info.height) * 0.5
    asked, answers, failures = 0, 0, 0

    def on_answer(_answer: object) -> None:
        nonlocal answers
        answers += 1

    def on_notice(notice: Notice) -> None:
        nonlocal failures
        failures += 1
        print(notice.sentence, file=sys.stderr)

    window.asker.answered.connect(on_answer)
    window.asker.notice.connect(on_notice)
    window.archive.index([str(slide)], info.mpp or 0.5)
    heart = Pulse()
    heart.start()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        if not window.asker.busy:
            x, y = chance.uniform(0, 0.5, 2)
            window.view.annotations.replace_all([])
            window.view.submit_region(Region.rectangle(x * info.width, y * info.height, side, side))
            window.viewer.ask_region()
            asked += 1
        if not window.view.moving:
            window.view.zoom_by(1.4 if window.view.view.scale < 0.5 else 0.3)
        window.view.pan_by(float(chance.uniform(-40, 40)), float(chance.uniform(-40, 40)))
        app.processEvents()
        time.sleep(0.004)  # the pace of a hand: without it this loop itself would keep the thread from its beats
    heart.stop()
    window.asker.notice.disconnect(on_notice)  # that the last question is dropped by the end is no failure
    running = window.jobs.running is not None
    window.shut_down()
    gaps, ran, waited = np.array(heart.gaps), np.array(heart.ran), np.array(heart.waited)
    late = gaps > LATE_MS
    return {
        "gap_p99_ms": float(np.percentile(gaps, 99)), "gap_max_ms": float(gaps.max()),
        "gaps_over_50_ms": int(late.sum()), "beats": len(gaps),
        "ran_most_ms": float(ran.max()), "waited_in_late_ms": float(waited[late].mean()) if late.any() else 0.0,
        "regions_asked": asked, "answers": answers, "questions_failed": failures, "still_indexing": int(running),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=40)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LILE_HOME"] = str(Path(folder) / "home")
        slide = slides_to_use([arguments.slide] if arguments.slide else [], Path(folder))[0]
        figures: dict[str, float | str] = {"slide": slide.name}
        if arguments.runs > 0:
            figures.update(first_frames(arguments.runs, Path(folder)))
        if arguments.seconds > 0:
            figures.update(gaps_while_working(slide, arguments.seconds, Path(folder)))
    figures["load"] = os.getloadavg()[0] / (os.cpu_count() or 1)
    for name, value in figures.items():
        print(f"{name:<18}", f"{value:>14.2f}" if isinstance(value, float) else f"{value!s:>14}")
    print(json.dumps({"window": {k: round(v, 2) if isinstance(v, float) else v for k, v in figures.items()}}))


if __name__ == "__main__":
    main()
