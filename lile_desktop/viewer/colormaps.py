"""Colour maps that people with any colour vision can read, as 256-entry tables.

Each is drawn through a few anchor colours whose lightness rises evenly, so that they also hold in grey.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from lile_engine.later import later

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = later("numpy")


_ANCHORS: dict[str, tuple[str, ...]] = {
    # dark blue to yellow by way of green (perceptually even; the default of scientific plots)
    "viridis": ("440154", "482878", "3e4a89", "31688e", "26828e", "1f9e89", "35b779", "6ece58", "b5de2b", "fde725"),
    # blue to yellow by way of grey: the same to the eye with and without red-green vision
    "cividis": ("00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "e1cc55", "fee838"),
    # black to pale yellow by way of violet and orange
    "inferno": ("000004", "1b0c41", "4a0c6b", "781c6d", "a52c60", "cf4446", "ed6925", "fb9b06", "f7d13d", "fcffa4"),
    # one hue, clear to strong: attention over pink tissue
    "teal": ("e8f6f5", "b5e0dd", "7cc8c4", "42aeab", "13918f", "067573", "035958", "013e3e"),
    "grey": ("000000", "ffffff"),
}
COLORMAPS = tuple(_ANCHORS)


@cache
def colormap(name: str) -> npt.NDArray[np.uint8]:
    """uint8 [256, 3] RGB from low to high. Raises KeyError for a name not in `COLORMAPS`."""
    anchors = np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in _ANCHORS[name]], dtype=np.float64)
    at = np.linspace(0, len(anchors) - 1, 256)
    channels = [np.interp(at, np.arange(len(anchors)), anchors[:, c]) for c in range(3)]
    table = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    table.setflags(write=False)
    return table
