"""The one way to a visible sentence: `tr`, which a translation (a ``.qm`` file) may answer in another language."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

CONTEXT = "LILE"


def tr(text: str) -> str:
    """``text`` in the language of the application; values go in afterwards, by ``str.format``."""
    return QCoreApplication.translate(CONTEXT, text) if text else text


def counted(number: int, one: str, several: str) -> str:
    """A number and what it counts: "1 slide", "1,393 tiles"."""
    return f"{number:,} {tr(one) if number == 1 else tr(several)}"
