"""What the user is asked about archives: where own slides go, what is to be removed, what closing would stop."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from lile_desktop.archive_keeping import Going, slides_text
from lile_desktop.modal import accepted
from lile_desktop.panels.parts import icon_button, push_button, quiet
from lile_desktop.text import tr
from lile_desktop.theme import GRID
from lile_engine.paths import ARCHIVE_DATABASE, home_dir


class Place(Enum):
    """Where own slides go."""

    OWN = "own"
    DEMO = "demo"


def is_archive(folder: str) -> bool:
    """Whether there is an archive in a folder already."""
    try:
        return (Path(folder) / ARCHIVE_DATABASE).is_file()
    except (OSError, ValueError):  # a folder that may not be looked into, or a name that no folder can have
        return False


def chosen_folder(typed: str) -> Path | None:
    """The folder that was typed, None where that is no path (or names the home of nobody)."""
    try:
        return Path(typed.strip()).expanduser().absolute() if typed.strip() else None
    except (RuntimeError, ValueError):
        return None


def may_hold_archive(folder: Path) -> bool:
    """Whether an archive can be made in a folder: there is none yet, or nothing is in it."""
    try:
        return not any(folder.iterdir())
    except FileNotFoundError:
        return True
    except (OSError, ValueError):  # a file, a folder that is not the user's to look into, a name that cannot be
        return False


class OwnArchiveDialog(QDialog):
    """Own slides belong into an archive of one's own: makes or opens one. With ``demo_too`` the demo archive may be
    chosen as well. After it was accepted ``place`` says which, and ``folder`` where."""

    def __init__(self, own: str, parent: QWidget | None, *, demo_too: bool) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("An archive of your own"))
        self.setMinimumWidth(560)
        self.place = Place.OWN
        text = QLabel(
            tr(
                "The archive in use is the demo: its slides are drawn by the program. Keep your own slides in an "
                "archive of your own, or every answer mixes them with drawn tissue."
            )
            if demo_too
            else tr("Your own slides are kept in an archive of your own. A folder that holds one already is opened.")
        )
        text.setWordWrap(True)
        self.field = QLineEdit(own or str(home_dir() / "archives" / "my-archive"))
        self.field.setAccessibleName(tr("Folder of the archive"))
        self.field.setToolTip(tr("A new folder, or one that holds an archive; some 4 kB are needed for each tile"))
        self.field.textChanged.connect(lambda _text: self._check())
        line = QHBoxLayout()
        line.setSpacing(GRID // 2)
        line.addWidget(self.field, 1)
        line.addWidget(
            icon_button("folder-open", tr("Choose folder"), tr("Choose the folder of the archive"), self._browse)
        )
        self.own_button = push_button("", tr("Make it, or open the one that is there"), self.accept, primary=True)
        self.demo_button = push_button(
            tr("Add to the demo archive"), tr("Mix them with the drawn slides; you are not asked again"), self._to_demo
        )
        self.demo_button.setVisible(demo_too)
        cancel = push_button(tr("Cancel"), tr("Change nothing"), self.reject)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID)
        buttons.addStretch(1)
        for button in (cancel, self.demo_button, self.own_button):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        layout.setSpacing(2 * GRID)
        layout.addWidget(text)
        layout.addLayout(line)
        self.hint = quiet()
        layout.addWidget(self.hint)
        layout.addLayout(buttons)
        self.own_button.setDefault(True)
        self._check()

    @property
    def folder(self) -> str:
        """The folder that stands in the field."""
        return str(chosen_folder(self.field.text()) or home_dir())

    def _check(self) -> None:
        folder = chosen_folder(self.field.text())
        there = folder is not None and is_archive(str(folder))
        possible = folder is not None and (there or may_hold_archive(folder))
        self.own_button.setText(tr("Use this archive") if there else tr("Make my own archive"))
        self.own_button.setAccessibleName(self.own_button.text())
        self.own_button.setEnabled(possible)
        if folder is None:
            self.hint.setText(tr("Write where the archive is to lie, or choose a folder."))
        elif not possible:
            self.hint.setText(tr("There are other files at this place; choose a new or an empty folder."))
        elif there:
            self.hint.setText(tr("There is an archive here: it is opened."))
        else:
            self.hint.setText(tr("It is made here, readable by you only. Slides stay where they are."))

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, tr("Folder of the archive"), str(Path(self.folder).parent))
        if folder:
            self.field.setText(folder)

    def _to_demo(self) -> None:
        self.place = Place.DEMO
        self.accept()


def removal_text(going: Going) -> tuple[str, str]:
    """What a removal takes, and what it leaves."""
    one = len(going.rows) == 1
    name = slides_text(going.rows)
    if going.cases:
        case = tr("case {0}").format(going.cases[0])
        name = f"{case if len(going.cases) == 1 else tr('{0} cases').format(len(going.cases))} ({name})"
    parts = [tr("{0:,} tiles with their vectors").format(going.tiles)]
    if going.captions:
        parts.append(tr("1 caption") if going.captions == 1 else tr("{0:,} captions").format(going.captions))
    parts.append(tr("regions and bookmarks"))
    parts.append(tr("training pairs, log lines and recent files that name it"))
    first = tr("Remove {0} from the archive for good?").format(name)
    rest = tr("These go: {0}.").format(", ".join(parts)) + "\n\n"
    rest += (
        tr("The slide's file stays where it is, and the slide is closed here.")
        if one
        else tr("The slides' files stay where they are, and the slides are closed here.")
    )
    rest += " " + tr("This cannot be undone; indexing again brings back tiles only.")
    return first, rest


def confirm_removal(going: Going, parent: QWidget) -> bool:
    """Whether the user wants these slides gone."""
    first, rest = removal_text(going)
    box = QMessageBox(QMessageBox.Icon.NoIcon, tr("Remove from the archive"), first, parent=parent)
    box.setInformativeText(rest)
    remove = box.addButton(tr("Remove"), QMessageBox.ButtonRole.DestructiveRole)
    cancel = box.addButton(QMessageBox.StandardButton.Cancel)
    _plain(box, cancel)
    accepted(box)
    return box.clickedButton() is remove


def confirm_closing(titles: Sequence[str], parent: QWidget) -> bool:
    """Whether the window may close though work is under way."""
    what = titles[0] if len(titles) == 1 else tr("{0} and {1} more").format(titles[0], len(titles) - 1)
    box = QMessageBox(QMessageBox.Icon.NoIcon, tr("Work is under way"), what, parent=parent)
    box.setInformativeText(
        tr("Closing stops this. What is done so far stays, and the next start offers to go on with the rest.")
    )
    stop = box.addButton(tr("Stop and close"), QMessageBox.ButtonRole.DestructiveRole)
    stay = box.addButton(tr("Keep it running"), QMessageBox.ButtonRole.RejectRole)
    _plain(box, stay)
    accepted(box)
    return box.clickedButton() is stop


def _plain(box: QMessageBox, safe: QPushButton) -> None:
    """Enter and Esc do what changes nothing."""
    box.setDefaultButton(safe)
    box.setEscapeButton(safe)
