"""What is refused of plain images before anything is decoded: too many pixels, and pixels that cannot be there."""

from __future__ import annotations

from pathlib import Path

from PIL import ExifTags, Image

from lile_engine.errors import SlideError
from lile_engine.slides.orientation import orientation

MAX_PIXELS = 300_000_000  # 1.5 GB in memory; what is larger belongs into a pyramidal file
_SUSPECT_BYTES = 256 * 2**20  # what decodes into more than this must be backed by bytes in the file:
_SUSPECT_RATIO = 250  # no scan is compressed further than to a byte for this many pixels
_ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT = 278, 322, 323
_STRIPS, _TILES = (273, 279), (324, 325)  # TIFF tags: where they lie and how long they are


def too_large(path: Path) -> str:
    """What is said of an image beyond the limit."""
    return f"{path.name} is too large for a plain image; convert it to a pyramidal TIFF."


def check_size(path: Path, image: Image.Image) -> None:
    """Raises SlideError for no pixels, too many, or more than so small a file can hold."""
    width, height = image.size
    pixels = width * height
    if pixels <= 0:
        raise SlideError(f"{path.name} has no pixels.")
    if pixels > MAX_PIXELS:
        raise SlideError(too_large(path))
    if _bytes_to_decode(path, image) > _SUSPECT_BYTES and pixels > _SUSPECT_RATIO * path.stat().st_size:
        raise SlideError(f"{path.name} claims {width} x {height} pixels in a file far too small for them; "
                         "is it complete?")  # fmt: skip


def check_end(path: Path, image: Image.Image) -> None:
    """A TIFF says where its strips or tiles lie, so one that was cut short is found before it is decoded."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return
    pairs = [zip(tags.get(offset, ()), tags.get(count, ()), strict=False) for offset, count in (_STRIPS, _TILES)]
    ends = [offset + count for pair in pairs for offset, count in pair]
    if not ends or max(ends) > path.stat().st_size:
        raise SlideError(f"{path.name} is incomplete: its pixels lie beyond its end; copy it again.")


def _bytes_to_decode(path: Path, image: Image.Image) -> int:
    """The memory at the worst moment of decoding, roughly."""
    width, height = image.size
    stored = 1 if image.mode in ("1", "L", "P") else 2 if image.mode.startswith("I;16") else 4  # as Pillow holds them
    needed = width * height * stored
    tags = getattr(image, "tag_v2", None)
    if (tags or {}).get(ExifTags.Base.Orientation, 1) != 1 or orientation(path, image) != 1:
        needed *= 2  # turning takes a copy
    if tags is not None:  # libtiff unpacks a whole strip or tile beside it
        rows = min(int(tags.get(_ROWS_PER_STRIP, height)), height)
        piece = int(tags[_TILE_WIDTH]) * int(tags[_TILE_HEIGHT]) if _TILE_WIDTH in tags else width * rows
        needed += piece * stored
    elif image.info.get("progressive"):  # libjpeg holds 16-bit coefficients of all channels until the last scan
        needed += width * height * 2 * len(image.getbands())
    return needed
