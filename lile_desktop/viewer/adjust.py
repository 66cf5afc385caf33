"""Brightness, contrast and gamma of what is shown, by a table of 256 entries; the tiles are not read again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from PySide6.QtGui import QImage

from lile_engine.later import later

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = later("numpy")


@dataclass(frozen=True)
class Adjustment:
    """``brightness`` -1 to 1 (added), ``contrast`` -1 to 1 (0 as it is, 1 four times as steep), ``gamma`` above 0
    (1 as it is, larger is lighter in the middle)."""

    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 1.0

    @property
    def is_identity(self) -> bool:
        return self.brightness == 0 and self.contrast == 0 and self.gamma == 1


AS_IT_IS = Adjustment()


@lru_cache(maxsize=64)
def table(adjustment: Adjustment) -> npt.NDArray[np.uint8]:
    """uint8 [256]: the value shown for each value of a channel."""
    unit = np.arange(256) / 255.0
    slope = 4.0**adjustment.contrast
    unit = (unit - 0.5) * slope + 0.5 + adjustment.brightness
    unit = np.clip(unit, 0.0, 1.0) ** (1.0 / max(adjustment.gamma, 0.01))
    values: npt.NDArray[np.uint8] = np.rint(unit * 255).astype(np.uint8)
    values.setflags(write=False)
    return values


def adjusted(image: QImage, adjustment: Adjustment) -> QImage:
    """The image (RGB32) as it is to be shown."""
    pixels = np.frombuffer(image.constBits(), np.uint8)
    shown = table(adjustment).take(pixels)
    return QImage(shown.data, image.width(), image.height(), image.bytesPerLine(), QImage.Format.Format_RGB32).copy()
