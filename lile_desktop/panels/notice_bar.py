"""One sentence over the top of what is in view, details behind a button. It moves nothing and blocks no work."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt, QTimer, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from lile_desktop.icons import icon
from lile_desktop.logs import log_file
from lile_desktop.modal import accepted
from lile_desktop.notices import Level, Notice
from lile_desktop.panels.parts import icon_button, push_button, quiet
from lile_desktop.text import tr
from lile_desktop.theme import GRID, current_theme

_ICONS = {Level.INFO: "info", Level.WARNING: "warning", Level.ERROR: "warning-circle"}
INFO_SECONDS = 8
MOST_PX, LEAST_PX = 620, 320  # how wide it is


class NoticeBar(QWidget):
    """Shows the last notice until it is closed (information goes by itself). It lies over the page, so that nothing
    there moves as it comes and goes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("area", "notice")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.notice: Notice | None = None
        self._after: Notice | None = None
        self._place: Callable[[], QWidget] | None = None
        self._picture = QLabel()
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details_button = push_button(tr("Details"), tr("What the program knows about it"), self._show_details)
        self.offer_button = push_button(tr("Do it"), tr("What can be done about it"), self._take_offer, primary=True)
        self.close_button = icon_button("x", tr("Close the message"), tr("Close this message (Esc)"), self.dismiss)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2 * GRID, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        layout.addWidget(self._picture)
        layout.addWidget(self.sentence, 1)
        layout.addWidget(self.offer_button)
        layout.addWidget(self.details_button)
        layout.addWidget(self.close_button)
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self.dismiss)
        self.hide()

    @property
    def stays(self) -> bool:
        """Whether a message is there that does not go by itself and asks nothing."""
        notice = self.notice
        return notice is not None and notice.level is not Level.INFO and notice.offer is None

    def float_over(self, ground: QWidget, place: Callable[[], QWidget]) -> None:
        """Lie over ``ground``, at the top of the part of it that ``place`` tells of when it is asked."""
        self.setParent(ground)
        self._place = place
        ground.installEventFilter(self)
        self.hide()

    def settle(self) -> None:
        """Takes its place again, where what it lies over was moved or is another page."""
        ground = self.parentWidget()
        if self._place is None or ground is None or self.notice is None:
            return
        under = self._place()
        box = QRect(under.mapTo(ground, QPoint(0, 0)), under.size())
        width = min(max(box.width() - 4 * GRID, LEAST_PX), MOST_PX, ground.width() - 2 * GRID)
        left = min(max(box.center().x() - width // 2, GRID), ground.width() - width - GRID)
        layout = self.layout()
        self.setGeometry(left, box.top() + GRID, width, layout.heightForWidth(width) if layout is not None else 0)
        self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follows the window's size."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest) and watched is self.parentWidget():
            QTimer.singleShot(0, self, self.settle)  # after the parts have found their places
        return super().eventFilter(watched, event)

    def show_notice(self, notice: Notice) -> None:
        """Shows ``notice`` in place of the one before, which comes back after it where its offer is lasting."""
        before, self.notice = self.notice, notice
        if before is not None and before is not notice and before.offer is not None and before.offer.lasting:
            self._after = before
        self.sentence.setText(notice.sentence)
        self.sentence.setAccessibleName(notice.sentence)
        theme = current_theme()
        colour = {Level.INFO: theme.accent, Level.WARNING: theme.warning, Level.ERROR: theme.error}[notice.level]
        self._picture.setPixmap(icon(_ICONS[notice.level], colour).pixmap(20, 20))
        self.details_button.setVisible(bool(notice.details))
        self.offer_button.setVisible(notice.offer is not None)
        if notice.offer is not None:
            self.offer_button.setText(notice.offer.text)
            self.offer_button.setAccessibleName(notice.offer.text)
            self.offer_button.setToolTip(notice.offer.tip)
        self._timer.stop()
        if notice.level is Level.INFO and notice.offer is None:  # an offer waits for its answer
            self._timer.start(INFO_SECONDS * 1000)
        self.settle()
        self.show()

    def set_icons(self) -> None:
        """Icons in the theme's colour."""
        self.close_button.setIcon(icon("x"))
        if self.notice is not None:
            self.show_notice(self.notice)

    def dismiss(self) -> None:
        """Takes the message away; an offer that it had covered is seen again."""
        self.notice = None
        self.hide()
        after, self._after = self._after, None
        if after is not None:
            self.show_notice(after)

    def _take_offer(self) -> None:
        notice = self.notice
        self.dismiss()
        if notice is not None and notice.offer is not None:
            notice.offer.take()

    def _show_details(self) -> None:
        if self.notice is not None:
            accepted(DetailsDialog(self.notice, self))


class DetailsDialog(QDialog):
    """The details of a notice and the way to the log file."""

    def __init__(self, notice: Notice, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Details"))
        self.resize(720, 400)
        sentence = QLabel(notice.sentence)
        sentence.setWordWrap(True)
        text = QPlainTextEdit(notice.details)
        text.setReadOnly(True)
        text.setAccessibleName(tr("Details"))
        text.setToolTip(tr("Select and copy what you want to report; names of slides may stand in it"))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        row = QHBoxLayout()
        row.addWidget(push_button(tr("Show log file"), tr("Open the folder of the log file"), open_log_folder))
        row.addStretch(1)
        row.addWidget(buttons)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        layout.setSpacing(GRID)
        layout.addWidget(sentence)
        layout.addWidget(text, 1)
        layout.addWidget(quiet(tr("Log file: {0}").format(log_file())))
        layout.addLayout(row)


def open_log_folder() -> None:
    """Opens the folder of the log file in the system's file manager."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(log_file().parent)))
