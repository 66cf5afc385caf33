"""The loss curve of a training, drawn as it comes."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QVBoxLayout, QWidget

from lile_desktop.jobs import TrainStep
from lile_desktop.panels.parts import empty_state
from lile_desktop.text import tr
from lile_desktop.theme import current_theme


class LossPlot(QWidget):
    """Total, cross and self loss over steps. pyqtgraph is imported with the first point: it is not needed before."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.steps: list[TrainStep] = []
        self._plot: Any = None
        self._curves: dict[str, Any] = {}
        self._hint = empty_state(
            tr("Choose a folder of pairs and press Fine-tune: the loss is drawn here step by step.")
        )
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.addWidget(self._hint)
        self._space = QWidget()
        self._box.addWidget(self._space, 1)

    def clear(self) -> None:
        """Starts a new curve."""
        self.steps = []
        self._draw()

    def add(self, step: TrainStep) -> None:
        """One more step."""
        if self._plot is None:
            self._make()
        self.steps.append(step)
        self._draw()

    def restyle(self) -> None:
        """Takes the theme's colours (after a change of theme)."""
        if self._plot is not None:
            theme = current_theme()
            self._plot.setBackground(theme.panel)
            for name, colour, width in self._lines():
                self._curves[name].setPen(colour, width=width)
            for axis in ("left", "bottom"):
                self._plot.getAxis(axis).setPen(theme.line)
                self._plot.getAxis(axis).setTextPen(theme.quiet)
            for _, label in self._plot.getPlotItem().legend.items:
                label.setText(label.text, color=theme.text)  # the colour of labels that are there changes only so

    def _lines(self) -> tuple[tuple[str, str, float], ...]:
        theme = current_theme()
        return (("total", theme.accent, 2.0), ("cross-attention", theme.warning, 1.2), ("self", theme.quiet, 1.2))

    def _make(self) -> None:
        import pyqtgraph

        self._hint.hide()
        self._space.hide()

        class Steps(pyqtgraph.AxisItem):  # type: ignore[misc]
            """Whole steps only: there is no half of one."""

            def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:
                whole = [(spacing, at) for spacing, at in super().tickSpacing(low, high, size) if spacing >= 1]
                return whole or [(1.0, 0.0)]

        self._plot = pyqtgraph.PlotWidget(axisItems={"bottom": Steps("bottom")})
        self._plot.setAccessibleName(tr("Loss curve"))
        self._plot.setToolTip(tr("Loss of each step: lower is better"))
        self._plot.setFrameShape(self._plot.Shape.NoFrame)
        self._plot.setMenuEnabled(False)
        self._plot.hideButtons()
        self._plot.setLabel("bottom", "step")
        self._plot.addLegend(offset=(-8, 8), labelTextColor=current_theme().text)
        for name, colour, width in self._lines():
            self._curves[name] = self._plot.plot(name=name, pen=pyqtgraph.mkPen(colour, width=width), antialias=True)
        self._box.insertWidget(0, self._plot, 1)
        self.restyle()

    def _draw(self) -> None:
        if self._plot is None:
            return
        x = [s.step for s in self.steps]
        self._curves["total"].setData(x, [s.loss for s in self.steps])
        self._curves["cross-attention"].setData(x, [s.cross for s in self.steps])
        self._curves["self"].setData(x, [s.self_loss for s in self.steps])
