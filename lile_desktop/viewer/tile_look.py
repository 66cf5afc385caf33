"""Tiles as they are to be shown: colour profile, brightness, contrast, gamma. No tile is read again for it."""

from __future__ import annotations

import time

from PySide6.QtCore import QByteArray
from PySide6.QtGui import QColorSpace, QColorTransform, QImage

from lile_desktop.viewer.adjust import AS_IT_IS, Adjustment, adjusted
from lile_desktop.viewer.pyramid import TileKey
from lile_desktop.viewer.tile_cache import TileCache

FRAME_BUDGET = 0.004  # seconds a frame may spend on it; the remaining tiles follow in the next frames


def transform_to_srgb(profile: bytes | None) -> QColorTransform | None:
    """From a scanner's colours to sRGB; None where there is no usable RGB profile or it changes nothing."""
    if not profile:
        return None
    space = QColorSpace.fromIccProfile(QByteArray(profile))
    if not space.isValid() or space.colorModel() != QColorSpace.ColorModel.Rgb:
        return None
    transform = space.transformationToColorSpace(QColorSpace(QColorSpace.NamedColorSpace.SRgb))
    return None if transform.isIdentity() else transform


class TileLook:
    """Makes the tiles to show from those in a cache, and keeps what it made in the same cache."""

    def __init__(self, cache: TileCache) -> None:
        self._cache = cache
        self._transform: QColorTransform | None = None
        self._profile_on = False
        self._adjustment = AS_IT_IS
        self._before: tuple[Adjustment, bool] = (AS_IT_IS, False)
        self.budget = FRAME_BUDGET
        self._left = self.budget
        self.unfinished = False  # the last frame showed tiles that do not look as they should yet

    @property
    def adjustment(self) -> Adjustment:
        return self._adjustment

    @property
    def profile_on(self) -> bool:
        return self._profile_on

    def set_profile(self, profile: bytes | None) -> None:
        """The ICC profile of the slide in view."""
        self._transform = transform_to_srgb(profile)

    def set_adjustment(self, adjustment: Adjustment) -> None:
        self._before = self._key()
        self._adjustment = adjustment

    def set_profile_on(self, on: bool) -> None:
        self._before = self._key()
        self._profile_on = on

    def begin_frame(self) -> None:
        """A frame begins, and with it a new budget of time."""
        self._left = self.budget
        self.unfinished = False

    def image_for(self, key: TileKey) -> QImage | None:
        """The tile as it is to be shown, as it looked before where no time is left, None where it is not there."""
        raw = self._cache.get(key)
        wanted = self._key()
        if raw is None or wanted == (AS_IT_IS, False):
            return raw
        shown = self._cache.get((key, wanted))
        if shown is None and self._left > 0:
            began = time.perf_counter()
            shown = self._make(raw)
            self._left -= time.perf_counter() - began
            self._cache.put((key, wanted), shown)
        if shown is None:
            self.unfinished = True
            return self._cache.get((key, self._before)) or raw
        return shown

    def _key(self) -> tuple[Adjustment, bool]:
        return self._adjustment, self._profile_on and self._transform is not None

    def _make(self, raw: QImage) -> QImage:
        image = QImage(raw)
        if self._profile_on and self._transform is not None:
            image.applyColorTransform(self._transform)
        return image if self._adjustment.is_identity else adjusted(image, self._adjustment)
