"""Which region the question in the panel was about: its name, its mark on the slide, whether it is selected."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lile_desktop.text import tr
from lile_desktop.viewer.annotations import Annotation
from lile_desktop.viewer.asked_mark import AskedMark
from lile_desktop.viewer.measures import region_title
from lile_desktop.viewer.slide_view import SlideView

if TYPE_CHECKING:
    from lile_engine.slides import Region


@dataclass(frozen=True)
class Asked:
    """A region of the slide at ``path`` as it was when it was asked about; ``number`` is its own in the store."""

    path: str
    region: Region
    name: str
    number: int


class AskedRegion:
    """The region asked about last, None after a phrase. It keeps its mark while it is deselected, renamed or deleted:
    the answer stays about that tissue."""

    def __init__(self, view: SlideView) -> None:
        self._view = view
        self.asked: Asked | None = None

    def ask(self, path: str, annotation: Annotation) -> None:
        """A question about a region of the slide in view."""
        name = region_title(annotation)
        self.asked = Asked(path, annotation.region, name, annotation.id)
        self.refresh()

    def forget(self) -> None:
        """The question in the panel is about no region."""
        self.asked = None
        self.refresh()

    @property
    def in_view(self) -> bool:
        """Whether the slide that it lies on is the one in view."""
        return self.asked is not None and self._view.slide is not None and self._view.slide.path == self.asked.path

    def refresh(self) -> None:
        """Sets the mark on the slide in view, under the name that the region has now."""
        asked = self.asked
        if asked is None or not self.in_view:
            self._view.set_asked(None)
            return
        own = self._own()
        name = region_title(own) if own is not None else asked.name
        self.asked = Asked(asked.path, asked.region, name, own.id if own is not None else asked.number)
        self._view.set_asked(AskedMark(asked.region, tr("Asked: {0}").format(name)))

    def find_again(self) -> None:
        """The regions of the slide in view were read anew and bear other numbers."""
        asked = self.asked
        if asked is not None and self.in_view:
            same = (one for one in self._view.annotations.all() if one.region == asked.region)
            own = next(same, None)
            if own is not None:
                self.asked = Asked(asked.path, asked.region, asked.name, own.id)
            self.refresh()

    def title(self) -> str:
        """What the head of the answer says: region and slide; "" where no region was asked about."""
        if self.asked is None:
            return ""
        return tr("{0} on {1}").format(self.asked.name, Path(self.asked.path).stem)

    def apart(self, selected: Annotation | None) -> str:
        """A sentence where what is seen or selected is not what the answer is about, else ""."""
        asked = self.asked
        if asked is None:
            return ""
        if not self.in_view:
            return tr("The slide in view is another one.")
        if selected is not None and selected.id != asked.number:
            other = region_title(selected)
            return tr("{0} is selected; this answer is not about it.").format(other)
        return ""

    def _own(self) -> Annotation | None:
        assert self.asked is not None
        own = self._view.annotations.get(self.asked.number)
        return own if own is not None and own.region == self.asked.region else None
