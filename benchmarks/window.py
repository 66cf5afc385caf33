"""How long the window takes to come up, and whether it ever stays away while the engine works.

    python benchmarks/window.py [SLIDE] [--runs 5] [--seconds 40]

First: a new process each, from its start to the first frame of the window, against a bare QMainWindow with the same
Qt modules imported; torch must not be imported by then. Then, with the bundled model: a region of the slide is embedded
in the engine process over and over while ``lile index`` indexes the same slide as a job, and the view is panned and
zoomed all the time; a timer in the GUI thread notes how long it was away. Prints a table and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from viewer import Heart, slides_to_use, until

BARE = """
import sys, time
from PySide6.QtCore import QEvent, QObject, QProcess, QTimer
from PySide6.QtGui import QAction, QImage, QPainter
from PySide6.QtWidgets import QApplication, QMainWindow
class First(QObject):
    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint:
            print(time.time(), "torch" in sys.modules, flush=True)
            QTimer.singleShot(0, app.quit)
        return False
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


def first_frame_ms(make: str) -> float:
    """From the start of a new Python to the first frame of its window."""
    began = time.time()
    done = subprocess.run(
        [sys.executable, "-c", BARE.replace("MAKE", make)], capture_output=True, text=True, timeout=60
    )
    if done.returncode != 0 or not done.stdout:
        raise SystemExit(done.stderr)
    painted, torch = done.stdout.split()[:2]
    if torch != "False":
        raise SystemExit("torch was imported before the first frame")
    return (float(painted) - began) * 1000


def gaps_while_working(slide: Path, seconds: float) -> dict[str, float]:
    """Absences of the GUI thread in ms while a region is embedded, a slide indexed and the view moved."""
    from PySide6.QtWidgets import QApplication

    from lile_desktop.engine_client import EngineState
    from lile_desktop.main_window import MainWindow
    from lile_desktop.settings import SettingsStore
    from lile_desktop.theme import apply_theme, theme_for
    from lile_engine.archive import create_archive
    from lile_engine.model.load import load_model
    from lile_engine.paths import home_dir
    from lile_engine.slides import Region

    archive = home_dir() / "archive"
    create_archive(archive, load_model().identity, None)
    app = QApplication([])
    settings = SettingsStore()
    settings.update(archive=str(archive))
    apply_theme(app, theme_for("light"))
    window = MainWindow(settings)
    window.resize(1920, 1080)
    window.show()
    window.begin([str(slide)])
    until(app, lambda: window.client.state is EngineState.READY and window.view.slide is not None, 180)
    info = window.view.slide
    assert info is not None
    chance = np.random.default_rng(5)
    side = min(info.width, info.height) * 0.5
    asked = 0
    window.archive.index([str(slide)], info.mpp or 0.5)
    heart = Heart()
    heart.start()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        if not window.asker.busy:
            x, y = chance.uniform(0, 0.5, 2)
            window.view.submit_region(Region.rectangle(x * info.width, y * info.height, side, side))
            window.viewer.ask_region()
            asked += 1
        if not window.view.moving:
            window.view.zoom_by(1.4 if window.view.view.scale < 0.5 else 0.3)
        window.view.pan_by(float(chance.uniform(-40, 40)), float(chance.uniform(-40, 40)))
        app.processEvents()
        time.sleep(0.004)  # the pace of a hand: without it this loop itself would keep the thread from its beats
    heart.stop()
    running = window.jobs.running is not None
    window.shut_down()
    gaps = np.array(heart.gaps)
    return {
        "gap_p99_ms": float(np.percentile(gaps, 99)), "gap_max_ms": float(gaps.max()),
        "gaps_over_50_ms": int((gaps > 50).sum()), "beats": len(gaps), "regions_asked": asked,
        "still_indexing": int(running),
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
        bare, whole = [], []
        for _ in range(arguments.runs):
            bare.append(first_frame_ms(PLAIN))
            whole.append(first_frame_ms(WHOLE))
        figures: dict[str, float | str] = {
            "slide": slide.name,
            "bare_window_ms": statistics.median(bare),
            "window_ms": statistics.median(whole),
        }
        figures["ratio"] = statistics.median(whole) / statistics.median(bare)
        figures.update(gaps_while_working(slide, arguments.seconds) if arguments.seconds > 0 else {})
    figures["load"] = os.getloadavg()[0] / (os.cpu_count() or 1)
    for name, value in figures.items():
        print(f"{name:<18}", f"{value:>14.2f}" if isinstance(value, float) else f"{value!s:>14}")
    print(json.dumps({"window": {k: round(v, 2) if isinstance(v, float) else v for k, v in figures.items()}}))


if __name__ == "__main__":
    main()
