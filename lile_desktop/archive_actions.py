"""Binds what can be done with slides of the archive to rows that are selected: in its table, or in the slide list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from lile_desktop.actions import ActionRegistry
from lile_desktop.archive_keeping import ArchiveKeeper, Going, incomplete
from lile_desktop.modal import accepted
from lile_desktop.notices import Level, Notice
from lile_desktop.text import tr

if TYPE_CHECKING:
    from lile_engine.archive.rows import SlideRow

NOTHING_CHOSEN = "Choose a slide that is in the archive first, here or on the page Archive."


class ArchiveActions(QObject):
    """``chosen`` gives the selected rows, ``absent`` the names of slides that are selected and not in the archive in
    use, ``every`` all rows of that, ``show`` opens slides."""

    def __init__(
        self,
        window: QWidget,
        registry: ActionRegistry,
        keeper: ArchiveKeeper,
        chosen: Callable[[], list[SlideRow]],
        absent: Callable[[], list[str]],
        every: Callable[[], list[SlideRow]],
        show: Callable[[Sequence[str]], object],
    ) -> None:
        super().__init__(window)
        self._window, self._registry, self._keeper = window, registry, keeper
        self._chosen, self._absent, self._every = chosen, absent, every
        registry.bind("archive_show", lambda: show([row.path for row in chosen()]))
        registry.bind("archive_describe", self.describe)
        registry.bind("archive_undo", keeper.undo)
        registry.bind("archive_finish", self.finish)
        registry.bind("archive_remove_slide", lambda: self._remove(cases=False))
        registry.bind("archive_remove_case", lambda: self._remove(cases=True))
        keeper.changed.connect(self.enable)

    def enable(self) -> None:
        """What can be done with what is selected now."""
        chosen, every = self._chosen(), self._every()
        self._registry["archive_show"].setEnabled(bool(chosen))
        # These say what to do first where nothing is selected, as long as there is something to select.
        for name in ("archive_describe", "archive_remove_slide", "archive_remove_case"):
            self._registry[name].setEnabled(bool(every))
        self._registry["archive_undo"].setEnabled(self._keeper.can_undo)
        self._registry["archive_finish"].setEnabled(bool(incomplete(every)))

    def describe(self) -> None:
        """Asks for case, organ, stain and tags."""
        from lile_desktop.facts_dialog import FactsDialog  # here, as the first frame needs no dialog

        rows = self._needed()
        if rows:
            archive, dialog = self._keeper.archive, FactsDialog(rows, self._every(), self._window)
            if accepted(dialog):
                self._keeper.describe(rows, dialog.facts(), archive)

    def finish(self) -> None:
        """Goes on with the selected slides that are half done, else with all such."""
        rows = incomplete(self._chosen()) or incomplete(self._every())
        if rows:
            self._keeper.finish(rows)

    def _remove(self, *, cases: bool) -> None:
        rows = self._needed()
        if rows:
            self._keeper.look_at_removal(rows, cases=cases, then=self._confirm)

    def _confirm(self, going: Going) -> None:
        from lile_desktop.archive_questions import confirm_removal

        if going.rows and confirm_removal(going, self._window):
            self._keeper.remove(going)

    def _needed(self) -> list[SlideRow]:
        rows = self._chosen()
        absent = ", ".join(self._absent()) if self._every() else ""
        if absent and rows:
            sentence = tr("Not in this archive, and so left out: {0}.").format(absent)
            self._keeper.notice.emit(Notice(sentence, level=Level.WARNING))
        elif not rows:
            missing = tr("Not in this archive: {0}.").format(absent) + " " if absent else ""
            self._keeper.notice.emit(Notice(missing + tr(NOTHING_CHOSEN), level=Level.INFO))
        return rows
