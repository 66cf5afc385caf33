"""What runs in a reader process: opens slides, reads them, and leaves the pixels in shared memory.

One request is a tuple (operation, path, arguments), one reply a tuple (kind, value); both plain. See `readers`.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import signal
import threading
from collections import OrderedDict
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
from PIL import Image

from lile_engine.errors import LileError
from lile_engine.slides.slide import Slide, open_slide
from lile_engine.slides.types import Pixels

_OPEN_SLIDES = 16  # costs little but file handles
_PLAIN_PIXELS = 400_000_000  # of all plain images together: each is held in memory whole, 5 bytes a pixel
_MOST_ADDRESS_SPACE = 12 * 2**30
log = logging.getLogger(__name__)


def serve(connection: Connection, memory_name: str | None) -> None:
    """Answers requests until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the parent, which then closes the connection
    _limit_memory()
    for name in ("tifffile", "imagecodecs"):  # now rather than at the first slide, which someone waits for
        importlib.import_module(name)
    memory = SharedMemory(memory_name) if memory_name else None
    slides = _OpenSlides()
    try:
        while True:
            try:
                request = connection.recv()
            except EOFError:
                return
            if request is None:
                return
            _reply(connection, memory, *_answer(slides, *request))
    except (BrokenPipeError, ConnectionResetError):
        return  # the parent died
    finally:
        if memory is not None:
            memory.close()


def _answer(slides: _OpenSlides, operation: str, path: str, arguments: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        if operation == "open":
            (mpp,) = arguments
            return "info", slides.open(path, mpp).info
        if operation == "forget":
            slides.forget(path)
            return "done", None
        slide = slides.get(path)
        if operation == "read":
            level, x, y, w, h, srgb = arguments
            pixels = slide.read_region(x, y, level, w, h)
            return "pixels", to_bgra(slide.to_srgb(pixels) if srgb else pixels)
        if operation == "area":
            *place, srgb = arguments
            pixels = slide.read_area(*place)
            return "pixels", to_bgra(slide.to_srgb(pixels) if srgb else pixels)
        if operation == "thumbnail":
            return "pixels", to_bgra(slide.thumbnail(*arguments))
        if operation == "profile":
            return "profile", slide.icc_profile
        if operation == "associated":
            return "pixels", to_bgra(slide.associated_image(*arguments))
        return "error", f"A reader knows no {operation}."
    except LileError as error:
        return "error", str(error)
    except MemoryError:
        return "error", f"There is not enough memory to read {path}; close other slides."
    except Exception:  # whatever else it is, the parent must get an answer
        log.exception("reading %s failed", path)
        return "error", f"{path} cannot be read; it may be damaged."


def _reply(connection: Connection, memory: SharedMemory | None, kind: str, value: Any) -> None:
    if kind != "pixels":
        connection.send((kind, value))
        return
    pixels: Pixels = np.ascontiguousarray(value)
    if memory is not None and pixels.nbytes <= memory.size:
        target: Pixels = np.ndarray(pixels.shape, np.uint8, buffer=memory.buf)
        target[...] = pixels
        connection.send(("shared", pixels.shape))
    else:
        connection.send(("bytes", pixels.shape))
        connection.send_bytes(pixels.data.cast("B"))


class _OpenSlides:
    """The slides this process has open, the longest unused closed first."""

    def __init__(self) -> None:
        self._slides: OrderedDict[str, Slide] = OrderedDict()

    def open(self, path: str, mpp: float | None) -> Slide:
        """Opens afresh, since the file may be another one by now."""
        self.forget(path)
        slide = self._slides[path] = open_slide(path, mpp=mpp)
        threading.Thread(target=_prepare, args=(slide,), daemon=True, name="lile-prepare").start()
        while len(self._slides) > 1 and (len(self._slides) > _OPEN_SLIDES or self._plain_pixels() > _PLAIN_PIXELS):
            self._slides.popitem(last=False)[1].close()
        return slide

    def _plain_pixels(self) -> int:
        plain = [slide.info for slide in self._slides.values() if slide.info.vendor == "plain image"]
        return sum(info.width * info.height for info in plain)

    def forget(self, path: str) -> None:
        """Closes the slide if it is open."""
        slide = self._slides.pop(path, None)
        if slide is not None:
            slide.close()

    def get(self, path: str) -> Slide:
        if path not in self._slides:
            return self.open(path, None)
        self._slides.move_to_end(path)
        return self._slides[path]


def _prepare(slide: Slide) -> None:
    with contextlib.suppress(LileError):  # whoever reads will be told
        slide.prepare()


def to_bgra(rgb: Pixels) -> Pixels:
    """uint8 [h, w, 3] RGB as opaque uint8 [h, w, 4] in Qt's Format_RGB32 order."""
    height, width = rgb.shape[:2]
    shuffled = np.frombuffer(Image.fromarray(rgb).tobytes("raw", "BGRX"), np.uint8)
    pixels = shuffled.reshape(height, width, 4).copy()
    pixels[..., 3] = 255
    return pixels


def _limit_memory() -> None:
    """A damaged file that asks for all memory there is shall cost this process only."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MOST_ADDRESS_SPACE, resource.getrlimit(resource.RLIMIT_AS)[1]))
