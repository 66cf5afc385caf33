from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QColor, QColorSpace, QDropEvent, QPalette, QWheelEvent
from pytestqt.qtbot import QtBot

from lile_desktop.viewer import Adjustment, RasterOverlay, Rect, SlideView, TileBox, ViewState
from lile_desktop.viewer.view_state import to_screen, to_slide
from lile_engine.slides import SlideInfo, open_slide
from lile_engine.slides.readers import ReaderPool

LEFT = Qt.MouseButton.LeftButton


def settle(qtbot: QtBot, view: SlideView) -> None:
    """Until nothing moves and all is sharp."""
    qtbot.waitUntil(lambda: not view.moving and view.is_sharp, timeout=20_000)


def color_at(view: SlideView, sx: float, sy: float) -> QColor:
    return view.picture(chrome=False).pixelColor(round(sx), round(sy))


def test_the_right_picture_in_the_right_place(view: SlideView, info: SlideInfo, slide_picture) -> None:
    full = slide_picture(info.width, info.height)
    for x, y in ((300, 300), (2700, 400), (1500, 1900)):
        color = color_at(view, *to_screen(view.view, x, y))
        assert abs(color.red() - int(full[y, x, 0])) < 15
        assert abs(color.green() - int(full[y, x, 1])) < 15
    assert color_at(view, 2, 2) == view.surround()


@pytest.mark.parametrize(("rotation", "mirrored"), [(0.0, True), (90.0, False), (37.0, False), (200.0, True)])
def test_turned_and_mirrored_pictures_are_right(
    qtbot: QtBot, view: SlideView, info: SlideInfo, slide_picture, rotation: float, mirrored: bool
) -> None:
    view.set_rotation(rotation)
    view.set_mirrored(mirrored)
    settle(qtbot, view)
    full = slide_picture(info.width, info.height)
    for x, y in ((1200, 900), (1800, 1300)):
        color = color_at(view, *to_screen(view.view, x, y))
        assert abs(color.red() - int(full[y, x, 0])) < 15
        assert abs(color.green() - int(full[y, x, 1])) < 15


