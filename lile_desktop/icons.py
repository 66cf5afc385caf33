"""One icon set (Phosphor, from QtAwesome), coloured by the theme. Imported late: the window shows before icons."""

from __future__ import annotations

import os

from PySide6.QtGui import QIcon

from lile_desktop.theme import current_theme

os.environ.setdefault("QT_API", "pyside6")


def icon(name: str, *, accent: bool = False) -> QIcon:
    """The Phosphor icon ``name`` ("magnifying-glass") in the theme's text or accent colour."""
    import qtawesome

    theme = current_theme()
    made: QIcon = qtawesome.icon(
        f"ph.{name}",
        color=theme.accent if accent else theme.text,
        color_active=theme.text,
        color_disabled=theme.quiet,
    )
    return made
