"""Glide after a drag and the short ease of a zoom: pure steps over time, no Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lile_desktop.viewer.view_state import ViewState, panned, zoomed_at

GLIDE_HALF_LIFE = 0.09  # seconds in which the speed of a glide halves
GLIDE_STOP = 12.0  # pixels a second; slower counts as standing
GLIDE_START = 120.0  # a drag let go slower than this does not glide
ZOOM_HALF_LIFE = 0.035  # seconds in which half of the way to the wanted scale is gone
ZOOM_DONE = 0.002  # remaining relative difference at which a zoom ends


@dataclass(frozen=True)
class Motion:
    """What is under way: speed in screen px/s, and a scale to reach about an anchor on the screen."""

    vx: float = 0.0
    vy: float = 0.0
    target_scale: float | None = None
    anchor_x: float = 0.0
    anchor_y: float = 0.0

    @property
    def resting(self) -> bool:
        return self.vx == 0 and self.vy == 0 and self.target_scale is None


REST = Motion()


def glide(vx: float, vy: float) -> Motion:
    """The motion of a drag that was let go at (vx, vy) px/s."""
    return Motion(vx, vy) if math.hypot(vx, vy) >= GLIDE_START else REST


def step(view: ViewState, motion: Motion, seconds: float) -> tuple[ViewState, Motion]:
    """View and motion ``seconds`` later."""
    if motion.target_scale is not None:
        share = 1 - 0.5 ** (seconds / ZOOM_HALF_LIFE)
        left = math.log(motion.target_scale / view.scale)
        done = abs(left) * (1 - share) < ZOOM_DONE
        scale = motion.target_scale if done else view.scale * math.exp(left * share)
        view = zoomed_at(view, scale, motion.anchor_x, motion.anchor_y)
        if done:
            motion = replace(motion, target_scale=None)
    if motion.vx or motion.vy:
        keep = 0.5 ** (seconds / GLIDE_HALF_LIFE)
        # the way gone under exponential decay, exact for any step length
        way = GLIDE_HALF_LIFE / math.log(2) * (1 - keep)
        view = panned(view, motion.vx * way, motion.vy * way)
        vx, vy = motion.vx * keep, motion.vy * keep
        motion = replace(motion, vx=0.0, vy=0.0) if math.hypot(vx, vy) < GLIDE_STOP else replace(motion, vx=vx, vy=vy)
    return view, motion


class DragSpeed:
    """The speed of a drag from its last places, in px/s; times are seconds."""

    WINDOW = 0.08

    def __init__(self) -> None:
        self._places: list[tuple[float, float, float]] = []

    def add(self, seconds: float, x: float, y: float) -> None:
        self._places.append((seconds, x, y))
        self._places = [p for p in self._places if seconds - p[0] <= self.WINDOW]

    def speed(self, now: float) -> tuple[float, float]:
        """(vx, vy) at the moment of letting go; zero where the hand had stopped before."""
        recent = [p for p in self._places if now - p[0] <= self.WINDOW]
        if len(recent) < 2 or recent[-1][0] <= recent[0][0]:
            return 0.0, 0.0
        (t0, x0, y0), (t1, x1, y1) = recent[0], recent[-1]
        return (x1 - x0) / (t1 - t0), (y1 - y0) / (t1 - t0)
