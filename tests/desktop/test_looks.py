"""Words are whole where there is room for them, colours are readable in dark, the title says the name once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, QTimer
from PySide6.QtGui import QColor, QFont, QFontMetrics, QGuiApplication, QImage, QPainter
from PySide6.QtWidgets import QApplication, QInputDialog, QToolButton
from pytestqt.qtbot import QtBot

from lile_desktop.jobs import TrainStep
from lile_desktop.main_window import MainWindow
from lile_desktop.panels.gallery import two_lines
from lile_desktop.panels.loss_plot import LossPlot
from lile_desktop.panels.row_delegate import RowDelegate
from lile_desktop.slide_list import SlideEntry
from lile_desktop.theme import DARK, LIGHT, apply_theme
from lile_desktop.viewer import RasterOverlay
from lile_desktop.viewer.annotations import Annotation
from lile_desktop.viewer.ask_text import LEAST_PX, ask_text
from lile_desktop.viewer.scale_bar import CORNER_HEIGHT, MARGIN
from lile_desktop.viewer.view_state import to_slide
from lile_engine.slides import Region
from tests.desktop.test_steady_layout import places


def test_the_legend_of_the_loss_curve_is_in_the_colour_of_the_text(qtbot: QtBot, qapp: QApplication) -> None:
    apply_theme(qapp, LIGHT)
    plot = LossPlot()
    qtbot.addWidget(plot)
    plot.add(TrainStep(1, 2.0, 1.0, 0.5, 1e-3))
    try:
        for theme in (DARK, LIGHT):
            apply_theme(qapp, theme)
            plot.restyle()
            labels = [label for _, label in plot._plot.getPlotItem().legend.items]
            assert len(labels) == 3
            assert all(theme.text in label.item.toHtml() for label in labels)
    finally:
        apply_theme(qapp, LIGHT)


def test_the_name_of_a_slide_stands_in_two_lines_before_it_is_cut(qapp: QApplication) -> None:
    metrics = QFontMetrics(QFont())
    width = metrics.horizontalAdvance("phantom-colon-m")
    assert two_lines(metrics, "one", width) == "one"
    assert two_lines(metrics, "phantom-colon-mucinous", width) == "phantom-colon-\nmucinous"
    assert two_lines(metrics, "abcdefghijklmnopqrstuv", width).replace("\n", "") == "abcdefghijklmnopqrstuv"
    long = two_lines(metrics, "TCGA-CR-7395-01Z-00-DX1." * 4, width)
    assert long.count("\n") == 1
    assert all(metrics.horizontalAdvance(line) <= width for line in long.splitlines())


def test_the_scale_of_a_slide_is_told_whole_in_a_narrow_list(ready: MainWindow) -> None:
    entry = ready.desk.slides.entries()[0]
    assert isinstance(entry, SlideEntry)
    assert entry.subtitle == "1536 × 1536, 0.5 µm/px"
    assert entry.short_subtitle == "0.5 µm/px"
    assert SlideEntry("a.svs", problem="It is broken.").short_subtitle == "cannot be opened"


def test_a_row_that_is_painted_again_reads_no_file(
    ready: MainWindow, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("lile_desktop.slide_list.remembered_mpp", lambda identity: asked.append(identity))
    entry = replace(ready.desk.slides.entries()[0])
    for _ in range(3):
        assert entry.subtitle.endswith("0.5 µm/px")
        assert entry.short_subtitle == "0.5 µm/px"
    assert len(asked) == 2  # one for each line


def test_a_name_is_asked_for_in_a_dialog_as_wide_as_its_title(qtbot: QtBot) -> None:
    seen: list[tuple[str, int]] = []

    def answer(accept: bool) -> None:
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, QInputDialog)
        seen.append((dialog.windowTitle(), dialog.width()))
        dialog.setTextValue("  invasive front ")
        dialog.accept() if accept else dialog.reject()

    for accept, given in ((True, "invasive front"), (False, None)):
        QTimer.singleShot(0, lambda accept=accept: answer(accept))  # type: ignore[misc]
        assert ask_text(None, "Name of the region", "Name of the region:", "old") == given
    assert [title for title, _ in seen] == ["Name of the region"] * 2
    assert all(width >= LEAST_PX for _, width in seen)


def test_the_title_of_the_window_says_the_name_of_the_program_once(ready: MainWindow) -> None:
    # A desktop adds the display name to a title that does not end with it, where one was set.
    name = QGuiApplication.applicationDisplayName()
    assert ready.windowTitle().count("LILE Desktop") == 1
    assert name in ("", QGuiApplication.applicationName())


def test_points_do_not_shine_through_the_scale_bar(ready: MainWindow, qtbot: QtBot) -> None:
    view = ready.view
    qtbot.waitUntil(lambda: view.is_sharp, timeout=120_000)
    corner = QRectF(MARGIN, view.height() - MARGIN - CORNER_HEIGHT, 60, CORNER_HEIGHT).toRect()
    before = view.picture().copy(corner)
    spots = [to_slide(view.view, corner.left() + 8 * n, corner.top() + 4) for n in range(1, 7)]
    view.annotations.add_many([Annotation(0, Region(tuple(spots)), kind="points")])
    after = view.picture().copy(corner)
    assert _most_apart(before, after) < 48  # of 255


def _most_apart(one: QImage, other: QImage) -> int:
    """The largest difference of lightness between two pictures."""
    places = [QPoint(x, y) for x in range(one.width()) for y in range(one.height())]
    return max(abs(one.pixelColor(at).lightness() - other.pixelColor(at).lightness()) for at in places)


def test_regions_have_the_room_that_slides_do_not_need_and_stay_when_layers_come(ready: MainWindow) -> None:
    page = ready.page
    before = places(ready)
    assert page.slides.height() < 240
    assert page.regions.height() > 300
    values = np.ones((2, 2), np.float32)
    for name in ("heat", "attention"):
        page.layers.set_layer(name, f"Heat map: {name}", 0.5, "viridis", note="Nothing here fits this phrase well")
        ready.view.set_overlay(name, RasterOverlay(values, 0, 0, 900, 900))
    after = places(ready)
    assert (after["regions"].topLeft(), after["slides"]) == (before["regions"].topLeft(), before["slides"])
    for name in ("heat", "attention"):
        page.layers.drop_layer(name)
    assert places(ready) == before


def test_the_signs_on_layers_follow_the_theme(ready: MainWindow) -> None:
    ready.page.layers.set_layer("heat", "Heat map: fat", 0.5, "viridis")
    button = next(one for one in ready.page.layers.findChildren(QToolButton) if "Remove" in one.accessibleName())
    for appearance in ("light", "dark"):
        ready.settings.update(appearance=appearance)
        drawn = button.icon().pixmap(16, 16).toImage()
        shades = [
            drawn.pixelColor(x, y).lightness()
            for x in range(drawn.width())
            for y in range(drawn.height())
            if drawn.pixelColor(x, y).alpha() > 200
        ]
        assert (min(shades) > 128) is (appearance == "dark")


def test_many_slides_leave_room_for_regions(ready: MainWindow) -> None:
    for number in range(12):
        ready.desk.slides.add(f"/slides/{number}.svs")
    QApplication.processEvents()
    column = ready.page.left.height()
    assert 4 * RowDelegate.HEIGHT < ready.page.slides.height() <= 0.56 * column
    assert ready.page.regions.height() > 0.3 * column


@pytest.mark.parametrize("given", ["Tumour", "Immune cells"])
def test_a_class_is_a_whole_word_in_the_list_of_regions(ready: MainWindow, given: str) -> None:
    from lile_desktop.viewer.annotations import RegionClass

    panel, store = ready.page.regions, ready.view.annotations
    store.add(Region.rectangle(0, 0, 250, 250))
    drawn: list[str] = []

    class Listening(QPainter):
        def drawText(self, *arguments: Any) -> Any:
            drawn.append(arguments[-1])
            return super().drawText(*arguments)

    store.change([replace(store.all()[0], region_class=RegionClass(given, (213, 94, 0)))])
    from PySide6.QtWidgets import QStyleOptionViewItem

    option = QStyleOptionViewItem()
    panel.list.initViewItemOption(option)
    option.rect = panel.list.visualItemRect(panel.list.item(0))
    image = QImage(400, 60, QImage.Format.Format_RGB32)
    image.fill(QColor("white"))
    painter = Listening(image)
    panel.list.itemDelegate().paint(painter, option, panel.list.indexAt(QPointF(20, 8).toPoint()))
    painter.end()
    assert given in drawn
    assert "Rectangle 1" in drawn
