"""The left column: slides above, as high as they need, then regions with all the room there is, then layers."""

from __future__ import annotations

from PySide6.QtCore import QAbstractItemModel, QEvent, QObject, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from lile_desktop.panels.parts import hairline
from lile_desktop.panels.row_delegate import RowDelegate
from lile_desktop.theme import GRID

HEAD_PX = 96  # of the slides: heading, filter and the gaps
LEAST_SLIDES_PX = 164
LEAST_REGIONS_PX = 104
MOST_SHARE = 0.55  # of the column, for the slides


class LeftColumn(QWidget):
    """Regions begin where the slides end, whatever layers come and go below."""

    def __init__(self, slides: QWidget, regions: QWidget, layers: QWidget, model: QAbstractItemModel) -> None:
        """``model`` has a row for each slide."""
        super().__init__()
        self.setProperty("area", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._slides, self._regions, self._layers, self._model = slides, regions, layers, model
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(slides)
        column.addWidget(hairline())
        column.addWidget(regions, 1)
        column.addWidget(hairline())
        column.addWidget(layers)
        regions.setMinimumHeight(LEAST_REGIONS_PX)
        layers.installEventFilter(self)
        for signal in (model.rowsInserted, model.rowsRemoved, model.modelReset):
            signal.connect(self._share)
        self._share()

    def _share(self) -> None:
        """The slides' height, from their number; where layers need much, they give way before the regions do."""
        wanted = HEAD_PX + self._model.rowCount() * RowDelegate.HEIGHT + GRID // 2
        left = self.height() - self._layers.minimumSizeHint().height() - LEAST_REGIONS_PX - 2
        most = min(round(self.height() * MOST_SHARE), left)
        self._slides.setFixedHeight(max(LEAST_SLIDES_PX, min(wanted, most)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The shares follow the column's height."""
        self._share()
        super().resizeEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Layers that came or went may need room."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._share()
        return super().eventFilter(watched, event)
