"""Where a view stands over a slide: pure geometry, no Qt.

Slide coordinates are level-0 pixels, screen coordinates are logical pixels of the widget with y down.
A slide point p appears at  ``centre of viewport + scale * R(rotation) * M(mirrored) * (p - (cx, cy))``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lile_engine.slides import SlideInfo

MAX_SCALE = 32.0  # screen pixels per level-0 pixel; beyond this only squares are seen
FIT_MARGIN = 0.96  # a fitted slide leaves a little surround so that its edge is seen
MAGNIFICATION_PRESETS = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0)  # keys 1 to 7
ASSUMED_MAGNIFICATION = 40.0  # of level 0 where the slide says nothing; only the presets use it
MPP_AT_1X = 10.0  # by convention 10x is 1 um a pixel, 40x is 0.25


@dataclass(frozen=True)
class Rect:
    """An upright rectangle in level-0 pixels."""

    x: float
    y: float
    w: float
    h: float

    @property
    def center(self) -> tuple[float, float]:
        return self.x + self.w / 2, self.y + self.h / 2

    def intersects(self, other: Rect) -> bool:
        return (
            self.x < other.x + other.w
            and other.x < self.x + self.w
            and self.y < other.y + other.h
            and other.y < self.y + self.h
        )

    def within(self, other: Rect) -> bool:
        """Whether it lies in ``other``, borders included."""
        return (
            self.x >= other.x
            and self.y >= other.y
            and self.x + self.w <= other.x + other.w
            and self.y + self.h <= other.y + other.h
        )

    def expanded(self, margin: float) -> Rect:
        return Rect(self.x - margin, self.y - margin, self.w + 2 * margin, self.h + 2 * margin)


@dataclass(frozen=True)
class ViewState:
    """What a view shows: centre (level-0 px), scale (logical screen px per level-0 px), rotation (degrees
    clockwise), mirrored (left and right exchanged before the rotation), viewport size (logical px)."""

    cx: float = 0.0
    cy: float = 0.0
    scale: float = 1.0
    width: int = 1
    height: int = 1
    rotation: float = 0.0
    mirrored: bool = False

    @property
    def upright(self) -> bool:
        """True where neither rotation nor mirror is in force."""
        return not self.mirrored and self.rotation % 360 == 0


def screen_matrix(view: ViewState) -> tuple[float, float, float, float]:
    """(a, b, c, d) with screen = (a x + b y, c x + d y), scale included."""
    angle = math.radians(view.rotation)
    cos, sin = math.cos(angle) * view.scale, math.sin(angle) * view.scale
    flip = -1.0 if view.mirrored else 1.0
    return cos * flip, -sin, sin * flip, cos


def to_screen(view: ViewState, x: float, y: float) -> tuple[float, float]:
    """The screen place of a level-0 point."""
    a, b, c, d = screen_matrix(view)
    dx, dy = x - view.cx, y - view.cy
    return view.width / 2 + a * dx + b * dy, view.height / 2 + c * dx + d * dy


def to_slide(view: ViewState, sx: float, sy: float) -> tuple[float, float]:
    """The level-0 point under a screen place."""
    dx, dy = delta_to_slide(view, sx - view.width / 2, sy - view.height / 2)
    return view.cx + dx, view.cy + dy


def delta_to_screen(view: ViewState, dx: float, dy: float) -> tuple[float, float]:
    """A level-0 displacement in screen pixels."""
    a, b, c, d = screen_matrix(view)
    return a * dx + b * dy, c * dx + d * dy


def delta_to_slide(view: ViewState, dx: float, dy: float) -> tuple[float, float]:
    """A screen displacement in level-0 pixels."""
    a, b, c, d = screen_matrix(view)
    det = a * d - b * c
    return (d * dx - b * dy) / det, (a * dy - c * dx) / det


def visible_rect(view: ViewState) -> Rect:
    """The upright level-0 rectangle that covers all the viewport shows (its hull when rotated)."""
    corners = [to_slide(view, sx, sy) for sx in (0, view.width) for sy in (0, view.height)]
    xs, ys = [p[0] for p in corners], [p[1] for p in corners]
    return Rect(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))


def panned(view: ViewState, dx: float, dy: float) -> ViewState:
    """The view after the slide was dragged by (dx, dy) screen pixels."""
    sx, sy = delta_to_slide(view, dx, dy)
    return replace(view, cx=view.cx - sx, cy=view.cy - sy)


def zoomed_at(view: ViewState, scale: float, sx: float, sy: float) -> ViewState:
    """The view at another scale with the slide point under (sx, sy) kept where it is."""
    return _anchored(view, replace(view, scale=scale), sx, sy)


def turned_at(view: ViewState, rotation: float, sx: float, sy: float) -> ViewState:
    """The view at another rotation (degrees clockwise), turning about the screen point (sx, sy)."""
    return _anchored(view, replace(view, rotation=rotation % 360), sx, sy)


def _anchored(before: ViewState, after: ViewState, sx: float, sy: float) -> ViewState:
    x, y = to_slide(before, sx, sy)
    x1, y1 = to_slide(after, sx, sy)
    return replace(after, cx=after.cx + x - x1, cy=after.cy + y - y1)


def resized(view: ViewState, width: int, height: int) -> ViewState:
    """The view in a viewport of another size; its centre stays."""
    return replace(view, width=max(width, 1), height=max(height, 1))


def scale_to_show(view: ViewState, w: float, h: float) -> float:
    """The largest scale at which w x h level-0 pixels are all in the viewport, at the view's rotation."""
    angle = math.radians(view.rotation)
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    across, down = w * cos + h * sin, w * sin + h * cos
    return min(view.width / max(across, 1e-9), view.height / max(down, 1e-9))


