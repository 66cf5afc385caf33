"""The upper part of the right panel: the phrase, the region, and what the engine is at."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QProgressBar, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from lile_desktop.actions import ActionRegistry
from lile_desktop.icons import icon
from lile_desktop.jobs import progress_text
from lile_desktop.panels.parts import Choice, heading, icon_button, push_button, quiet, set_primary, steady, tool_button
from lile_desktop.text import tr
from lile_desktop.theme import GRID
from lile_engine.progress import Progress

SCALES = (0.25, 0.5, 1.0, 2.0)
LINES = 2  # of what is said of the region, or of the question under way


class AskPanel(QWidget):
    """``phrase_entered`` carries a typed phrase, ``mpp_chosen`` the scale of tiles; the rest goes through actions.

    What a question is at stands where the region's size stood, so that nothing below moves when it begins or ends.
    """

    phrase_entered = Signal(str)
    mpp_chosen = Signal(object)  # float

    def __init__(self, actions: ActionRegistry, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = QLineEdit()
        self.field.setPlaceholderText(tr("Phrase, e.g. smooth muscle"))
        self.field.setAccessibleName(tr("Phrase"))
        self.field.setToolTip(tr("Type what to look for and press Enter: tiles of the whole archive that fit it"))
        self.field.setClearButtonEnabled(True)
        self.field.returnPressed.connect(self._enter)
        self.search_button = icon_button(
            "magnifying-glass", tr("Search for the phrase"), tr("Find tiles that fit the phrase (Enter)"), self._enter
        )
        self.heat_button = tool_button(actions["heat_map"])
        row = QHBoxLayout()
        row.setSpacing(GRID // 2)
        row.addWidget(self.field, 1)
        row.addWidget(self.search_button)
        row.addWidget(self.heat_button)

        self._ask = actions["ask_region"]
        self.region_text = steady(quiet(), LINES)
        self.mpp = Choice(
            tr("Scale of the tiles"),
            tr("Microns per pixel that the region is cut into tiles at: 0.25 is 40x, 0.5 is 20x, 1 is 10x"),
        )
        for value in SCALES:
            self.mpp.add(f"{value:g} µm/px", value)
        self.mpp.chosen.connect(self.mpp_chosen)
        self.ask_button = push_button(tr("Ask about this region"), self._ask.toolTip(), self._ask.trigger, primary=True)
        self._ask.changed.connect(lambda: self.ask_button.setEnabled(self._ask.isEnabled()))

        self.progress_text = quiet()
        self.progress_bar = QProgressBar()
        self.progress_bar.setTextVisible(False)
        self.progress_bar.setAccessibleName(tr("Progress of the question"))
        self.progress_bar.setToolTip(tr("How far the engine is with the question"))
        self.cancel_button = icon_button(
            "x", tr("Stop the question"), actions["cancel_question"].toolTip(), actions["cancel_question"].trigger
        )
        keeps_room = self.progress_bar.sizePolicy()
        keeps_room.setRetainSizeWhenHidden(True)
        self.progress_bar.setSizePolicy(keeps_room)
        work = QWidget()
        line = QHBoxLayout(work)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GRID)
        line.addWidget(self.progress_text, 1)
        line.addWidget(self.cancel_button, 0, Qt.AlignmentFlag.AlignTop)
        self._line = QStackedWidget()
        self._line.addWidget(self.region_text)
        self._line.addWidget(work)
        self._line.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        layout.addWidget(heading(tr("Search")))
        layout.addLayout(row)
        layout.addWidget(self._line)
        asking = QHBoxLayout()
        asking.setSpacing(GRID)
        asking.addWidget(self.ask_button, 1)
        asking.addWidget(self.mpp)
        layout.addLayout(asking)
        layout.addWidget(self.progress_bar)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.show_region("", SCALES[1])
        self.show_idle()

    def set_icons(self) -> None:
        """Icons in the theme's colour."""
        self.search_button.setIcon(icon("magnifying-glass"))
        self.cancel_button.setIcon(icon("x"))

    def show_region(self, text: str, mpp: float) -> None:
        """What is known of the region drawn, "" for none, and the scale its tiles have."""
        self.region_text.setText(text or tr("Draw a rectangle on the slide (R) to ask what it shows."))
        set_primary(self.ask_button, bool(text))
        if mpp not in self.mpp.values():
            self.mpp.add(f"{mpp:g} µm/px", mpp)
        self.mpp.set_value(mpp)

    def show_progress(self, doing: str, progress: Progress | None) -> None:
        """A question is under way."""
        self._line.setCurrentIndex(1)
        self.progress_bar.show()
        if progress is None or progress.total <= 0:
            self.progress_text.setText(doing)
            self.progress_bar.setRange(0, 0)
        else:
            self.progress_text.setText(progress_text(progress))
            self.progress_bar.setRange(0, progress.total)
            self.progress_bar.setValue(progress.done)

    def show_idle(self) -> None:
        """No question is under way."""
        self._line.setCurrentIndex(0)
        self.progress_bar.hide()

    def _enter(self) -> None:
        self.phrase_entered.emit(self.field.text())
