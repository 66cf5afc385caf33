"""Dialogs that wait for an answer, and are let go of once they have it."""

from __future__ import annotations

from PySide6.QtWidgets import QDialog


def accepted(dialog: QDialog) -> bool:
    """Shows a dialog until it is answered, and tells whether it was accepted. Its window would keep it for ever else;
    it goes with the next turn of the event loop, so what stands in it is to be read at once."""
    try:
        return dialog.exec() == QDialog.DialogCode.Accepted
    finally:
        dialog.deleteLater()
