"""How much of a rectangle a raster covers, for many rectangles at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class AreaSums:
    """Summed areas of a bool raster; rectangles may begin and end anywhere within a cell."""

    def __init__(self, raster: npt.NDArray[np.bool_]) -> None:
        height, width = raster.shape
        self._sums = np.zeros((height + 1, width + 1), np.float64)
        np.cumsum(raster, axis=0, out=self._sums[1:, 1:])
        np.cumsum(self._sums[1:, 1:], axis=1, out=self._sums[1:, 1:])

    def covered(self, x: Floats, y: Floats, w: Floats, h: Floats) -> Floats:
        """The covered area in cells, of each rectangle in cell coordinates; nothing is covered outside."""
        return self._at(x + w, y + h) - self._at(x, y + h) - self._at(x + w, y) + self._at(x, y)

    def _at(self, x: Floats, y: Floats) -> Floats:
        """The area above and left of a point: linear between cell corners, which is exact for cells of one value."""
        height, width = self._sums.shape[0] - 1, self._sums.shape[1] - 1
        x, y = np.clip(x, 0, width), np.clip(y, 0, height)
        col = np.minimum(x.astype(np.int64), width - 1)
        row = np.minimum(y.astype(np.int64), height - 1)
        fx, fy = x - col, y - row
        s = self._sums
        upper = s[row, col] * (1 - fx) + s[row, col + 1] * fx
        lower = s[row + 1, col] * (1 - fx) + s[row + 1, col + 1] * fx
        return np.asarray(upper * (1 - fy) + lower * fy, dtype=np.float64)
