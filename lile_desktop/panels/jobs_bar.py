"""Long jobs at the bottom of the window: title, progress, rate, time left, cancel."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QVBoxLayout, QWidget

from lile_desktop.jobs import Job, JobQueue, JobState, progress_text
from lile_desktop.panels.parts import icon_button
from lile_desktop.text import tr
from lile_desktop.theme import GRID
from lile_engine.progress import Progress


class JobsBar(QWidget):
    """One row for each job that runs or waits; nothing at all where there is none."""

    def __init__(self, queue: JobQueue, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("area", "bar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._rows: dict[Job, _JobRow] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        self._layout.setSpacing(GRID // 2)
        queue.added.connect(self._add)
        queue.removed.connect(self._remove)
        self.hide()

    def rows(self) -> list[_JobRow]:
        """The rows shown."""
        return list(self._rows.values())

    def _add(self, job: Job) -> None:
        row = self._rows[job] = _JobRow(job)
        self._layout.addWidget(row)
        self.show()

    def _remove(self, job: Job) -> None:
        row = self._rows.pop(job, None)
        if row is not None:
            self._layout.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.setVisible(bool(self._rows))


class _JobRow(QWidget):
    def __init__(self, job: Job) -> None:
        super().__init__()
        self.title = QLabel(job.title)
        self.text = QLabel("waiting" if job.state is JobState.WAITING else tr("starting…"))
        self.text.setProperty("rank", "quiet")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(160)
        self.bar.setRange(0, 0)
        self.bar.setAccessibleName(tr("Progress: {0}").format(job.title))
        self.bar.setToolTip(tr("How far this job is: {0}").format(job.title))
        self.cancel = icon_button(
            "x", tr("Cancel: {0}").format(job.title), tr("Stop this job; what it has finished stays"), job.cancel
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2 * GRID)
        layout.addWidget(self.title)
        layout.addWidget(self.bar)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.cancel)
        job.progressed.connect(self._show)

    def _show(self, progress: Progress) -> None:
        self.text.setText(progress_text(progress))
        self.bar.setRange(0, max(progress.total, 0))
        self.bar.setValue(progress.done)
