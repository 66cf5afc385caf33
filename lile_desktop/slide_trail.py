"""Which slides were looked at, and where on each: what Back and Forward follow from one slide to another. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from lile_desktop.viewer.view_state import ViewState

LIMIT = 100


@dataclass(frozen=True)
class Stop:
    """A slide (its path) and the view that it was left with."""

    path: str
    view: ViewState


class SlideTrail:
    """Slides left behind and slides gone back from. Leaving a slide anew cuts off what lay ahead."""

    def __init__(self) -> None:
        self._behind: list[Stop] = []
        self._ahead: list[Stop] = []

    @property
    def can_go_back(self) -> bool:
        return bool(self._behind)

    @property
    def can_go_forward(self) -> bool:
        return bool(self._ahead)

    def leave(self, here: Stop) -> None:
        """Another slide is opened over this one."""
        self._behind = [*self._behind, here][-LIMIT:]
        self._ahead.clear()

    def back(self, here: Stop) -> Stop | None:
        """The slide before this one, None where there is none."""
        return _step(self._behind, self._ahead, here)

    def forward(self, here: Stop) -> Stop | None:
        """The slide gone back from, None where there is none."""
        return _step(self._ahead, self._behind, here)


def _step(source: list[Stop], target: list[Stop], here: Stop) -> Stop | None:
    if not source:
        return None
    target.append(here)
    return source.pop()
