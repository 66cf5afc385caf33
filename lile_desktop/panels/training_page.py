"""The training tab: pairs, steps, name; a live loss curve; cancel; use the model that came out."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QDateTime, QLocale, Qt, Signal
from PySide6.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from lile_desktop.icons import icon
from lile_desktop.jobs import Job, JobState, TrainStep
from lile_desktop.panels.loss_plot import LossPlot
from lile_desktop.panels.parts import heading, icon_button, number_field, push_button, quiet, set_primary
from lile_desktop.text import tr
from lile_desktop.theme import GRID
from lile_desktop.training import HalfDone, TrainRequest, check_request, half_done, suggested_name, taken_names


class TrainingPage(QWidget):
    """``train_asked`` carries a `TrainRequest`, ``use_asked`` the folder of a finished model."""

    train_asked = Signal(object)
    cancel_asked = Signal()
    use_asked = Signal(str)
    resume_asked = Signal(object)  # HalfDone

    def __init__(self, taken_names: tuple[str, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("area", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.model_text = QLabel()
        self.folder = QLineEdit()
        self.folder.setPlaceholderText(tr("Folder with pairs.jsonl or pairs.csv and the images it names"))
        self.folder.setAccessibleName(tr("Folder of pairs"))
        self.folder.setToolTip(tr("A folder of images and a pairs.jsonl: one object a line with image and caption"))
        self.steps = QSpinBox()
        self.steps.setRange(2, 100_000)
        self.steps.setValue(200)
        number_field(self.steps, tr("Steps"), tr("How many batches to learn from; 20 only shows that it works"))
        self.batch = QSpinBox()
        self.batch.setRange(2, 512)
        self.batch.setValue(32)
        number_field(
            self.batch, tr("Pairs in a batch"), tr("Pairs compared with each other in one step; more is slower")
        )
        self.name = QLineEdit(suggested_name(taken_names))
        self.name.setAccessibleName(tr("Name of the new model"))
        self.name.setToolTip(tr("The new model is saved under this name beside the one you have"))
        self.problem = quiet()
        self.problem.setProperty("rank", "warning")

        folder_row = QHBoxLayout()
        folder_row.setSpacing(GRID // 2)
        folder_row.addWidget(self.folder, 1)
        self.browse_button = icon_button(
            "folder-open", tr("Choose folder"), tr("Choose the folder of pairs"), self._browse
        )
        folder_row.addWidget(self.browse_button)
        form = QGridLayout()
        form.setHorizontalSpacing(2 * GRID)
        form.setVerticalSpacing(GRID)
        form.setColumnStretch(1, 1)
        rows: tuple[tuple[str, QWidget | QHBoxLayout], ...] = (
            (tr("Starts from"), self.model_text),
            (tr("Pairs"), folder_row),
            (tr("Steps"), self.steps),
            (tr("Batch"), self.batch),
            (tr("Name"), self.name),
        )
        for row, (label, part) in enumerate(rows):
            form.addWidget(QLabel(label), row, 0)
            if isinstance(part, QWidget):
                form.addWidget(part, row, 1)
            else:
                form.addLayout(part, row, 1)

        self.train_button = push_button(tr("Fine-tune"), tr("Start training on these pairs"), self._train, primary=True)
        self.cancel_button = push_button(tr("Stop"), tr("Stop the training; its state is kept"), self.cancel_asked.emit)
        self.fields = (self.folder, self.browse_button, self.steps, self.batch, self.name)
        self.use_button = push_button(
            tr("Use this model"),
            tr("Embed the archive again with the new model and switch to it"),
            self._use,
            primary=True,
        )
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID)
        for button in (self.train_button, self.cancel_button, self.use_button):
            buttons.addWidget(button)
        buttons.addStretch(1)

        self.half_done: HalfDone | None = None
        self.half_text = QLabel()
        self.half_text.setWordWrap(True)
        self.resume_button = push_button(tr("Go on"), tr("Go on with it where it stopped"), self._resume)
        self.half_line = QWidget()
        half = QHBoxLayout(self.half_line)
        half.setContentsMargins(0, 0, 0, 0)
        half.setSpacing(2 * GRID)
        half.addWidget(self.half_text, 1)
        half.addWidget(self.resume_button)
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.plot = LossPlot()
        left = QVBoxLayout()
        left.setSpacing(GRID)
        left.addWidget(heading(tr("Fine-tune the model on your own pairs")))
        left.addWidget(
            quiet(
                tr(
                    "Each pair is an image and its caption. The model in use is kept; a new one is saved beside it, "
                    "and you decide whether to switch. Everything stays on this computer."
                )
            )
        )
        left.addWidget(self.half_line)
        left.addLayout(form)
        left.addWidget(self.problem)
        left.addLayout(buttons)
        left.addWidget(self.status)
        left.addStretch(1)
        left.setContentsMargins(0, 0, 0, 0)
        side = QWidget()
        side.setLayout(left)
        side.setFixedWidth(440)
        right = QVBoxLayout()
        right.setSpacing(GRID)
        right.addWidget(heading(tr("Loss")))
        right.addWidget(self.plot, 1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        layout.setSpacing(3 * GRID)
        layout.addWidget(side)
        layout.addLayout(right, 1)
        self._output = ""
        self.show_model("")
        self.show_idle()

    def request(self) -> TrainRequest:
        """What the fields say now."""
        return TrainRequest(
            Path(self.folder.text().strip()), self.steps.value(), self.batch.value(), self.name.text().strip()
        )

    def show_model(self, name: str) -> None:
        """The model that a training starts from."""
        self.model_text.setText(name or tr("no model loaded yet"))

    def show_idle(self) -> None:
        """Nothing runs."""
        self.train_button.show()
        self.train_button.setEnabled(True)
        self._let_edit(True)
        self.cancel_button.hide()
        self.use_button.setVisible(bool(self._output))
        set_primary(self.train_button, not self._output)
        self.problem.hide()
        self._show_half_done(half_done())

    def show_running(self, job: Job, before: str = "") -> None:
        """A training runs, or waits until the job with the title ``before`` has ended."""
        self._output = ""
        self._show_half_done(None)
        self._let_edit(False)  # they say what is trained now
        self.plot.clear()
        if job.state is JobState.WAITING:
            self.status.setText(tr("Waiting: it begins when this has ended: {0}").format(before))
        else:
            self._show_begun()
        self.train_button.hide()
        self.cancel_button.setEnabled(True)
        self.cancel_button.show()
        self.use_button.hide()
        job.begun.connect(self._show_begun)
        job.stepped.connect(self.show_step)
        job.stopping.connect(self._show_stopping)

    def show_step(self, step: TrainStep) -> None:
        """One more point of the curve."""
        self.plot.add(step)
        if self.cancel_button.isEnabled():
            self.status.setText(tr("Step {0}: loss {1:.3f}").format(step.step, step.loss))

    def show_finished(self, output: str, summary: str) -> None:
        """A model came out (``output`` its folder), or "" where none did."""
        self._output = output
        self.status.setText(summary)
        if not output:
            self._name_anew()
        self.show_idle()

    def show_switched(self, name: str) -> None:
        """The new model is in use."""
        self._output = ""
        self.status.setText(tr("{0} is in use.").format(name))
        self._name_anew()
        self.show_idle()

    def set_icons(self) -> None:
        """Icons in the theme's colour."""
        self.browse_button.setIcon(icon("folder-open"))

    def restyle(self) -> None:
        """The theme has changed."""
        self.plot.restyle()

    def _show_begun(self) -> None:
        self.status.setText(tr("Reading the pairs…"))

    def _show_stopping(self) -> None:
        self.cancel_button.setEnabled(False)
        self.status.setText(tr("Stopping… the step it is at comes to its end first."))

    def _let_edit(self, allowed: bool) -> None:
        for field in self.fields:
            field.setEnabled(allowed)

    def _name_anew(self) -> None:
        """Another name where the one in the field is a model's, or that of a training that can be gone on with."""
        taken = taken_names()
        if self.name.text().strip() in taken:
            self.name.setText(suggested_name(taken))

    def _show_half_done(self, found: HalfDone | None) -> None:
        """Offers a training that was stopped or cut off; None: there is none, or one runs."""
        self.half_done = found
        self.half_line.setVisible(found is not None)
        if found is not None:
            when = QLocale().toString(QDateTime.fromSecsSinceEpoch(int(found.saved)), QLocale.FormatType.ShortFormat)
            self.half_text.setText(
                tr("The training of {0} stopped after {1} of {2} steps ({3}).").format(
                    found.name, found.done, found.steps, when
                )
            )

    def _resume(self) -> None:
        found = self.half_done
        if found is not None:
            if found.pairs and found.batch:
                self.folder.setText(found.pairs)
                self.batch.setValue(found.batch)
            self.steps.setValue(found.steps)
            self.name.setText(found.name)
            self.problem.hide()
            self.resume_asked.emit(found)

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, tr("Folder of pairs"), self.folder.text())
        if folder:
            self.folder.setText(folder)

    def _train(self) -> None:
        request = self.request()
        sentence = check_request(request)
        self.problem.setText(sentence)
        self.problem.setVisible(bool(sentence))
        if not sentence:
            self.train_asked.emit(request)

    def _use(self) -> None:
        self.use_asked.emit(self._output)
