"""Two to four views side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, QStringListModel, Qt
from pytestqt.qtbot import QtBot

from lile_desktop.viewer import SlideView, ViewState
from lile_desktop.viewer.panes import Panes
from lile_desktop.viewer.scale_bar import magnification_text
from lile_desktop.viewer.view_state import Rect
from lile_engine.slides import SlideInfo
from lile_engine.slides.readers import ReaderPool


def show(qtbot: QtBot, panes: Panes, count: int) -> None:
    """So many views, once they have their sizes and are linked."""
    panes.set_count(count)
    qtbot.waitUntil(
        lambda: panes.sync.linked and abs(panes.views[0].width() - panes.views[1].width()) <= 2, timeout=5_000
    )


@pytest.fixture
def open_slides(info: SlideInfo) -> list[SlideInfo]:
    return [info, replace(info, name="copy.tif", path=info.path + " ")]


@pytest.fixture
def model() -> QStringListModel:
    return QStringListModel(["one", "two"])


@pytest.fixture
def panes(
    qtbot: QtBot, pool: ReaderPool, info: SlideInfo, open_slides: list[SlideInfo], model: QStringListModel
) -> Iterator[Panes]:
    view = SlideView(pool)
    shown = Panes(view, pool, lambda: open_slides, model)
    qtbot.addWidget(shown)
    shown.resize(1200, 600)
    shown.show()
    view.set_slide(info)
    yield shown
    shown.set_count(1)


def test_one_view_has_no_line_above_it(panes: Panes) -> None:
    assert len(panes.views) == 1
    assert not panes.panes[0].head.isVisible()


def test_a_second_view_shows_another_open_slide_over_the_same_cache(qtbot: QtBot, panes: Panes) -> None:
    panes.set_count(2)
    left, right = panes.views
    assert right.slide is not None
    assert right.slide.name == "copy.tif"
    assert left.cache is right.cache
    assert panes.panes[0].head.isVisible()
    assert panes.panes[0].title.text() == "checks.tif"
    assert panes.panes[1].picker.text().startswith("copy.tif")
    qtbot.waitUntil(lambda: abs(left.width() - right.width()) <= 2, timeout=5_000)


@pytest.mark.parametrize(("count", "shown"), [(0, 1), (3, 3), (4, 4), (9, 4)])
def test_one_to_four(panes: Panes, count: int, shown: int) -> None:
    panes.set_count(count)
    assert len(panes.views) == shown
    assert all(view.isVisible() for view in panes.views)


def test_linked_views_follow_each_other_with_their_offset_and_unlinked_do_not(
    qtbot: QtBot, panes: Panes, info: SlideInfo
) -> None:
    show(qtbot, panes, 2)
    left, right = panes.views
    right.set_slide(info)
    panes.sync.set_linked(False)
    right.set_view(ViewState(900, 900, left.view.scale))
    panes.sync.set_linked(True)
    offset = right.view.cx - left.view.cx
    left.pan_by(-50, 20)
    assert right.view.cx - left.view.cx == pytest.approx(offset)
    right.set_view(replace(right.view, scale=right.view.scale * 2))
    assert left.view.scale == pytest.approx(right.view.scale)
    right.set_rotation(30)
    assert left.view.rotation == pytest.approx(30)
    panes.sync.set_linked(False)
    before = left.view
    right.pan_by(30, 0)
    assert left.view == before


def test_another_slide_in_one_view_moves_no_other(
    qtbot: QtBot, panes: Panes, info: SlideInfo, open_slides: list[SlideInfo]
) -> None:
    show(qtbot, panes, 2)
    left, right = panes.views
    right.set_view(ViewState(900, 800, left.view.scale * 3))
    before = right.view
    left.set_slide(replace(info, name="third.tif", path=info.path + "  "))
    left.go_to(Rect(2000, 1500, 100, 100))  # as when a hit is flown to on a slide that had to be opened
    assert right.view == before
    qtbot.waitUntil(lambda: not panes.sync._placing, timeout=5_000)
    assert right.view == before
    placed = left.view
    left.pan_by(-40, 0)
    assert right.view.cx - before.cx == pytest.approx((left.view.cx - placed.cx) * placed.scale / before.scale)
    moved = left.view
    right.set_slide(open_slides[0])
    qtbot.waitUntil(lambda: not panes.sync._placing, timeout=5_000)
    assert left.view == moved


def test_the_view_that_keys_are_for_is_marked(qtbot: QtBot, panes: Panes) -> None:
    assert not panes.panes[0].mark.isVisible()
    show(qtbot, panes, 2)
    left, right = panes.panes
    assert (left.mark.property("active"), right.mark.property("active")) == (True, False)
    qtbot.mouseClick(right.view, Qt.MouseButton.LeftButton, pos=QPoint(200, 200))
    qtbot.waitUntil(lambda: panes.active is right.view, timeout=5_000)
    assert (left.mark.property("active"), right.mark.property("active")) == (False, True)
    panes.set_count(1)
    assert not left.mark.isVisible()


def test_a_companion_only_shows(qtbot: QtBot, panes: Panes) -> None:
    panes.set_count(2)
    companion = panes.views[1]
    qtbot.keyClick(companion, Qt.Key.Key_R)
    assert companion.tool == "move"
    before = companion.view
    qtbot.mousePress(companion, Qt.MouseButton.LeftButton, pos=QPoint(200, 200))
    qtbot.mouseMove(companion, QPoint(260, 240))
    companion.pan_by(5, 5)
    assert companion.view != before
    assert len(companion.annotations) == 0


def test_the_slide_of_a_companion_is_picked_by_mouse(panes: Panes, info: SlideInfo) -> None:
    panes.set_count(2)
    menu = panes.panes[1].picker.menu()
    menu.aboutToShow.emit()
    assert [action.text() for action in menu.actions()] == ["checks.tif", "copy.tif"]
    menu.actions()[0].trigger()
    assert panes.views[1].slide == info


def test_a_slide_that_is_closed_leaves_its_view_empty(
    panes: Panes, open_slides: list[SlideInfo], model: QStringListModel
) -> None:
    panes.set_count(2)
    del open_slides[1]
    model.removeRow(1)
    assert panes.views[1].slide is None


def test_commands_go_to_the_view_used_last(qtbot: QtBot, panes: Panes) -> None:
    panes.set_count(2)
    left, right = panes.views
    right.setFocus()
    qtbot.waitUntil(lambda: panes.active is right, timeout=5_000)
    left.setFocus()
    qtbot.waitUntil(lambda: panes.active is left, timeout=5_000)
    right.setFocus()
    qtbot.waitUntil(lambda: panes.active is right, timeout=5_000)
    panes.set_count(1)
    assert panes.active is left


def test_what_is_hidden_stays_hidden_in_views_that_come_later(panes: Panes) -> None:
    panes.set_minimaps_visible(False)
    panes.set_scale_bars_visible(False)
    panes.set_count(2)
    assert not panes.views[1].minimap_wanted
    assert not panes.views[1].corner_wanted


def test_the_whole_slide_is_fitted_in_all_linked_views(qtbot: QtBot, panes: Panes) -> None:
    show(qtbot, panes, 2)
    left, right = panes.views
    left.set_view(ViewState(700, 600, 2.0))
    panes.fit()
    assert left.view.scale == pytest.approx(right.view.scale, rel=0.05)
    assert (right.view.cx, right.view.cy) == (1500, 1100)
    assert panes.sync.linked
    left.pan_by(20, 0)
    assert right.view.cx < 1500


def test_linked_views_of_unequal_magnification_say_so(
    qtbot: QtBot, panes: Panes, info: SlideInfo, open_slides: list[SlideInfo]
) -> None:
    open_slides[1] = replace(open_slides[1], mpp=0.25, magnification=40.0)
    show(qtbot, panes, 2)
    (left, right), labels = panes.views, [pane.power_label for pane in panes.panes]
    left.set_view(replace(left.view, scale=0.5))  # 20x and 0.5 of its pixels: 10x
    own = magnification_text(right.view, open_slides[1])
    assert labels[0].text() == "10×"
    assert labels[0].property("rank") == "quiet"
    assert labels[1].text() == f"{own}, first view 10×"
    assert labels[1].property("rank") == "warning"
    panes.set_magnification(5.0)
    assert [label.text() for label in labels] == ["5×", "5×"]
    assert [label.property("rank") for label in labels] == ["quiet", "quiet"]
    assert left.view.scale == pytest.approx(2 * right.view.scale)
    panes.set_linked(False)
    panes.active = right
    panes.set_magnification(20.0)
    assert [label.text() for label in labels] == ["5×", "20×"]
    assert labels[1].property("rank") == "quiet"  # on their own they may differ
    panes.set_linked(True)
    assert labels[1].text() == "20×, first view 5×"
    right.set_slide(None)
    assert labels[1].text() == ""
