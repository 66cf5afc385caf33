"""The picture of `archive.py`: four panels against the number of tiles, both axes by powers of ten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PANELS: tuple[tuple[str, tuple[str, str]], ...] = (
    ("query, median (solid) and 95th percentile (thin), ms", ("p50", "p95")),
    ("insertion, tiles a second of the processor", ("insert_per_cpu_s", "")),
    ("opening to the first answer, s", ("open_s", "")),
    ("resident memory, MB", ("memory_mb", "")),
)
COLOURS = {"ours": "#0072b2", "hnswlib": "#e69f00", "faiss": "#009e73", "usearch": "#cc79a7"}
WIDTH, HEIGHT, EDGE, SCALE = 560, 360, 62, 2


def value_of(result: dict[str, Any], who: str, name: str) -> float | None:
    """A figure of one size, or None where it was not measured."""
    if who in {"ours", "hnswlib"}:
        found = result.get(name if who == "ours" else f"bare_{name}")
    else:
        found = result["others"].get(who, {}).get(name)
    return None if found is None else float(found)


def plot(results: list[dict[str, Any]], out: Path) -> None:
    """Draws it."""
    picture = Image.new("RGB", (2 * WIDTH * SCALE, (2 * HEIGHT + 40) * SCALE), "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(13 * SCALE)
    for number, (title, names) in enumerate(PANELS):
        left, top = (number % 2) * WIDTH, (number // 2) * HEIGHT
        _panel(draw, font, results, title, [name for name in names if name], left, top)
    for number, (who, colour) in enumerate(COLOURS.items()):
        x, y = EDGE + number * 150, 2 * HEIGHT + 8
        draw.line([(x * SCALE, (y + 10) * SCALE), ((x + 30) * SCALE, (y + 10) * SCALE)], colour, 4 * SCALE)
        draw.text(((x + 38) * SCALE, y * SCALE), "the archive" if who == "ours" else who, "#222222", font)
    picture.resize((picture.width // SCALE, picture.height // SCALE), Image.Resampling.LANCZOS).save(out)


def _panel(
    draw: ImageDraw.ImageDraw,
    font: Any,
    results: list[dict[str, Any]],
    title: str,
    names: list[str],
    left: int,
    top: int,
) -> None:
    lines = {
        (who, name): [(r["tiles"], v) for r in results if (v := value_of(r, who, name)) is not None]
        for who in COLOURS
        for name in names
    }
    values = [value for points in lines.values() for _, value in points]
    low, high = np.floor(np.log10(min(values))), np.ceil(np.log10(max(values)) + 1e-9)
    first, last = np.log10(results[0]["tiles"]), np.log10(results[-1]["tiles"])

    def place(tiles: float, value: float) -> tuple[float, float]:
        x = left + EDGE + (np.log10(tiles) - first) / max(last - first, 1e-9) * (WIDTH - EDGE - 40)
        y = top + HEIGHT - 40 - (np.log10(value) - low) / max(high - low, 1) * (HEIGHT - 90)
        return float(x * SCALE), float(y * SCALE)

    draw.text(((left + EDGE) * SCALE, (top + 14) * SCALE), title, "#222222", font)
    for power in range(int(low), int(high) + 1):
        x, y = place(results[0]["tiles"], 10.0**power)
        draw.line([(x, y), (place(results[-1]["tiles"], 10.0**power)[0], y)], "#dddddd", SCALE)
        draw.text(((left + 8) * SCALE, y - 8 * SCALE), f"{10.0**power:g}", "#555555", font)
    for result in results:
        x, y = place(result["tiles"], 10.0**low)
        draw.text((x - 18 * SCALE, y + 8 * SCALE), f"10^{np.log10(result['tiles']):g}", "#555555", font)
    for (who, name), points in reversed(lines.items()):
        places = [place(*point) for point in points]
        thick = (3 if name != "p95" else 1) * SCALE
        draw.line(places, COLOURS[who], thick)
        for x, y in places:
            draw.ellipse([x - 2 * thick, y - 2 * thick, x + 2 * thick, y + 2 * thick], fill=COLOURS[who])
