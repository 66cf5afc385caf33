"""A small pyramidal slide on disk, and a view over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pytestqt.qtbot import QtBot

from lile_desktop.viewer import SlideView
from lile_engine.slides import Level, SlideInfo
from lile_engine.slides.readers import ReaderPool

SIZE = (3000, 2200)  # width, height


def picture(width: int, height: int) -> np.ndarray:
    """uint8 [height, width, 3]: red grows to the right, green downwards, blue in checks of 64 px."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    red = 60 + x * 180 / width
    green = 60 + y * 180 / height
    blue = np.where((x // 64 + y // 64) % 2, 200, 90)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


@pytest.fixture(scope="session")
def slide_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiled pyramidal TIFF of 3000 x 2200 px at 0.5 um a pixel, levels 1, 2 and 4."""
    path = tmp_path_factory.mktemp("slides") / "checks.tif"
    full = picture(*SIZE)
    per_cm = 1e4 / 0.5
    with tifffile.TiffWriter(path) as writer:
        for factor in (1, 2, 4):
            level = full[::factor, ::factor]
            writer.write(
                level,
                photometric="rgb",
                tile=(256, 256),
                compression="jpeg",
                subfiletype=0 if factor == 1 else 1,
                resolution=(per_cm / factor, per_cm / factor),
                resolutionunit="CENTIMETER",
                metadata=None,
            )
    return path


@pytest.fixture
def slide_picture() -> Callable[[int, int], np.ndarray]:
    """What the small slide shows, uint8 [h, w, 3], as far as JPEG lets it."""
    return picture


@pytest.fixture(scope="session")
def pool() -> Iterator[ReaderPool]:
    readers = ReaderPool(workers=1)
    yield readers
    readers.close()


@pytest.fixture(scope="session")
def info(pool: ReaderPool, slide_path: Path) -> SlideInfo:
    return pool.open(str(slide_path)).result(timeout=60)


@pytest.fixture
def make_info() -> Callable[..., SlideInfo]:
    """Facts of a slide that is never read."""

    def make(
        width: int = 40_000,
        height: int = 30_000,
        downsamples: tuple[float, ...] = (1.0, 4.0, 16.0),
        **facts: object,
    ) -> SlideInfo:
        levels = tuple(Level(round(width / d), round(height / d), d) for d in downsamples)
        values: dict[str, object] = {
            "path": "a.tif",
            "identity": "a",
            "name": "a.tif",
            "format": "",
            "vendor": "",
            "width": width,
            "height": height,
            "levels": levels,
            "mpp": 0.25,
            "magnification": 40.0,
            "properties": {},
            "associated": (),
        }
        return SlideInfo(**{**values, **facts})  # type: ignore[arg-type]

    return make


@pytest.fixture
def view(qtbot: QtBot, pool: ReaderPool, info: SlideInfo) -> SlideView:
    """A view of 800 x 600 on the small slide, all of it sharp."""
    widget = SlideView(pool, cache_bytes=64 * 1024 * 1024)
    qtbot.addWidget(widget)
    widget.resize(800, 600)
    widget.show()
    widget.set_slide(info)
    qtbot.waitUntil(lambda: widget.is_sharp, timeout=20_000)
    return widget
