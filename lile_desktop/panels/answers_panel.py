"""The lower part of the right panel: what was found, as patches, captions and words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QFont, QFontMetrics
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from lile_desktop.hits import AnswerTexts
from lile_desktop.panels.caption_list import CaptionList
from lile_desktop.panels.gallery import Gallery, Picture
from lile_desktop.panels.parts import empty_state, hairline, heading, quiet
from lile_desktop.panels.words_panel import WordsPanel
from lile_desktop.text import tr
from lile_desktop.theme import GRID

if TYPE_CHECKING:
    from lile_engine.answers import Answer

EMPTY, PATCHES, CAPTIONS, CASES = range(4)
TAB_PADDING = 12  # of the style sheet, its border and a little air


class AnswersPanel(QWidget):
    """``hit_chosen`` carries the `Hit` that was clicked."""

    hit_chosen = Signal(object)

    def __init__(self, fetch: Picture, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = heading("")
        self.note = quiet()
        self.elsewhere = quiet()
        self.elsewhere.setProperty("rank", "warning")
        self.warning = quiet()
        self.warning.setProperty("rank", "warning")
        self.ranking = quiet(tr("Re-ranking… scores and order still change."))
        self.caution = quiet(tr("Even the best answer is often wrong; the tissue decides."))
        self.gallery = Gallery(fetch)
        self.captions = CaptionList()
        self.cases = Gallery(fetch)
        self.cases.setAccessibleName(tr("Cases found"))
        self.cases.setToolTip(tr("Click a case to fly to its best patch"))
        self.words = WordsPanel()
        self.gallery.chosen.connect(self.hit_chosen)
        self.captions.chosen.connect(self.hit_chosen)
        self.cases.chosen.connect(self.hit_chosen)

        self._tabs = QButtonGroup(self)
        tabs = QHBoxLayout()
        tabs.setSpacing(GRID // 2)
        self.tab_buttons: dict[int, QToolButton] = {}
        for page, text, tip in (
            (PATCHES, tr("Patches"), tr("Tiles of the archive, most alike first")),
            (CAPTIONS, tr("Captions"), tr("Captions of the library, best fitting first")),
            (CASES, tr("Cases"), tr("Cases whose patches together fit best")),
        ):
            button = QToolButton()
            button.setCheckable(True)
            button.setProperty("rank", "tab")
            button.setToolTip(tip)
            button.setAccessibleName(text)
            self._tabs.addButton(button, page)
            self.tab_buttons[page] = button
            self._name_tab(page, text)
            tabs.addWidget(button)
        tabs.addStretch(1)
        self._tabs.idClicked.connect(self.show_page)

        self._head = QWidget()
        head = QVBoxLayout(self._head)
        head.setContentsMargins(0, 0, 0, 0)
        head.setSpacing(GRID // 2)
        for label in (self.title, self.elsewhere, self.note, self.warning):
            label.setWordWrap(True)
            head.addWidget(label)
        head.addLayout(tabs)
        head.addWidget(self.caution)
        head.addWidget(self.ranking)

        self._stack = QStackedWidget()
        self._stack.addWidget(
            empty_state(tr("Answers stand here: ask about a region, or type a phrase and press Enter."))
        )
        self._stack.addWidget(self.gallery)
        self._stack.addWidget(self.captions)
        self._stack.addWidget(self.cases)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        layout.addWidget(self._head)
        layout.addWidget(self._stack, 1)
        layout.addWidget(hairline())
        layout.addWidget(self.words)
        self.clear()

    def clear(self) -> None:
        """Back to what to do first."""
        self.show_elsewhere("")
        self._head.hide()
        for view in (self.gallery, self.captions, self.cases):
            view.show_hits((), settled=True, same=False)
        self.ranking.hide()
        self._question = 0
        self.words.set_text("")
        self._stack.setCurrentIndex(EMPTY)

    def show_answer(self, answer: Answer, texts: AnswerTexts) -> None:
        """Shows an answer. A better one to the same question leaves the page as it is; else captions come first
        after a region ("what is this?"), patches after a phrase ("where is this?")."""
        same, self._question = answer.question == self._question, answer.question
        for label, text in ((self.title, texts.title), (self.note, texts.note), (self.warning, texts.warning)):
            label.setText(text)
            label.setVisible(bool(text))
        self.ranking.setVisible(not answer.final)
        for view, hits in (
            (self.gallery, answer.patches),
            (self.captions, answer.captions),
            (self.cases, answer.cases),
        ):
            view.show_hits(hits, settled=answer.final, same=same)
        for page, name, hits in (
            (PATCHES, tr("Patches"), answer.patches),
            (CAPTIONS, tr("Captions"), answer.captions),
            (CASES, tr("Cases"), answer.cases),
        ):
            self._name_tab(page, f"{name}  {len(hits)}" if hits else name)
        self._head.show()
        if not same:
            self.show_page(CAPTIONS if answer.region is not None and answer.captions else PATCHES)

    def _name_tab(self, page: int, text: str) -> None:
        """The name of a tab, which is as wide as it takes when it is in front and bold."""
        button = self.tab_buttons[page]
        button.setText(text)
        strong = button.font()
        strong.setWeight(QFont.Weight.DemiBold)
        button.setMinimumWidth(QFontMetrics(strong).horizontalAdvance(text) + 2 * TAB_PADDING)

    def show_elsewhere(self, asked_on: str) -> None:
        """Says that the answer is about a region of another slide than the one in view; "" where it is not."""
        self.elsewhere.setText(tr("Asked on {0}, which is not the slide in view.").format(asked_on))
        self.elsewhere.setVisible(bool(asked_on))

    def select_patch(self, number: int) -> None:
        """Marks a patch of the gallery that was clicked on the slide."""
        self.show_page(PATCHES)
        self.gallery.setCurrentIndex(self.gallery.hits_model.index(number))

    def show_page(self, page: int) -> None:
        """`PATCHES`, `CAPTIONS` or `CASES`."""
        self._stack.setCurrentIndex(page)
        self.tab_buttons[page].setChecked(True)

    def page(self) -> int:
        """The page that is shown."""
        return self._stack.currentIndex()
