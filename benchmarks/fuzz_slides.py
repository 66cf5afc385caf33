"""Damages slides and images in every way and opens them: none may crash, hang, or eat the memory.

    python benchmarks/fuzz_slides.py [--files 2000] [--first 0] [--seed 1] [--real FOLDER] [--keep FOLDER]

Every file must open and read or give one clear error (SlideError). They are read in a child process, as the window
reads them; what costs the child is reported and, with ``--keep``, kept. Prints a table and, last, a line of JSON;
exits 1 if any file crashed, hung, raised something else, or made the child grow by more than 512 MB.
"""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing
import os
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil
import tifffile
from PIL import Image

from lile_engine.errors import LileError
from lile_engine.slides import open_slide, tissue_mask

HANG_S = 60.0
MOST_GROWTH = 512 * 2**20
LARGEST_SOURCE = 4 * 2**20
SLOW_SOURCE = 3 * 2**20
DRAWN = 16  # sources that are drawn here; real ones follow
EXTREMES = (0, 1, 2, 3, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)

Random = np.random.Generator
Mutation = Callable[[bytearray, Random], bytearray]


def drawn_sources(folder: Path) -> list[Path]:
    """Small files of every kind that is read, drawn here."""
    rng = np.random.default_rng(7)
    coarse = Image.fromarray(rng.integers(0, 255, (20, 26, 3)).astype(np.uint8))
    picture = np.asarray(coarse.resize((520, 400), Image.Resampling.BICUBIC))
    grey = (picture[..., 0].astype(np.uint16) * 257).astype(np.uint16)

    def pyramid(name: str, big: bool = False, **options: object) -> None:
        with tifffile.TiffWriter(folder / name, bigtiff=big) as file:
            for step in (1, 2, 4):
                page = np.ascontiguousarray(picture[::step, ::step])
                file.write(page, tile=(128, 128), photometric="rgb", metadata=None, **options)

    pyramid("pyramid-jpeg.tif", compression="jpeg")
    pyramid("pyramid-big.tif", big=True, compression="jpeg")
    pyramid("pyramid-deflate.tif", compression="deflate")
    pyramid("pyramid-lzw.tif", compression="lzw")
    pyramid("pyramid-j2k.tif", compression="jpeg2000")
    pyramid(
        "pyramid-aperio.svs",
        compression="jpeg",
        description="Aperio Image Library v12\r\n520x400 (128x128) JPEG|MPP = 0.25",
    )
    tifffile.imwrite(folder / "strips.tif", picture, photometric="rgb", compression="deflate")
    tifffile.imwrite(folder / "grey16.tif", grey, compression="lzw")
    tifffile.imwrite(folder / "pages.tif", np.stack([picture, picture[::-1]]), photometric="rgb")
    Image.fromarray(picture).save(folder / "plain.jpg", quality=85)
    Image.fromarray(picture).save(folder / "progressive.jpg", progressive=True)
    Image.fromarray(picture).save(folder / "plain.png")
    Image.fromarray(grey).save(folder / "grey16.png")
    Image.fromarray(picture).convert("P").save(folder / "palette.png", transparency=3)
    Image.fromarray(picture).save(folder / "plain.bmp")
    Image.fromarray(picture).save(folder / "plain.webp", lossless=True)
    return sorted(folder.iterdir())


def cut_anywhere(data: bytearray, rng: Random) -> bytearray:
    return data[: int(rng.integers(0, len(data)))]


def cut_near_an_end(data: bytearray, rng: Random) -> bytearray:
    few = int(rng.integers(1, 600))
    return data[:few] if rng.random() < 0.5 else data[:-few]


def flip_bits(data: bytearray, rng: Random) -> bytearray:
    for position in rng.integers(0, len(data), int(rng.integers(1, 30))):
        data[position] ^= 1 << int(rng.integers(0, 8))
    return data


def flip_in_the_header(data: bytearray, rng: Random) -> bytearray:
    for position in rng.integers(0, min(len(data), 2048), int(rng.integers(1, 8))):
        data[position] = int(rng.integers(0, 256))
    return data


def zero_a_block(data: bytearray, rng: Random) -> bytearray:
    start, size = int(rng.integers(0, len(data))), int(rng.integers(1, 8192))
    data[start : start + size] = bytes(len(data[start : start + size]))
    return data


def noise_in_a_block(data: bytearray, rng: Random) -> bytearray:
    start, size = int(rng.integers(0, len(data))), int(rng.integers(1, 8192))
    data[start : start + size] = rng.bytes(len(data[start : start + size]))
    return data


def move_a_block(data: bytearray, rng: Random) -> bytearray:
    start, end = sorted(int(n) for n in rng.integers(0, len(data), 2))
    block = data[start : min(end, start + 5000)]
    del data[start : start + len(block)]
    target = int(rng.integers(0, len(data) + 1))
    data[target:target] = block
    return data


