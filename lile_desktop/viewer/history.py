"""Places visited, for back and forward. Pure."""

from __future__ import annotations

from lile_desktop.viewer.view_state import ViewState

LIMIT = 200


def _same_place(a: ViewState, b: ViewState) -> bool:
    """Whether two views show nearly the same: moved less than a fifth of the viewport, zoom within a fifth."""
    near = abs(a.cx - b.cx) * b.scale < b.width / 5 and abs(a.cy - b.cy) * b.scale < b.height / 5
    return near and 0.8 < a.scale / b.scale < 1.25 and a.rotation == b.rotation and a.mirrored == b.mirrored


class PlaceHistory:
    """A line of places with a position in it. A new place cuts off what lay ahead."""

    def __init__(self) -> None:
        self._places: list[ViewState] = []
        self._at = -1

    @property
    def can_go_back(self) -> bool:
        return self._at > 0

    @property
    def can_go_forward(self) -> bool:
        return self._at < len(self._places) - 1

    def visit(self, view: ViewState) -> None:
        """Remember a place where the view came to rest; places hardly apart count as one."""
        if self._at >= 0 and _same_place(self._places[self._at], view):
            return
        self._places = [*self._places[: self._at + 1], view][-LIMIT:]
        self._at = len(self._places) - 1

    def back(self) -> ViewState | None:
        if not self.can_go_back:
            return None
        self._at -= 1
        return self._places[self._at]

    def forward(self) -> ViewState | None:
        if not self.can_go_forward:
            return None
        self._at += 1
        return self._places[self._at]