def test_the_wheel_zooms_about_the_cursor(qtbot: QtBot, view: SlideView) -> None:
    at = QPointF(300, 200)
    before = to_slide(view.view, at.x(), at.y())
    scale = view.view.scale
    wheel = QWheelEvent(
        at,
        view.mapToGlobal(at),
        QPoint(),
        QPoint(0, 360),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    view.wheelEvent(wheel)
    settle(qtbot, view)
    assert view.view.scale == pytest.approx(scale * 1.3**3)
    assert to_slide(view.view, at.x(), at.y()) == pytest.approx(before)


def test_a_drag_moves_the_slide_with_the_hand(qtbot: QtBot, view: SlideView) -> None:
    view.set_magnification(10)
    under_hand = to_slide(view.view, 400, 300)
    qtbot.mousePress(view, LEFT, pos=QPoint(400, 300))
    qtbot.mouseMove(view, QPoint(430, 320))
    qtbot.mouseMove(view, QPoint(460, 330))
    assert to_screen(view.view, *under_hand) == pytest.approx((460, 330))
    qtbot.wait(120)  # the hand rests before it lets go: no glide
    qtbot.mouseRelease(view, LEFT, pos=QPoint(460, 330))
    settle(qtbot, view)
    assert to_screen(view.view, *under_hand) == pytest.approx((460, 330), abs=1)


def test_a_fling_glides_on_and_a_press_stops_it(qtbot: QtBot, view: SlideView) -> None:
    view.set_magnification(10)
    qtbot.mousePress(view, LEFT, pos=QPoint(400, 300))
    for step in range(1, 8):
        qtbot.mouseMove(view, QPoint(400 - 12 * step, 300), delay=6)
    qtbot.mouseRelease(view, LEFT, pos=QPoint(316, 300))
    let_go = view.view.cx
    assert view.moving
    qtbot.waitUntil(lambda: view.view.cx > let_go + 5, timeout=3000)
    qtbot.mousePress(view, LEFT, pos=QPoint(100, 100))
    assert not view.moving


def test_double_click_zooms_in(qtbot: QtBot, view: SlideView) -> None:
    scale = view.view.scale
    qtbot.mouseDClick(view, LEFT, pos=QPoint(300, 300))
    settle(qtbot, view)
    assert view.view.scale == pytest.approx(2 * scale)


def test_keys_move_zoom_and_fit(qtbot: QtBot, view: SlideView, info: SlideInfo) -> None:
    qtbot.keyClick(view, Qt.Key.Key_5)
    assert view.view.scale * info.magnification == pytest.approx(20)
    cx = view.view.cx
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert view.view.cx > cx
    qtbot.keyClick(view, Qt.Key.Key_Left)
    assert view.view.cx == pytest.approx(cx)
    scale = view.view.scale
    qtbot.keyClick(view, Qt.Key.Key_Plus)
    settle(qtbot, view)
    assert view.view.scale > scale
    qtbot.keyClick(view, Qt.Key.Key_BracketRight)
    assert view.view.rotation == 90
    qtbot.keyClick(view, Qt.Key.Key_BracketLeft)
    qtbot.keyClick(view, Qt.Key.Key_0)
    assert (view.view.cx, view.view.cy) == (info.width / 2, info.height / 2)


def test_back_and_forward_through_places(qtbot: QtBot, view: SlideView) -> None:
    start = view.view
    view.go_to(Rect(100, 100, 300, 200))
    there = view.view
    view.go_to(Rect(2000, 1500, 300, 200))
    view.go_back()
    assert view.view == there
    view.go_back()
    assert view.view == start
    assert not view.can_go_back
    view.go_forward()
    assert view.view == there


def test_a_slide_left_is_found_as_it_was(qtbot: QtBot, view: SlideView, info: SlideInfo) -> None:
    view.go_to(Rect(100, 100, 300, 200))
    there = view.view
    view.set_slide(None)
    assert view.slide is None
    view.set_slide(info)
    assert view.view == there


def test_a_fitted_slide_stays_fitted_when_the_window_grows(qtbot: QtBot, view: SlideView) -> None:
    scale = view.view.scale
    view.resize(1000, 800)
    assert view.view.scale > scale
    view.go_to(Rect(100, 100, 300, 200))
    scale, cx = view.view.scale, view.view.cx
    view.resize(800, 600)
    assert (view.view.scale, view.view.cx) == (scale, cx)


def test_there_is_never_a_blank_frame_once_the_first_tile_is_there(
    qtbot: QtBot, pool: ReaderPool, info: SlideInfo
) -> None:
    view = SlideView(pool)
    qtbot.addWidget(view)
    view.resize(800, 600)
    view.show()
    view.set_slide(info)
    qtbot.waitUntil(lambda: len(view.cache) > 0, timeout=20_000)
    bare = []
    for scale in np.geomspace(view.view.scale, 4.0, 25):
        view.set_view(ViewState(1500, 1100, float(scale)))
        view.repaint()
        bare.append(view.last_report.bare)
    assert max(bare) == 0


def test_the_cache_keeps_to_its_budget(qtbot: QtBot, pool: ReaderPool, info: SlideInfo) -> None:
    view = SlideView(pool, cache_bytes=9 * 1024 * 1024)
    qtbot.addWidget(view)
    view.resize(800, 600)
    view.show()
    view.set_slide(info)
    held = []
    view.loader.tile_loaded.connect(lambda _: held.append(view.cache.bytes_held))
    for x in (0, 1000, 2000, 3000):
        view.set_view(ViewState(x, 1000, 1.0))
        settle(qtbot, view)
    assert max(held) <= 9 * 1024 * 1024


def test_adjustment_changes_what_is_shown_and_reads_nothing(qtbot: QtBot, view: SlideView) -> None:
    qtbot.waitUntil(lambda: not view.loader.busy)
    before = color_at(view, 400, 300)
    asked: list[object] = []
    view.loader.tile_loaded.connect(asked.append)
    view.set_adjustment(Adjustment(brightness=0.2))
    brighter = color_at(view, 400, 300)
    assert brighter.red() == pytest.approx(min(before.red() + 51, 255), abs=3)
    view.set_adjustment(Adjustment())
    assert color_at(view, 400, 300) == before
    assert asked == []


def test_an_unreadable_slide_says_so_in_one_sentence(
    qtbot: QtBot, pool: ReaderPool, info: SlideInfo, tmp_path: Path
) -> None:
    gone = replace(info, path=str(tmp_path / "gone.tif"))
    view = SlideView(pool)
    qtbot.addWidget(view)
    view.show()
    with qtbot.waitSignal(view.slide_failed, timeout=20_000) as told:
        view.set_slide(gone)
    assert "gone.tif" in told.args[0]
    assert view.message == told.args[0]
    view.set_slide(info)
    assert view.message == ""


def test_cursor_place_is_told_in_slide_pixels(qtbot: QtBot, view: SlideView) -> None:
    with qtbot.waitSignal(view.cursor_moved) as told:
        qtbot.mouseMove(view, QPoint(222, 111))
    assert tuple(told.args) == pytest.approx(to_slide(view.view, 222, 111))


def test_files_are_dropped_on_it(qtbot: QtBot, view: SlideView, tmp_path: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(tmp_path / "a.svs")), QUrl("https://example.org/b.svs")])
    drop = QDropEvent(QPointF(10, 10), Qt.DropAction.CopyAction, mime, LEFT, Qt.KeyboardModifier.NoModifier)
    with qtbot.waitSignal(view.files_dropped) as told:
        view.dropEvent(drop)
    assert told.args[0] == [str(tmp_path / "a.svs")]