def lie_in_a_tag(data: bytearray, rng: Random) -> bytearray:
    """A TIFF tag, found by following the directories, gets another type, count or value."""
    entries = tiff_entries(data)
    if not entries:
        return flip_in_the_header(data, rng)
    for _ in range(int(rng.integers(1, 4))):
        position, order, big = entries[int(rng.integers(0, len(entries)))]
        value = EXTREMES[int(rng.integers(0, len(EXTREMES)))]
        what = rng.random()
        if what < 0.15:
            struct.pack_into(order + "H", data, position + 2, int(rng.integers(0, 20)))
        elif what < 0.35:
            struct.pack_into(order + ("Q" if big else "I"), data, position + 4, value)
        else:
            struct.pack_into(order + ("Q" if big else "I"), data, position + (12 if big else 8), value)
    return data


def tiff_entries(data: bytearray) -> list[tuple[int, str, bool]]:
    """Where the directory entries of a TIFF lie, their byte order, and whether it is BigTIFF."""
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]), "")
    found: list[tuple[int, str, bool]] = []
    if not order or len(data) < 16:
        return found
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    size, word = (20, "Q") if big else (12, "I")
    (offset,) = struct.unpack_from(order + word, data, 8 if big else 4)
    for _ in range(16):
        try:
            (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, offset)
            first = offset + (8 if big else 2)
            if count > 200 or first + count * size > len(data):
                break
            found += [(first + number * size, order, big) for number in range(count)]
            (offset,) = struct.unpack_from(order + word, data, first + count * size)
        except struct.error:
            break
        if not offset:
            break
    return found


def absurd_size(data: bytearray, rng: Random) -> bytearray:
    """The size in the header of a PNG, JPEG or TIFF becomes another, mostly a huge one."""
    width, height = (int(rng.choice([1, 7000, 20_000, 65_000, 2**24, 2**31 - 1])) for _ in range(2))
    if data[:4] == b"\x89PNG":
        struct.pack_into(">II", data, 16, width, height)
    elif data[:2] == b"\xff\xd8":
        for marker in (b"\xff\xc0", b"\xff\xc2"):
            at = data.find(marker)
            if at > 0:
                struct.pack_into(">HH", data, at + 5, min(height, 65_535), min(width, 65_535))
    else:
        for position, order, big in tiff_entries(data):
            (tag,) = struct.unpack_from(order + "H", data, position)
            if tag in (256, 257, 322, 323, 278) and rng.random() < 0.5:
                struct.pack_into(order + "HI", data, position + 2, 4, 1)
                struct.pack_into(order + "I", data, position + (12 if big else 8), max(width, 1))
    return data


MUTATIONS: tuple[Mutation, ...] = (
    cut_anywhere, cut_near_an_end, flip_bits, flip_in_the_header, zero_a_block, noise_in_a_block, move_a_block,
    lie_in_a_tag, lie_in_a_tag, absurd_size,
)  # fmt: skip


def bombs(folder: Path) -> list[Path]:
    """Small files that would unfold to gigabytes, and the largest of each kind that are still believed."""
    flat = np.zeros((9_000, 9_000, 3), np.uint8)
    Image.fromarray(flat).save(folder / "bomb.png")
    tifffile.imwrite(folder / "bomb.tif", flat, compression="deflate", photometric="rgb")
    Image.fromarray(flat[:, :, 0]).save(folder / "bomb-grey.png")
    with tifffile.TiffWriter(folder / "bomb-tile.tif") as file:
        file.write(flat, tile=(9008, 9008), compression="deflate", photometric="rgb")
    Image.new("RGB", (8_100, 8_100)).save(folder / "bomb-believed.png")
    Image.new("RGBA", (8_100, 8_100)).save(folder / "bomb-believed-alpha.png")
    Image.new("I;16", (11_500, 11_500)).save(folder / "bomb-believed-16bit.png")
    Image.new("L", (16_000, 16_000)).save(folder / "bomb-believed-grey.png")
    Image.new("RGB", (5_100, 5_100)).save(folder / "bomb-believed.jpg", progressive=True)
    strip = flat[:5_700, :5_700]
    tifffile.imwrite(
        folder / "bomb-believed.tif", strip, compression="deflate", photometric="rgb", rowsperstrip=len(strip)
    )
    return sorted(folder.iterdir())


