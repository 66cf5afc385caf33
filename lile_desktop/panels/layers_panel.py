"""What lies over the slide: on or off, and how strong."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QSlider, QVBoxLayout, QWidget

from lile_desktop.panels.parts import heading, icon_button, quiet
from lile_desktop.text import tr
from lile_desktop.theme import GRID


class LayersPanel(QWidget):
    """One row a layer. Signals carry the layer's name."""

    visibility_changed = Signal(str, bool)
    opacity_changed = Signal(str, float)
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

    def names(self) -> tuple[str, ...]:
        """The layers that are listed."""
        return tuple(self._rows)

    def set_layer(self, name: str, title: str, opacity: float) -> None:
        """Lists a layer, or another one under the same name; ``opacity`` 0 to 1."""
        self.drop_layer(name)
        row = QWidget()
        box = QCheckBox(title)
        box.setChecked(True)
        box.setToolTip(tr("Show or hide {0}").format(title))
        box.setAccessibleName(tr("Show {0}").format(title))
        box.toggled.connect(lambda on: self.visibility_changed.emit(name, on))
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(0, 100)
        slider.setValue(round(opacity * 100))
        slider.setToolTip(tr("How strongly {0} covers the tissue").format(title))
        slider.setAccessibleName(tr("Opacity of {0}").format(title))
        slider.valueChanged.connect(lambda value: self.opacity_changed.emit(name, value / 100))
        top = QHBoxLayout()
        top.addWidget(box, 1)
        top.addWidget(
            icon_button("x", tr("Remove {0}").format(title), tr("Take this layer off"), lambda: self.removed.emit(name))
        )
        layout = QVBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID // 2)
        layout.addLayout(top)
        layout.addWidget(slider)
        self._rows[name] = row
        self._layout.addWidget(row)
        self._hint.hide()

    def drop_layer(self, name: str) -> None:
        """Takes a layer off the list."""
        row = self._rows.pop(name, None)
        if row is not None:
            self._layout.removeWidget(row)
            row.hide()
            row.deleteLater()
        self._hint.setVisible(not self._rows)
