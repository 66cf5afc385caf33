"""What the menu entries do that begin with a question to the user: which file, which folder, which settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QMainWindow

from lile_desktop.archive_desk import ArchiveDesk
from lile_desktop.captioned import captioned
from lile_desktop.modal import accepted
from lile_desktop.notices import Level, Notice
from lile_desktop.panels.notice_bar import NoticeBar
from lile_desktop.scales import without_scale
from lile_desktop.settings import SettingsStore
from lile_desktop.slide_desk import SLIDE_SUFFIXES, SlideDesk
from lile_desktop.text import tr
from lile_desktop.viewer.slide_view import SlideView
from lile_engine.later import later
from lile_engine.paths import models_dir
from lile_engine.slides import SlideInfo
from lile_engine.slides.mpp import remember_mpp

if TYPE_CHECKING:
    from lile_desktop import dialogs
else:
    dialogs = later("lile_desktop.dialogs")  # no dialog is in the first frame

_PATTERNS = " ".join(f"*{suffix}" for suffix in sorted(SLIDE_SUFFIXES))
SLIDE_FILTER = f"Slides and pictures ({_PATTERNS});;All files (*)"
CAPTION_FILTER = "Captions (*.jsonl *.csv);;All files (*)"


class Commands(QObject):
    """Each method asks, then hands over to who does it."""

    def __init__(
        self,
        window: QMainWindow,
        desk: SlideDesk,
        archive: ArchiveDesk,
        view: SlideView,
        settings: SettingsStore,
        notices: NoticeBar,
    ) -> None:
        super().__init__(window)
        self._window, self._desk, self._archive = window, desk, archive
        self._view, self._settings, self._notices = view, settings, notices
        self._asking_to_close = False

    def open_slides(self) -> list[str]:
        """The slides chosen in the dialog."""
        return self._choose_slides(tr("Open slides"))

    def close_slide(self) -> None:
        """Takes the slide in view off the list."""
        if self._desk.current is not None:
            self._desk.close(self._desk.current.path)

    def properties(self) -> None:
        """Shows what the file of the slide in view says."""
        entry = self._desk.current
        if entry is not None and entry.info is not None:
            accepted(dialogs.PropertiesDialog(entry.info, self._desk.associated, self._window))

    def give_mpp(self, then: Callable[[], object] | None = None) -> None:
        """Asks for the scale of the slide in view and opens it again with it; ``then`` what waited for the scale."""
        entry = self._desk.current
        if entry is not None:
            mpp = dialogs.ask_mpp(entry.name, self._window)
            if mpp is not None:
                self._desk.reopen(entry.path, mpp, then)

    def save_picture(self) -> None:
        """Saves what the canvas shows."""
        entry = self._desk.current
        if entry is None:
            return
        suggested = str(Path(self._settings.value.last_folder) / f"{Path(entry.name).stem}-view.png")
        file, _ = QFileDialog.getSaveFileName(
            self._window, tr("Save view as picture"), suggested, tr("PNG picture (*.png)")
        )
        if not file:
            return
        file = file if Path(file).suffix else file + ".png"
        if captioned(self._view.picture()).save(file):
            self._notices.show_notice(Notice(tr("The view is saved in {0}.").format(file), level=Level.INFO))
        else:
            self._notices.show_notice(
                Notice(tr("The picture cannot be written to {0}; choose another folder.").format(file))
            )

    def edit_settings(self) -> None:
        """Shows the settings."""
        dialog = dialogs.SettingsDialog(self._settings.value, self._window)
        if accepted(dialog):
            before = self._settings.value.device
            self._settings.update(**dialog.changes())
            if self._settings.value.device != before:
                self._archive.restart_engine()

    def open_archive(self) -> None:
        """Chooses another archive."""
        folder = QFileDialog.getExistingDirectory(self._window, tr("Open archive"), self._archive.archive)
        if folder:
            self._archive.use_archive(folder)

    def new_archive(self) -> None:
        """Chooses an empty folder for a new archive."""
        folder = QFileDialog.getExistingDirectory(self._window, tr("Empty folder for the new archive"))
        if folder:
            self._archive.new_archive(folder)

    def own_archive(self) -> None:
        """Makes or opens an archive of the user's own."""
        self._ask_for_archive(demo_too=False, then=lambda: None)

    def _in_own_archive(self, then: Callable[[], object]) -> None:
        """Does something that adds slides; before it own slides go into the demo archive, the user is asked, once."""
        if self._archive.is_demo and not self._settings.value.demo_takes_slides:
            self._ask_for_archive(demo_too=True, then=then)
        else:
            then()

    def _ask_for_archive(self, *, demo_too: bool, then: Callable[[], object]) -> None:
        from lile_desktop.archive_questions import OwnArchiveDialog, Place, is_archive

        dialog = OwnArchiveDialog(self._settings.value.own_archive, self._window, demo_too=demo_too)
        if not accepted(dialog):
            return
        if dialog.place is Place.DEMO:
            self._settings.update(demo_takes_slides=True)
            then()
        elif is_archive(dialog.folder):
            self._archive.use_archive(dialog.folder)
            then()
        else:
            self._archive.new_archive(dialog.folder, then)

    def may_close(self, titles: Sequence[str]) -> bool:
        """Asks whether the work that is under way may stop; not a second time while that is being asked."""
        if not titles:
            return True
        if self._asking_to_close:
            return False
        from lile_desktop.archive_questions import confirm_closing

        self._asking_to_close = True
        try:
            return confirm_closing(titles, self._window)
        finally:
            self._asking_to_close = False

    def index_slides(self) -> None:
        """Chooses slides to add to the archive."""
        paths = self._choose_slides(tr("Index slides"))
        if paths:
            ask = partial(without_scale, self._desk.readers, self, paths, partial(self._index, paths))
            self._in_own_archive(ask)

    def _index(self, paths: list[str], unknown: list[SlideInfo]) -> None:
        """Asks for the scales that no file says and nobody gave yet; who does not say one leaves that slide out."""
        left_out = set()
        for info in unknown:
            mpp = dialogs.ask_mpp(info.name, self._window)
            if mpp is None:
                left_out.add(info.path)
            else:
                remember_mpp(info.identity, mpp)
        self._archive.index([path for path in paths if path not in left_out])

    def index_this(self) -> None:
        """Adds the slide in view to the archive, with its scale where the user gave it."""
        entry = self._desk.current
        if entry is None or entry.info is None:
            return
        if entry.info.mpp is None:
            self.give_mpp(self.index_this)
            return
        self._in_own_archive(partial(self._archive.index, [entry.path], entry.info.mpp))

    def use_model(self) -> None:
        """Chooses the folder of another model: LILE or of the CLIP family."""
        folder = QFileDialog.getExistingDirectory(self._window, tr("Folder of the model"), str(models_dir()))
        if folder:
            self._archive.use_model(folder)

    def import_captions(self) -> None:
        """Chooses a caption library."""
        file, _ = QFileDialog.getOpenFileName(
            self._window, tr("Import captions"), self._settings.value.last_folder, CAPTION_FILTER
        )
        if file:
            self._archive.import_captions(file)

    def _choose_slides(self, title: str) -> list[str]:
        files, _ = QFileDialog.getOpenFileNames(self._window, title, self._settings.value.last_folder, SLIDE_FILTER)
        if files:
            self._settings.update(last_folder=str(Path(files[0]).parent))
        return files
