"""What the window says of a region before it is asked about: its size, its tiles, the time they take. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from lile_desktop.jobs import duration_text
from lile_desktop.text import tr
from lile_engine.errors import LileError
from lile_engine.slides import Region, SlideInfo, TileSpec


@dataclass(frozen=True)
class Estimate:
    """How many tiles a region has at most (the background goes out later) and the seconds that embedding takes; none
    where the archive holds them already (``stored``). ``partly``: it holds some of the slide's tiles, so that it may
    take less."""

    tiles: int
    seconds: float
    problem: str = ""
    stored: bool = False
    partly: bool = False


def estimate(
    info: SlideInfo,
    region: Region,
    spec: TileSpec,
    seconds_per_tile: float,
    *,
    indexed: bool = False,
    partly: bool = False,
) -> Estimate:
    """Counts the tiles of ``region``; a slide without mpp gives an estimate with the sentence that says so.

    ``indexed``: the archive holds the tiles of this slide at this scale; ``partly``: some of them.
    """
    if info.mpp is None:
        return Estimate(
            0, 0.0, tr("{0} does not say its scale; you are asked for it with the question.").format(info.name)
        )
    from lile_engine.slides import tile_grid  # brings numpy and OpenSlide

    try:
        tiles = len(tile_grid(info, spec, region=region))
    except LileError as error:
        return Estimate(0, 0.0, str(error))
    stored = indexed and tiles > 1  # a region smaller than a tile gets one of its own
    return Estimate(tiles, 0.0 if stored else tiles * seconds_per_tile, stored=stored, partly=partly)


def region_size_text(region: Region, mpp: float | None) -> str:
    """Width and height of the region's bounds in µm or mm, in pixels where the mpp is not known."""
    _, _, width, height = region.bounds
    if mpp is None:
        return f"{width:.0f} × {height:.0f} px"
    width, height = width * mpp, height * mpp
    if max(width, height) < 1000:
        return f"{width:.0f} × {height:.0f} µm"
    return f"{width / 1000:.2f} × {height / 1000:.2f} mm"


def estimate_text(region: Region, mpp: float | None, estimated: Estimate) -> str:
    """The line above the button: size, tiles, seconds."""
    if estimated.problem:
        return estimated.problem
    tiles = tr("1 tile") if estimated.tiles == 1 else tr("{0} tiles").format(estimated.tiles)
    if estimated.stored:
        return tr("{0}, at most {1}, in the archive already").format(region_size_text(region, mpp), tiles)
    size, duration = region_size_text(region, mpp), duration_text(estimated.seconds)
    if estimated.partly:
        return tr("{0}, at most {1}, partly in the archive, else about {2}").format(size, tiles, duration)
    return tr("{0}, at most {1}, about {2}").format(size, tiles, duration)
