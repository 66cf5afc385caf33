"""The line at the very bottom: what the engine is at, which model and archive, research use only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from lile_desktop.engine_client import EngineState
from lile_desktop.panels.parts import quiet
from lile_desktop.text import tr
from lile_desktop.theme import GRID

if TYPE_CHECKING:
    from lile_engine.answers import EngineInfo

_STATES = {
    EngineState.OFF: "Engine not started yet",
    EngineState.LOADING: "Engine is loading the model…",
    EngineState.FAILED: "Engine not running",
}


class StatusLine(QWidget):
    """Left: a passing hint. Right: engine, archive, notice of use."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("area", "bar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.hint = quiet(wrap=False)
        self.archive = quiet(wrap=False)
        self.engine = quiet(tr(_STATES[EngineState.OFF]), wrap=False)
        self.use = quiet(tr("Research use only"), wrap=False)
        self.scale = quiet(wrap=False)
        self.scale.setProperty("rank", "warning")
        for label, tip in (
            (self.scale, "The file does not say its microns per pixel; sizes and answers rest on what was entered"),
            (self.engine, "The model in use and where it runs"),
            (self.archive, "The archive that is searched"),
            (self.use, "Not a medical device; not for diagnosis"),
        ):
            label.setToolTip(tr(tip))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(GRID, 4, GRID, 4)
        layout.setSpacing(2 * GRID)
        layout.addWidget(self.hint, 1)
        for label in (self.scale, self.archive, self.engine, self.use):
            layout.addWidget(label)
        self.show_scale(None)

    def show_state(self, state: EngineState, info: EngineInfo | None) -> None:
        """What the engine is at."""
        if state is EngineState.READY and info is not None:
            self.engine.setText(tr("{0} on {1}").format(info.model.name, info.device))
            status = info.archive
            self.archive.setText(
                tr("{0} slides, {1:,} tiles").format(status.slides, status.tiles) if status else tr("no archive")
            )
        else:
            self.engine.setText(tr(_STATES.get(state, "")))

    def show_scale(self, typed: float | None) -> None:
        """The microns per pixel that were entered by hand, None where the file says them."""
        self.scale.setText(tr("Scale entered by hand: {0:.4g} µm/px").format(typed) if typed else "")
        self.scale.setVisible(bool(typed))

    def labels(self) -> list[QLabel]:
        """The labels from left to right."""
        return [self.hint, self.scale, self.archive, self.engine, self.use]
