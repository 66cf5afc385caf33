"""A picture of very many shapes, made in a thread of its own; frames show the last one, moved to where they look."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPointF, Signal
from PySide6.QtGui import QImage, QPainter

from lile_desktop.viewer.annotations import UNCLASSED
from lile_desktop.viewer.shape_index import ShapeIndex
from lile_desktop.viewer.tile_painter import view_transform
from lile_desktop.viewer.view_state import ViewState, screen_matrix, visible_rect
from lile_engine.later import later

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = later("numpy")

MARGIN = 0.2  # of the viewport on each side, so that a pan shows what lies there
DOT_PX = 2.5  # shapes smaller than this on the screen are a dot
CHUNK = 50_000  # edges at a time, so that the GUI thread gets its turn
LONGEST_EDGE = 4096  # samples along one edge; longer ones cross the whole picture
PLAIN = 0xFF000000 | UNCLASSED[0] << 16 | UNCLASSED[1] << 8 | UNCLASSED[2]


@dataclass(frozen=True)
class ShapePicture:
    """``image`` shows all shapes as ``view`` sees them; ``revision`` of the store it was made from."""

    image: QImage
    view: ViewState
    revision: int


def widened(view: ViewState) -> ViewState:
    """The view with a margin around it."""
    return replace(view, width=round(view.width * (1 + 2 * MARGIN)), height=round(view.height * (1 + 2 * MARGIN)))


def draw_shapes(index: ShapeIndex, view: ViewState) -> npt.NDArray[np.uint32]:
    """uint32 [height, width] of premultiplied ARGB: the outlines, two pixels wide, dots where they are tiny."""
    # one pixel more on each side takes in what lies just outside, so that no bounds need checking twice
    picture = np.zeros((view.height + 2, view.width + 2), np.uint32)
    slots = index.slots_in(visible_rect(view))
    if len(slots) == 0:
        return picture[1:-1, 1:-1].copy()
    colors = index.colors(slots)
    colors = np.where(colors == 0, np.uint32(PLAIN), colors)
    bounds = index.bounds(slots)
    size = np.maximum(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1]) * view.scale
    tiny = size < DOT_PX
    _stamp(picture, _on_screen(view, (bounds[tiny, :2] + bounds[tiny, 2:]) / 2), colors[tiny])
    large = slots[~tiny]
    large_colors = colors[~tiny]
    per_shape = index.edge_counts(large)
    ends = np.cumsum(per_shape)
    first = 0
    while first < len(large):
        done = ends[first - 1] if first else 0
        last = max(int(np.searchsorted(ends, done + CHUNK, side="right")), first + 1)
        edges, owner = index.edges(large[first:last])
        _stamp_edges(picture, view, edges, large_colors[first:last][owner])
        first = last
    _thicken(picture)
    return picture[1:-1, 1:-1].copy()


def _on_screen(view: ViewState, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    a, b, c, d = screen_matrix(view)
    at = points.astype(np.float64) - (view.cx, view.cy)
    placed: npt.NDArray[np.float64] = at @ np.array([[a, c], [b, d]]) + (view.width / 2, view.height / 2)
    return placed


def _stamp_edges(
    picture: npt.NDArray[np.uint32],
    view: ViewState,
    edges: npt.NDArray[np.float32],
    colors: npt.NDArray[np.uint32],
) -> None:
    starts, ends = _on_screen(view, edges[:, :2]), _on_screen(view, edges[:, 2:])
    outside = (np.maximum(starts, ends) < 0).any(axis=1) | (np.minimum(starts, ends) > (view.width, view.height)).any(
        axis=1
    )
    starts, ends, colors = starts[~outside], ends[~outside], colors[~outside]
    steps = np.clip(np.ceil(np.abs(ends - starts).max(axis=1, initial=0.0)), 1, LONGEST_EDGE).astype(np.int64)
    owner = np.repeat(np.arange(len(steps)), steps)
    share = (np.arange(len(owner)) - np.repeat(np.cumsum(steps) - steps, steps)) / steps[owner]
    _stamp(picture, starts[owner] + (ends[owner] - starts[owner]) * share[:, None], colors[owner])


def _stamp(picture: npt.NDArray[np.uint32], points: npt.NDArray[np.float64], colors: npt.NDArray[np.uint32]) -> None:
    h, w = picture.shape
    cols, rows = np.floor(points[:, 0]).astype(np.int64) + 1, np.floor(points[:, 1]).astype(np.int64) + 1
    inside = (cols >= 0) & (cols < w - 1) & (rows >= 0) & (rows < h - 1)
    picture.reshape(-1)[rows[inside] * w + cols[inside]] = colors[inside]


def _thicken(picture: npt.NDArray[np.uint32]) -> None:
    """Lines two pixels wide: what is clear takes the colour of its left, then of its upper neighbour."""
    for clear, neighbour in ((picture[:, 1:], picture[:, :-1].copy()), (picture[1:], picture[:-1].copy())):
        np.copyto(clear, neighbour, where=clear == 0)


class ShapeRaster(QObject):
    """Keeps the picture of the shapes up to date with view and store."""

    ready = Signal()
    _made = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="lile-shapes")
        self._picture: ShapePicture | None = None
        self._snapshot: tuple[int, ShapeIndex] | None = None
        self._wanted: tuple[ViewState, int] | None = None
        self._busy = False
        self._made.connect(self._take_in)

    def forget(self) -> None:
        """Another slide: what was drawn is of no use."""
        self._picture = self._snapshot = self._wanted = None

    def paint(self, painter: QPainter, view: ViewState, index: ShapeIndex, revision: int) -> None:
        """Paint the last picture where it belongs, and have a new one made where it is out of date."""
        picture = self._picture
        if picture is None or picture.revision != revision or picture.view != widened(view):
            self._ask(view, index, revision)
        if picture is None:
            return
        painter.save()
        inverse, _ = view_transform(picture.view).inverted()
        painter.setTransform(inverse * view_transform(view), True)
        painter.drawImage(QPointF(0, 0), picture.image)
        painter.restore()

    def _ask(self, view: ViewState, index: ShapeIndex, revision: int) -> None:
        self._wanted = (view, revision)
        if self._snapshot is None or self._snapshot[0] != revision:
            self._snapshot = (revision, index.snapshot())
        if not self._busy:
            self._start()

    def _start(self) -> None:
        if self._wanted is None or self._snapshot is None:
            return
        view, revision = self._wanted
        self._wanted = None
        self._busy = True
        self._worker.submit(self._make, self._snapshot[1], widened(view), revision)

    def _make(self, index: ShapeIndex, view: ViewState, revision: int) -> None:
        pixels = draw_shapes(index, view)
        image = QImage(
            pixels.data, view.width, view.height, 4 * view.width, QImage.Format.Format_ARGB32_Premultiplied
        ).copy()
        self._made.emit(ShapePicture(image, view, revision))

    def _take_in(self, picture: ShapePicture) -> None:
        self._busy = False
        if self._snapshot is not None:
            self._picture = picture
            self.ready.emit()
        self._start()
