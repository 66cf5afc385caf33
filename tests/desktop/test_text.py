"""Every visible sentence goes through `tr`: what a translation cannot reach would stay English for ever."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QTranslator
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

import lile_desktop
from lile_desktop.main_window import MainWindow
from lile_desktop.settings import SettingsStore
from lile_desktop.text import tr

FOLDER = Path(lile_desktop.__file__).parent
SHOWN_BY = {
    "setText", "setToolTip", "setAccessibleName", "setPlaceholderText", "setWindowTitle", "addAction", "addMenu",
    "QLabel", "QCheckBox", "QPushButton", "Notice", "heading", "quiet", "empty_state", "push_button", "icon_button",
    "getText", "ask_text", "getDouble", "show_message",
}  # fmt: skip
PROPERTIES = ("text", "toolTip", "accessibleName", "placeholderText", "windowTitle", "title")
# Not sentences: units and numbers in a menu, and what the user may type over.
LEFT_AS_THEY_ARE = ("µm/px", "my-model")


class Marked(QTranslator):
    """A language in which every sentence stands in brackets."""

    def translate(self, context: str, text: str, disambiguation: str = "", n: int = -1) -> str | None:  # type: ignore[override]
        return f"⟦{text}⟧" if context == "LILE" else None

    def isEmpty(self) -> bool:
        return False


@pytest.fixture
def marked(qapp: QApplication) -> Iterator[None]:
    language = Marked()
    qapp.installTranslator(language)
    yield
    qapp.removeTranslator(language)


def test_a_translation_answers(marked: None) -> None:
    assert tr("Open slides…") == "⟦Open slides…⟧"
    assert tr("{0} slides").format(3) == "⟦3 slides⟧"
    assert tr("") == ""


def test_all_that_the_window_shows_is_translated(marked: None, lile_home: Path, qtbot: QtBot) -> None:
    window = MainWindow(SettingsStore())
    qtbot.addWidget(window)
    window.show()
    missed = []
    for part in (*window.findChildren(QWidget), *window.findChildren(QAction), window):
        for name in PROPERTIES:
            value = getattr(part, name, None)
            text = value() if callable(value) else ""
            if isinstance(text, str) and any(map(str.isalpha, text)) and "⟦" not in text:
                missed.append(text)
    window.shut_down()
    assert [text for text in missed if not any(part in text for part in LEFT_AS_THEY_ARE)] == []


def _sentences(call: ast.Call) -> Iterator[ast.expr]:
    """Literals of more than one word, or formatted ones, that stand in a call as they are."""
    pending: list[ast.expr] = [*call.args, *(keyword.value for keyword in call.keywords)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.IfExp):
            pending += [node.body, node.orelse]
        elif isinstance(node, ast.BinOp):
            pending += [node.left, node.right]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            yield node
        elif isinstance(node, ast.JoinedStr):
            words = "".join(part.value for part in node.values if isinstance(part, ast.Constant))  # type: ignore[misc]
            if any(sum(map(str.isalpha, word)) > 2 for word in words.split()):
                yield node


@pytest.mark.parametrize("file", sorted(FOLDER.rglob("*.py")), ids=lambda file: str(file.relative_to(FOLDER)))
def test_no_sentence_is_shown_as_it_stands_in_the_code(file: Path) -> None:
    found = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in SHOWN_BY:
                found += [f"{file.name}:{part.lineno}" for part in _sentences(node)]
    assert found == []
