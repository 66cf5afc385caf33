"""The window: it puts the parts together and binds the actions; what they do is written in the parts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QByteArray, QEvent, QSize
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QStatusTipEvent,
)
from PySide6.QtWidgets import QApplication, QLineEdit, QMainWindow, QMenu, QVBoxLayout, QWidget

from lile_desktop.actions import ActionRegistry
from lile_desktop.archive_actions import ArchiveActions
from lile_desktop.archive_desk import BUNDLED, ArchiveDesk
from lile_desktop.archive_keeping import ArchiveKeeper
from lile_desktop.archive_shown import ArchiveShown
from lile_desktop.asker import Asker
from lile_desktop.bookmarks import FILE_NAME as BOOKMARKS_FILE
from lile_desktop.bookmarks import Bookmarks
from lile_desktop.commands import Commands
from lile_desktop.cut_off import CutOffJobs
from lile_desktop.engine_client import EngineClient
from lile_desktop.jobs import Job, JobQueue
from lile_desktop.logs import take_crash_report
from lile_desktop.modal import accepted
from lile_desktop.notices import Level, Notice
from lile_desktop.pages import Pages
from lile_desktop.panels.jobs_bar import JobsBar
from lile_desktop.panels.notice_bar import NoticeBar, open_log_folder
from lile_desktop.panels.status_line import StatusLine
from lile_desktop.panels.viewer_page import ViewerPage
from lile_desktop.settings import SettingsStore, with_recent
from lile_desktop.slide_desk import SlideDesk
from lile_desktop.slide_list import SlideEntry, is_scale_typed
from lile_desktop.text import tr
from lile_desktop.theme import apply_theme, current_theme, theme_for
from lile_desktop.view_actions import bind_regions, bind_view, is_for_slide
from lile_desktop.view_actions import enable as enable_view_actions
from lile_desktop.viewer.panes import Panes
from lile_desktop.viewer.slide_menu import SlideMenu, classes_to_keep, kept_classes
from lile_desktop.viewer.slide_view import SlideView
from lile_desktop.viewer.tools import TOOLS
from lile_desktop.viewer_controller import ViewerController
from lile_desktop.warm_up import WarmUp
from lile_engine.slides.readers import ReaderPool

if TYPE_CHECKING:
    from lile_desktop.panels.archive_page import ArchivePage
    from lile_desktop.panels.training_page import TrainingPage
    from lile_desktop.training import TrainRequest
    from lile_engine.answers import EngineInfo

TITLE = "LILE Desktop (research use only)"
PAGES = ("page_viewer", "page_archive", "page_training")
VIEWER, ARCHIVE, TRAINING = range(3)
TITLE_BAR = 48  # room for the tallest of the desktops' title bars, whose height is known only once it is shown
NEEDS_SLIDE = (
    "close_slide", "properties", "save_picture", "heat_map", "archive_index_this",
    *(f"tool_{name}" for name in TOOLS),
)  # fmt: skip


class MainWindow(QMainWindow):
    """The one window of the program."""

    def __init__(self, settings: SettingsStore) -> None:
        super().__init__()
        self.settings = settings
        self.readers = ReaderPool(start=False)
        self.jobs = JobQueue(self)
        self.client = EngineClient(self)
        self.desk = SlideDesk(self.readers, self)
        self.asker = Asker(self.client, self.desk.path_of, self)
        self.archive = ArchiveDesk(self.client, self.jobs, settings, self)
        self.keeper = ArchiveKeeper(self.archive, self.client, self)
        self.cut_off = CutOffJobs(self.jobs, self)
        self.view = SlideView(self.readers, cache_bytes=settings.value.cache_mb * 2**20)
        self.panes = Panes(self.view, self.readers, self.desk.open_infos, self.desk.slides)
        self.slide_menu = SlideMenu(self.view, kept_classes(settings.value.region_classes))
        self.bookmarks = Bookmarks(self.view, lambda info: self.viewer.file_of(info, BOOKMARKS_FILE), self)
        self.notices = NoticeBar()
        self.commands = Commands(self, self.desk, self.archive, self.view, settings, self.notices)
        self.registry = ActionRegistry(self)
        self.warm_up = WarmUp(self)
        self._open = True
        self._bind_actions()
        self._assemble()
        self.viewer = ViewerController(self.page, self.desk, self.asker, self.registry, settings)
        self.shown = ArchiveShown(
            self.archive, self.desk, self.viewer, self.asker, self.cut_off, settings, self.page.slides,
            lambda: self.pages.stack.currentIndex() == ARCHIVE, self,
        )  # fmt: skip
        self._connect()
        self._restore_layout()
        self._enable()

    # -- parts ------------------------------------------------------------------------------------------------------
    def _bind_actions(self) -> None:
        bind, view, commands = self.registry.bind, self.view, self.commands
        bind_view(self.registry, self.panes, self.slide_menu, self.bookmarks)
        bind_regions(self.registry, view, self.slide_menu)
        bind("open", lambda: self.open_slides(commands.open_slides()))
        bind("close_slide", commands.close_slide)
        bind("properties", commands.properties)
        bind("save_picture", commands.save_picture)
        bind("quit", self.close)
        bind("settings", commands.edit_settings)
        for number, name in enumerate(PAGES):
            bind(name, partial(self._show_page, number))
        bind("go_back", lambda: self.viewer.go_back())
        bind("go_forward", lambda: self.viewer.go_forward())
        bind("clear_layers", self._on_escape)
        bind("toggle_grid", lambda on: self.viewer.show_grid(on))
        bind("toggle_tissue", lambda on: self.viewer.show_tissue(on))
        bind("toggle_left", lambda on: self.page.left.setVisible(on))
        bind("toggle_right", lambda on: self.page.right.setVisible(on))
        bind("full_screen", lambda on: self.showFullScreen() if on else self.showNormal())
        bind("focus_search", self._focus_search)
        bind("ask_region", lambda: self.viewer.ask_region())
        self.slide_menu.offer(self.registry["ask_region"])
        bind("heat_map", lambda: self.viewer.ask_heat())
        bind("cancel_question", self.asker.cancel)
        bind("archive_open", commands.open_archive)
        bind("archive_new", commands.new_archive)
        bind("archive_demo", partial(self.archive.use_archive, ""))
        bind("archive_own", commands.own_archive)
        bind("archive_index", commands.index_slides)
        bind("archive_index_this", commands.index_this)
        bind("captions_import", commands.import_captions)
        bind("model_use", commands.use_model)
        bind("model_bundled", partial(self.archive.use_model, BUNDLED))
        self.archive_actions = ArchiveActions(
            self, self.registry, self.keeper, lambda: self.shown.chosen(), lambda: self.shown.absent(),
            lambda: self.shown.rows, self.open_slides,
        )  # fmt: skip
        bind("restart_engine", self.archive.restart_engine)
        bind("open_log", open_log_folder)
        bind("palette", self._show_palette)
        bind("shortcuts", self._show_shortcuts)
        bind("about", self._show_about)

    def _assemble(self) -> None:
        self.page = ViewerPage(self.desk, self.panes, self.registry)
        self.page.regions.offer(self.slide_menu.add_region_part)
        tabs = [self.registry[name] for name in PAGES]
        self.pages = Pages(
            (lambda: self.page, self._make_archive_page, self._make_training_page), tabs, self.registry["palette"]
        )
        self.jobs_bar = JobsBar(self.jobs)
        self.status = StatusLine()
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.pages.bar)
        column.addWidget(self.pages.stack, 1)
        column.addWidget(self.status)
        self.status.show_jobs(self.jobs_bar)
        self.setCentralWidget(body)
        self.notices.float_over(body, lambda: self.panes if self.panes.isVisible() else self.pages.stack)
        self.pages.stack.currentChanged.connect(lambda _number: self.notices.settle())
        menus = self.registry.fill_menu_bar(self.menuBar())
        self.recent_menu = QMenu(tr("Open recent"), self)
        menus["File"].insertMenu(self.registry["close_slide"], self.recent_menu)
        self._fill_recent()
        self.setWindowTitle(tr(TITLE))
        self.setMinimumSize(960, 600)
        self.setAcceptDrops(True)
        self.bookmark_menu = QMenu(tr("Bookmarks"), self)
        self.bookmark_menu.aboutToShow.connect(lambda: self.bookmarks.fill(self.bookmark_menu))
        menus["View"].insertMenu(self.registry["next_bookmark"], self.bookmark_menu)
        for name in ("page_viewer", "tool_move", "toggle_left", "toggle_right"):
            self.registry[name].setChecked(True)

    def _make_archive_page(self) -> QWidget:
        from lile_desktop.panels.archive_page import ArchivePage

        page = ArchivePage(self.registry)
        page.open_asked.connect(lambda path: self.open_slides([path]))
        page.selection_changed.connect(self.archive_actions.enable)
        self.shown.attach(page)
        return page

    def _make_training_page(self) -> QWidget:
        from lile_desktop.panels.training_page import TrainingPage
        from lile_desktop.training import taken_names

        page = TrainingPage(taken_names())
        page.folder.setText(self.settings.value.pairs_folder)
        page.train_asked.connect(self._train)
        page.cancel_asked.connect(self.archive.stop_training)
        page.use_asked.connect(self.archive.use_model)
        page.resume_asked.connect(self.archive.resume_training)
        if self.client.info is not None:
            page.show_model(self.client.info.model.name)
        return page

    @property
    def archive_page(self) -> ArchivePage:
        """The tab with the slides of the archive."""
        return cast("ArchivePage", self.pages.page(ARCHIVE))

    @property
    def training_page(self) -> TrainingPage:
        """The tab for fine-tuning."""
        return cast("TrainingPage", self.pages.page(TRAINING))

    def _connect(self) -> None:
        for source in (self.desk, self.asker, self.archive, self.keeper, self.client, self.viewer, self.cut_off):
            source.notice.connect(self.notices.show_notice)
        self.view.files_dropped.connect(self.open_slides)
        self.panes.files_dropped.connect(self.open_slides)
        self.bookmarks.failed.connect(lambda sentence: self.notices.show_notice(Notice(sentence)))
        self.slide_menu.transfer.told.connect(self.notices.show_notice)
        self.slide_menu.classes_changed.connect(
            lambda classes: self.settings.update(region_classes=classes_to_keep(classes))
        )
        self.view.tool_changed.connect(self._on_tool)
        self.desk.opened.connect(self._on_opened)
        self.desk.current_changed.connect(self._on_slide)
        self.viewer.changed.connect(self._enable)
        self.viewer.mpp_wanted.connect(self.commands.give_mpp)
        self.client.state_changed.connect(lambda _state: self._on_engine())
        self.client.loaded.connect(lambda _info: self._on_engine())
        self.page.slides.selection_changed.connect(self.archive_actions.enable)
        self.keeper.going.connect(self.shown.let_go)
        self.keeper.gone.connect(self.shown.forget_found)
        self.shown.changed.connect(self.archive_actions.enable)
        self.archive.ready.connect(lambda _info, _rows: self.status.show_state(self.client.state, self.client.info))
        self.archive.demo_ready.connect(self._on_demo)
        self.archive.training_started.connect(self._on_training)
        self.archive.trained.connect(lambda folder, text: self.training_page.show_finished(folder, text))
        self.archive.model_switched.connect(self._on_switched)
        self.settings.changed.connect(lambda _settings: self._on_settings())
        QGuiApplication.styleHints().colorSchemeChanged.connect(lambda _scheme: self._apply_theme())

    # -- life -------------------------------------------------------------------------------------------------------
    def begin(self, slides: Sequence[str]) -> None:
        """After the first frame: icons, slides of the command line or of the last time, engine."""
        self._set_icons()
        self.view.setFocus()
        crash = take_crash_report()
        if crash:
            sentence = tr("LILE Desktop ended unexpectedly the last time; your slides are opened again.")
            self.notices.show_notice(Notice(sentence, crash, Level.WARNING))
        self.viewer.set_archive([], self.archive.archive)  # regions kept there are shown before it is loaded, if it can
        still_there = [path for path in self.settings.value.open_slides if Path(path).exists()]
        if slides or still_there:
            self.open_slides(slides or still_there)
        self.warm_up.done.connect(self._begin_engine)
        self.warm_up.start(self.readers.start, ("lile_engine.worker",))

    def _begin_engine(self) -> None:
        if self._open:
            self.cut_off.offer(self.archive.go_on)  # before any job of this time is written down in its place
            self.archive.begin()

    def shut_down(self) -> None:
        """Ends every process of the window; a second call does nothing."""
        if self._open:
            self._open = False
            self.warm_up.close()
            self.viewer.close()
            self.jobs.stop_all()
            self.cut_off.close()
            self.client.stop()
            self.readers.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        if self._open and not self.commands.may_close([job.title for job in self.jobs.jobs() if job.asks]):
            event.ignore()
            return
        geometry = bytes(self.saveGeometry().data()).hex()
        paths = [entry.path for entry in self.desk.slides.entries()]
        shown = self.desk.current.path if self.desk.current is not None else ""
        self.settings.update(
            window_geometry=geometry,
            splitter=tuple(self.page.splitter.sizes()),
            open_slides=tuple(sorted(paths, key=lambda path: path != shown)),
        )
        self.shut_down()
        super().closeEvent(event)

    def event(self, event: QEvent) -> bool:
        """What the action under the mouse does is told at the bottom; Ctrl+Del in a line of text deletes a word, and
        is no shortcut there; keys for the slide are none on the other pages."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            word = event.matches(QKeySequence.StandardKey.DeleteEndOfWord)
            elsewhere = self.pages.stack.currentIndex() != VIEWER and is_for_slide(self.registry, event)
            if elsewhere or (word and isinstance(QApplication.focusWidget(), QLineEdit)):
                event.accept()
                return True
        if isinstance(event, QStatusTipEvent):
            self.status.hint.setText(event.tip())
            return True
        return super().event(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Slide files may be dropped anywhere on the window."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Opens what was dropped."""
        event.acceptProposedAction()
        self.open_slides([url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()])

    def _restore_layout(self) -> None:
        screen = self.screen().availableGeometry()
        self.resize(QSize(1440, 900).boundedTo(screen.size() - QSize(0, TITLE_BAR)))
        saved = self.settings.value
        if saved.window_geometry:
            self.restoreGeometry(QByteArray(bytes.fromhex(saved.window_geometry)))
        if len(saved.splitter) == 3 and all(saved.splitter):
            self.page.splitter.setSizes(list(saved.splitter))

    # -- appearance -------------------------------------------------------------------------------------------------
    def _apply_theme(self) -> None:
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        apply_theme(application, theme_for(self.settings.value.appearance))
        self._set_icons()
        if self.pages.is_made(TRAINING):
            self.training_page.restyle()

    def _set_icons(self) -> None:
        self.registry.set_icons()
        self.page.set_icons()
        if self.pages.is_made(TRAINING):
            self.training_page.set_icons()
        self.notices.set_icons()
        self.jobs_bar.set_icons()

    def _on_settings(self) -> None:
        if theme_for(self.settings.value.appearance) != current_theme():
            self._apply_theme()
        self._fill_recent()

    def _show_page(self, number: int) -> None:
        self.pages.show_page(number)
        self.archive_actions.enable()

    def _show_palette(self) -> None:
        from lile_desktop.palette import CommandPalette

        CommandPalette(self.registry, self).open_over(self)

    def _show_shortcuts(self) -> None:
        from lile_desktop.palette import ShortcutSheet

        accepted(ShortcutSheet(self.registry, self))

    def _show_about(self) -> None:
        from lile_desktop.dialogs import AboutDialog

        accepted(AboutDialog(self.client.info, self))

    def _on_escape(self) -> None:
        """Leaves a field that is typed in; else first what is half drawn goes, then a message that stays, then what
        lies over the slide."""
        if isinstance(QApplication.focusWidget(), QLineEdit):
            self.view.setFocus()
        elif self.view.active_tool.busy:
            self.view.active_tool.cancel()
        elif self.notices.stays:
            self.notices.dismiss()
        else:
            self.viewer.clear_layers()

    def _focus_search(self) -> None:
        self.registry["page_viewer"].trigger()
        self.registry["toggle_right"].setChecked(True)
        self.page.ask.field.setFocus()
        self.page.ask.field.selectAll()

    def _on_tool(self, name: str) -> None:
        self.registry[f"tool_{name}"].setChecked(True)

    def _enable(self) -> None:
        shown = self.desk.current is not None and self.desk.current.info is not None
        for name in NEEDS_SLIDE:
            self.registry[name].setEnabled(shown)
        enable_view_actions(self.registry, self.view)
        self.registry["ask_region"].setEnabled(shown)  # without a region it says what to do first
        self.registry["cancel_question"].setEnabled(self.asker.busy)
        self.registry["go_back"].setEnabled(shown and self.viewer.can_go_back)
        self.registry["go_forward"].setEnabled(shown and self.viewer.can_go_forward)

    # -- slides -----------------------------------------------------------------------------------------------------
    def open_slides(self, paths: Sequence[str]) -> None:
        """Opens slides (files or folders of them) and shows the first, in the view that was used last."""
        if paths:
            self.registry["page_viewer"].trigger()
            if self.panes.active is self.view or self.desk.current is None:
                self.desk.open(paths)
            else:
                self.panes.show_beside(self.desk.add(paths))

    def _on_opened(self, entry: SlideEntry) -> None:
        self.settings.update(recent_slides=with_recent(self.settings.value.recent_slides, entry.path))

    def _on_slide(self, entry: SlideEntry | None) -> None:
        title = tr(TITLE)
        self.setWindowTitle(f"{entry.name} – {title}" if entry is not None else title)
        info = entry.info if entry is not None else None
        self.status.show_scale(info.mpp if info is not None and is_scale_typed(info) else None)
        self._enable()

    def _fill_recent(self) -> None:
        self.recent_menu.clear()
        for path in self.settings.value.recent_slides:
            action = self.recent_menu.addAction(Path(path).name)
            action.setToolTip(path)
            action.triggered.connect(partial(self._open_recent, path))
        self.recent_menu.setEnabled(bool(self.settings.value.recent_slides))

    def _open_recent(self, path: str, _checked: bool = False) -> None:
        self.open_slides([path])

    def _on_demo(self, slides: list[str]) -> None:
        """Lists the demo slides; the first is shown only where the user has named or opened no slide."""
        if self.desk.slides.entries():
            self.desk.add(slides)
        else:
            self.desk.open(slides)

    # -- engine, archive, training ----------------------------------------------------------------------------------
    def _on_engine(self) -> None:
        self.status.show_state(self.client.state, self.client.info)
        self.viewer.set_engine(self.client.state, self.client.info)
        if self.client.info is not None and self.pages.is_made(TRAINING):
            self.training_page.show_model(self.client.info.model.name)

    def _train(self, request: TrainRequest) -> None:
        self.settings.update(pairs_folder=str(request.pairs))
        self.archive.train(request)

    def _on_training(self, job: Job) -> None:
        running = self.jobs.running
        self.training_page.show_running(job, running.title if running is not None else "")

    def _on_switched(self, info: EngineInfo) -> None:
        self.viewer.forget_answers()
        self.training_page.show_switched(info.model.name)
        self.notices.show_notice(
            Notice(tr("The archive is embedded with {0} now.").format(info.model.name), level=Level.INFO)
        )
