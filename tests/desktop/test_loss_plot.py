"""The loss curve's axis counts steps."""

from __future__ import annotations

from pytestqt.qtbot import QtBot

from lile_desktop.jobs import TrainStep
from lile_desktop.panels.loss_plot import LossPlot


def test_the_axis_names_whole_steps_only(qtbot: QtBot) -> None:
    plot = LossPlot()
    qtbot.addWidget(plot)
    plot.resize(600, 400)
    plot.show()
    for step in (1, 2):
        plot.add(TrainStep(step, 1.0 / step, 0.5, 0.5, 1e-4))
        axis = plot._plot.getAxis("bottom")
        low, high = plot._plot.viewRange()[0]
        for spacing, values in axis.tickValues(low, high, 500):
            assert spacing >= 1
            assert all(float(value).is_integer() for value in values)
