"""Colours as the scanner meant them: the embedded ICC profile turned into sRGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

from lile_engine.slides.types import Pixels

_SOFTER = ImageCms.Intent.PERCEPTUAL


class ToSrgb:
    """A transform made once for a profile; `__call__` may be used by several threads."""

    def __init__(self, profile: bytes | None) -> None:
        """A missing, damaged or non-RGB profile gives a transform that changes nothing."""
        self._transform: ImageCms.ImageCmsTransform | None = None
        if not profile:
            return
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if source.profile.xcolor_space.strip() == "RGB":
                self._transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "RGB", "RGB", _SOFTER)
        except (OSError, ImageCms.PyCMSError, ValueError):
            self._transform = None

    @property
    def changes(self) -> bool:
        """Whether there is a usable profile."""
        return self._transform is not None

    def __call__(self, pixels: Pixels) -> Pixels:
        """uint8 [h, w, 3] in the profile's colours as uint8 [h, w, 3] in sRGB."""
        if self._transform is None:
            return pixels
        return np.array(self._transform.apply(Image.fromarray(pixels)))
