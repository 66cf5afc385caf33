"""What every reader of one file format family offers to `Slide`."""

from __future__ import annotations

from typing import Protocol

from lile_engine.slides.types import Level, Pixels


class Backend(Protocol):
    """An open file. Reads may come from several threads at once; `close` may come while they run."""

    format: str
    vendor: str
    levels: tuple[Level, ...]
    properties: dict[str, str]
    associated: tuple[str, ...]
    icc_profile: bytes | None
    identity: str

    def read_rgb(self, x: int, y: int, level: int, w: int, h: int) -> Pixels:
        """uint8 [h, w, 3]; x, y in level-0 pixels, w, h in pixels of ``level``; white outside. SlideError."""

    def origin(self, level: int, x: int) -> float:
        """Where a read at ``x`` really begins, in pixels of the level: not every reader can begin between pixels."""

    def read_associated(self, name: str) -> Pixels:
        """uint8 [h, w, 3] of a label, macro or thumbnail image. SlideError."""

    def prepare(self) -> None:
        """Decodes ahead, where a format is decoded as a whole. SlideError."""

    def close(self) -> None:
        """Lets the file go once the reads under way have ended."""
