"""Every tool, by mouse and by key, on a real view."""

from __future__ import annotations

import math

import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from lile_desktop.viewer import SlideView
from lile_desktop.viewer.measures import kind_text, length_px, measure_text
from lile_desktop.viewer.slide_menu import SlideMenu
from lile_desktop.viewer.tools.ruler import RulerTool
from lile_desktop.viewer.view_state import to_screen, to_slide
from lile_engine.slides import Region

LEFT = Qt.MouseButton.LeftButton
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture(autouse=True)
def at_ten_times(view: SlideView) -> None:
    view.set_magnification(10)


def on_slide(view: SlideView, sx: float, sy: float) -> tuple[float, float]:
    return to_slide(view.view, sx, sy)


def drag(qtbot: QtBot, view: SlideView, *places: tuple[int, int], keys: Qt.KeyboardModifier | None = None) -> None:
    modifiers = keys or Qt.KeyboardModifier.NoModifier
    qtbot.mousePress(view, LEFT, modifiers, QPoint(*places[0]))
    for place in places[1:]:
        qtbot.mouseMove(view, QPoint(*place))
    qtbot.mouseRelease(view, LEFT, modifiers, QPoint(*places[-1]))


def test_rectangle_by_key_and_mouse(qtbot: QtBot, view: SlideView) -> None:
    qtbot.keyClick(view, Qt.Key.Key_R)
    assert view.tool == "rectangle"
    with qtbot.waitSignal(view.region_drawn) as told:
        drag(qtbot, view, (200, 150), (300, 300), (400, 250))
    region: Region = told.args[0]
    x, y, w, h = region.bounds
    assert (x, y) == pytest.approx(on_slide(view, 200, 150))
    assert (w, h) == pytest.approx((200 / view.view.scale, 100 / view.view.scale))
    assert [a.region for a in view.annotations.selected()] == [region]


def test_a_rectangle_drawn_towards_the_upper_left(qtbot: QtBot, view: SlideView) -> None:
    view.set_tool("rectangle")
    drag(qtbot, view, (400, 300), (200, 100))
    x, y, w, h = view.annotations.all()[0].region.bounds
    assert (x, y) == pytest.approx(on_slide(view, 200, 100))
    assert w > 0
    assert h > 0


def test_a_slip_of_the_hand_draws_nothing(qtbot: QtBot, view: SlideView) -> None:
    view.set_tool("rectangle")
    qtbot.mouseClick(view, LEFT, pos=QPoint(300, 300))
    assert len(view.annotations) == 0


def test_ellipse(qtbot: QtBot, view: SlideView) -> None:
    qtbot.keyClick(view, Qt.Key.Key_O)
    drag(qtbot, view, (200, 100), (400, 200))
    region = view.annotations.all()[0].region
    expected = math.pi * 100 * 50 / view.view.scale**2
    assert region.area_px() == pytest.approx(expected, rel=0.01)


def test_polygon_closed_by_return_and_a_point_taken_back(qtbot: QtBot, view: SlideView) -> None:
    qtbot.keyClick(view, Qt.Key.Key_P)
    for place in ((200, 100), (400, 100), (400, 300), (10, 10)):
        qtbot.mouseClick(view, LEFT, pos=QPoint(*place))
    qtbot.keyClick(view, Qt.Key.Key_Backspace)
    qtbot.keyClick(view, Qt.Key.Key_Return)
    region = view.annotations.all()[0].region
    assert len(region.exterior) == 3
    assert region.area_px() == pytest.approx(200 * 200 / 2 / view.view.scale**2)


def test_polygon_closed_on_its_first_corner(qtbot: QtBot, view: SlideView) -> None:
    view.set_tool("polygon")
    for place in ((200, 100), (400, 100), (400, 300), (203, 102)):
        qtbot.mouseClick(view, LEFT, pos=QPoint(*place))
    assert len(view.annotations.all()[0].region.exterior) == 3