def exercise(path: Path) -> str:
    """Opens and reads a file as the program does. Returns what came of it."""
    try:
        with open_slide(path) as slide:
            info = slide.info
            slide.thumbnail(64)
            refused = 0
            for number, level in enumerate(info.levels[:4]):
                for x, y in ((0, 0), (info.width // 2, info.height // 2), (info.width - 20, info.height - 20)):
                    try:
                        slide.read_region(x, y, number, min(level.width, 256), min(level.height, 256))
                    except LileError:
                        refused += 1
            for name in info.associated[:3]:
                try:
                    slide.associated_image(name)
                except LileError:
                    refused += 1
            slide.read_square(3.5, 4.5, 300, 100)
            if max(info.width, info.height) <= 512:  # it takes longer than all reads together
                tissue_mask(slide)
            return "partly" if refused else "read"
    except LileError as error:
        return "refused" if "\n" not in str(error) and len(str(error)) < 400 else f"long message: {error}"
    except BaseException as error:
        return f"raised {type(error).__name__}: {error}"


def child(connection: Connection) -> None:
    """Exercises the files it is sent, until it is sent None."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)  # the C libraries write what they think of the files
    own = psutil.Process()
    while (path := connection.recv()) is not None:
        connection.send((exercise(path), own.memory_info().rss, peak(own)))


def peak(process: psutil.Process) -> int:
    """The most resident memory so far, in bytes (ru_maxrss would be the parent's where a child begins as its copy)."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    memory = process.memory_info()
    return int(getattr(memory, "peak_wset", memory.rss))


@dataclass
class Reader:
    """The child process, started again after it was lost."""

    baseline: int = 0
    peak: int = 0
    process: multiprocessing.process.BaseProcess | None = None
    connection: Connection | None = None
    warm: Path | None = None
    growth: list[int] = field(default_factory=list)

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=child, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        if self.warm:
            self.connection.send(self.warm)
            _, self.baseline, self.peak = self.connection.recv()

    def ask(self, path: Path) -> str:
        if self.process is None:
            self.start()
        assert self.connection is not None
        assert self.process is not None
        try:
            self.connection.send(path)
            if not self.connection.poll(HANG_S):
                self.stop()
                return "HANG"
            outcome, _, now = self.connection.recv()
        except (EOFError, OSError):
            self.process.join(5)
            code = self.process.exitcode
            self.stop()
            return f"CRASH (exit code {code})"
        grown, self.peak = now - self.peak, now
        if now - self.baseline > MOST_GROWTH and grown > 2**20:
            return f"GREW to {(now - self.baseline) / 2**20:.0f} MB"
        return str(outcome)

    def stop(self) -> None:
        if self.process is not None:
            self.growth.append(self.peak - self.baseline)
            self.process.kill()
            self.process.join(5)
        self.process = self.connection = None


def run(
    files: int, seed: int, real: Path | None, keep: Path | None, *, first: int = 0, with_bombs: bool = True
) -> dict[str, object]:
    """Mutates and exercises, the files numbered ``first`` and on; returns the figures of the last line.

    The sources as they are and the bombs come before number 0.
    """
    began = time.monotonic()
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("sources", "bombs", "work"):
            (Path(scratch) / name).mkdir()
        sources = drawn_sources(Path(scratch) / "sources")
        if real is not None:
            found = [path for folder in ("odd", "slides") for path in sorted((real / folder).glob("*"))]
            sources += [path for path in found if path.is_file() and 0 < path.stat().st_size <= LARGEST_SOURCE]
        reader = Reader(warm=sources[0])

        def judge(kind: str, path: Path) -> None:
            outcome = reader.ask(path)
            if outcome in ("read", "partly", "refused"):
                counts[kind][outcome] += 1
                return
            counts[kind]["FAILED"] += 1
            failures.append(f"{kind} {path.name}: {outcome}")
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, keep)

        whole = sources if first == 0 else []
        for path in [*whole, *(bombs(Path(scratch) / "bombs") if whole and with_bombs else ())]:
            judge("bomb" if "bomb" in path.name else "untouched", path)
        for number in range(first, first + files):
            rng = np.random.default_rng((seed, number))
            source = sources[number % len(sources)]
            if source.stat().st_size > SLOW_SOURCE and number // len(sources) % 8:
                source = sources[number % DRAWN]  # the large ones every eighth time only: they take seconds
            mutation = MUTATIONS[int(rng.integers(0, len(MUTATIONS)))]
            data = bytes(mutation(bytearray(source.read_bytes()), rng))
            path = Path(scratch) / "work" / f"{number:05d}-{mutation.__name__}-{source.name}"
            path.write_bytes(data)
            judge(mutation.__name__, path)
            path.unlink()
        reader.stop()
    columns = ("read", "partly", "refused", "FAILED")
    print(f"{'mutation':<22}" + "".join(f"{column:>9}" for column in columns))
    for kind, outcomes in counts.items():
        print(f"{kind:<22}" + "".join(f"{outcomes[column]:>9}" for column in columns))
    for failure in failures:
        print(failure)
    return {
        "files": sum(sum(outcomes.values()) for outcomes in counts.values()),
        "failed": len(failures),
        "crashed": sum("CRASH" in failure for failure in failures),
        "hung": sum("HANG" in failure for failure in failures),
        "growth_mb": round(max(reader.growth, default=0) / 2**20),
        "seconds": round(time.monotonic() - began, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="number of the first file, to go on in pieces")
    parser.add_argument("--seed", type=int, default=1)
    default = os.environ.get("LILE_REAL_DATA", str(Path(__file__).resolve().parents[2] / "shared" / "data"))
    parser.add_argument("--real", type=Path, default=Path(default), help="folder with odd/ and slides/ to damage too")
    parser.add_argument("--keep", type=Path, help="where to keep the files that failed")
    args = parser.parse_args()
    figures = run(args.files, args.seed, args.real if args.real.is_dir() else None, args.keep, first=args.first)
    print(json.dumps(figures))
    return 1 if figures["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
