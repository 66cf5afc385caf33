"""The words of the chosen caption or phrase as buttons; a click asks where on the tissue the word is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QToolButton, QVBoxLayout, QWidget

from lile_desktop.panels.parts import FlowLayout, clear_layout, heading, quiet
from lile_desktop.text import tr
from lile_desktop.theme import GRID
from lile_desktop.words import PhraseWord, telling_words

if TYPE_CHECKING:
    from lile_engine.answers import AttentionAnswer


class WordsPanel(QWidget):
    """``word_chosen`` carries a `PhraseWord`, or None for the whole phrase."""

    word_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._buttons: list[QToolButton] = []
        self._words: list[PhraseWord | None] = []
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self._hint = quiet(tr("Choose a patch or a caption, then a word of it: the map shows where the word is seen."))
        self._place = QWidget()
        self._flow = FlowLayout(self._place)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID // 2)
        layout.addWidget(heading(tr("Words")))
        layout.addWidget(self._hint)
        layout.addWidget(self._place)
        self._place.hide()

    def set_text(self, text: str) -> None:
        """Shows the words of ``text``; "" for none."""
        for button in self._buttons:
            self._group.removeButton(button)
        clear_layout(self._flow)
        self._buttons = []
        words = telling_words(text)
        self._words = [None, *words] if words else []
        for word in self._words:
            tip = f"Where “{word.text}” is seen on the tissue" if word else "Where the whole phrase is seen"
            button = QToolButton()
            button.setText(word.text if word else tr("whole phrase"))
            button.setCheckable(True)
            button.setProperty("rank", "word")
            button.setToolTip(tip)
            button.setAccessibleName(tip)
            button.clicked.connect(lambda _checked=False, w=word: self.word_chosen.emit(w))
            self._group.addButton(button)
            self._flow.addWidget(button)
            self._buttons.append(button)
        self._place.setVisible(bool(words))
        self._hint.setVisible(not words)
        self._flow.invalidate()
        self._place.updateGeometry()

    def show_answer(self, answer: AttentionAnswer) -> None:
        """Marks the word that the map on the slide is for, and how much of the attention each word has."""
        shares = {(word.start, word.end): word.weight for word in answer.words}
        for button, word in zip(self._buttons, self._words, strict=True):
            place = (word.start, word.end) if word else None
            button.setChecked(place == answer.word)
            if word and place in shares:
                share = f"it has {shares[place]:.0%} of the attention"
                button.setToolTip(tr("Where “{0}” is seen on the tissue; {1}").format(word.text, share))

    def buttons(self) -> list[QToolButton]:
        """The buttons: the whole phrase first, then each word."""
        return list(self._buttons)
