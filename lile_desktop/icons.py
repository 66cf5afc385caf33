"""One icon set (Phosphor, from QtAwesome), coloured by the theme. Read late: the window shows before icons.

Only the font and its list of names are taken from QtAwesome. Importing the library costs some 200 ms, in which the
window does not answer: it goes through a layer over four bindings of Qt, and loads all of its twelve fonts.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QIcon, QIconEngine, QPainter, QPixmap

from lile_desktop.theme import current_theme

SHARE = 0.875  # of an icon's height that its glyph takes


@dataclass(frozen=True)
class Glyphs:
    """A font of icons: the family by which Qt knows it, and the character of each name."""

    family: str
    characters: dict[str, str]


def blank() -> QIcon:
    """The place of an icon in the first frame, so that nothing moves when the icons come."""
    place = QPixmap(24, 24)
    place.fill(Qt.GlobalColor.transparent)
    return QIcon(place)


def icon(name: str, colour: str = "") -> QIcon:
    """The Phosphor icon ``name`` ("magnifying-glass") in ``colour``, or in that of the theme's text."""
    theme, glyphs = current_theme(), _glyphs()
    colours = {QIcon.Mode.Active: theme.text, QIcon.Mode.Disabled: theme.quiet}
    return QIcon(_GlyphEngine(glyphs.family, glyphs.characters[name], colour or theme.text, colours))


def are_loaded() -> bool:
    """Whether icons cost nothing any more."""
    return _glyphs.cache_info().currsize > 0


@cache
def _glyphs() -> Glyphs:
    spec = importlib.util.find_spec("qtawesome")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "fonts"
    font = QFontDatabase.addApplicationFont(str(next(folder.glob("phosphor-[0-9]*.ttf"))))
    codes = json.loads(next(folder.glob("phosphor-charmap-*.json")).read_text("utf-8"))
    family = QFontDatabase.applicationFontFamilies(font)[0]
    return Glyphs(family, {name: chr(int(code, 16)) for name, code in codes.items()})


_clones: list[QIconEngine] = []  # made for Qt, which does not keep what Python made of them


class _GlyphEngine(QIconEngine):
    """Draws one character at any size, so that it is sharp on any screen."""

    def __init__(self, family: str, character: str, colour: str, others: dict[QIcon.Mode, str]) -> None:
        super().__init__()
        self._family, self._character, self._colour, self._others = family, character, colour, others

    def clone(self) -> QIconEngine:
        clone = _GlyphEngine(self._family, self._character, self._colour, self._others)
        _clones.append(clone)
        return clone

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        font = QFont(self._family)
        font.setPixelSize(max(round(SHARE * rect.height()), 1))
        painter.save()
        painter.setFont(font)
        painter.setPen(QColor(self._others.get(mode, self._colour)))
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, self._character)
        painter.restore()

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        picture = QPixmap(size)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        self.paint(painter, QRect(QPoint(0, 0), size), mode, state)
        painter.end()
        return picture
