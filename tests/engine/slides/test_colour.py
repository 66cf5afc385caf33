"""The embedded colour profile: applied when asked for, harmless when damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from lile_engine.slides import open_slide
from lile_engine.slides.colour import ToSrgb
from lile_engine.slides.readers import ReaderPool

Pixels = npt.NDArray[np.uint8]


def swapping_profile() -> bytes:
    """sRGB's profile with the colours of red and blue exchanged: a transform that cannot be overlooked."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(data[128:132], "big")
    tags = {bytes(data[132 + 12 * n : 136 + 12 * n]): 132 + 12 * n for n in range(count)}
    red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
    data[red + 4 : red + 12], data[blue + 4 : blue + 12] = data[blue + 4 : blue + 12], data[red + 4 : red + 12]
    return bytes(data)


def test_a_profile_is_applied_on_demand_only(tmp_path: Path, make_texture: Callable[..., Pixels]) -> None:
    pixels = make_texture(64, 80)
    path = tmp_path / "profiled.png"
    Image.fromarray(pixels).save(path, icc_profile=swapping_profile())
    with open_slide(path) as slide, ReaderPool(workers=1) as pool:
        assert np.array_equal(slide.read_region(0, 0, 0, 80, 64), pixels)
        assert slide.to_srgb.changes
        swapped = slide.to_srgb(pixels)
        assert np.abs(swapped.astype(int) - pixels[..., ::-1]).mean() < 3
        read = pool.read(path, 0, 0, 0, 80, 64, srgb=True).result(60)
        assert np.array_equal(read[..., 2::-1], swapped)
        area = pool.read_area(path, 0, 0, 80, 64, 80, 64, srgb=True).result(60)
        assert np.array_equal(area, read)


def test_no_profile_and_a_damaged_one_change_nothing(make_texture: Callable[..., Pixels]) -> None:
    pixels = make_texture(8, 8)
    for profile in (None, b"", b"not a profile", swapping_profile()[:200]):
        transform = ToSrgb(profile)
        assert not transform.changes
        assert transform(pixels) is pixels


def test_profile_of_a_real_slide(real_data: Path) -> None:
    with open_slide(real_data / "slides" / "TCGA-CR-7395-TS1.svs") as slide:
        assert slide.to_srgb.changes
        pixels = slide.read_region(2000, 1500, 0, 64, 64)
        assert np.abs(slide.to_srgb(pixels).astype(int) - pixels).mean() < 3  # it is sRGB already
