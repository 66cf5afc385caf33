"""Makes the Qt application and its window."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from lile_desktop.collector import spare_what_is_loaded
from lile_desktop.logs import start_logging
from lile_desktop.main_window import MainWindow
from lile_desktop.settings import SettingsStore
from lile_desktop.theme import apply_theme, theme_for
from lile_desktop.viewer.painting_threads import choose_painting_threads

TITLE = "LILE Desktop"


def make_application(arguments: Sequence[str]) -> QApplication:
    """The Qt application with its name and the theme of the settings."""
    # Nothing of this program may ask the network for anything, its libraries included.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    choose_painting_threads()
    application = QApplication(list(arguments) or ["lile-desktop"])
    application.setApplicationName(TITLE)
    application.setDesktopFileName("lile-desktop")
    # Ctrl+C in the terminal it was started from ends it.
    signal.signal(signal.SIGINT, lambda *_: application.quit())
    return application


def open_window(slides: Sequence[str] = (), archive: str = "") -> MainWindow:
    """Shows the window, and starts the engine and opens ``slides`` right after the first frame."""
    start_logging()
    settings = SettingsStore()
    if archive:
        settings.update(archive=archive)
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    apply_theme(application, theme_for(settings.value.appearance))
    window = MainWindow(settings)
    spare_what_is_loaded(window.client)
    window.show()
    QTimer.singleShot(0, window, lambda: window.begin(list(slides)))
    return window
