"""The lower part of the right panel: what was found, as patches, captions and words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QFontMetrics
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from lile_desktop.hits import AnswerTexts
from lile_desktop.icons import icon
from lile_desktop.panels.caption_list import CaptionList
from lile_desktop.panels.gallery import Gallery, Picture
from lile_desktop.panels.parts import empty_state, hairline, heading, icon_button, quiet, steady
from lile_desktop.panels.words_panel import WordsPanel
from lile_desktop.text import tr
from lile_desktop.theme import GRID

if TYPE_CHECKING:
    from lile_engine.answers import Answer

EMPTY, PATCHES, CAPTIONS, CASES = range(4)
TAB_PADDING = 12  # of the style sheet, its border and a little air
NOTE_LINES = 2
CAUTION = "Even the best answer is often wrong; the tissue decides."
RANKING = "First order; still comparing in detail…"
STOPPED = "Stopped: this is the first order, not compared in detail."

MISSING = {  # what an empty page says: all that is asked has an answer where there is anything to compare with
    PATCHES: "Nothing to compare with: no other tissue is in this archive yet. Add slides with Archive, Index slides.",
    CAPTIONS: "No captions are in this archive yet. Add a library with Archive, Import captions.",
    CASES: "Nothing to compare with: no other case is in this archive yet. A slide without a case counts as its own.",
}


class AnswersPanel(QWidget):
    """``hit_chosen`` carries the `Hit` that was clicked; ``asked_wanted`` asks for the region that was asked about.

    The lines above the lists keep their places while an answer gets better, another region is selected or another
    slide is looked at, so that nothing moves away under the mouse.
    """

    hit_chosen = Signal(object)
    asked_wanted = Signal()

    def __init__(self, fetch: Picture, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = heading("")
        self._page = EMPTY
        self._question, self._waiting, self._settled = 0, False, True
        self._note = self._apart = ""
        self.asked_button = icon_button(
            "crosshair", tr("Show the region asked about"), tr("Go to the region that this answer is about"),
            self.asked_wanted.emit,
        )  # fmt: skip
        self.note = steady(quiet(), NOTE_LINES)
        self.warning = quiet()
        self.warning.setProperty("rank", "warning")
        self.caution = steady(quiet(), 1)
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
        self.title.setWordWrap(True)
        top = QHBoxLayout()
        top.addWidget(self.title, 1)
        top.addWidget(self.asked_button, 0, Qt.AlignmentFlag.AlignTop)
        head.addLayout(top)
        head.addWidget(self.note)
        head.addWidget(self.warning)
        head.addLayout(tabs)
        head.addWidget(self.caution)

        self._stack = QStackedWidget()
        self._stack.addWidget(
            empty_state(tr("Answers stand here: ask about a region, or type a phrase and press Enter."))
        )
        self._stack.addWidget(self.gallery)
        self._stack.addWidget(self.captions)
        self._stack.addWidget(self.cases)
        self._nothing = empty_state("")
        self._stack.addWidget(self._nothing)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        layout.addWidget(self._head)
        layout.addWidget(self._stack, 1)
        layout.addWidget(hairline())
        layout.addWidget(self.words)
        self.clear()

    def set_icons(self) -> None:
        """Icons in the theme's colour."""
        self.asked_button.setIcon(icon("crosshair"))

    def clear(self) -> None:
        """Back to what to do first."""
        self._empty()
        self._head.hide()
        self._show(EMPTY)

    def begin(self, title: str, *, region: bool) -> None:
        """Another question was asked: the answers of the one before go at once, and the head says what is asked."""
        self._empty()
        self._waiting = True
        self.title.setText(title)
        self.asked_button.setVisible(region)
        self._tell_note(tr("Looking…"))
        self._head.show()
        self.show_page(CAPTIONS if region else PATCHES)

    def settle(self) -> None:
        """No question is under way: what has not come by now does not come."""
        if self._waiting:
            self._waiting = False
            self._tell_note(tr("No answer came."))
        elif not self._settled:
            self._settled = True
            self.caution.setText(tr(STOPPED))

    def _empty(self) -> None:
        for view in (self.gallery, self.captions, self.cases):
            view.show_hits((), settled=True, same=False)
        for page, name in ((PATCHES, tr("Patches")), (CAPTIONS, tr("Captions")), (CASES, tr("Cases"))):
            self._name_tab(page, name)
        self._question, self._waiting, self._settled = 0, False, True
        self._note = self._apart = ""
        self._tell_note("")
        self.caution.setText("")
        self.warning.hide()
        self.words.set_text("")

    def show_answer(self, answer: Answer, texts: AnswerTexts) -> None:
        """Shows an answer. A better one to the same question leaves the page as it is; else captions come first
        after a region ("what is this?"), patches after a phrase ("where is this?")."""
        same, self._question = answer.question == self._question, answer.question
        self._waiting, self._settled = False, answer.final
        self.title.setText(texts.title)
        self.asked_button.setVisible(answer.region is not None)
        self._tell_note(texts.note)
        self.warning.setText(texts.warning)
        self.warning.setVisible(bool(texts.warning))
        self.caution.setText(tr(CAUTION) if answer.final else tr(RANKING))
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
        else:
            self._show(self._page)

    def _name_tab(self, page: int, text: str) -> None:
        """The name of a tab, which is as wide as it takes when it is in front and bold."""
        button = self.tab_buttons[page]
        button.setText(text)
        strong = button.font()
        strong.setWeight(QFont.Weight.DemiBold)
        button.setMinimumWidth(QFontMetrics(strong).horizontalAdvance(text) + 2 * TAB_PADDING)

    def show_asked(self, title: str, apart: str) -> None:
        """The name that the region asked about has now, and a sentence where something else is seen or selected; it
        takes the place of the note. Both "" after a phrase."""
        if title:
            self.title.setText(title)
        self._apart = apart
        self._tell_note(self._note)

    def _tell_note(self, note: str) -> None:
        self._note = note
        self.note.setText(self._apart or note)
        self.note.setProperty("rank", "warning" if self._apart else "quiet")
        self.note.style().unpolish(self.note)
        self.note.style().polish(self.note)

    def select_patch(self, number: int) -> None:
        """Marks a patch of the gallery that was clicked on the slide."""
        self.show_page(PATCHES)
        self.gallery.setCurrentIndex(self.gallery.hits_model.index(number))

    def show_page(self, page: int) -> None:
        """`PATCHES`, `CAPTIONS` or `CASES`."""
        self._show(page)
        self.tab_buttons[page].setChecked(True)

    def page(self) -> int:
        """The page that is shown."""
        return self._page

    def _show(self, page: int) -> None:
        """Shows a page; of one that an answer left empty, what is missing for it."""
        self._page = page
        found = {PATCHES: self.gallery, CAPTIONS: self.captions, CASES: self.cases}.get(page)
        if found is not None and not found.model().rowCount() and self._question and self._settled:
            self._nothing.setText(tr(MISSING[page]))
            self._stack.setCurrentWidget(self._nothing)
        else:
            self._stack.setCurrentIndex(page)
