"""What the window shows of the archive in use: its slides, which of them are selected, nothing of those erased."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from lile_desktop.archive_desk import ArchiveDesk
from lile_desktop.asker import Asker
from lile_desktop.cut_off import CutOffJobs
from lile_desktop.panels.slides_panel import SlidesPanel
from lile_desktop.settings import SettingsStore, without_places
from lile_desktop.slide_desk import SlideDesk
from lile_desktop.viewer_controller import ViewerController

if TYPE_CHECKING:
    from lile_desktop.panels.archive_page import ArchivePage
    from lile_engine.answers import EngineInfo
    from lile_engine.archive.rows import ArchiveStatus, SlideRow


class ArchiveShown(QObject):
    """``changed`` tells that other slides are in the archive in use. ``rows`` are empty until it is loaded."""

    changed = Signal()

    def __init__(
        self,
        archive: ArchiveDesk,
        desk: SlideDesk,
        viewer: ViewerController,
        asker: Asker,
        cut_off: CutOffJobs,
        settings: SettingsStore,
        listed: SlidesPanel,
        table_in_view: Callable[[], bool],
        parent: QObject,
    ) -> None:
        """``listed`` is the list of open slides; ``table_in_view`` tells whether the archive's own table is seen."""
        super().__init__(parent)
        self._archive, self._desk, self._viewer, self._asker = archive, desk, viewer, asker
        self._cut_off, self._settings = cut_off, settings
        self._listed, self._table_in_view = listed, table_in_view
        self._page: ArchivePage | None = None
        self._status: ArchiveStatus | None = None
        self._loaded = False
        self.rows: list[SlideRow] = []
        archive.left.connect(self._leave)
        archive.ready.connect(self._show)

    def attach(self, page: ArchivePage) -> None:
        """The archive's page was made."""
        self._page = page
        if self._loaded:
            self._fill()

    def chosen(self) -> list[SlideRow]:
        """The slides of the archive that are selected: in its table while that is shown, else in the slide list."""
        if self._page is not None and self._table_in_view():
            return self._page.selected()
        infos = [entry.info for entry in self._listed.selected() if entry.info is not None]
        identities = {info.identity for info in infos}
        return [row for row in self.rows if row.identity in identities]

    def absent(self) -> list[str]:
        """The names of slides that are selected and not in the archive; none in its own table."""
        if self._page is not None and self._table_in_view():
            return []
        there = {row.identity for row in self.rows}
        return [one.name for one in self._listed.selected() if one.info is None or one.info.identity not in there]

    def let_go(self, rows: Sequence[SlideRow]) -> None:
        """Slides are about to be erased: nothing of them is kept or written here any more."""
        paths, identities = {row.path for row in rows}, {row.identity for row in rows}
        for entry in self._desk.slides.entries():
            if entry.path in paths or (entry.info is not None and entry.info.identity in identities):
                paths.add(entry.path)
                self._desk.close(entry.path)
        self._viewer.let_go(paths)
        self._settings.update(**without_places(self._settings.value, paths))
        self._cut_off.forget(paths | identities)

    def forget_found(self, rows: Sequence[SlideRow]) -> None:
        """What was found of erased slides is not shown any more."""
        answer, gone = self._asker.answer, {row.identity for row in rows}
        found = (*answer.patches, *answer.captions, *answer.cases) if answer is not None else ()
        if any(hit.identity in gone for hit in found):
            self._viewer.forget_answers()

    def _show(self, info: EngineInfo, rows: list[SlideRow]) -> None:
        self._status, self.rows, self._loaded = info.archive, rows, True
        self._fill()
        self._viewer.set_archive(rows, self._archive.archive)
        self.changed.emit()

    def _leave(self) -> None:
        """Another archive is being loaded: nothing can be done to the slides of the one before, and what was found
        there is not to be taken for something in this one."""
        self._status, self.rows, self._loaded = None, [], False
        if self._page is not None:
            self._page.show_archive(None, [], loading=True)
        self._viewer.forget_answers()
        self._viewer.set_archive([], self._archive.archive)
        self.changed.emit()

    def _fill(self) -> None:
        if self._page is not None:
            self._page.show_archive(self._status, self.rows, demo=self._archive.is_demo)