def minimap_shades(view: SlideView) -> set[int]:
    """The colours of a few places of the minimap, away from its borders."""
    drawn = view.minimap.grab().toImage()
    shares = (0.2, 0.35, 0.65, 0.8)
    places = [(round(drawn.width() * x), round(drawn.height() * y)) for x in shares for y in shares]
    return {drawn.pixel(*place) for place in places}


def test_the_minimap_never_shows_the_slide_before(view: SlideView, info: SlideInfo, tmp_path: Path) -> None:
    assert len(minimap_shades(view)) > 4
    view.set_slide(replace(info, path=str(tmp_path / "damaged.tif"), width=1000, height=1600))  # which never comes
    assert len(minimap_shades(view)) == 1
    assert view.minimap.height() > view.minimap.width()
    view.set_slide(info)  # seen before: its picture is kept
    assert len(minimap_shades(view)) > 4


def test_the_minimap_moves_the_view(qtbot: QtBot, view: SlideView, info: SlideInfo) -> None:
    view.go_to(Rect(100, 100, 300, 200))
    assert view.minimap.isVisible()
    center = QPoint(view.minimap.width() // 2, view.minimap.height() // 2)
    qtbot.mouseClick(view.minimap, LEFT, pos=center)
    assert view.view.cx == pytest.approx(info.width / 2, rel=0.02)
    box = view.minimap.view_polygon().boundingRect()
    assert box.center().x() == pytest.approx(center.x(), abs=1.5)
    view.set_minimap_visible(False)
    assert not view.minimap.isVisible()


def test_the_surround_follows_the_window(view: SlideView) -> None:
    light = view.surround()
    palette = QPalette(view.palette())
    palette.setColor(QPalette.ColorRole.Window, QColor(30, 30, 30))
    view.setPalette(palette)
    assert view.surround().lightness() < 60 < light.lightness()


def test_an_overlay_is_painted_where_it_lies(qtbot: QtBot, view: SlideView) -> None:
    values = np.array([[0.0, 1.0], [np.nan, 0.5]], np.float32)
    plain = view.picture(chrome=False)
    view.set_overlay("heat", RasterOverlay(values, 1000, 800, 800, 600, opacity=1.0, smooth=False, low=0, high=1))
    shown = view.picture(chrome=False)

    def at(x: float, y: float) -> tuple[QColor, QColor]:
        sx, sy = to_screen(view.view, x, y)
        return plain.pixelColor(round(sx), round(sy)), shown.pixelColor(round(sx), round(sy))

    before, after = at(1600, 950)
    assert after != before
    assert (after.red(), after.green(), after.blue()) == pytest.approx((253, 231, 37), abs=3)
    before, after = at(1200, 1250)
    assert after == before  # nan: clear
    view.set_overlay_visible("heat", False)
    assert view.picture(chrome=False) == plain
    view.set_overlay("heat", None)
    assert view.overlays.names() == ()


def test_a_click_on_a_hit_tells_which(qtbot: QtBot, view: SlideView) -> None:
    boxes = [TileBox(1000, 800, 448, id=7), TileBox(2000, 800, 448, id=8)]
    view.set_highlights(boxes)
    sx, sy = to_screen(view.view, 2200, 1000)
    with qtbot.waitSignal(view.tile_box_clicked) as told:
        qtbot.mouseClick(view, LEFT, pos=QPoint(round(sx), round(sy)))
    assert told.args[0] == boxes[1]


def test_the_colour_profile_is_applied_without_reading_again(qtbot: QtBot, pool: ReaderPool, tmp_path: Path) -> None:
    wide = QColorSpace(QColorSpace.NamedColorSpace.AdobeRgb)
    picture = np.full((300, 400, 3), (60, 180, 90), np.uint8)
    path = tmp_path / "wide.png"
    Image.fromarray(picture).save(path, icc_profile=wide.iccProfile().data())
    view = SlideView(pool)
    qtbot.addWidget(view)
    view.resize(400, 300)
    view.show()
    with qtbot.waitSignal(view.loader.profile_loaded, timeout=20_000):
        view.set_slide(pool.open(str(path)).result(timeout=20))
    settle(qtbot, view)
    assert color_at(view, 200, 150) == QColor(60, 180, 90)
    qtbot.waitUntil(lambda: not view.loader.busy)
    read: list[object] = []
    view.loader.tile_loaded.connect(read.append)
    view.set_color_profile_on(True)
    shown = color_at(view, 200, 150)
    with open_slide(path) as slide:
        expected = slide.to_srgb(picture)[0, 0]
    assert (shown.red(), shown.green(), shown.blue()) == pytest.approx(tuple(int(v) for v in expected), abs=2)
    assert shown != QColor(60, 180, 90)
    view.set_color_profile_on(False)
    assert color_at(view, 200, 150) == QColor(60, 180, 90)
    assert read == []


def test_the_tile_grid_and_all_rasters_go_on_and_off(qtbot: QtBot, view: SlideView) -> None:
    view.set_magnification(5)
    settle(qtbot, view)
    plain = view.picture(chrome=False)
    view.set_tile_grid(448)
    assert view.picture(chrome=False) != plain
    view.set_tile_grid(None)
    view.set_overlay("mask", RasterOverlay(np.ones((4, 4), np.float32), 0, 0, 3000, 2200))
    assert view.picture(chrome=False) != plain
    qtbot.keyClick(view, Qt.Key.Key_H)
    assert view.picture(chrome=False) == plain


def test_nothing_is_painted_over_the_surround(view: SlideView) -> None:
    view.set_overlay("mask", RasterOverlay(np.ones((4, 4), np.float32), -3000, -3000, 9000, 9000, opacity=1.0))
    assert color_at(view, 2, 2) == view.surround()


def test_a_place_in_microns(view: SlideView) -> None:
    view.go_to_microns(500, 250)
    assert (view.view.cx, view.view.cy) == (1000, 500)