def test_escape_drops_a_polygon(qtbot: QtBot, view: SlideView) -> None:
    view.set_tool("polygon")
    for place in ((200, 100), (400, 100), (400, 300)):
        qtbot.mouseClick(view, LEFT, pos=QPoint(*place))
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    qtbot.keyClick(view, Qt.Key.Key_Return)
    assert len(view.annotations) == 0


def test_freehand(qtbot: QtBot, view: SlideView) -> None:
    qtbot.keyClick(view, Qt.Key.Key_F)
    circle = [
        (round(300 + 80 * math.cos(t / 20 * 2 * math.pi)), round(300 + 80 * math.sin(t / 20 * 2 * math.pi)))
        for t in range(21)
    ]
    drag(qtbot, view, *circle)
    assert view.annotations.all()[0].region.area_px() == pytest.approx(math.pi * 80**2 / view.view.scale**2, rel=0.05)


def test_ruler_leaves_a_line_with_its_length_in_microns(qtbot: QtBot, view: SlideView) -> None:
    plain = view.picture(chrome=False)
    qtbot.keyClick(view, Qt.Key.Key_L)
    qtbot.mousePress(view, LEFT, pos=QPoint(200, 200))
    qtbot.mouseMove(view, QPoint(300, 200))
    ruler = view.active_tool
    assert isinstance(ruler, RulerTool)
    assert ruler.length_px == pytest.approx(100 / view.view.scale)
    assert ruler.text() == "100 µm"
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    qtbot.mouseRelease(view, LEFT, pos=QPoint(300, 200))
    assert len(view.annotations) == 0  # what was dropped leaves nothing
    drag(qtbot, view, (200, 200), (250, 200), (300, 200))
    drag(qtbot, view, (200, 300), (250, 300), (400, 300))
    assert view.slide is not None
    lines = view.annotations.all()
    assert [(a.kind, kind_text(a), measure_text(a, view.slide.mpp)) for a in lines] == [
        ("line", "Line", "100 µm"), ("line", "Line", "200 µm"),
    ]  # fmt: skip
    view.annotations.select([])
    view.set_tool("move")
    measured = view.picture(chrome=False)
    plate = [x for x in range(264, 320) if measured.pixelColor(x, 224) != plain.pixelColor(x, 224)]
    assert len(plate) > 40  # the length stands beside the middle of the line
    qtbot.mouseClick(view, LEFT, pos=QPoint(250, 200))
    qtbot.keyClick(view, Qt.Key.Key_Delete)
    assert [measure_text(a, view.slide.mpp) for a in view.annotations.all()] == ["200 µm"]


def test_a_slip_of_the_ruler_leaves_nothing(qtbot: QtBot, view: SlideView) -> None:
    view.set_tool("line")
    qtbot.mouseClick(view, LEFT, pos=QPoint(300, 300))
    assert len(view.annotations) == 0


def test_space_moves_the_picture_whatever_the_tool(qtbot: QtBot, view: SlideView) -> None:
    view.set_tool("rectangle")
    under_hand = on_slide(view, 300, 300)
    qtbot.keyPress(view, Qt.Key.Key_Space)
    drag(qtbot, view, (300, 300), (320, 310), (350, 320))
    assert to_screen(view.view, *under_hand) == pytest.approx((350, 320), abs=40)
    qtbot.keyRelease(view, Qt.Key.Key_Space)
    assert view.tool == "rectangle"
    assert len(view.annotations) == 0


def test_a_click_selects_the_smallest_and_a_click_beside_nothing(qtbot: QtBot, view: SlideView) -> None:
    large = view.annotations.add(Region.rectangle(*on_slide(view, 100, 100), 400, 300))
    small = view.annotations.add(Region.rectangle(*on_slide(view, 150, 150), 60, 60))
    qtbot.mouseClick(view, LEFT, pos=QPoint(155, 155))
    assert view.annotations.selection == (small.id,)
    qtbot.mouseClick(view, LEFT, SHIFT, QPoint(110, 110))
    assert view.annotations.selection == (small.id, large.id)
    qtbot.mouseClick(view, LEFT, pos=QPoint(790, 590))
    assert view.annotations.selection == ()


