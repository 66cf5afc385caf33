"""Long jobs in the line at the bottom of the window: title, progress, rate, time left, cancel."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QProgressBar, QSizePolicy, QToolButton, QWidget

from lile_desktop.icons import icon
from lile_desktop.jobs import Job, JobQueue, JobState, progress_text
from lile_desktop.panels.parts import icon_button
from lile_desktop.text import tr
from lile_desktop.theme import GRID
from lile_engine.progress import Progress

BAR_PX = 120
LINE_PX = 20  # all of it fits into the line at the bottom, which has its height whether there are jobs or not


class JobsBar(QWidget):
    """The job that runs, and how many wait behind it; nothing at all where there is none."""

    def __init__(self, queue: JobQueue, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: dict[Job, _JobRow] = {}
        self.more = QToolButton()
        self.more.setAccessibleName(tr("Jobs that wait"))
        self.more.setToolTip(tr("Jobs that begin when this one has ended; choose one to take it off"))
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more.setFixedHeight(LINE_PX)
        self.more.setStyleSheet("padding: 0 4px;")  # else its letters are cut off below
        self._waiting = QMenu(self.more)
        self._waiting.aboutToShow.connect(self._fill)
        self.more.setMenu(self._waiting)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(GRID)
        self._layout.addWidget(self.more)
        queue.added.connect(self._add)
        queue.removed.connect(self._remove)
        self.hide()

    def set_icons(self) -> None:
        """Icons in the theme's colour."""
        for row in self._rows.values():
            row.cancel.setIcon(icon("x"))

    def rows(self) -> list[_JobRow]:
        """A row for each job, the one that is shown first."""
        return list(self._rows.values())

    def _add(self, job: Job) -> None:
        row = self._rows[job] = _JobRow(job)
        self._layout.insertWidget(self._layout.count() - 1, row, 1)
        self._arrange()

    def _remove(self, job: Job) -> None:
        row = self._rows.pop(job, None)
        if row is not None:
            self._layout.removeWidget(row)
            row.hide()
            row.deleteLater()
        self._arrange()

    def _arrange(self) -> None:
        """One row is shown; the others are told of by their number."""
        for number, row in enumerate(self._rows.values()):
            row.setVisible(number == 0)
        waiting = len(self._rows) - 1
        self.more.setText(tr("{0} waiting  ▾").format(waiting))
        self.more.setVisible(waiting > 0)
        self.setVisible(bool(self._rows))

    def _fill(self) -> None:
        self._waiting.clear()
        for job in list(self._rows)[1:]:
            action = self._waiting.addAction(tr("Take off: {0}").format(job.title))
            action.triggered.connect(partial(self._take_off, job))

    def _take_off(self, job: Job, _checked: bool = False) -> None:
        job.cancel()


class _JobRow(QWidget):
    def __init__(self, job: Job) -> None:
        super().__init__()
        self.title = _Shortened(job.title)
        self.text = _Shortened(tr("waiting") if job.state is JobState.WAITING else tr("starting…"))
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(BAR_PX)
        self.bar.setRange(0, 0)
        self.bar.setAccessibleName(tr("Progress: {0}").format(job.title))
        self.bar.setToolTip(tr("How far this job is: {0}").format(job.title))
        self.cancel = icon_button(
            "x", tr("Cancel: {0}").format(job.title), tr("Stop this job; what it has finished stays"), job.cancel
        )
        self.cancel.setIconSize(QSize(12, 12))
        self.cancel.setFixedSize(LINE_PX, LINE_PX)
        self.cancel.setStyleSheet("padding: 0;")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        layout.addWidget(self.title)
        layout.addWidget(self.bar)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.cancel)
        job.begun.connect(lambda: self.text.setText(tr("starting…")))
        job.progressed.connect(self._show)
        job.stopping.connect(self._show_stopping)
        self._stopping = False

    def _show_stopping(self) -> None:
        """What it is at comes to its end first, which may take a while."""
        self._stopping = True
        self.text.setText(tr("stopping…"))
        self.bar.setRange(0, 0)
        self.cancel.setEnabled(False)

    def _show(self, progress: Progress) -> None:
        if self._stopping:
            return
        self.text.setText(progress_text(progress))
        self.bar.setRange(0, max(progress.total, 0))
        self.bar.setValue(progress.done)


class _Shortened(QLabel):
    """A quiet line that gives way where there is no room for all of it; then its tooltip says it in full."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.setProperty("rank", "quiet")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._whole = text
        self._shorten()

    def text(self) -> str:
        """All of it."""
        return self._whole

    def setText(self, text: str) -> None:
        """Another line."""
        self._whole = text
        self._shorten()
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        return QSize(self.fontMetrics().horizontalAdvance(self._whole) + 2, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(40, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._shorten()

    def _shorten(self) -> None:
        room = max(self.width(), 40)
        shown = self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, room)
        super().setText(shown)
        self.setToolTip(self._whole if shown != self._whole else "")
