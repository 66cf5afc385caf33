"""The small dialogs: settings, slide properties, microns per pixel, about."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from lile_desktop.modal import accepted
from lile_desktop.panels.parts import LINE_HEIGHT, Choice, heading, number_field, push_button, quiet
from lile_desktop.settings import APPEARANCES, DEVICES, Settings
from lile_desktop.slide_list import scale_text
from lile_desktop.text import tr
from lile_desktop.theme import GRID
from lile_engine import __version__
from lile_engine.slides.mpp import is_plausible

if TYPE_CHECKING:
    from lile_engine.answers import EngineInfo
    from lile_engine.slides import SlideInfo

PICTURE_PX = 112
FIELD_WIDTH = 160
LABEL_IMAGES = ("label", "macro")  # the label shows the patient's name, and a macro photo shows the label


class SettingsDialog(QDialog):
    """Edits the settings that a person chooses; ``changes`` says which."""

    def __init__(self, settings: Settings, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Settings"))
        self.setMinimumWidth(440)
        self.appearance = _choice(
            APPEARANCES, settings.appearance, tr("Appearance"), tr("Light, dark, or as the system has it")
        )
        self.device = _choice(
            DEVICES, settings.device, tr("Device"), tr("Where the model runs; auto takes the GPU if it can")
        )
        self.mpp = QDoubleSpinBox()
        self.mpp.setRange(0.1, 8.0)
        self.mpp.setSingleStep(0.25)
        self.mpp.setDecimals(2)
        self.mpp.setSuffix(tr(" µm/px"))
        self.mpp.setValue(settings.tile_mpp)
        number_field(
            self.mpp,
            tr("Microns per pixel of a tile"),
            tr("0.5 is what a 20x objective shows; tiles of unlike scale never mix"),
        )
        self.results = QSpinBox()
        self.results.setRange(4, 200)
        self.results.setValue(settings.results)
        number_field(self.results, tr("Answers"), tr("How many patches and captions a question brings"))
        self.cache = QSpinBox()
        self.cache.setRange(64, 16_384)
        self.cache.setSingleStep(64)
        self.cache.setSuffix(tr(" MB"))
        self.cache.setValue(settings.cache_mb)
        number_field(
            self.cache, tr("Picture memory"), tr("Memory for parts of slides already read; used from the next start on")
        )
        form = QGridLayout()
        form.setHorizontalSpacing(3 * GRID)
        form.setVerticalSpacing(GRID)
        rows: tuple[tuple[str, QWidget], ...] = (
            (tr("Appearance"), self.appearance),
            (tr("Model runs on"), self.device),
            (tr("Scale of tiles"), self.mpp),
            (tr("Answers to a question"), self.results),
            (tr("Picture memory"), self.cache),
        )
        for row, (label, field) in enumerate(rows):
            field.setFixedSize(FIELD_WIDTH, LINE_HEIGHT)
            form.addWidget(QLabel(label), row, 0)
            form.addWidget(field, row, 1)
        form.setColumnStretch(0, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        layout.setSpacing(2 * GRID)
        layout.addLayout(form)
        layout.addWidget(_buttons(self, accept=True))

    def changes(self) -> dict[str, object]:
        """The fields of `Settings` as they stand in the dialog."""
        return {
            "appearance": self.appearance.value,
            "device": self.device.value,
            "tile_mpp": round(self.mpp.value(), 2),
            "results": self.results.value(),
            "cache_mb": self.cache.value(),
        }


class PropertiesDialog(QDialog):
    """All that a slide's file says; its label stays hidden until asked for, since it names the patient."""

    def __init__(
        self,
        info: SlideInfo,
        fetch: Callable[[str, str, Callable[[QPixmap], None]], None],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Properties of {0}").format(info.name))
        self.resize(720, 560)
        self._info, self._fetch = info, fetch
        facts = slide_facts(info)
        self.table = QTableWidget(len(facts), 2)
        self.table.setHorizontalHeaderLabels(["Property", "Value"])
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(26)
        self.table.setShowGrid(False)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setAccessibleName(tr("Slide properties"))
        self.table.setToolTip(tr("Select and copy with Ctrl+C"))
        for row, (name, value) in enumerate(facts):
            self.table.setItem(row, 0, QTableWidgetItem(name))
            cell = QTableWidgetItem(" ".join(value.split()))
            cell.setToolTip(value)
            self.table.setItem(row, 1, cell)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setColumnWidth(0, 260)
        self.table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.setCurrentCell(-1, -1)
        self.pictures = QHBoxLayout()
        self.pictures.setSpacing(2 * GRID)
        for name in info.associated:
            self._add_picture(name)
        self.pictures.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        layout.setSpacing(GRID)
        layout.addWidget(self.table, 1)
        layout.addLayout(self.pictures)
        layout.addWidget(_buttons(self))

    def _add_picture(self, name: str) -> None:
        box = QVBoxLayout()
        box.setSpacing(GRID // 2)
        box.addStretch(1)  # buttons, pictures and names stand on one line, however high each is
        picture = QLabel()
        picture.setFixedHeight(PICTURE_PX)
        picture.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom)

        def show(pixmap: QPixmap) -> None:
            picture.setPixmap(
                pixmap.scaled(
                    2 * PICTURE_PX,
                    PICTURE_PX,
                    Qt.AspectRatioMode.KeepAspectRatio,
                    Qt.TransformationMode.SmoothTransformation,
                )
            )

        if name.lower() in LABEL_IMAGES:
            button = push_button(
                tr("Show {0}").format(name),
                tr("May show the patient's name"),
                lambda: self._fetch(self._info.path, name, show),
            )
            button.clicked.connect(button.hide)
            button.clicked.connect(picture.show)
            box.addWidget(button)
            picture.hide()
        else:
            self._fetch(self._info.path, name, show)
        box.addWidget(picture)
        box.addWidget(quiet(name, wrap=False))
        self.pictures.addLayout(box)


def slide_facts(info: SlideInfo) -> list[tuple[str, str]]:
    """What is known of a slide, the main things first, then all properties of the file."""
    levels = ", ".join(f"{level.width} × {level.height}" for level in info.levels)
    main = [
        (tr("File"), info.path),
        (tr("Format"), ", ".join(dict.fromkeys(part for part in (info.format, info.vendor) if part))),
        (tr("Size"), tr("{0} × {1} px").format(info.width, info.height)),
        (tr("Scale"), scale_text(info)),
        (tr("Magnification"), f"{info.magnification:g}x" if info.magnification else tr("not known")),
        (tr("Levels ({0})").format(len(info.levels)), levels),
        ("Identity", info.identity),
    ]
    return main + sorted(info.properties.items())


class ScaleDialog(QDialog):
    """Asks for the microns per pixel of a slide whose file does not say them. Nothing is chosen beforehand: a wrong
    scale makes every answer wrong."""

    LENSES = (("40x", 0.25), ("20x", 0.5), ("10x", 1.0))

    def __init__(self, name: str, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Microns per pixel"))
        self.setMinimumWidth(420)
        self.field = QLineEdit()
        self.field.setAccessibleName(tr("Microns per pixel"))
        self.field.setPlaceholderText(tr("for example 0.2465"))
        self.field.setToolTip(tr("As the scanner's report says it; 10 divided by the objective's power at a guess"))
        self.field.textChanged.connect(lambda _text: self._check())
        text = QLabel(
            tr("{0} does not say its scale, and answers depend on it. How many microns does a pixel measure?").format(
                name
            )
        )
        text.setWordWrap(True)
        line = QHBoxLayout()
        line.addWidget(self.field, 1)
        line.addWidget(QLabel(tr("µm/px")))
        lenses = QHBoxLayout()
        lenses.addWidget(quiet(tr("Scanned with the objective"), wrap=False))
        for lens, mpp in self.LENSES:
            tip = tr("About {0:g} µm/px").format(mpp)
            lenses.addWidget(push_button(lens, tip, partial(self.field.setText, f"{mpp:g}")))
        lenses.addStretch(1)
        self.buttons = _buttons(self, accept=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        layout.setSpacing(2 * GRID)
        layout.addWidget(text)
        layout.addLayout(line)
        layout.addLayout(lenses)
        layout.addWidget(self.buttons)
        self._check()

    def mpp(self) -> float | None:
        """What was typed, None where it is no scale that a slide can have."""
        try:
            value = float(self.field.text().replace(",", ".").strip())
        except ValueError:
            return None
        return value if is_plausible(value) else None

    def _check(self) -> None:
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(self.mpp() is not None)


def ask_mpp(name: str, parent: QWidget) -> float | None:
    """The microns per pixel that the user says a slide has, None where nothing was said."""
    dialog = ScaleDialog(name, parent)
    return dialog.mpp() if accepted(dialog) else None


class AboutDialog(QDialog):
    """Version, model, licence, and what it must not be used for."""

    def __init__(self, info: EngineInfo | None, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("About LILE Desktop"))
        self.setMinimumWidth(440)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 2 * GRID)
        layout.setSpacing(GRID)
        layout.addWidget(heading(tr("LILE Desktop {0}").format(__version__)))
        model = tr("Model {0} on {1}.").format(info.model.name, info.device) if info else tr("No model is loaded.")
        for text in (
            tr("Finds captions, sibling patches and places in whole-slide images, on this computer alone."),
            tr("Research use only. It is not a medical device and must not be used for diagnosis."),
            tr(
                "{0} What it learned from, and how well it does on real tissue, stands in its model card. "
                "Demo slides are drawn by the program; they show no patient's tissue."
            ).format(model),
            tr("After LILE (Maleki and Tizhoosh, MIDL 2022). Apache License 2.0."),
        ):
            label = QLabel(text)
            label.setWordWrap(True)
            layout.addWidget(label)
        layout.addWidget(_buttons(self))


def _choice(values: tuple[str, ...], current: str, name: str, tip: str) -> Choice:
    choice = Choice(name, tip)
    for value in values:
        choice.add({"auto": "automatic", "cpu": "CPU", "cuda": "GPU (CUDA)"}.get(value, value), value)
    choice.set_value(current)
    return choice


def _buttons(dialog: QDialog, *, accept: bool = False) -> QDialogButtonBox:
    box = QDialogButtonBox()
    if accept:
        box.addButton(QDialogButtonBox.StandardButton.Ok)
        box.addButton(QDialogButtonBox.StandardButton.Cancel)
    else:
        box.addButton(QDialogButtonBox.StandardButton.Close)
    box.accepted.connect(dialog.accept)
    box.rejected.connect(dialog.reject)
    return box
