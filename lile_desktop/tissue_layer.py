"""Where the program sees tissue on the slide in view, as a layer: what is left out as background is seen at once."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from PySide6.QtCore import QObject, Signal

from lile_desktop.text import tr
from lile_desktop.viewer.overlays import RasterOverlay
from lile_engine.later import later
from lile_engine.slides import SlideInfo

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = later("numpy")

TISSUE = "tissue"
OPACITY = 0.35
PICTURE_PX = 1200  # longer side of the picture that is looked at
ASSUMED_MPP = 0.5  # where the slide does not say its scale; only what counts as dust depends on it

Pixels: TypeAlias = "npt.NDArray[np.uint8]"


class Thumbnails(Protocol):
    """What is used here of the readers; pixels are uint8 [h, w, 4] BGRA."""

    def thumbnail(self, path: str, max_px: int) -> Future[Pixels]: ...


def tissue_overlay(info: SlideInfo, picture: Pixels) -> RasterOverlay:
    """The layer of a slide from a small picture of it, uint8 [h, w, 4] BGRA."""
    from lile_engine.slides.tissue import tissue_in_picture

    downsample = max(info.width, info.height) / max(picture.shape[:2])
    rgb = np.ascontiguousarray(picture[..., 2::-1])
    mask = tissue_in_picture(rgb, downsample * (info.mpp or ASSUMED_MPP))
    values = np.where(mask, np.float32(1), np.float32(np.nan))
    return RasterOverlay(
        values, 0, 0, info.width, info.height,
        colormap="teal", opacity=OPACITY, low=0.0, high=1.0, title=tr("Tissue"), smooth=False, legend=False,
    )  # fmt: skip


class TissueLayer(QObject):
    """Finds the tissue beside the GUI thread. ``ready`` carries the slide's path and the layer."""

    ready = Signal(str, object)

    def __init__(self, readers: Thumbnails, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._readers = readers
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="lile-tissue")

    def find(self, info: SlideInfo) -> None:
        """Begins; a slide that cannot be read gets no layer."""
        picture = self._readers.thumbnail(info.path, PICTURE_PX)
        picture.add_done_callback(lambda done: self._on_picture(info, done))

    def close(self) -> None:
        """No layer comes any more."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _on_picture(self, info: SlideInfo, done: Future[Any]) -> None:
        if not done.cancelled() and done.exception() is None:
            try:
                self._worker.submit(self._make, info, done.result())
            except RuntimeError:
                return  # closed meanwhile

    def _make(self, info: SlideInfo, picture: Pixels) -> None:
        try:
            self.ready.emit(info.path, tissue_overlay(info, picture))
        except Exception:
            logging.getLogger(__name__).exception("the tissue of %s was not found", info.name)
