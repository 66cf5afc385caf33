"""The same journey in OpenSeadragon (OpenSlide's DeepZoom, headless Chromium, canvas drawer) and in this viewer.

    python benchmarks/viewer_peer.py SLIDE --openseadragon node_modules/openseadragon [--chromium chromium] [--runs 5]

What has to be installed besides this program: Chromium (Debian: ``apt-get install chromium``) and OpenSeadragon
(``npm install openseadragon``, anywhere). The server is Python's own, with the tiles of OpenSlide's example server:
254 px, 1 px overlap, JPEG quality 75. Every run starts a new browser with an empty cache, and new readers.

Journey: open the slide; jump to six places at full magnification; at each pan by a third of the view; back to the whole
slide; 22 notches of the wheel. Jumps and pans are immediate in both, so that no animation is charged to either.
Prints a table and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import openslide
from openslide.deepzoom import DeepZoomGenerator
from PySide6.QtWidgets import QApplication
from viewer import HEIGHT, WIDTH, TimedView, until

from lile_desktop.viewer import TileCache, ViewState
from lile_desktop.viewer.painting_threads import choose_painting_threads
from lile_engine.slides.readers import ReaderPool

PAGE = Path(__file__).with_name("viewer_peer.html")
PATIENCE_S = 300.0
BROWSER_BAR = 143  # pixels of a window that a headless Chromium keeps for itself; the page then has 1920 x 1080

Step = dict[str, Any]


@dataclass
class Measured:
    """Milliseconds of one run: first picture and all sharp after opening, sharp after jumps and pans, frames."""

    first: float = 0.0
    sharp: float = 0.0
    jumps: list[float] = field(default_factory=list)
    pans: list[float] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)


def journey_over(width: int, height: int) -> list[Step]:
    """The steps after opening; level-0 px, screen px."""
    chance = np.random.default_rng(7)
    steps: list[Step] = []
    for x, y in chance.uniform(0.25, 0.75, (6, 2)):
        steps.append({"kind": "jump", "x": float(x) * width, "y": float(y) * height, "scale": 1.0})
        steps.append({"kind": "pan", "dx": -WIDTH / 3, "dy": -HEIGHT / 3})
    steps.append({"kind": "fit"})
    for factor in (1.3,) * 14 + (1 / 1.3,) * 8:
        x, y = chance.uniform(0.3, 0.7, 2)
        steps.append({"kind": "zoom", "factor": factor, "x": float(x) * WIDTH, "y": float(y) * HEIGHT})
    return steps


class Handler(BaseHTTPRequestHandler):
    """Page, library, journey, tiles; takes in the result."""

    protocol_version = "HTTP/1.1"

    def __init__(self, served: Served, *rest: Any) -> None:
        self._served = served
        super().__init__(*rest)

    def log_message(self, *_: object) -> None:
        """Nothing is printed for a request."""

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the browser wants it no more
            self.wfile.write(body)

    def do_GET(self) -> None:
        served = self._served
        match self.path.split("?")[0].strip("/").split("/"):
            case [""]:
                self._send(PAGE.read_bytes(), "text/html")
            case ["openseadragon.js"]:
                self._send(served.library.read_bytes(), "text/javascript")
            case ["journey.json"]:
                self._send(json.dumps(served.journey).encode(), "application/json")
            case ["slide.dzi"]:
                self._send(served.tiles.get_dzi("jpeg").encode(), "application/xml")
            case ["slide_files", level, name]:
                col, row = name.split(".")[0].split("_")
                picture = io.BytesIO()
                served.tiles.get_tile(int(level), (int(col), int(row))).save(picture, "JPEG", quality=75)
                self._send(picture.getvalue(), "image/jpeg")
            case _:
                self.send_error(404)

    def do_POST(self) -> None:
        self._served.result = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._send(b"", "text/plain")
        self._served.done.set()


class Served:
    """What a server of one run holds."""

    def __init__(self, slide: Path, library: Path, journey: list[Step]) -> None:
        self.tiles = DeepZoomGenerator(openslide.OpenSlide(slide), tile_size=254, overlap=1, limit_bounds=True)
        self.library, self.journey = library, journey
        self.result: dict[str, Any] = {}
        self.done = threading.Event()


def run_peer(chromium: str, slide: Path, library: Path, journey: list[Step]) -> tuple[Measured, str]:
    """One run in a new browser; what was measured and OpenSeadragon's version."""
    served = Served(slide, library, journey)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, served))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            [
                chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--no-first-run", "--hide-scrollbars",
                f"--window-size={WIDTH},{HEIGHT + BROWSER_BAR}", f"--user-data-dir={profile}",
                f"http://127.0.0.1:{server.server_port}/",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            if not served.done.wait(PATIENCE_S):
                raise SystemExit("the browser did not finish the journey")
        finally:
            browser.terminate()
            browser.wait(20)
            server.shutdown()
            server.server_close()
    if "error" in served.result:
        raise SystemExit(f"in the browser: {served.result['error']}")
    steps = served.result["steps"]
    measured = Measured(steps[0]["first"], steps[0]["sharp"])
    measured.jumps = [step["sharp"] for step in steps if step["kind"] == "jump"]
    measured.pans = [step["sharp"] for step in steps if step["kind"] == "pan"]
    measured.frames = [ms for step in steps if step["kind"] == "zoom" for ms in step["frames"]]
    size = "x".join(str(side) for side in served.result["size"])
    return measured, f"OpenSeadragon {served.result['version']} at {size}"


def run_ours(app: QApplication, slide: Path, journey: list[Step]) -> Measured:
    """One run in this viewer with new readers; opening the file is in its time, as it is in the browser's."""
    pool, measured = ReaderPool(2), Measured()
    view = TimedView(pool, TileCache(512 * 2**20))
    view.resize(WIDTH, HEIGHT)
    view.show()
    pool.profile(__file__).exception(60)  # the readers are up, as the server is; they have not seen the slide
    began = time.perf_counter()
    info = pool.open(slide).result(60)
    view.set_slide(info)
    view.fit()
    until(app, lambda: view.is_sharp)
    measured.sharp = (time.perf_counter() - began) * 1000
    measured.first = ((view.coarse_at or time.perf_counter()) - began) * 1000
    for step in journey:
        began = time.perf_counter()
        if step["kind"] == "zoom":
            painted = len(view.painted_at)
            view.zoom_by(step["factor"], step["x"], step["y"])
            until(app, lambda: not view.moving)
            measured.frames += [1000 * float(gap) for gap in np.diff(view.painted_at[painted:])]
            continue
        if step["kind"] == "jump":
            view.set_view(ViewState(step["x"], step["y"], step["scale"]))
        elif step["kind"] == "pan":
            view.pan_by(step["dx"], step["dy"])
        else:
            view.fit()
        until(app, lambda: view.is_sharp)
        took = (time.perf_counter() - began) * 1000
        {"jump": measured.jumps, "pan": measured.pans}.get(step["kind"], []).append(took)
    view.set_slide(None)
    view.close()
    pool.close()
    return measured


def summary(runs: list[Measured]) -> dict[str, float]:
    """Medians over the runs, of the medians of each."""

    def median(values: list[float]) -> float:
        return float(statistics.median(values))

    return {
        "first_ms": median([run.first for run in runs]),
        "open_sharp_ms": median([run.sharp for run in runs]),
        "jump_sharp_ms": median([median(run.jumps) for run in runs]),
        "pan_sharp_ms": median([median(run.pans) for run in runs]),
        "frame_median_ms": median([median(run.frames) for run in runs]),
        "frame_p95_ms": median([float(np.percentile(run.frames, 95)) for run in runs]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", type=Path)
    parser.add_argument("--openseadragon", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--chromium", default="chromium")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    library = arguments.openseadragon / "build" / "openseadragon" / "openseadragon.min.js"
    if not library.exists():
        raise SystemExit(f"{library} is not there; npm install openseadragon, and name its folder")
    choose_painting_threads()  # as the application does
    app = QApplication([])
    with openslide.OpenSlide(arguments.slide) as slide:
        journey = journey_over(*slide.dimensions)
    peer, ours, version = [], [], ""
    for _ in range(arguments.runs):  # in turn, so that a busy minute burdens both
        measured, version = run_peer(arguments.chromium, arguments.slide, library, journey)
        peer.append(measured)
        ours.append(run_ours(app, arguments.slide, journey))
    theirs, own = summary(peer), summary(ours)
    print(f"{arguments.slide.name}, {arguments.runs} runs in turn; peer: {version}")
    print(f"{'':<18}{'peer':>10}{'ours':>10}{'ours / peer':>14}")
    for name in theirs:
        print(f"{name:<18}{theirs[name]:>10.1f}{own[name]:>10.1f}{own[name] / theirs[name]:>14.2f}")
    facts = {"slide": arguments.slide.name, "version": version, "peer": theirs, "ours": own}
    facts["load"] = os.getloadavg()[0] / (os.cpu_count() or 1)
    facts["runs"] = [asdict(run) for run in (*peer, *ours)] if os.environ.get("LILE_BENCH_RAW") else arguments.runs
    print(json.dumps(facts, default=lambda value: round(float(value), 2)))


if __name__ == "__main__":
    main()
