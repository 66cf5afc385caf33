"""Several views that move as one: place, zoom and rotation, each keeping the offset it had when they were linked."""

from __future__ import annotations

import math
from dataclasses import replace

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QGridLayout, QWidget

from lile_desktop.viewer.slide_view import SlideView
from lile_desktop.viewer.tile_cache import DEFAULT_BUDGET, TileCache
from lile_desktop.viewer.tile_loader import PixelSource
from lile_desktop.viewer.view_state import ViewState, delta_to_screen, delta_to_slide

MOST_VIEWS = 4
GAP = 2  # pixels between views


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
    """Links views: when one moves, the others follow. Mirroring a view links it anew."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._views: list[SlideView] = []
        self._then: dict[int, ViewState] = {}
        self._linked = False
        self._following = False

    @property
    def linked(self) -> bool:
        return self._linked

    def add(self, view: SlideView) -> None:
        self._views.append(view)
        view.view_changed.connect(lambda state, view=view: self._on_move(view, state))
        view.slide_changed.connect(self._relink)
        self._relink()

    def set_linked(self, linked: bool) -> None:
        """Let the views follow each other from where they stand, or move on their own."""
        self._linked = linked
        self._relink()

    def _relink(self) -> None:
        self._then = {id(view): view.view for view in self._views}

    def _on_move(self, leader: SlideView, now: ViewState) -> None:
        if not self._linked or self._following:
            return
        then = self._then[id(leader)]
        if then.mirrored != now.mirrored:
            self._relink()
            return
        self._following = True
        for view in self._views:
            if view is not leader and view.slide is not None:
                view.set_view(followed(then, now, self._then[id(view)]))
        self._following = False


class SplitView(QWidget):
    """Two to four views side by side over one cache. ``sync`` links them."""

    def __init__(
        self, source: PixelSource, count: int = 2, parent: QWidget | None = None, cache_bytes: int = DEFAULT_BUDGET
    ) -> None:
        super().__init__(parent)
        cache = TileCache(cache_bytes)
        self.sync = ViewSync(self)
        self.views = [SlideView(source, self, cache=cache) for _ in range(min(max(count, 1), MOST_VIEWS))]
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        columns = math.ceil(math.sqrt(len(self.views)))
        for number, view in enumerate(self.views):
            layout.addWidget(view, number // columns, number % columns)
            self.sync.add(view)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFocusProxy(self.views[0])
