"""The icons: the glyphs of a font, in the theme's colours, without the library around it."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import QApplication

from lile_desktop.actions import ACTIONS
from lile_desktop.icons import icon
from lile_desktop.theme import DARK, LIGHT, Theme, apply_theme


@pytest.fixture
def light_again(qapp: QApplication) -> Iterator[QApplication]:
    """The application, light after the test."""
    yield qapp
    apply_theme(qapp, LIGHT)


def darkest(picture: QIcon, mode: QIcon.Mode, size: int = 64) -> QColor:
    """The colour of the most opaque pixel."""
    image = picture.pixmap(QSize(size, size), mode).toImage()
    colours = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
    return max(colours, key=lambda colour: colour.alpha())


@pytest.mark.parametrize("name", sorted({spec.icon for spec in ACTIONS if spec.icon}))
def test_every_action_has_its_glyph(qapp: QApplication, name: str) -> None:
    assert darkest(icon(name), QIcon.Mode.Normal).alpha() > 200


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_icons_have_the_colours_of_the_theme(light_again: QApplication, theme: Theme) -> None:
    apply_theme(light_again, theme)
    shown = icon("stack")
    assert darkest(shown, QIcon.Mode.Normal).name() == theme.text
    assert darkest(shown, QIcon.Mode.Disabled).name() == theme.quiet
    assert darkest(icon("stack", "#ff0000"), QIcon.Mode.Normal).name() == "#ff0000"


def test_a_copy_of_an_icon_that_is_changed_draws_on(qapp: QApplication) -> None:
    copy = QIcon(icon("stack"))
    copy.addPixmap(QPixmap(4, 4))  # Qt clones what draws it
    gc.collect()
    assert darkest(copy, QIcon.Mode.Normal).alpha() > 200


def test_the_library_around_the_font_is_not_imported() -> None:
    code = (
        "import os, sys; os.environ['QT_QPA_PLATFORM'] = 'offscreen'\n"
        "from PySide6.QtWidgets import QApplication; app = QApplication([])\n"
        "from lile_desktop.icons import icon; icon('stack').pixmap(16, 16)\n"
        "print([name for name in ('qtawesome', 'qtpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
