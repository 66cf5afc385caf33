"""Microns per pixel from everywhere, and what cannot be true left out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tifffile
from PIL import Image

from lile_engine.slides import open_slide, remembered
from lile_engine.slides.mpp import find_mpp, magnification_of, remember_mpp, remembered_mpp


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
        ({"tiff.ImageDescription": '<OME><Pixels PhysicalSizeX="0.5" PhysicalSizeXUnit="&#181;m"/></OME>'}, 0.5),
        ({"tiff.ImageDescription": '<OME><Pixels PhysicalSizeX="0.5" PhysicalSizeXUnit="&#xB5;m"/></OME>'}, 0.5),
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


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("unit", ["µm", "μm", "&#181;m", "&#xB5;m", "um"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_micrometres_in_any_spelling(
    tmp_path: Path, lile_home: Path, base_pixels: Any, unit: str, tiled: bool, encoding: str
) -> None:
    """Read by Pillow, which takes descriptions for Latin-1, and by OpenSlide, which takes them for UTF-8."""
    ome = f'<OME><Image><Pixels PhysicalSizeX="0.5" PhysicalSizeXUnit="{unit}"/></Image></OME>'
    options: dict[str, Any] = {"tile": (128, 128), "compression": "jpeg"} if tiled else {}
    path = tmp_path / "ome.tif"
    description = ome.encode(encoding, "xmlcharrefreplace")
    tifffile.imwrite(path, base_pixels, photometric="rgb", description=description, metadata=None, **options)
    with open_slide(path) as slide:
        assert slide.info.mpp == 0.5
    tifffile.imwrite(
        path, base_pixels, photometric="rgb", resolution=(4, 4), resolutionunit=1, metadata=None,
        description=f"ImageJ=1.53\nunit={unit}\n".encode(encoding, "xmlcharrefreplace"), **options,
    )  # fmt: skip
    with open_slide(path) as slide:
        assert slide.info.mpp == 0.25


def test_what_is_remembered_at_once_is_all_kept(lile_home: Path) -> None:
    """By threads of two programs."""
    code = """
import sys, threading
from lile_engine.slides.mpp import remember_mpp
def add(thread):
    for number in range(15):
        remember_mpp(f"{sys.argv[1]}-{thread}-{number}", 0.25)
threads = [threading.Thread(target=add, args=(n,)) for n in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    programs = [subprocess.Popen([sys.executable, "-c", code, name]) for name in ("a", "b")]
    assert [program.wait(120) for program in programs] == [0, 0]
    assert all(remembered_mpp(f"{p}-{t}-{n}") == 0.25 for p in "ab" for t in range(3) for n in range(15))
    remembered.forget("a-0-0")
    assert (remembered_mpp("a-0-0"), remembered_mpp("a-0-1")) == (None, 0.25)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"x": "many"}', '{"x": 1e9}', "\udcff"])
def test_a_memory_that_is_not_understood_is_none(lile_home: Path, text: str) -> None:
    lile_home.mkdir(exist_ok=True)
    (lile_home / "slide_mpp.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert remembered_mpp("x") is None
    remember_mpp("y", 0.3)
    assert remembered_mpp("y") == 0.3


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
