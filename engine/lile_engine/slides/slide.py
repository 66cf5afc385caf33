"""`Slide`: one open slide of any format, read at its levels or at any scale."""

from __future__ import annotations

import contextlib
import errno
import math
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import TracebackType

import openslide

from lile_engine.errors import SlideError
from lile_engine.slides.backend import Backend
from lile_engine.slides.colour import ToSrgb
from lile_engine.slides.mpp import LEAST_MPP, MOST_MPP, find_mpp, is_plausible, magnification_of, remembered_mpp
from lile_engine.slides.openslide_backend import OpenSlideBackend
from lile_engine.slides.plain_backend import PlainBackend
from lile_engine.slides.resample import read_scaled
from lile_engine.slides.tiff_header import TiffFacts, check_tiff
from lile_engine.slides.types import Pixels, SlideInfo

_WHOLE_SLIDE_ENDINGS = (".svs", ".ndpi", ".scn", ".bif", ".mrxs", ".vms", ".vmu", ".svslide")
_SHOWN_AS_IMAGE = "{0} {1} and cannot be read as a slide: its largest picture is shown; copy it again."
_FARTHEST = 2**40  # level-0 pixels from the corner of any slide
_MOST_READ_PIXELS = 100_000_000  # a single read; 400 MB


def open_slide(path: str | os.PathLike[str], *, mpp: float | None = None) -> Slide:
    """Opens a slide or a plain image.

    ``mpp`` is what the user says of its microns per level-0 pixel and wins over the file; where neither says
    anything, what was said earlier (`mpp.remember_mpp`) counts. Raises SlideError, in one sentence, for whatever is
    missing, empty, damaged, too large or not an image.
    """
    if not os.fspath(path).strip():
        raise SlideError("No slide was named; give the path of a file.")
    if "\0" in os.fspath(path):
        raise SlideError("No file has a name with a null character; check the path.")
    file = Path(path)
    if mpp is not None and not is_plausible(mpp):
        raise SlideError(f"{mpp} microns per pixel cannot be true of {file.name}; give {LEAST_MPP:g} to {MOST_MPP:g}.")
    try:
        if file.is_dir():
            raise SlideError(f"{file.name or file.absolute()} is a folder, not a slide; name a file in it.")
        if not file.is_file():
            file.stat()
            raise SlideError(f"{file.name} is not a file; name a slide.")
        if file.stat().st_size == 0:
            raise SlideError(f"{file.name} is empty; copy it again.")
        backend, note = _open_backend(file, check_tiff(file))
    except FileNotFoundError as error:
        raise SlideError(f"There is no file {file}; check the path.") from error
    except PermissionError as error:
        raise SlideError(f"{file} may not be read by this user; ask for permission.") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise SlideError(f"{file} is a link that leads back to itself; name the slide that is meant.") from error
        raise SlideError(f"{file} cannot be read ({error.strerror or error}); is the drive connected?") from error
    return Slide(file, backend, mpp, note)


def _open_backend(file: Path, tiff: TiffFacts) -> tuple[Backend, str]:
    """The reader for this file, and what the user should know of the file."""
    try:
        return _other_view(file, tiff, OpenSlideBackend(file))
    except openslide.OpenSlideUnsupportedFormatError:
        backend = PlainBackend(file)
        if tiff.is_cut_short or file.suffix.lower() in _WHOLE_SLIDE_ENDINGS:
            return backend, _SHOWN_AS_IMAGE.format(
                file.name, "has been cut short" if tiff.is_cut_short else "is not the whole slide that its name says"
            )
        return backend, backend.note
    except SlideError:
        # A TIFF that OpenSlide knows but cannot decode may still be one for Pillow.
        try:
            return PlainBackend(file), _SHOWN_AS_IMAGE.format(file.name, "is damaged or incomplete")
        except SlideError:
            pass
        raise


def _other_view(file: Path, tiff: TiffFacts, backend: OpenSlideBackend) -> tuple[Backend, str]:
    """Of a TIFF without a vendor OpenSlide shows the first picture as it is stored: where another is larger, or it is
    to be turned, it is a plain image if it is small enough for one, else the user is told."""
    if backend.vendor != "generic-tiff":
        return backend, ""
    full = backend.levels[0]
    has_larger = tiff.largest[0] * tiff.largest[1] > full.width * full.height
    if has_larger or tiff.orientation != 1:
        with contextlib.suppress(SlideError):
            plain = PlainBackend(file)
            backend.close()
            return plain, plain.note
        if has_larger:
            width, height = tiff.largest
            return backend, (
                f"{file.name} holds a larger picture ({width} x {height}) than the one that is shown; convert it to a "
                "pyramidal TIFF with the largest first."
            )
        return backend, f"{file.name} says that it is to be turned, and is shown as it is stored."
    if tiff.has_subifds and len(backend.levels) == 1:
        return backend, (
            f"The coarser levels of {file.name} lie in SubIFDs and are not read, so overviews take long; convert it to "
            "a pyramidal TIFF without them."
        )
    return backend, ""


