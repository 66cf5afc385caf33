"""The line at the very bottom: what the engine is at, which model and archive, research use only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from lile_desktop.engine_client import EngineState
from lile_desktop.panels.parts import quiet
from lile_desktop.text import counted, tr
from lile_desktop.theme import GRID

if TYPE_CHECKING:
    from lile_engine.answers import EngineInfo

_STATES = {
    EngineState.OFF: "Engine not started yet",
    EngineState.LOADING: "Engine is loading the model…",
    EngineState.FAILED: "Engine not running",
}
HEIGHT_PX = 26


class StatusLine(QWidget):
    """Left: jobs, else a passing hint. Right: engine, archive, notice of use."""

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
        layout.setContentsMargins(GRID, 0, GRID, 0)
        layout.setSpacing(2 * GRID)
        layout.addWidget(self.hint, 1)
        for label in (self.scale, self.archive, self.engine, self.use):
            layout.addWidget(label)
        self.setFixedHeight(HEIGHT_PX)  # the same with jobs in it and without
        self.show_scale(None)

    def show_jobs(self, jobs: QWidget) -> None:
        """Puts the jobs into the line, before the rest of it; while there are any no hint stands there."""
        layout = self.layout()
        assert isinstance(layout, QHBoxLayout)
        layout.insertWidget(0, jobs, 4)
        jobs.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The hint gives way to the jobs."""
        if event.type() in (QEvent.Type.ShowToParent, QEvent.Type.HideToParent):
            self.hint.setVisible(event.type() == QEvent.Type.HideToParent)
        return super().eventFilter(watched, event)

    def show_state(self, state: EngineState, info: EngineInfo | None) -> None:
        """What the engine is at."""
        if state is EngineState.READY and info is not None:
            self.engine.setText(tr("{0} on {1}").format(info.model.name, info.device))
            status = info.archive
            self.archive.setText(
                f"{counted(status.slides, 'slide', 'slides')}, {counted(status.tiles, 'tile', 'tiles')}"
                if status
                else tr("no archive")
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
