"""Microns per pixel from everywhere, and what cannot be true left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from lile_engine.slides import open_slide
from lile_engine.slides.mpp import find_mpp, magnification_of


@pytest.mark.parametrize(
    ("properties", "mpp"),
    [
        ({"openslide.vendor": "aperio", "openslide.mpp-x": "0.499", "openslide.mpp-y": "0.499"}, 0.499),
        ({"openslide.mpp-x": "0.25", "openslide.mpp-y": "0.26"}, 0.255),
        ({"openslide.vendor": "aperio", "aperio.MPP": "0.2527"}, 0.2527),
        ({"openslide.vendor": "leica", "openslide.mpp-x": "0.5", "openslide.mpp-y": "0.5"}, 0.5),
        ({"openslide.vendor": "mirax", "openslide.mpp-x": "0.2326", "openslide.mpp-y": "0.2326"}, 0.2326),
        ({"openslide.vendor": "dicom", "openslide.mpp-x": "0.499", "openslide.mpp-y": "0.499"}, 0.499),
        ({"openslide.vendor": "ventana", "ventana.ScanRes": "0.25"}, 0.25),
        (
            {
                "openslide.vendor": "hamamatsu",
                "hamamatsu.XResolution": "43818",
                "hamamatsu.YResolution": "43818",
                "tiff.ResolutionUnit": "centimeter",
            },
            0.2282,
        ),
        (
            {
                "openslide.vendor": "generic-tiff",
                "tiff.ImageDescription": '<OME><Pixels PhysicalSizeX="0.325"/></OME>',
                "openslide.mpp-x": "352.8",
                "openslide.mpp-y": "352.8",
            },
            0.325,
        ),
        ({"tiff.ImageDescription": "Aperio Image|AppMag = 40|MPP = 0.2521|Left = 1"}, 0.2521),
        ({"tiff.ImageDescription": '<OME><Pixels PhysicalSizeX="0.5" PhysicalSizeY="0.5"/></OME>'}, 0.5),
        ({"tiff.ImageDescription": "<OME><Pixels PhysicalSizeX='250' PhysicalSizeXUnit='nm'/></OME>"}, 0.25),
        (
            {"tiff.ImageDescription": "ImageJ=1.53\nunit=micron\n", "tiff.XResolution": "2", "tiff.YResolution": "2"},
            0.5,
        ),
        (
            {"tiff.ImageDescription": "ImageJ=1.53\nunit=\\u00B5m\n", "tiff.XResolution": "4", "tiff.YResolution": "4"},
            0.25,
        ),
        ({"tiff.ResolutionUnit": "centimeter", "tiff.XResolution": "40000", "tiff.YResolution": "40000"}, 0.25),
        ({"tiff.ResolutionUnit": "inch", "tiff.XResolution": "50800", "tiff.YResolution": "50800"}, 0.5),
        ({"openslide.vendor": "generic-tiff", "openslide.mpp-x": "0.5", "openslide.mpp-y": "0.5"}, 0.5),
        # What cannot be a slide's: printers' resolutions, nothing, nonsense, pixels far from square.
        ({"tiff.ResolutionUnit": "inch", "tiff.XResolution": "72", "tiff.YResolution": "72"}, None),
        ({"tiff.ResolutionUnit": "inch", "tiff.XResolution": "1200", "tiff.YResolution": "1200"}, None),
        ({"openslide.vendor": "generic-tiff", "openslide.mpp-x": "352.8", "openslide.mpp-y": "352.8"}, None),
        ({"tiff.ResolutionUnit": "none", "tiff.XResolution": "40000", "tiff.YResolution": "40000"}, None),
        ({"openslide.mpp-x": "0"}, None),
        ({"openslide.mpp-x": "nan"}, None),
        ({"openslide.mpp-x": "0.25", "openslide.mpp-y": "0.5"}, None),
        ({"aperio.MPP": "not a number"}, None),
        ({"openslide.mpp-x": "5000"}, None),
        ({}, None),
    ],
)
def test_find_mpp(properties: dict[str, str], mpp: float | None) -> None:
    assert find_mpp(properties) == (pytest.approx(mpp, rel=1e-4) if mpp is not None else None)


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_plain_images_say_it_in_their_resolution(tmp_path: Path, lile_home: Path, ending: str) -> None:
    path = tmp_path / f"picture.{ending}"
    Image.new("RGB", (40, 30)).save(path, dpi=(50_800, 50_800))
    with open_slide(path) as slide:
        assert slide.info.mpp == pytest.approx(0.5, rel=1e-3)
    Image.new("RGB", (40, 30)).save(path, dpi=(300, 300))  # a printer's
    with open_slide(path) as slide:
        assert slide.info.mpp is None


@pytest.mark.parametrize(
    ("mpp", "objective", "magnification"),
    [
        (0.25, None, 40),
        (0.499, "20", 20),
        (0.228, "40", 40),
        (0.228, None, 40),
        (0.5, "40", 20),  # an objective of 40 with half a micron is a doubled lens or a mistake: the scale counts
        (1.0, None, 10),
        (0.333, None, 30.03),
        (None, "20", 20),
        (None, "junk", None),
        (None, None, None),
    ],
)
def test_magnification(mpp: float | None, objective: str | None, magnification: float | None) -> None:
    assert magnification_of(mpp, objective) == (pytest.approx(magnification) if magnification else None)
