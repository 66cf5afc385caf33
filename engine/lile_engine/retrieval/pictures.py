"""Maps as pictures, and as GeoJSON that QuPath reads."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lile_engine.archive import SlideRow
from lile_engine.errors import DataError, SlideError
from lile_engine.outside import PhraseRange
from lile_engine.paths import open_private
from lile_engine.retrieval.query import Pixels
from lile_engine.retrieval.results import AttentionMap, HeatMap
from lile_engine.slides import open_slide

_LONGER_SIDE = 1600
_OPACITY = 0.55
# Corners of a scale from dark blue over green to yellow, lightness rising evenly, so that it reads the same for the
# colour blind and in grey; between them straight lines.
_SCALE = np.array(
    [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], np.float32
)  # the end and quarter points of matplotlib's viridis (CC0)


def colours(values: NDArray[np.float32], ends: PhraseRange | None = None) -> Pixels:
    """uint8 RGB [..., 3] of values, the lowest to the highest (or from one of the ``ends`` to the other) over the
    whole scale; nan as the lowest."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if ends is not None:
        low, high = ends.low, ends.high
    share = np.nan_to_num((values - low) / max(high - low, 1e-9)).clip(0, 1) * (len(_SCALE) - 1)
    lower = np.minimum(share.astype(np.int64), len(_SCALE) - 2)
    mixed = _SCALE[lower] + (_SCALE[lower + 1] - _SCALE[lower]) * (share - lower)[..., None]
    picture: Pixels = mixed.round().astype(np.uint8)
    return picture


def write_heatmap(found: HeatMap, slide: SlideRow, out: Path) -> None:
    """The map over the slide's overview (over white where the slide is not in reach), as a picture of the slide."""
    scale = _LONGER_SIDE / max(slide.width, slide.height)
    width, height = max(1, round(slide.width * scale)), max(1, round(slide.height * scale))
    ground = Image.new("RGB", (width, height), (255, 255, 255))
    try:
        with open_slide(slide.path, mpp=slide.mpp) as opened:
            ground = Image.fromarray(opened.thumbnail(_LONGER_SIDE)).resize((width, height))
    except SlideError:
        pass  # the map says where things are without the overview too
    rows, columns = found.values.shape
    size = (max(1, round(columns * found.cell * scale)), max(1, round(rows * found.cell * scale)))
    there = np.isfinite(found.values)
    layer = Image.fromarray(colours(found.values, found.range)).resize(size, Image.Resampling.NEAREST)
    alpha = Image.fromarray((there * round(255 * _OPACITY)).astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    ground.paste(layer, (round(found.x * scale), round(found.y * scale)), alpha)
    _save(ground, out)


def write_heatmap_geojson(found: HeatMap, text: str, out: Path) -> None:
    """Every tile as a square detection with the measurement "similarity", as QuPath reads it."""
    features: list[dict[str, Any]] = []
    for row, column in np.argwhere(np.isfinite(found.values)).tolist():
        x, y = found.x + column * found.cell, found.y + row * found.cell
        right, bottom = x + found.cell, y + found.cell
        features.append(
            {
                "type": "Feature",
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [[[x, y], [right, y], [right, bottom], [x, bottom], [x, y]]],
                },
                "properties": {
                    "objectType": "detection",
                    "name": text,
                    "measurements": {"similarity": float(found.values[row, column])},
                },
            }
        )
    try:
        _write(out, json.dumps({"type": "FeatureCollection", "features": features}).encode())
    except OSError as error:
        raise DataError(f"The file {out} cannot be written ({error.strerror}).") from error


def write_attention(found: AttentionMap, image: Pixels, out: Path) -> None:
    """The map over the image, smoothly enlarged."""
    height, width = image.shape[:2]
    smooth = Image.fromarray(found.values).resize((width, height), Image.Resampling.BICUBIC)
    layer = Image.fromarray(colours(np.asarray(smooth, np.float32)))
    _save(Image.blend(Image.fromarray(image), layer, _OPACITY), out)


def _write(out: Path, data: bytes) -> None:
    """Only their owner can read pictures of tissue and what was asked of it, also where an older file lay there."""
    draft = out.with_name(f".{out.name}.{os.getpid()}") if out.is_file() or not out.exists() else out  # not /dev/null
    try:
        with os.fdopen(open_private(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as stream:
            stream.write(data)
        if draft != out:
            os.replace(draft, out)
    except OSError:
        if draft != out:
            draft.unlink(missing_ok=True)
        raise


def _save(picture: Image.Image, out: Path) -> None:
    try:
        form = Image.registered_extensions()[out.suffix.lower()]
        drawn = io.BytesIO()
        picture.save(drawn, form)
        _write(out, drawn.getvalue())
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"The picture {out} cannot be written; name a .png in a folder that is there.") from error