def test_delete_undo_redo_by_key(qtbot: QtBot, view: SlideView) -> None:
    made = view.annotations.add(Region.rectangle(*on_slide(view, 100, 100), 100, 100))
    view.annotations.select([made.id])
    qtbot.keyClick(view, Qt.Key.Key_Delete)
    assert len(view.annotations) == 0
    qtbot.keyClick(view, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert view.annotations.get(made.id) == made
    qtbot.keyClick(view, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | SHIFT)
    assert len(view.annotations) == 0


def test_a_class_given_to_one_region_goes_to_no_other(qtbot: QtBot, view: SlideView) -> None:
    menu = SlideMenu(view)
    view.set_tool("rectangle")
    drag(qtbot, view, (200, 100), (300, 200))
    menu.add_class("Tumour")
    drag(qtbot, view, (400, 100), (500, 200))
    classes = [a.region_class.name if a.region_class else "" for a in view.annotations.all()]
    assert classes == ["Tumour", ""]


def test_a_shows_and_hides_the_regions(qtbot: QtBot, view: SlideView) -> None:
    plain = view.picture(chrome=False)
    view.annotations.add(Region.rectangle(*on_slide(view, 100, 100), 100, 100))
    assert view.picture(chrome=False) != plain
    qtbot.keyClick(view, Qt.Key.Key_A)
    assert view.picture(chrome=False) == plain


def test_a_selected_region_is_moved_by_its_inside(qtbot: QtBot, view: SlideView) -> None:
    made = view.annotations.add(Region.rectangle(*on_slide(view, 200, 200), 200, 200))
    view.annotations.select([made.id])
    before = view.view
    drag(qtbot, view, (230, 230), (250, 240), (290, 260))
    assert view.view == before  # the slide stayed
    x, y, w, h = view.annotations.all()[0].region.bounds
    assert (x, y) == pytest.approx(on_slide(view, 260, 230))
    assert (w, h) == pytest.approx((200, 200))
    view.annotations.undo()
    assert view.annotations.all()[0].region == made.region


def test_a_corner_is_dragged(qtbot: QtBot, view: SlideView) -> None:
    made = view.annotations.add(
        Region.rectangle(*on_slide(view, 200, 200), 100 / view.view.scale, 100 / view.view.scale)
    )
    view.annotations.select([made.id])
    drag(qtbot, view, (300, 300), (320, 320), (350, 380))
    _, _, w, h = view.annotations.all()[0].region.bounds
    assert (w, h) == pytest.approx((150 / view.view.scale, 180 / view.view.scale))


def test_a_locked_region_stays_where_it_is(qtbot: QtBot, view: SlideView) -> None:
    made = view.annotations.add(Region.rectangle(*on_slide(view, 200, 200), 200, 200), locked=True)
    view.annotations.select([made.id])
    drag(qtbot, view, (230, 230), (250, 240), (290, 260))
    assert view.annotations.all() == [made]


def test_brush_paints_joins_and_wipes(qtbot: QtBot, view: SlideView) -> None:
    qtbot.keyClick(view, Qt.Key.Key_B)
    drag(qtbot, view, (200, 200), (250, 200), (300, 200))
    assert len(view.annotations) == 1
    first = view.annotations.all()[0].region.area_px()
    drag(qtbot, view, (300, 200), (300, 250), (300, 300))
    assert len(view.annotations) == 1
    joined = view.annotations.all()[0].region.area_px()
    assert joined > 1.5 * first
    drag(qtbot, view, (200, 200), (250, 200), (300, 200), keys=Qt.KeyboardModifier.AltModifier)
    assert sum(part.area_px() for part in view.annotations.all()[0].parts) < joined - 0.7 * first
    drag(qtbot, view, (600, 500), (650, 500))
    assert len(view.annotations) == 2
    for _ in range(4):
        view.annotations.undo()
    assert len(view.annotations) == 0
    assert view.tool == "brush"


def test_points_gather_in_one_set(qtbot: QtBot, view: SlideView) -> None:
    qtbot.keyClick(view, Qt.Key.Key_Period)
    for place in ((200, 200), (300, 250), (350, 400)):
        qtbot.mouseClick(view, LEFT, pos=QPoint(*place))
    assert len(view.annotations) == 1
    points = view.annotations.all()[0]
    assert points.kind == "points"
    assert points.region.exterior[1] == pytest.approx(on_slide(view, 300, 250))
    view.annotations.undo()
    assert len(view.annotations.all()[0].region.exterior) == 2


def test_polyline(qtbot: QtBot, view: SlideView) -> None:
    qtbot.keyClick(view, Qt.Key.Key_V)
    for place in ((200, 200), (300, 250), (350, 400)):
        qtbot.mouseClick(view, LEFT, pos=QPoint(*place))
    qtbot.keyClick(view, Qt.Key.Key_Return)
    line = view.annotations.all()[0]
    assert line.kind == "line"
    assert len(line.region.exterior) == 3
    view.set_tool("move")
    view.annotations.select([])
    qtbot.mouseClick(view, LEFT, pos=QPoint(250, 225))
    assert view.annotations.selection == (line.id,)


def steps(qtbot: QtBot, view: SlideView, *keys: Qt.Key) -> None:
    for key in keys:
        qtbot.keyClick(view, key)


@pytest.mark.parametrize(("tool", "name"), [(Qt.Key.Key_R, "rectangle"), (Qt.Key.Key_O, "ellipse")])
def test_a_region_by_keyboard_alone(qtbot: QtBot, view: SlideView, tool: Qt.Key, name: str) -> None:
    start = view.view
    steps(qtbot, view, tool, Qt.Key.Key_C, Qt.Key.Key_Right, Qt.Key.Key_Down)
    assert view.active_tool.busy
    assert view.key_pointer.shown
    moved = view.view
    steps(qtbot, view, Qt.Key.Key_C)
    assert view.tool == name
    drawn = view.annotations.all()[0].bounds
    assert (drawn.w, drawn.h) == pytest.approx((moved.cx - start.cx, moved.cy - start.cy), rel=0.01)


def test_polygon_points_and_ruler_by_keyboard_alone(qtbot: QtBot, view: SlideView) -> None:
    corner, right, down = Qt.Key.Key_C, Qt.Key.Key_Right, Qt.Key.Key_Down
    steps(qtbot, view, Qt.Key.Key_P, corner, right, corner, down, corner, Qt.Key.Key_Return)
    assert len(view.annotations.all()[0].region.exterior) == 3
    view.annotations.select([])
    steps(qtbot, view, Qt.Key.Key_Period, corner, right, corner)
    assert len(view.annotations.all()[1].region.exterior) == 2
    steps(qtbot, view, Qt.Key.Key_L, corner, right, corner)
    assert length_px(view.annotations.all()[2]) == pytest.approx(0.12 * view.width() / view.view.scale, rel=0.01)
    view.annotations.select([])
    steps(qtbot, view, Qt.Key.Key_B, corner, right, corner)
    assert len(view.annotations) == 4


def test_escape_drops_what_the_keyboard_draws_and_the_mouse_hides_the_cross(qtbot: QtBot, view: SlideView) -> None:
    steps(qtbot, view, Qt.Key.Key_R, Qt.Key.Key_C, Qt.Key.Key_Right, Qt.Key.Key_Escape, Qt.Key.Key_Right)
    assert not view.active_tool.busy
    qtbot.mouseMove(view, QPoint(50, 50))
    qtbot.mouseMove(view, QPoint(60, 60))
    assert not view.key_pointer.shown
    assert len(view.annotations) == 0


def test_a_region_is_selected_by_keyboard_alone(qtbot: QtBot, view: SlideView) -> None:
    added = view.annotations.add(Region.rectangle(view.view.cx - 50, view.view.cy - 50, 100, 100))
    steps(qtbot, view, Qt.Key.Key_C)
    assert view.annotations.selection == (added.id,)
