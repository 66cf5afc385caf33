"""One icon set (Phosphor, from QtAwesome), coloured by the theme. Imported late: the window shows before icons."""

from __future__ import annotations

import os

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon, QPixmap

from lile_desktop.theme import current_theme

os.environ.setdefault("QT_API", "pyside6")


def blank() -> QIcon:
    """The place of an icon in the first frame, so that nothing moves when the icons come."""
    place = QPixmap(24, 24)
    place.fill(Qt.GlobalColor.transparent)
    return QIcon(place)


def icon(name: str, colour: str = "") -> QIcon:
    """The Phosphor icon ``name`` ("magnifying-glass") in ``colour``, or in that of the theme's text."""
    import qtawesome

    theme = current_theme()
    made: QIcon = qtawesome.icon(
        f"ph.{name}",
        color=colour or theme.text,
        color_active=theme.text,
        color_disabled=theme.quiet,
    )
    return made
