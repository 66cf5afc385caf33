"""What phantom slides show where."""

from __future__ import annotations

import json
from pathlib import Path

from lile_engine.slides import Region


class Truth:
    """What a phantom slide shows where, from the ground truth drawn beside it."""

    def __init__(self, slide: Path) -> None:
        features = json.loads(slide.with_suffix(".geojson").read_text("utf-8"))["features"]
        self.regions: list[tuple[str, Region]] = []
        for feature in features:
            geometry = feature["geometry"]
            polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
            for outer, *holes in polygons:
                region = Region.polygon([tuple(p) for p in outer], [[tuple(p) for p in hole] for hole in holes])
                self.regions.append((feature["properties"]["classification"]["name"], region))

    def share(self, tissue: str, x: float, y: float, size: float) -> float:
        """How much of a square (level-0 pixels) is of a tissue whose name begins so, 0 to 1."""
        shares = [r.mask(x, y, size, size, 16, 16).mean() for name, r in self.regions if name.startswith(tissue)]
        return float(sum(shares))

    def square(self, tissue: str, size: int) -> tuple[int, int]:
        """Level-0 x, y of the square of ``size`` that holds most of the tissue."""
        best, at = -1.0, (0, 0)
        for name, region in self.regions:
            if not name.startswith(tissue):
                continue
            left, top, width, height = region.bounds
            for x in range(int(left), max(int(left + width - size), int(left) + 1), size // 4):
                for y in range(int(top), max(int(top + height - size), int(top) + 1), size // 4):
                    share = self.share(tissue, x, y, size)
                    if share > best:
                        best, at = share, (x, y)
        assert best > 0.9, f"no room for a square of {tissue}"
        return at
