"""TIFFs whose directories lie are refused before a library can crash on them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from lile_engine.errors import SlideError
from lile_engine.slides import open_slide
from lile_engine.slides.tiff_header import TiffFacts, check_tiff


def with_tag(data: bytes, tag: int, value: int) -> bytes:
    """The first directory of a little-endian TIFF with another value (one LONG) for a tag."""
    changed = bytearray(data)
    (offset,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, offset)
    for number in range(count):
        at = offset + 2 + 12 * number
        if struct.unpack_from("<H", data, at)[0] == tag:
            struct.pack_into("<HII", changed, at + 2, 4, 1, value)
    return bytes(changed)


@pytest.mark.parametrize(
    ("tag", "value", "words"),
    [
        (322, 0, "tiles of 0 x 128 pixels"),
        (323, 2**24, "tiles of 128 x 16777216 pixels"),  # OpenSlide divides by zero here
        (322, 2**32 - 1, "tiles of 4294967295 x 128"),
        (256, 2**31 - 1, "is damaged: it lists 48 tiles and needs 100663296"),
        (257, 2**24, "is damaged: it lists 48 tiles"),
        (324, 7, "is damaged: it lists 1 tiles and needs 48"),
    ],
)
def test_lying_directories(tmp_path: Path, jpeg_slide: Path, tag: int, value: int, words: str) -> None:
    path = tmp_path / "lies.tif"
    path.write_bytes(with_tag(jpeg_slide.read_bytes(), tag, value))
    with pytest.raises(SlideError, match=words):
        open_slide(path)


def test_honest_and_foreign_files_pass(jpeg_slide: Path, lossless_slide: Path, tmp_path: Path) -> None:
    for slide in (jpeg_slide, lossless_slide):
        assert check_tiff(slide) == TiffFacts(sizes=((903, 701), (451, 350), (225, 175)))
    for content in (
        b"",
        b"II",
        b"II*\0",
        b"II*\0\xff\xff\xff\x7f",
        b"MM\0*\0\0\0\x08\0\x01",
        b"%PDF-1.7",
        b"II+\0" * 9,
    ):
        (tmp_path / "other").write_bytes(content)
        check_tiff(tmp_path / "other")


def test_directories_in_a_circle_end(tmp_path: Path, jpeg_slide: Path) -> None:
    data = bytearray(jpeg_slide.read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * count, first)
    path = tmp_path / "circle.tif"
    path.write_bytes(data)
    check_tiff(path)


@pytest.mark.parametrize(("height", "believed"), [(500, True), (2**31 - 1, False)])
def test_a_hamamatsu_level_must_have_bytes_for_its_pixels(tmp_path: Path, height: int, believed: bool) -> None:
    """OpenSlide takes 2 GB for the second before it finds the file damaged."""
    entries = [(256, 4, 1, 4000), (257, 4, 1, height), (65420, 4, 1, 1)]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    path = tmp_path / "level.ndpi"
    path.write_bytes(struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(entries)) + directory + bytes(20_000))
    if believed:
        assert check_tiff(path) == TiffFacts()
    else:
        with pytest.raises(SlideError, match=r"level\.ndpi claims 4000 x 2147483647 pixels in a file far too small"):
            check_tiff(path)
