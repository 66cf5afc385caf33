"""Several views that move as one: place, zoom and rotation, each keeping the offset it had when they were linked."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, QTimer

from lile_desktop.viewer.slide_view import SlideView
from lile_desktop.viewer.view_state import ViewState, delta_to_screen, delta_to_slide
from lile_engine.slides import SlideInfo


def followed(leader_then: ViewState, leader_now: ViewState, own_then: ViewState) -> ViewState:
    """Where a view stands now, given where it and its leader stood when they were linked.

    The follower moves on the screen as its leader does, whatever the scale, rotation or mirror of either slide.
    """
    sx, sy = delta_to_screen(leader_then, leader_now.cx - leader_then.cx, leader_now.cy - leader_then.cy)
    dx, dy = delta_to_slide(own_then, sx, sy)
    return replace(
        own_then,
        cx=own_then.cx + dx,
        cy=own_then.cy + dy,
        scale=own_then.scale * leader_now.scale / leader_then.scale,
        rotation=(own_then.rotation + leader_now.rotation - leader_then.rotation) % 360,
    )


class ViewSync(QObject):
    """Links views: when one moves, the others follow. Mirroring a view links it anew, and so does another slide: it
    is shown where it is wanted first, and nothing follows there."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._views: list[SlideView] = []
        self._then: dict[int, ViewState] = {}
        self._slides: dict[int, SlideInfo | None] = {}
        self._linked = False
        self._following = False
        self._placing: set[int] = set()  # views whose slide has just come and finds its place

    @property
    def linked(self) -> bool:
        return self._linked

    def add(self, view: SlideView) -> None:
        self._views.append(view)
        view.view_changed.connect(lambda state, view=view: self._on_move(view, state))
        view.slide_changed.connect(lambda view=view: self._place(view))
        self._relink()

    def remove(self, view: SlideView) -> None:
        """Let go of a view that is about to be closed."""
        self._views.remove(view)
        self._placing.discard(id(view))
        self._relink()

    def set_linked(self, linked: bool) -> None:
        """Let the views follow each other from where they stand, or move on their own."""
        self._linked = linked
        self._placing.clear()
        self._relink()

    def _relink(self) -> None:
        self._then = {id(view): view.view for view in self._views}
        self._slides = {id(view): view.slide for view in self._views}

    def _place(self, view: SlideView) -> None:
        """What moves a view as its slide comes (fitted, back where it was left, flown to a hit) leads no other."""
        self._placing.add(id(view))
        self._relink()
        QTimer.singleShot(0, self, lambda: self._placed(id(view)))

    def _placed(self, number: int) -> None:
        if number in self._placing:
            self._placing.discard(number)
            self._relink()

    def _on_move(self, leader: SlideView, now: ViewState) -> None:
        if not self._linked or self._following or leader not in self._views or id(leader) in self._placing:
            return
        if leader.slide is not self._slides[id(leader)]:
            return  # the slide is about to be told of
        then = self._then[id(leader)]
        if then.mirrored != now.mirrored:
            self._relink()
            return
        self._following = True
        for view in self._views:
            if view is not leader and view.slide is not None:
                view.set_view(followed(then, now, self._then[id(view)]))
        self._following = False
