"""The archive in use and the long jobs on it: demo, indexing, captions, training, switching the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from lile_desktop.engine_client import EngineClient
from lile_desktop.jobs import Job, JobQueue, JobState
from lile_desktop.notices import Level, Notice
from lile_desktop.settings import SettingsStore
from lile_desktop.text import tr
from lile_engine.demo import caption_files, read_demo
from lile_engine.later import later
from lile_engine.paths import demo_dir
from lile_engine.unfinished import UnfinishedJob

if TYPE_CHECKING:
    from lile_desktop import questions, training
    from lile_engine import answers
    from lile_engine.answers import EngineInfo
    from lile_engine.archive.rows import ArchiveStatus, SlideRow
else:
    answers = later("lile_engine.answers")
    questions = later("lile_desktop.questions")
    training = later("lile_desktop.training")

# Of fewer pairs kept out any model finds most among its first ten: the sum of recalls says nothing.
JUDGED_FROM = 50
BUNDLED = "lile-base"  # the name by which the engine finds the model that comes with the program


class ArchiveDesk(QObject):
    """``ready`` carries the `EngineInfo` and the slides of the archive each time the engine has (re)loaded it."""

    ready = Signal(object, object)  # EngineInfo, list[SlideRow]
    left = Signal()  # another archive comes: what was shown of the one before holds no more
    demo_ready = Signal(object)  # list of slide paths
    training_started = Signal(object)  # Job
    trained = Signal(str, str)  # folder of the model or "", a sentence
    model_switched = Signal(object)  # EngineInfo
    notice = Signal(object)

    def __init__(
        self, client: EngineClient, jobs: JobQueue, settings: SettingsStore, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._client, self._jobs, self._settings = client, jobs, settings
        self._switching = False
        self.training: Job | None = None
        client.loaded.connect(self._on_loaded)

    @property
    def archive(self) -> str:
        """The folder of the archive in use; "" while there is none."""
        chosen = self._settings.value.archive
        if chosen:
            return chosen
        demo = read_demo(demo_dir())
        return str(demo.archive) if demo is not None else ""

    @property
    def is_demo(self) -> bool:
        """Whether the archive in use is the demo's: slides drawn by the program, nobody's own."""
        archive = self.archive
        return bool(archive) and Path(archive) == demo_dir() / "archive"

    def begin(self) -> None:
        """Starts the engine on the archive in use; at a first start the demo is drawn and built before."""
        demo = read_demo(demo_dir())
        if self._settings.value.archive or demo is not None:
            self._start_engine()
            if not self._settings.value.archive and demo is not None:
                self.demo_ready.emit([str(p) for p in demo.slides])
            return
        job = self.run(tr("Preparing the demo"), ["demo", "build", str(demo_dir())])
        job.finished.connect(lambda: self._on_demo_built(job))

    def use_archive(self, folder: str) -> None:
        """Switches to another archive ("" is the demo)."""
        self._settings.update(archive=folder)
        if folder and not self.is_demo:
            self._settings.update(own_archive=folder)
        self.left.emit()
        self.begin()

    def new_archive(self, folder: str, then: Callable[[], object] | None = None) -> None:
        """Makes an archive and switches to it; the program's captions are added, since without captions a region's
        question has no answer. ``then`` is called when it is in use."""

        def use() -> None:
            if job.state is JobState.DONE:
                self.use_archive(folder)
                for library in caption_files():
                    self._import_captions(library, tr("Adding the program's captions"))
                if then is not None:
                    then()

        job = self.run(tr("Making the archive"), ["archive", "init", folder], reports=False, asks=True)
        job.finished.connect(use)

    def index(self, paths: Sequence[str], slide_mpp: float | None = None) -> None:
        """Embeds slides into the archive."""
        if not self._need_archive() or not paths:
            return
        spec = self._settings.value
        arguments = ["index", "--mpp", f"{spec.tile_mpp:g}", "--tile-px", str(spec.tile_px), "--device", spec.device]
        if slide_mpp is not None:
            arguments += ["--slide-mpp", f"{slide_mpp:g}"]
        title = (
            tr("Indexing {0}").format(Path(paths[0]).name)
            if len(paths) == 1
            else tr("Indexing {0} slides").format(len(paths))
        )
        self.go_on(UnfinishedJob(title, (*arguments, self.archive), tuple(paths)))

    def go_on(self, unfinished: UnfinishedJob) -> None:
        """Runs a job that closing the window does not lose; a slide that is half done is finished."""
        self._after(self.run(unfinished.title, unfinished.command, resume=unfinished), self._reload)

    def import_captions(self, file: str) -> None:
        """Adds a caption library to the archive."""
        if self._need_archive():
            self._import_captions(Path(file), tr("Importing {0}").format(Path(file).name))

    def _import_captions(self, file: Path, title: str) -> None:
        self.go_on(UnfinishedJob(title, ("captions", "import", self.archive), (str(file.absolute()),)))

    def train(self, request: training.TrainRequest) -> None:
        """Fine-tunes the model in use on a folder of pairs."""
        start = self.model_folder() or BUNDLED
        config = training.train_config(request, start)
        self._begin_training(config.output, [str(training.write_config(config))])

    def resume_training(self, half_done: training.HalfDone) -> None:
        """Goes on with a training that was cut off."""
        self._begin_training(half_done.output, [str(half_done.config), "--resume"])

    def _begin_training(self, output: Path, arguments: list[str]) -> None:
        job = self.run(tr("Training {0}").format(output.name), ["train", *arguments], asks=True)
        self.training = job
        self.training_started.emit(job)
        job.finished.connect(lambda: self._on_trained(job, output))

    def stop_training(self) -> None:
        """Stops a training; its state is kept."""
        if self.training is not None:
            self.training.cancel()

    def use_model(self, folder: str) -> None:
        """Embeds the archive again with the model in ``folder`` and switches to it."""
        if not self._need_archive():
            return
        arguments = ["archive", "reembed", self.archive, "--model", folder, "--device", self._settings.value.device]
        job = self.run(tr("Embedding the archive with {0}").format(Path(folder).name), arguments, asks=True)
        job.finished.connect(lambda: self._on_reembedded(job))

    def model_folder(self) -> str:
        """The folder of the model in use; "" is the bundled one."""
        status = self._client.info.archive if self._client.info else None
        return (status.model_path or "") if status is not None else ""

    def restart_engine(self) -> None:
        """Starts the engine's process anew."""
        self._start_engine()

    def run(
        self,
        title: str,
        arguments: list[str],
        *,
        reports: bool = True,
        resume: UnfinishedJob | None = None,
        asks: bool = False,
    ) -> Job:
        """Queues a ``lile`` command and tells what it warns of and how it fails; see `Job`."""
        job = Job(title, arguments, reports=reports, resume=resume, asks=asks)
        job.warned.connect(self.notice)
        job.finished.connect(lambda: self.notice.emit(job.notice) if job.notice is not None else None)
        self._jobs.add(job)
        return job

    def look_again(self) -> None:
        """Counts and slides as they stand now: something in the archive was changed that questions need not wait
        for. What was found before stays."""
        info = self._client.info
        if info is None or info.archive is None:
            return
        ticket = self._client.ask(tr("listing the archive"), questions.archive_question())
        ticket.answered.connect(lambda now: self._on_looked(info, now))
        ticket.failed.connect(self.notice)

    # -- inside -----------------------------------------------------------------------------------------------------
    def _on_looked(self, info: EngineInfo, now: tuple[ArchiveStatus, list[SlideRow]] | None) -> None:
        latest = self._client.info  # another look may have been answered meanwhile, or another archive been loaded
        if now is None or latest is None or latest.archive is None or info.archive is None:
            return
        status, rows = now
        if latest.archive.path == info.archive.path:
            self._client.info = replace(latest, archive=status)
            self._tell_ready(self._client.info, rows)

    def _after(self, job: Job, then: Callable[[], object]) -> None:
        # What a stopped job had finished is in the archive too, so it is loaded whatever the end.
        job.finished.connect(lambda: then() if job.state in (JobState.DONE, JobState.CANCELLED) else None)

    def _need_archive(self) -> bool:
        if not self.archive:
            self.notice.emit(
                Notice(
                    tr("No archive is open yet; wait for the demo, or make one with Archive, New archive."),
                    "",
                    Level.INFO,
                )
            )
        return bool(self.archive)

    def _start_engine(self) -> None:
        self._client.start(answers.EngineSetup(self.archive, device=self._settings.value.device))

    def _reload(self) -> None:
        self._client.start_load(answers.EngineSetup(self.archive, device=self._settings.value.device))

    def _on_demo_built(self, job: Job) -> None:
        self._start_engine()
        demo = read_demo(demo_dir())
        if job.state is JobState.DONE and demo is not None:
            self.demo_ready.emit([str(p) for p in demo.slides])

    def _on_trained(self, job: Job, output: Path) -> None:
        self.training = None
        if job.state is JobState.DONE:
            self.trained.emit(str(output), trained_sentence(output.name, job.result))
        elif job.state is JobState.CANCELLED:
            self.trained.emit("", tr("The training was stopped; the model in use has not changed."))
        else:
            self.trained.emit("", job.notice.sentence if job.notice else tr("The training failed."))

    def _on_reembedded(self, job: Job) -> None:
        if job.state is JobState.DONE:
            self._switching = True
            self._start_engine()

    def _on_loaded(self, info: EngineInfo) -> None:
        if self._switching:
            self._switching = False
            self.model_switched.emit(info)
        if info.archive is None:
            self.ready.emit(info, [])
            return
        ticket = self._client.ask(tr("listing the archive"), questions.slides_question())
        ticket.answered.connect(lambda rows: self._tell_ready(info, rows))
        ticket.failed.connect(self.notice)

    def _tell_ready(self, info: EngineInfo, rows: list[SlideRow]) -> None:
        self.ready.emit(info, rows)


def trained_sentence(name: str, result: dict[str, Any]) -> str:
    """What came out of a training, from the report of ``lile train``."""
    steps, pairs = result.get("steps"), result.get("pairs")
    text = tr("The model {0} is saved").format(name)
    if steps and pairs:
        text += tr(" after {0} steps on {1} pairs").format(steps, pairs)
    if isinstance(best := result.get("best_rsum"), int | float):
        kept_out = int(result.get("validation_pairs") or 0)
        if kept_out < JUDGED_FROM:
            text += tr("; only {0} pairs were kept out, too few to judge it by").format(kept_out)
        else:
            text += tr("; sum of recalls on the {0} pairs kept out {1:.0f} of 600").format(kept_out, best)
    return text + "."
