"""Sliders for how the slide is shown: brightness, contrast, gamma, colour profile, rotation, mirror."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QCheckBox, QFormLayout, QLabel, QPushButton, QSlider, QWidget

from lile_desktop.text import tr
from lile_desktop.viewer.adjust import AS_IT_IS
from lile_desktop.viewer.canvas import SlideCanvas

STEPS = 100  # of a slider on either side of its middle
GAMMA_SPAN = 4.0  # gamma runs from a quarter to four
GRID = 8


class DisplayPanel(QWidget):
    """A small window of its own for one canvas; what it sets is seen at once and reads nothing again."""

    def __init__(self, canvas: SlideCanvas) -> None:
        super().__init__(canvas, Qt.WindowType.Tool)
        self.setWindowTitle(tr("Display"))
        self._canvas = canvas
        self.brightness = self._slider(tr("Brightness"), STEPS)
        self.contrast = self._slider(tr("Contrast"), STEPS)
        self.gamma = self._slider(tr("Gamma"), STEPS)
        self.rotation = self._slider(tr("Rotation in degrees"), 180)
        self.mirrored = self._check(tr("Mirrored"), tr("Exchange left and right"))
        self.profile = self._check(
            tr("Scanner's colour profile"), tr("Show colours as the slide's ICC profile means them")
        )
        self.reset = QPushButton(tr("Reset"))
        self.reset.setToolTip(tr("Show the slide as it is stored"))
        layout = QFormLayout(self)
        layout.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        layout.setSpacing(GRID)
        for title, slider in (
            ("Brightness", self.brightness),
            ("Contrast", self.contrast),
            ("Gamma", self.gamma),
            ("Rotation", self.rotation),
        ):
            layout.addRow(QLabel(title), slider)
        layout.addRow(self.mirrored)
        layout.addRow(self.profile)
        layout.addRow(self.reset)
        self.refresh()
        for slider in (self.brightness, self.contrast, self.gamma):
            slider.valueChanged.connect(self._adjust)
        self.rotation.valueChanged.connect(lambda value: canvas.set_rotation(float(value)))
        self.mirrored.toggled.connect(canvas.set_mirrored)
        self.profile.toggled.connect(canvas.set_color_profile_on)
        self.reset.clicked.connect(self._reset)

    def event(self, event: QEvent) -> bool:
        """Esc is meant for this window, not for the command that has it in the main one."""
        override = event.type() == QEvent.Type.ShortcutOverride
        if override and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc closes it, as it does a dialog."""
        if event.key() == Qt.Key.Key_Escape:
            self.close()
        else:
            super().keyPressEvent(event)

    def refresh(self) -> None:
        """Show what the canvas has in force."""
        canvas, now = self._canvas, self._canvas.adjustment
        turned = (canvas.view.rotation + 180) % 360 - 180
        self._quietly(self.brightness, lambda: self.brightness.setValue(round(now.brightness * STEPS)))
        self._quietly(self.contrast, lambda: self.contrast.setValue(round(now.contrast * STEPS)))
        self._quietly(self.gamma, lambda: self.gamma.setValue(_slider_of_gamma(now.gamma)))
        self._quietly(self.rotation, lambda: self.rotation.setValue(round(turned)))
        self._quietly(self.mirrored, lambda: self.mirrored.setChecked(canvas.view.mirrored))
        self._quietly(self.profile, lambda: self.profile.setChecked(canvas.color_profile_on))

    def _slider(self, name: str, span: int) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(-span, span)
        slider.setMinimumWidth(22 * GRID)
        slider.setAccessibleName(name)
        slider.setToolTip(name)
        return slider

    def _check(self, title: str, tip: str) -> QCheckBox:
        box = QCheckBox(title)
        box.setToolTip(tip)
        return box

    def _quietly(self, widget: QWidget, act: Callable[[], None]) -> None:
        widget.blockSignals(True)
        act()
        widget.blockSignals(False)

    def _adjust(self) -> None:
        self._canvas.set_adjustment(
            replace(
                AS_IT_IS,
                brightness=self.brightness.value() / STEPS,
                contrast=self.contrast.value() / STEPS,
                gamma=GAMMA_SPAN ** (self.gamma.value() / STEPS),
            )
        )

    def _reset(self) -> None:
        self._canvas.set_adjustment(AS_IT_IS)
        self._canvas.set_rotation(0.0)
        self._canvas.set_mirrored(False)
        self._canvas.set_color_profile_on(False)
        self.refresh()


def _slider_of_gamma(gamma: float) -> int:
    """The slider value of a gamma: nearest on its logarithmic scale."""
    values = range(-STEPS, STEPS + 1)
    return min(values, key=lambda value: abs(GAMMA_SPAN ** (value / STEPS) - gamma))
