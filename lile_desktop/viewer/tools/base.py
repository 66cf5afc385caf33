"""What every tool can do, and what it may ask of the view it works in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPainter

from lile_desktop.viewer.annotations import Annotation, AnnotationStore
from lile_desktop.viewer.view_state import ViewState
from lile_engine.slides import Region, SlideInfo


@dataclass(frozen=True)
class Pointer:
    """A place of the mouse: level-0 pixels, screen pixels, and the modifier keys held."""

    x: float
    y: float
    sx: float
    sy: float
    shift: bool = False
    ctrl: bool = False
    alt: bool = False


class ToolHost(Protocol):
    """The view, as a tool sees it."""

    @property
    def view(self) -> ViewState: ...

    @property
    def slide(self) -> SlideInfo | None: ...

    @property
    def annotations(self) -> AnnotationStore: ...

    @property
    def annotations_visible(self) -> bool: ...

    def accent(self) -> QColor: ...

    def submit(self, annotation: Annotation) -> None: ...

    def submit_region(self, region: Region) -> None: ...

    def pan_by(self, dx: float, dy: float) -> None: ...

    def let_go(self, dx: float, dy: float) -> None: ...

    def click(self, pointer: Pointer) -> None: ...

    def update(self) -> None: ...


class Tool:
    """A tool. Presses, drags and releases are the left button's; `hover` is a move with no button down."""

    name = ""
    title = ""
    cursor = Qt.CursorShape.CrossCursor

    def __init__(self, host: ToolHost) -> None:
        self.host = host

    @property
    def busy(self) -> bool:
        """True while something is half drawn; Esc then drops it."""
        return False

    def press(self, pointer: Pointer) -> None:
        """The left button went down."""

    def drag(self, pointer: Pointer) -> None:
        """The mouse moved with the left button down."""

    def release(self, pointer: Pointer) -> None:
        """The left button came up."""

    def hover(self, pointer: Pointer) -> None:
        """The mouse moved with no button down."""

    def double_click(self, pointer: Pointer) -> bool:
        """A double click; True where the tool made use of it."""
        return False

    def accept(self) -> None:
        """Return was pressed: finish what is half drawn."""

    def step_back(self) -> None:
        """Backspace was pressed: take the last point back."""

    def cancel(self) -> None:
        """Esc was pressed, or another tool taken: drop what is half drawn."""

    def paint(self, painter: QPainter) -> None:
        """Paint what is half drawn; the painter is in logical screen pixels."""
