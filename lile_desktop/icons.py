"""One icon set (Phosphor, from QtAwesome), coloured by the theme. Imported late: the window shows before icons."""

from __future__ import annotations

import os

from PySide6.QtGui import QIcon

from lile_desktop.theme import current_theme

os.environ.setdefault("QT_API", "pyside6")


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
