"""Ground truth of a phantom slide as GeoJSON in QuPath's form, traced from the plan."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lile_engine.phantom.plan import Plan
from lile_engine.phantom.tissue import tissue_named

Ring = list[tuple[float, float]]


def write_truth(path: Path, plan: Plan, width: int, height: int, seed: int) -> None:
    """Writes every region of the plan as a locked annotation; coordinates are level-0 pixels."""
    features = []
    for number, (label, exterior, holes) in enumerate(traced(plan, width, height)):
        region = plan.regions[label - 1]
        features.append(_feature(region.tissue, label, [exterior, *holes], seed, number))
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")


def _feature(tissue: str, label: int, rings: list[Ring], seed: int, number: int) -> dict[str, Any]:
    coordinates = [[[round(x, 1), round(y, 1)] for x, y in (*ring, ring[0])] for ring in rings]
    return {
        "type": "Feature",
        "id": str(uuid.UUID(int=((seed & 0xFFFFFFFF) << 64) | (label << 32) | number, version=4)),
        "geometry": {"type": "Polygon", "coordinates": coordinates},
        "properties": {
            "objectType": "annotation",
            "name": f"{tissue} {label}",
            "classification": {"name": tissue, "color": list(tissue_named(tissue).colour)},
            "isLocked": True,
            "measurements": {},
        },
    }


def traced(plan: Plan, width: int, height: int) -> Iterator[tuple[int, Ring, list[Ring]]]:
    """(label, exterior, holes) of every connected piece of every region, in level-0 pixels within the slide."""
    for label, box in enumerate(ndimage.find_objects(plan.labels), start=1):
        if box is None:
            continue
        pieces, count = ndimage.label(plan.labels[box] == label)
        for piece in range(1, count + 1):
            rings = [
                _in_pixels(ring, box[1].start, box[0].start, plan.pitch, width, height)
                for ring in outlines(pieces == piece)
            ]
            rings.sort(key=_area, reverse=True)
            yield label, rings[0], rings[1:]


def _in_pixels(ring: NDArray[np.float64], col: int, row: int, pitch: int, width: int, height: int) -> Ring:
    x = np.clip((ring[:, 0] + col) * pitch, 0, width)
    y = np.clip((ring[:, 1] + row) * pitch, 0, height)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _area(ring: Ring) -> float:
    x, y = np.array(ring).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


# Neighbour (row, column) across each side of a cell, and the side's corners (x, y) with the cell on the right hand.
_SIDES = (
    (-1, 0, (0, 0), (1, 0)),
    (0, 1, (1, 0), (1, 1)),
    (1, 0, (1, 1), (0, 1)),
    (0, -1, (0, 1), (0, 0)),
)


def outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Closed outlines float64[n, 2] (x, y in cells) of a 4-connected mask: the outer one and its holes.

    Walks the cracks between cells and joins their middles, which takes the steps off the stairs.
    """
    padded = np.pad(mask, 1)
    # Directed cracks, the mask on their right hand: start corner -> end corner.
    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for dy, dx, start, end in _SIDES:
        beyond = padded[1 + dy : padded.shape[0] - 1 + dy, 1 + dx : padded.shape[1] - 1 + dx]
        rows, cols = np.nonzero(mask & ~beyond)
        for r, c in zip(rows.tolist(), cols.tolist(), strict=True):
            edges.setdefault((c + start[0], r + start[1]), []).append((c + end[0], r + end[1]))
    rings = []
    while edges:
        first = next(iter(edges))
        here, ring = first, [first]
        direction = (0, 0)
        while True:
            ends = edges[here]
            pick = 0
            if len(ends) > 1:
                # Two cells touch at a corner: turn right, so that they stay apart.
                right = (-direction[1], direction[0])
                pick = next((k for k, end in enumerate(ends) if (end[0] - here[0], end[1] - here[1]) == right), 0)
            there = ends.pop(pick)
            if not ends:
                del edges[here]
            direction = (there[0] - here[0], there[1] - here[1])
            here = there
            if here == first:
                break
            ring.append(here)
        corners = np.array(ring, np.float64)
        middles = (corners + np.roll(corners, -1, axis=0)) / 2
        rings.append(_without_straights(middles))
    return rings


def _without_straights(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    bends = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > 1e-9
    kept: NDArray[np.float64] = ring[bends] if bends.sum() >= 3 else ring
    return kept
