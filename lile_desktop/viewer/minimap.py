"""The minimap: the whole slide small, the view in it; press or drag to go there, double-click for another corner."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QEnterEvent, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from lile_desktop.text import tr
from lile_desktop.viewer.view_state import ViewState, to_slide

LONGEST = 176  # logical pixels of the longer side
FAINT = 0.7  # opacity while the mouse is elsewhere: tissue below it is still seen
CORNERS = (Qt.Corner.TopRightCorner, Qt.Corner.TopLeftCorner, Qt.Corner.BottomLeftCorner, Qt.Corner.BottomRightCorner)
ABOVE_BAR_PX = 64  # room below it for scale bar, position and legend
LEAST_BOX = 6.0  # the view is drawn at least this large


class Minimap(QWidget):
    """Shows a thumbnail always upright, whatever the view's rotation; the view is a quadrilateral in it."""

    moved_to = Signal(float, float)  # level-0 px to bring to the middle of the view
    corner_changed = Signal()  # it wants to be placed anew

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: QImage | None = None
        self._slide_size = (1, 1)
        self._view: ViewState | None = None
        self._accent = QColor(0, 120, 215)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._corner = 0
        self.setAccessibleName(tr("Overview of the slide"))
        self.setToolTip(tr("The whole slide; drag to move the view, double-click for another corner, N hides it"))
        self.hide()

    def set_slide(self, width: int, height: int, image: QImage | None) -> None:
        """Level-0 size of the slide and a picture of all of it (None until it is there)."""
        self._slide_size = (max(width, 1), max(height, 1))
        longest = max(self._slide_size)
        self.resize(QSize(*(max(round(side / longest * LONGEST), 24) for side in self._slide_size)))
        self._image = None
        if image is not None:
            ratio = self.devicePixelRatioF()
            self._image = image.scaled(
                self.size() * ratio,
                Qt.AspectRatioMode.IgnoreAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
            self._image.setDevicePixelRatio(ratio)
        self.update()

    def set_view(self, view: ViewState, accent: QColor) -> None:
        self._view, self._accent = view, accent
        self.update()

    @property
    def corner(self) -> Qt.Corner:
        """The corner of the view that it lies in."""
        return CORNERS[self._corner]

    def place_in(self, width: int, height: int, margin: int) -> None:
        """Lies down in its corner of a view of this size."""
        left = self.corner in (Qt.Corner.TopLeftCorner, Qt.Corner.BottomLeftCorner)
        top = self.corner in (Qt.Corner.TopLeftCorner, Qt.Corner.TopRightCorner)
        low = height - self.height() - margin - ABOVE_BAR_PX
        self.move(margin if left else width - self.width() - margin, margin if top else low)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """To the next corner, away from what it covers."""
        self._corner = (self._corner + 1) % len(CORNERS)
        self.corner_changed.emit()
        event.accept()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Under the mouse it is seen in full."""
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        self.update()

    def _to_slide(self, at: QPointF) -> tuple[float, float]:
        x = min(max(at.x() / self.width(), 0.0), 1.0) * self._slide_size[0]
        y = min(max(at.y() / self.height(), 0.0), 1.0) * self._slide_size[1]
        return x, y

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.moved_to.emit(*self._to_slide(event.position()))
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.moved_to.emit(*self._to_slide(event.position()))
        event.accept()

    def view_polygon(self) -> QPolygonF:
        """The corners of the view in the minimap's own pixels."""
        if self._view is None:
            return QPolygonF()
        view = self._view
        across, down = self.width() / self._slide_size[0], self.height() / self._slide_size[1]
        corners = [
            to_slide(view, sx, sy) for sx, sy in ((0, 0), (view.width, 0), (view.width, view.height), (0, view.height))
        ]
        return QPolygonF([QPointF(x * across, y * down) for x, y in corners])

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        frame = QRectF(self.rect())
        painter.setOpacity(1.0 if self.underMouse() else FAINT)
        painter.fillRect(frame, QColor(235, 235, 236))
        if self._image is not None:
            painter.drawImage(QPointF(0, 0), self._image)
        painter.setOpacity(1.0)
        polygon = self.view_polygon()
        if not polygon.isEmpty():
            bounds = polygon.boundingRect()
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            if max(bounds.width(), bounds.height()) < LEAST_BOX:
                center = bounds.center()
                half = LEAST_BOX / 2
                polygon = QPolygonF(QRectF(center.x() - half, center.y() - half, LEAST_BOX, LEAST_BOX))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self._accent, 1.75))
            painter.drawPolygon(polygon)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(20, 20, 22, 110), 1))
        painter.drawRect(frame.adjusted(0, 0, -1, -1))
        painter.end()