class Slide:
    """An open slide. Reads may come from several threads; use it in ``with`` or call `close`."""

    def __init__(self, path: Path, backend: Backend, mpp: float | None = None, note: str = "") -> None:
        self._backend, self._given_mpp = backend, mpp
        known = mpp or find_mpp(backend.properties) or remembered_mpp(backend.identity)
        full = backend.levels[0]
        self.info = SlideInfo(
            path=str(path),
            identity=backend.identity,
            name=path.name,
            format=backend.format,
            vendor=backend.vendor,
            width=full.width,
            height=full.height,
            levels=backend.levels,
            mpp=known,
            magnification=magnification_of(known, backend.properties.get("openslide.objective-power")),
            properties=dict(backend.properties),
            associated=backend.associated,
            bounds=_bounds(backend),
            note=note,
        )

    def read_region(self, x: int, y: int, level: int, w: int, h: int) -> Pixels:
        """uint8 [h, w, 3], RGB: x, y of the corner in level-0 pixels, w, h in pixels of ``level``; white outside.

        Where x, y lie between pixels of the level, the read begins at the nearest one (with OpenSlide's own drawing,
        used for formats other than JPEG and JPEG 2000 TIFF, pixels are shifted by the fraction instead).

        Raises SlideError if that part of the file is damaged, and for numbers that are not finite, sizes that are not
        positive whole numbers, or more than 100 million pixels.
        """
        self._check(level, w, h)
        left, top = self._place(x, y)
        return self._backend.read_rgb(int(left), int(top), int(level), int(w), int(h))

    def read_square(self, x: float, y: float, size: float, px: int) -> Pixels:
        """uint8 [px, px, 3] of the square with corner x, y and side ``size``, all in level-0 pixels."""
        return self.read_area(x, y, size, size, px, px)

    def read_area(self, x: float, y: float, w: float, h: float, out_w: int, out_h: int) -> Pixels:
        """uint8 [out_h, out_w, 3] of a rectangle given in level-0 pixels, at any scale.

        Read from the coarsest level that is fine enough; pixels are right to a fraction of a pixel (`resample`).
        Raises SlideError as `read_region` does.
        """
        self._check(0, out_w, out_h)
        x, y = self._place(x, y)
        if not (0 < w <= _FARTHEST and 0 < h <= _FARTHEST):
            raise SlideError(f"A region of {w} x {h} level-0 pixels of {self.info.name} cannot be read.")
        return read_scaled(self._backend, x, y, w, h, int(out_w), int(out_h))

    def thumbnail(self, max_px: int) -> Pixels:
        """The whole slide, uint8 RGB, its longer side ``max_px`` pixels (never larger than the slide itself).

        Raises SlideError for a size below 1 or not finite, and where the slide is damaged.
        """
        if not 1 <= max_px < math.inf:
            raise SlideError(f"A picture of {max_px} pixels of {self.info.name} cannot be made; give 1 or more.")
        scale = min(1.0, max_px / max(self.info.width, self.info.height))
        size = max(1, round(self.info.width * scale)), max(1, round(self.info.height * scale))
        return self.read_area(0, 0, self.info.width, self.info.height, *size)

    def associated_image(self, name: str) -> Pixels:
        """uint8 RGB of a label, macro or thumbnail named in ``info.associated``. The label names the patient."""
        if name not in self.info.associated:
            raise SlideError(f"{self.info.name} has no {name} image.")
        return self._backend.read_associated(name)

    @property
    def icc_profile(self) -> bytes | None:
        """The embedded colour profile, if there is one. Reads do not apply it; `to_srgb` does."""
        return self._backend.icc_profile

    @cached_property
    def to_srgb(self) -> ToSrgb:
        """The transform (uint8 [h, w, 3] to the same) from the slide's colours to sRGB."""
        return ToSrgb(self._backend.icc_profile)

    def prepare(self) -> None:
        """Decodes ahead what the first fine read would have to (all of a plain image; nothing for other slides)."""
        self._backend.prepare()

    def close(self) -> None:
        """Lets the file go. Reads under way end well; later ones raise SlideError."""
        self._backend.close()

    def __reduce__(self) -> tuple[Callable[..., Slide], tuple[str, float | None]]:
        """Another process opens the file itself: handles cannot travel."""
        return _reopen, (self.info.path, self._given_mpp)

    def __enter__(self) -> Slide:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self, level: int, w: int, h: int) -> None:
        if not 0 <= level < len(self.info.levels) or level != int(level):
            raise SlideError(f"{self.info.name} has no level {level}; it has {len(self.info.levels)}.")
        if not (w > 0 and h > 0 and w * h <= _MOST_READ_PIXELS and w == int(w) and h == int(h)):
            raise SlideError(f"A region of {w} x {h} pixels of {self.info.name} cannot be read at once.")

    def _place(self, x: float, y: float) -> tuple[float, float]:
        """A corner, not farther off than libraries can count: their numbers would begin again at 0."""
        if not (math.isfinite(x) and math.isfinite(y)):
            raise SlideError(f"The place x {x}, y {y} of {self.info.name} is not a number.")
        return min(max(x, -_FARTHEST), _FARTHEST), min(max(y, -_FARTHEST), _FARTHEST)


def _reopen(path: str, mpp: float | None) -> Slide:
    return open_slide(path, mpp=mpp)


def _bounds(backend: Backend) -> tuple[int, int, int, int]:
    """The scanned part, as MIRAX and others give it, else the whole slide."""
    full = backend.levels[0]
    whole = (0, 0, full.width, full.height)
    texts = [backend.properties.get(f"openslide.bounds-{part}") for part in ("x", "y", "width", "height")]
    try:
        x, y, w, h = (int(text) for text in texts if text is not None)
    except ValueError:
        return whole
    inside = x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= full.width and y + h <= full.height
    return (x, y, w, h) if inside else whole
