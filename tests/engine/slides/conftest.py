"""Small real slides, written once: pyramids whose levels have odd sizes, as scanners write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

Pixels = npt.NDArray[np.uint8]


def texture(height: int, width: int, seed: int = 0) -> Pixels:
    """uint8 [height, width, 3]: smooth blobs of colour with some fine grain, different everywhere."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 250, (height // 24 + 2, width // 24 + 2, 3)).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.int16)
    return np.clip(smooth + rng.integers(-12, 13, (height, width, 1)), 0, 255).astype(np.uint8)


def write_pyramid(path: Path, base: Pixels, *, compression: str = "jpeg", tile: int = 128, mpp: float = 0.25) -> Path:
    """A tiled TIFF of three levels; odd sizes make scales that are no whole numbers."""
    options: dict[str, object] = {
        "tile": (tile, tile),
        "photometric": "rgb",
        "compression": compression,
        "resolution": (1e4 / mpp, 1e4 / mpp),
        "resolutionunit": "CENTIMETER",
        "metadata": None,
    }
    picture = Image.fromarray(base)
    with tifffile.TiffWriter(path) as file:
        file.write(base, **options)
        for power in (1, 2):
            size = picture.width // 2**power, picture.height // 2**power
            file.write(np.asarray(picture.resize(size, Image.Resampling.BOX)), subfiletype=1, **options)
    return path


@pytest.fixture(scope="session")
def base_pixels() -> Pixels:
    """What `jpeg_slide` and `lossless_slide` were made of: uint8 [701, 903, 3]."""
    return texture(701, 903)


@pytest.fixture(scope="session")
def jpeg_slide(tmp_path_factory: pytest.TempPathFactory, base_pixels: Pixels) -> Path:
    """Read directly (`tiff_tiles`): 903 x 701, three levels, mpp 0.25."""
    return write_pyramid(tmp_path_factory.mktemp("jpeg") / "slide.tif", base_pixels)


@pytest.fixture(scope="session")
def lossless_slide(tmp_path_factory: pytest.TempPathFactory, base_pixels: Pixels) -> Path:
    """The same with deflate, so read by OpenSlide itself."""
    return write_pyramid(tmp_path_factory.mktemp("deflate") / "slide.tif", base_pixels, compression="deflate")


@pytest.fixture(scope="session")
def damaged_slide(tmp_path_factory: pytest.TempPathFactory, jpeg_slide: Path) -> tuple[Path, int]:
    """The JPEG slide with one tile of level 0 overwritten, and that tile's number."""
    broken = tmp_path_factory.mktemp("damaged") / "damaged.tif"
    data = bytearray(jpeg_slide.read_bytes())
    number = 9
    with tifffile.TiffFile(jpeg_slide) as file:
        page = file.pages.first
        offset, count = page.dataoffsets[number], page.databytecounts[number]
    data[offset : offset + count] = b"\x55" * count
    broken.write_bytes(data)
    return broken, number


@pytest.fixture(scope="session")
def make_texture() -> Callable[..., Pixels]:
    """`texture`, for tests that need their own picture."""
    return texture


@pytest.fixture(scope="session")
def make_pyramid() -> Callable[..., Path]:
    """`write_pyramid`, for tests that need their own slide."""
    return write_pyramid
