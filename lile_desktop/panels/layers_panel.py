"""What lies over the slide: on or off, how strong, in which colours, over which range."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QSlider, QToolButton, QVBoxLayout, QWidget

from lile_desktop.icons import icon
from lile_desktop.panels.parts import Choice, heading, icon_button, quiet
from lile_desktop.text import tr
from lile_desktop.theme import GRID
from lile_desktop.viewer.colormaps import COLORMAPS

FULL = 100  # of a slider
TITLE_PX = 160  # what the narrowest panel has room for; the tooltip says it in full


class LayersPanel(QWidget):
    """One row a layer. Signals carry the layer's name."""

    visibility_changed = Signal(str, bool)
    opacity_changed = Signal(str, float)
    colormap_changed = Signal(str, str)
    range_changed = Signal(str, float, float)  # shares 0 to 1 of what the ends can be moved over
    removed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(GRID, GRID, GRID, GRID)
        self._layout.setSpacing(GRID // 2)
        self._layout.addWidget(heading(tr("Layers")))
        self._hint = quiet(tr("Heat maps and attention maps appear here."))
        self._layout.addWidget(self._hint)
        self._rows: dict[str, QWidget] = {}
        self._removers: dict[str, QToolButton] = {}

    def set_icons(self) -> None:
        """Icons in the theme's colour."""
        for remover in self._removers.values():
            remover.setIcon(icon("x"))

    def names(self) -> tuple[str, ...]:
        """The layers that are listed."""
        return tuple(self._rows)

    def set_layer(
        self, name: str, title: str, opacity: float, colormap: str = "",
        *, ranged: bool = True, ends: tuple[float, float] = (0.0, 1.0), note: str = "",
    ) -> None:  # fmt: skip
        """Lists a layer, or another one under the same name; ``opacity`` 0 to 1. ``ranged``: its values differ, so
        that colours and range can be chosen, which begin at the shares ``ends``. ``note`` is a line under its name."""
        self.drop_layer(name)
        row = QWidget()
        box = QCheckBox(self.fontMetrics().elidedText(title, Qt.TextElideMode.ElideRight, TITLE_PX))
        box.setChecked(True)
        box.setToolTip(tr("Show or hide {0}").format(title))
        box.setAccessibleName(tr("Show {0}").format(title))
        box.toggled.connect(lambda on: self.visibility_changed.emit(name, on))
        top = QHBoxLayout()
        top.addWidget(box, 1)
        remover = self._removers[name] = icon_button(
            "x", tr("Remove {0}").format(title), tr("Take this layer off"), lambda: self.removed.emit(name)
        )
        top.addWidget(remover)
        layout = QVBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID // 2)
        layout.addLayout(top)
        if note:
            warning = quiet(note)
            warning.setProperty("rank", "warning")
            layout.addWidget(warning)
        strength = _slider(
            tr("Opacity of {0}").format(title), tr("How strongly {0} covers the tissue").format(title), opacity
        )
        strength.valueChanged.connect(lambda value: self.opacity_changed.emit(name, value / FULL))
        layout.addWidget(strength)
        if ranged:
            layout.addLayout(self._range_line(name, title, colormap, ends))
        self._rows[name] = row
        self._layout.addWidget(row)
        self._hint.hide()

    def _range_line(self, name: str, title: str, colormap: str, ends: tuple[float, float]) -> QHBoxLayout:
        """Where the colours begin and end, and which they are."""
        low = _slider(tr("Lower end of {0}").format(title), tr("Values below are shown in the first colour"), ends[0])
        high = _slider(tr("Upper end of {0}").format(title), tr("Values above are shown in the last colour"), ends[1])

        def tell() -> None:
            self.range_changed.emit(name, low.value() / FULL, max(high.value(), low.value() + 1) / FULL)

        low.valueChanged.connect(lambda _value: tell())
        high.valueChanged.connect(lambda _value: tell())
        colours = Choice(tr("Colours of {0}").format(title), tr("Colour map; all of them hold for any colour vision"))
        for one in COLORMAPS:
            colours.add(one, one)
        if colormap:
            colours.set_value(colormap)
        colours.chosen.connect(partial(self.colormap_changed.emit, name))
        line = QHBoxLayout()
        line.setSpacing(GRID // 2)
        line.addWidget(low, 1)
        line.addWidget(high, 1)
        line.addWidget(colours)
        return line

    def drop_layer(self, name: str) -> None:
        """Takes a layer off the list."""
        row = self._rows.pop(name, None)
        self._removers.pop(name, None)
        if row is not None:
            self._layout.removeWidget(row)
            row.hide()
            row.deleteLater()
        self._hint.setVisible(not self._rows)


def _slider(name: str, tip: str, share: float) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(0, FULL)
    slider.setValue(round(share * FULL))
    slider.setToolTip(tip)
    slider.setAccessibleName(name)
    slider.setMinimumWidth(40)
    return slider
