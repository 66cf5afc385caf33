"""A question: phrases, images and regions, each with a weight; below zero means "not like this"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lile_engine.errors import QueryError
from lile_engine.phrases import content_words
from lile_engine.slides import Region

Pixels = NDArray[np.uint8]
_MOST_PIXELS = 400_000_000


@dataclass(frozen=True)
class WeightedText:
    """A phrase."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class WeightedImage:
    """An image: a file, or pixels uint8 RGB [h, w, 3]."""

    image: Path | str | Pixels
    weight: float = 1.0


@dataclass(frozen=True)
class WeightedRegion:
    """A region (level-0 pixels) of a slide, given by path, name or identity; ``slide_mpp`` where the user knows it."""

    slide: str
    region: Region
    weight: float = 1.0
    slide_mpp: float | None = None


@dataclass(frozen=True)
class Query:
    """All parts together are one question. `check` tells whether it can be asked."""

    texts: tuple[WeightedText, ...] = ()
    images: tuple[WeightedImage, ...] = ()
    regions: tuple[WeightedRegion, ...] = ()

    def check(self) -> None:
        """Raises `QueryError` for a question without content or with nothing to look for."""
        weights = [part.weight for part in self.texts] + [part.weight for part in self.images]
        weights += [part.weight for part in self.regions]
        if not weights:
            raise QueryError("Nothing was asked; give a phrase, an image or a region.")
        if not all(math.isfinite(weight) for weight in weights):
            raise QueryError("The weight of a part of the question must be a number such as 1 or -0.5.")
        if not all(math.isfinite(bound) for part in self.regions for bound in part.region.bounds):
            raise QueryError("The corners of a region must be numbers of level-0 pixels.")
        if not any(weight > 0 for weight in weights):
            raise QueryError("The question only says what is not wanted; add what to look for, with a weight above 0.")
        for text in self.texts:
            check_phrase(text.text)

    def describe(self) -> tuple[dict[str, object], ...]:
        """The parts for the provenance of an answer."""
        texts: list[dict[str, object]] = [{"text": part.text, "weight": part.weight} for part in self.texts]
        images: list[dict[str, object]] = [
            {"image": "pixels" if isinstance(part.image, np.ndarray) else str(part.image), "weight": part.weight}
            for part in self.images
        ]
        regions: list[dict[str, object]] = [
            {"slide": part.slide, "bounds": list(part.region.bounds), "weight": part.weight} for part in self.regions
        ]
        return (*texts, *images, *regions)


def check_phrase(phrase: str) -> None:
    """Raises `QueryError` for a phrase without any word to search for."""
    if not phrase.strip():
        raise QueryError("The phrase is empty; type what to look for, such as: necrosis.")
    if not content_words(phrase):
        raise QueryError(f'The phrase "{phrase.strip()}" has no word to search for; name a tissue, cell or finding.')


def load_pixels(image: Path | str | Pixels) -> Pixels:
    """uint8 RGB [h, w, 3] of an image file, turned as its EXIF says; raises `QueryError` if it is none."""
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise QueryError("The image must be 8-bit RGB pixels and not empty.")
        return image
    path = Path(image)
    if not path.is_file():
        raise QueryError(f"There is no image {path}; check the name.")
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise QueryError(f"The image {path} is too large to be one picture; open it as a slide instead.")
            turned = ImageOps.exif_transpose(opened) or opened
            return np.array(_on_white(turned), np.uint8)  # a copy: what PIL lends is read-only, which torch warns of
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise QueryError(f"The file {path} cannot be read as an image; use PNG, JPEG or TIFF.") from error


def _on_white(image: Image.Image) -> Image.Image:
    """RGB; what is transparent becomes white, as glass is."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layered = image.convert("RGBA")
        ground = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, layered).convert("RGB")
    return image.convert("RGB")
