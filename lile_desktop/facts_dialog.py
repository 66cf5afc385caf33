"""The dialog for case, organ, stain and tags of one or several slides of the archive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QStringListModel, Qt
from PySide6.QtWidgets import (
    QCompleter,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from lile_desktop.archive_keeping import FACT_NAMES, fact_text, slides_text
from lile_desktop.panels.parts import quiet
from lile_desktop.text import tr
from lile_desktop.theme import GRID

if TYPE_CHECKING:
    from lile_engine.archive.rows import SlideRow

_TIPS = {
    "case": "Slides of one case are found together; without one a slide is its own case",
    "organ": "What organ the tissue is from, for example colon",
    "stain": "For example H&E",
    "tags": "Words of your own, parted by ;",
}


class TagCompleter(QCompleter):
    """Completes the last of several tags."""

    def splitPath(self, path: str) -> list[str]:
        return [path.rpartition(";")[2].strip()]

    def pathFromIndex(self, index: object) -> str:
        found = super().pathFromIndex(index)  # type: ignore[arg-type]
        field = self.widget()
        typed = field.text() if isinstance(field, QLineEdit) else ""
        before = typed.rpartition(";")[0].strip()
        return f"{before}; {found}" if before else found


class FactsDialog(QDialog):
    """A field for each fact, with what the archive knows already to choose from. Where several slides differ a field
    is empty and stays as it is unless something is typed."""

    def __init__(self, rows: Sequence[SlideRow], known: Sequence[SlideRow], parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Case, organ, stain, tags"))
        self.setMinimumWidth(440)
        self.fields: dict[str, QLineEdit] = {}
        self._before: dict[str, str] = {}
        form = QGridLayout()
        form.setHorizontalSpacing(3 * GRID)
        form.setVerticalSpacing(GRID)
        form.setColumnStretch(1, 1)
        for number, name in enumerate(FACT_NAMES):
            field = self.fields[name] = self._field(name, rows, known)
            self._before[name] = field.text()
            label = QLabel(tr(FACT_NAMES[name]))
            label.setBuddy(field)
            form.addWidget(label, number, 0)
            form.addWidget(field, number, 1)
        head = QLabel(slides_text(rows) if len(rows) > 1 else rows[0].name)
        head.setWordWrap(True)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        layout.setSpacing(2 * GRID)
        layout.addWidget(head)
        layout.addLayout(form)
        layout.addWidget(quiet(tr("This is kept in the archive, not in the slide's file, and can be undone.")))
        layout.addWidget(self.buttons)

    def facts(self) -> dict[str, str]:
        """What was changed, by name; "" where a fact is to be taken away. What was typed and deleted again is none."""
        typed = {name: field.text().strip() for name, field in self.fields.items()}
        return {name: text for name, text in typed.items() if text != self._before[name]}

    def _field(self, name: str, rows: Sequence[SlideRow], known: Sequence[SlideRow]) -> QLineEdit:
        field = QLineEdit()
        field.setAccessibleName(tr(FACT_NAMES[name]))
        field.setToolTip(tr(_TIPS[name]))
        values = list(dict.fromkeys(fact_text(row, name) for row in rows))
        if len(values) == 1:
            field.setText(values[0])
            field.setPlaceholderText(tr("not known"))
        else:
            field.setPlaceholderText(tr("differs; stays as it is unless you type"))
        completer = TagCompleter(field) if name == "tags" else QCompleter(field)
        completer.setModel(QStringListModel(known_values(name, known), completer))
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        if name != "tags":
            completer.setFilterMode(Qt.MatchFlag.MatchContains)
        field.setCompleter(completer)
        return field


def known_values(name: str, rows: Sequence[SlideRow]) -> list[str]:
    """The values of a fact that the archive has, each once, in alphabetical order."""
    tags = (tag for row in rows for tag in row.tags)
    found = set(tags) if name == "tags" else {fact_text(row, name) for row in rows}
    return sorted(found - {""}, key=str.casefold)
