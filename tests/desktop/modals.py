"""Answers a modal dialog that a command is about to open."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QAbstractButton, QApplication, QDialog


class Answering:
    """Calls ``act`` with the next modal dialog; ``dialog`` is then the one it was."""

    def __init__(self, act: Callable[[QDialog], object]) -> None:
        self.dialog: QDialog | None = None
        self._act = act
        self._timer = QTimer()
        self._timer.setInterval(10)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    @property
    def came(self) -> bool:
        """Whether there was a dialog."""
        return self.dialog is not None

    def _look(self) -> None:
        shown = QApplication.activeModalWidget()
        if isinstance(shown, QDialog) and shown.isVisible():
            self._timer.stop()
            self.dialog = shown
            try:
                self._act(shown)
            except BaseException:
                shown.reject()  # else it would wait for ever, and the test with it
                raise


def press(text: str) -> Callable[[QDialog], None]:
    """Presses the button with this text."""

    def act(dialog: QDialog) -> None:
        button = next(b for b in dialog.findChildren(QAbstractButton) if b.text().replace("&", "") == text)
        button.click()

    return act