def fitted(view: ViewState, width: int, height: int) -> ViewState:
    """The view that shows a whole slide of width x height level-0 pixels."""
    return replace(view, cx=width / 2, cy=height / 2, scale=scale_to_show(view, width, height) * FIT_MARGIN)


def showing(view: ViewState, rect: Rect, margin: float = 0.8) -> ViewState:
    """The view with ``rect`` in its middle, filling at most ``margin`` of the viewport."""
    cx, cy = rect.center
    return replace(view, cx=cx, cy=cy, scale=scale_to_show(view, rect.w, rect.h) * margin)


def clamped(view: ViewState, width: int, height: int, *, least: float = math.inf, most: float = 0.0) -> ViewState:
    """The view with its centre on the slide and its scale between half the fitted one and `MAX_SCALE`, or as far as
    ``least`` and ``most`` go beyond that."""
    lowest = min(scale_to_show(view, width, height) * FIT_MARGIN / 2, 1.0, least)
    return replace(
        view,
        cx=min(max(view.cx, 0.0), float(width)),
        cy=min(max(view.cy, 0.0), float(height)),
        scale=min(max(view.scale, lowest), max(MAX_SCALE, most)),
    )


def limited(view: ViewState, info: SlideInfo) -> ViewState:
    """`clamped` to a slide with every preset magnification within reach, however small or coarse the slide."""
    presets = [scale_for_magnification(info, power) for power in MAGNIFICATION_PRESETS]
    return clamped(view, info.width, info.height, least=presets[0], most=presets[-1])


def base_magnification(info: SlideInfo) -> float | None:
    """Magnification of level 0: as the slide says, else 10 / mpp, else None."""
    if info.magnification:
        return info.magnification
    return MPP_AT_1X / info.mpp if info.mpp else None


def magnification(view: ViewState, info: SlideInfo) -> float | None:
    """Magnification on the screen (one screen pixel per slide pixel at the objective's power), or None."""
    base = base_magnification(info)
    return base * view.scale if base else None


def scale_for_magnification(info: SlideInfo, wanted: float) -> float:
    """Scale at which the slide appears at ``wanted`` x; a slide that says nothing counts as scanned at 40x."""
    return wanted / (base_magnification(info) or ASSUMED_MAGNIFICATION)
