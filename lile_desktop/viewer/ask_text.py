"""Asks for one line of text, in a window wide enough for its own title."""

from __future__ import annotations

from PySide6.QtWidgets import QInputDialog, QWidget

from lile_desktop.modal import accepted

LEAST_PX = 380


def ask_text(parent: QWidget | None, title: str, label: str, text: str = "") -> str | None:
    """The line that was typed, without spaces around it; None where the dialog was cancelled."""
    dialog = QInputDialog(parent)
    dialog.setInputMode(QInputDialog.InputMode.TextInput)
    dialog.setWindowTitle(title)
    dialog.setLabelText(label)
    dialog.setTextValue(text)
    dialog.resize(LEAST_PX, dialog.sizeHint().height())  # its layout lets no minimum be set
    return dialog.textValue().strip() if accepted(dialog) else None
