"""The steps of the guided tour: what a person would do with mouse and keyboard, and what should come of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PySide6.QtCore import QCoreApplication, QEvent, QEventLoop, QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from lile_desktop.layers import ATTENTION, HEAT
from lile_desktop.notices import Level
from lile_desktop.panels.answers_panel import CAPTIONS, PATCHES
from lile_desktop.settings import SettingsStore
from lile_desktop.start import make_application, open_window
from lile_desktop.viewer.view_state import Rect, to_screen
from lile_engine.paths import home_dir, models_dir
from lile_engine.phantom.pairs import write_pairs
from lile_engine.slides import Region

TISSUE = "normal mucosa"
PHRASE = "necrosis"
PAIRS_PER_TISSUE = 4


class TourError(Exception):
    """A step did not come out; the message says which."""


@dataclass(frozen=True)
class Place:
    """A square inside a region of the ground truth: its tissue and level-0 x, y, size."""

    tissue: str
    x: float
    y: float
    size: float


def place_of_tissue(truth: Path, tissue: str, size: float) -> Place:
    """The square of ``size`` level-0 pixels that lies deepest in a region of ``tissue`` of a phantom's ground truth.

    Raises TourError where the slide has no such tissue.
    """
    features = json.loads(truth.read_text("utf-8"))["features"]
    best: tuple[float, float, float] | None = None
    for feature in features:
        if feature["properties"]["classification"]["name"] != tissue:
            continue
        geometry = feature["geometry"]
        polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
        for rings in polygons:
            region = Region.polygon([tuple(p) for p in rings[0]], [[tuple(p) for p in ring] for ring in rings[1:]])
            left, top, width, height = region.bounds
            for x in np.linspace(left, left + width - size, 12):
                for y in np.linspace(top, top + height - size, 12):
                    inside = float(region.mask(x, y, size, size, 8, 8).mean())
                    if best is None or inside > best[0]:
                        best = (inside, float(x), float(y))
    if best is None:
        raise TourError(f"{truth.name} has no {tissue}")
    return Place(tissue, best[1], best[2], size)


class Guide:
    """Drives one window. Each step is a method; `run` does them in order."""

    def __init__(self, out: Path, appearance: str, size: tuple[int, int], steps: int) -> None:
        self.out, self.appearance, self.size, self.steps = out, appearance, size, steps
        self.problems: list[str] = []
        self._number = 0

    def run(self) -> int:
        """The whole tour; returns the exit code."""
        for old in self.out.glob("[0-9][0-9]-*.png"):
            old.unlink()
        self.application: QApplication = make_application(["tour"])
        settings = SettingsStore()
        settings.update(appearance=self.appearance)
        self.window = open_window()
        self.window.resize(*self.size)
        started = time.monotonic()
        try:
            for step in (
                self.first_start, self.draw_region, self.ask_region, self.fly_to_patch, self.type_phrase,
                self.attention, self.heat_map, self.archive_tab, self.train, self.switch_model, self.dark_or_light,
            ):  # fmt: skip
                step()
        except TourError as error:
            self.problems.append(str(error))
            self.picture("problem")
        finally:
            self.window.close()
        self.say(f"{time.monotonic() - started:.0f} s, {self._number} pictures in {self.out}")
        for problem in self.problems:
            self.say(f"did not come out: {problem}")
        return 1 if self.problems else 0

    # -- steps ------------------------------------------------------------------------------------------------------
    def first_start(self) -> None:
        """The window is there at once; the demo is drawn and embedded; its first slide is shown."""
        self.pause(0.3)
        self.picture("first-start")
        self.until("the demo slide", lambda: self.window.view.slide is not None, 900)
        self.until("the engine", lambda: self.window.client.info is not None, 120)
        self.until("a sharp picture", lambda: self.window.view.is_sharp, 30)
        info = self.window.client.info
        assert info is not None
        assert info.archive is not None
        self.say(
            f"demo archive: {info.archive.slides} slides, {info.archive.tiles} tiles, "
            f"{info.archive.captions} captions; {info.model.name} on {info.device}, "
            f"{1 / info.seconds_per_tile:.0f} tiles/s"
        )
        self.picture("demo-slide")

    def draw_region(self) -> None:
        """A rectangle is drawn with the mouse in tissue that is known from the phantom's ground truth."""
        view = self.window.view
        assert view.slide is not None
        truth = Path(view.slide.path).with_suffix(".geojson")
        place = place_of_tissue(truth, TISSUE, 700)
        view.go_to(Rect(place.x - 500, place.y - 500, place.size + 1000, place.size + 1000))
        self.pause(0.3)
        self.window.registry["tool_rectangle"].trigger()
        first = QPoint(*(round(v) for v in to_screen(view.view, place.x, place.y)))
        last = QPoint(*(round(v) for v in to_screen(view.view, place.x + place.size, place.y + place.size)))
        QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=first)
        for share in (0.3, 0.7, 1.0):
            # A real drag: QTest.mouseMove alone holds no button down on every platform.
            self._drag(first + (last - first) * share)
        QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=last)
        if not view.annotations.all():
            raise TourError("no region was drawn")
        self.until("a sharp picture", lambda: view.is_sharp, 30)
        self.say(f"region in {place.tissue}: {self.window.page.ask.region_text.text()}")
        self.picture("region")

    def ask_region(self) -> None:
        """The region is asked about: nearest captions, then sibling patches."""
        page = self.window.page
        QTest.mouseClick(page.ask.ask_button, Qt.MouseButton.LeftButton)
        self.until("an answer about the region", self._final, 120)
        answer = self.window.asker.answer
        assert answer is not None
        if not answer.captions or not answer.patches:
            raise TourError("the region brought no captions or no patches")
        for hit in answer.captions[:3]:
            self.say(f"  {hit.score:.2f}  {hit.caption}")
        page.answers.show_page(CAPTIONS)
        self.picture("captions")
        page.answers.show_page(PATCHES)
        self.until("pictures of the patches", self._pictures_there, 30)
        self.picture("patches")

    def fly_to_patch(self) -> None:
        """A click on a patch of another slide flies there."""
        answer, view = self.window.asker.answer, self.window.view
        assert answer is not None
        assert view.slide is not None
        here = view.slide.path
        number = next((n for n, hit in enumerate(answer.patches) if hit.slide != here), 0)
        hit = answer.patches[number]
        self._click_patch(number)
        self.until("the flight", lambda: view.slide is not None and view.slide.path == hit.slide, 30)
        self.pause(0.5)
        self.until("a sharp picture", lambda: view.is_sharp, 30)
        assert hit.x is not None
        assert hit.y is not None
        assert hit.size is not None
        off = max(abs(view.view.cx - hit.x - hit.size / 2), abs(view.view.cy - hit.y - hit.size / 2))
        if off > hit.size / 4:
            raise TourError(f"the view is {off:.0f} px beside the patch that was clicked")
        self.say(f"flew to {Path(hit.slide or '').name}, {hit.x}, {hit.y}")
        self.picture("fly-to")

    def type_phrase(self) -> None:
        """A phrase is typed; tiles that fit it are found."""
        page = self.window.page
        page.ask.field.setFocus()
        page.ask.field.clear()
        QTest.keyClicks(page.ask.field, PHRASE)
        QTest.keyClick(page.ask.field, Qt.Key.Key_Return)
        self.until(
            "an answer to the phrase",
            lambda: self._final() and self.window.asker.answer.phrase == PHRASE,  # type: ignore[union-attr]
            60,
        )
        answer = self.window.asker.answer
        assert answer is not None
        if not answer.patches:
            raise TourError("the phrase brought no patches")
        best = answer.patches[0]
        self.say(f"“{PHRASE}”: best {best.score:.2f} on {Path(best.slide or '').name}; its caption: {best.caption}")
        self.until("pictures of the patches", self._pictures_there, 30)
        self._click_patch(0)
        self.until(
            "the flight", lambda: self.window.view.slide is not None and self.window.view.slide.path == best.slide, 30
        )
        self.pause(0.5)
        self.until("a sharp picture", lambda: self.window.view.is_sharp, 30)
        self.picture("phrase")

    def attention(self) -> None:
        """A word of the phrase is clicked; its attention lies over the tissue."""
        words = self.window.page.answers.words
        if len(words.buttons()) < 2:
            raise TourError("the chosen patch has no words to choose from")
        before = self.window.view.picture(chrome=False)
        QTest.mouseClick(words.buttons()[1], Qt.MouseButton.LeftButton)
        self.until("the attention map", lambda: ATTENTION in self.window.view.overlays.names(), 30)
        self.pause(0.2)
        if self.window.view.picture(chrome=False) == before:
            raise TourError("the attention map changes nothing on the slide")
        self.say(f"attention of “{words.buttons()[1].text()}” lies over the patch")
        self.picture("attention")

    def heat_map(self) -> None:
        """The phrase as a heat map over the whole slide."""
        self.window.registry["clear_layers"].trigger()
        self.window.registry["fit"].trigger()
        self.window.registry["heat_map"].trigger()
        self.until("the heat map", lambda: HEAT in self.window.view.overlays.names(), 60)
        self.until("a sharp picture", lambda: self.window.view.is_sharp, 30)
        self.pause(0.3)
        self.picture("heat-map")

    def archive_tab(self) -> None:
        """What is in the archive."""
        self.window.registry["page_archive"].trigger()
        self.pause(0.2)
        self.picture("archive")

    def train(self) -> None:
        """Twenty steps on phantom pairs."""
        pairs = home_dir() / "tour-pairs"
        write_pairs(pairs, PAIRS_PER_TISSUE, seed=5)
        page = self.window.training_page
        self.window.registry["page_training"].trigger()
        page.folder.setText(str(pairs))
        page.steps.setValue(self.steps)
        page.batch.setValue(16)
        page.name.setText("tour-model")
        QTest.mouseClick(page.train_button, Qt.MouseButton.LeftButton)
        self.until("the first step of training", lambda: bool(page.plot.steps), 600)
        self.until("the end of training", lambda: page.use_button.isVisible() or not self.window.archive.training, 1500)
        losses = [s.loss for s in page.plot.steps]
        if not (models_dir() / "tour-model" / "config.json").is_file():
            raise TourError(f"no model was saved: {page.status.text()}")
        self.say(f"trained {len(losses)} steps, loss {losses[0]:.2f} to {losses[-1]:.2f}: {page.status.text()}")
        self.picture("training")

    def switch_model(self) -> None:
        """The archive is embedded with the new model, and the same question asked of it."""
        page = self.window.training_page
        QTest.mouseClick(page.use_button, Qt.MouseButton.LeftButton)
        self.until("the new model", lambda: self._model_name() == "tour-model", 900)
        self.pause(0.5)
        self.picture("switched")
        self.window.registry["page_viewer"].trigger()
        QTest.keyClick(self.window.page.ask.field, Qt.Key.Key_Return)
        self.until("an answer of the new model", self._final, 60)
        self.say(f"archive embedded with {self._model_name()}; the phrase was asked again")

    def dark_or_light(self) -> None:
        """The other appearance."""
        other = "light" if self.appearance == "dark" else "dark"
        self.window.settings.update(appearance=other)
        self.until("pictures of the patches", self._pictures_there, 30)
        self.pause(0.3)
        self.picture(other)

    # -- tools ------------------------------------------------------------------------------------------------------
    def say(self, text: str) -> None:
        """One line on the terminal."""
        print(text, flush=True)

    def pause(self, seconds: float) -> None:
        """Lets the window live for a while."""
        loop = QEventLoop()
        QTimer.singleShot(round(seconds * 1000), loop.quit)
        loop.exec()

    def until(self, what: str, there: Callable[[], bool], seconds: float) -> None:
        """Waits for ``there``; raises TourError when it does not come or the window reports an error."""
        end = time.monotonic() + seconds
        while not there():
            notice = self.window.notices.notice
            if notice is not None and notice.level is Level.ERROR:
                raise TourError(f"waiting for {what}: {notice.sentence}")
            if time.monotonic() > end:
                raise TourError(f"{what} did not come within {seconds:.0f} s")
            self.pause(0.05)

    def picture(self, name: str) -> None:
        """Saves the window as it looks now."""
        self._number += 1
        QApplication.processEvents()
        self.window.grab().save(os.fspath(self.out / f"{self._number:02d}-{name}.png"))

    def _final(self) -> bool:
        answer = self.window.asker.answer
        return answer is not None and answer.final and not self.window.asker.busy

    def _pictures_there(self) -> bool:
        gallery = self.window.page.answers.gallery
        model = gallery.hits_model
        shown = min(model.rowCount(), 9)
        return all(model.index(n).data(Qt.ItemDataRole.DecorationRole) is not None for n in range(shown))

    def _click_patch(self, number: int) -> None:
        gallery = self.window.page.answers.gallery
        self.window.page.answers.show_page(PATCHES)
        index = gallery.hits_model.index(number)
        gallery.scrollTo(index)
        QApplication.processEvents()
        QTest.mouseClick(gallery.viewport(), Qt.MouseButton.LeftButton, pos=gallery.visualRect(index).center())

    def _model_name(self) -> str:
        info = self.window.client.info
        return info.model.name if info is not None else ""

    def _drag(self, place: QPoint) -> None:
        from PySide6.QtCore import QPointF
        from PySide6.QtGui import QMouseEvent

        view = self.window.view
        left = Qt.MouseButton.LeftButton
        event = QMouseEvent(
            QEvent.Type.MouseMove, QPointF(place), QPointF(view.mapToGlobal(place)), left, left,
            Qt.KeyboardModifier.NoModifier,
        )  # fmt: skip
        QCoreApplication.sendEvent(view, event)
        self.pause(0.05)
