"""Microns per pixel from every place where vendors put it, with limits of what can be true."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping

from lile_engine.slides import remembered

# Below: finer than any lens resolves. Above: coarser than any overview picture of a slide.
LEAST_MPP, MOST_MPP = 0.02, 100.0
# TIFF, JPEG and PNG resolution is mostly meant for printers (72 dpi = 353 um, 1200 dpi = 21 um): believed only where
# no printer or flat-bed scanner could be meant.
_MOST_IN_RESOLUTION_TAG = 10.0

_NOMINAL = (1.25, 2.5, 4.0, 5.0, 10.0, 20.0, 40.0, 63.0, 100.0)
_UNIT_MICRONS = {
    "nm": 1e-3, "um": 1.0, "µm": 1.0, "μm": 1.0, "\ufffdm": 1.0, "micron": 1.0, "microns": 1.0, "mm": 1e3, "cm": 1e4,
    "m": 1e6, "inch": 25400.0, "in": 25400.0,
}  # fmt: skip
_NUMBER = r"([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"


def find_mpp(properties: Mapping[str, str]) -> float | None:
    """Microns per level-0 pixel from a slide's properties, or None; the mean of x and y where they differ.

    Looked at in this order: OpenSlide's own figure (Aperio, Hamamatsu, Leica, MIRAX, Ventana, DICOM, ...), the
    vendors' fields themselves, OME-XML and ImageJ descriptions, then the resolution tags of TIFF, JPEG and PNG.
    """
    derived_from_tags = properties.get("openslide.vendor") in ("generic-tiff", "synthetic")
    if not derived_from_tags:
        found = _pair(properties.get("openslide.mpp-x"), properties.get("openslide.mpp-y"), MOST_MPP)
        if found:
            return found
    for key in ("aperio.MPP", "leica.MPP", "ventana.ScanRes"):
        found = _pair(properties.get(key), properties.get(key), MOST_MPP)
        if found:
            return found
    for key in ("openslide.comment", "tiff.ImageDescription"):
        found = mpp_from_description(properties.get(key, ""), properties)
        if found:
            return found
    for maker in ("hamamatsu", "tiff"):
        axes = properties.get(f"{maker}.XResolution"), properties.get(f"{maker}.YResolution")
        found = _from_resolution(*axes, properties)
        if found:
            return found
    if derived_from_tags:
        return _pair(properties.get("openslide.mpp-x"), properties.get("openslide.mpp-y"), _MOST_IN_RESOLUTION_TAG)
    return None


def mpp_from_description(text: str, properties: Mapping[str, str]) -> float | None:
    """The mpp that an image description tells: Aperio's ``MPP =``, OME-XML's PhysicalSize, ImageJ's unit."""
    if not text:
        return None
    aperio = re.search(rf"\bMPP\s*=\s*{_NUMBER}", text)
    if aperio:
        return _pair(aperio[1], aperio[1], MOST_MPP)
    size_x = re.search(rf"\bPhysicalSizeX=[\"']{_NUMBER}[\"']", text)
    if size_x:
        size_y = re.search(rf"\bPhysicalSizeY=[\"']{_NUMBER}[\"']", text)
        unit = re.search(r"\bPhysicalSizeXUnit=[\"']([^\"']+)[\"']", text)
        scale = _UNIT_MICRONS.get(html.unescape(unit[1]) if unit else "µm")
        return _pair(size_x[1], size_y[1] if size_y else size_x[1], MOST_MPP, scale) if scale else None
    image_j = re.search(r"^unit=(\S+)", text.replace("\\u00B5", "µ"), re.MULTILINE)
    if image_j and "ImageJ" in text:
        scale = _UNIT_MICRONS.get(html.unescape(image_j[1]).lower())
        if scale:  # the resolution tags then count pixels per this unit, whatever the unit tag says
            return _from_resolution(
                properties.get("tiff.XResolution"), properties.get("tiff.YResolution"), properties, scale
            )
    return None


def magnification_of(mpp: float | None, objective: str | None = None) -> float | None:
    """The nominal magnification: what the vendor says, if the mpp does not contradict it, else 10 / mpp, rounded to a
    lens that exists when one is within a quarter of it."""
    told = _number(objective)
    if told is not None and not 0.5 <= told <= 200:
        told = None
    if mpp is None:
        return told
    exact = 10.0 / mpp
    if told is not None and abs(math.log2(exact / told)) <= 0.6:
        return told
    nearest = min(_NOMINAL, key=lambda lens: abs(math.log(exact / lens)))
    return nearest if abs(math.log(exact / nearest)) <= math.log(1.25) else round(exact, 2)


def is_plausible(mpp: float) -> bool:
    """Whether a slide can have this many microns per pixel at all."""
    return math.isfinite(mpp) and LEAST_MPP <= mpp <= MOST_MPP


def remember_mpp(identity: str, mpp: float) -> None:
    """Keeps what the user said of a slide without mpp, by the slide's identity, in the user's folder. OSError."""
    remembered.remember(identity, mpp)


def remembered_mpp(identity: str) -> float | None:
    """What the user said of this slide earlier, or None."""
    mpp = remembered.recall(identity)
    return mpp if mpp is not None and is_plausible(mpp) else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and math.isfinite(value) and value > 0 else None


def _pair(x: str | None, y: str | None, most: float, scale: float = 1.0) -> float | None:
    numbers = [n * scale for n in (_number(x), _number(y)) if n is not None]
    if not numbers or max(numbers) > 1.5 * min(numbers):
        return None
    mean = sum(numbers) / len(numbers)
    return mean if LEAST_MPP <= mean <= most else None


def _from_resolution(
    x: str | None, y: str | None, properties: Mapping[str, str], unit_microns: float | None = None
) -> float | None:
    """Pixels per unit turned into microns per pixel."""
    scale = unit_microns or {"inch": 25400.0, "centimeter": 10000.0}.get(
        properties.get("tiff.ResolutionUnit", "").lower()
    )
    resolution_x, resolution_y = _number(x), _number(y)
    if scale is None or resolution_x is None or resolution_y is None:
        return None
    return _pair(repr(scale / resolution_x), repr(scale / resolution_y), _MOST_IN_RESOLUTION_TAG)
