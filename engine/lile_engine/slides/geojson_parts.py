"""The parts of a GeoJSON feature, understood as far as they can be: shapes, colours, classes, measurements.

What other programs write oddly is read with good will; `geojson` keeps it as it was and writes it back.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

Colour = tuple[int, int, int]
Shape = tuple[str, tuple[Any, ...]]  # the type of a geometry and its nested coordinates

_DEPTH = {
    "Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "LinearRing": 1, "Polygon": 2,
    "MultiPolygon": 3,
}  # fmt: skip
_SINGLE = {"MultiPolygon": "Polygon", "MultiLineString": "LineString", "MultiPoint": "Point"}
_MOST_DEPTH = 16  # of collections in collections


@dataclass(frozen=True)
class Classification:
    """A class of QuPath's; ``names`` are the parts of a derived class ("Tumor", "Positive")."""

    name: str
    colour: Colour | None = None
    names: tuple[str, ...] | None = None


def shape(geometry: Any, depth: int = 0) -> Shape:
    """Type and coordinates of a geometry. Holes without area are left out, a LinearRing is a Polygon, and of a
    GeometryCollection the polygons count, else the lines, else the points. Raises ValueError, or what Python raises
    for something else in the place of numbers and lists."""
    kind = geometry["type"]
    if kind == "GeometryCollection" and depth < _MOST_DEPTH:
        return _joined([shape(part, depth + 1) for part in geometry["geometries"]])
    if kind not in _DEPTH:
        raise ValueError(f"geometry {kind!r} is not supported")
    coordinates = _coordinates(geometry["coordinates"], _DEPTH[kind])
    if not coordinates:
        raise ValueError("it has no coordinates")
    if kind == "LinearRing":
        kind, coordinates = "Polygon", (coordinates,)
    if kind == "Polygon":
        return kind, _outlines(coordinates)
    if kind == "MultiPolygon":
        return kind, tuple(_outlines(rings) for rings in coordinates)
    return kind, coordinates


def _joined(shapes: list[Shape]) -> Shape:
    for many, one in _SINGLE.items():
        parts = tuple(
            part
            for kind, coordinates in shapes
            for part in ((coordinates,) if kind == one else coordinates if kind == many else ())
        )
        if parts:
            return (one, parts[0]) if len(parts) == 1 else (many, parts)
    raise ValueError("it has no coordinates")


def _outlines(rings: tuple[Any, ...]) -> tuple[Any, ...]:
    outer, *holes = rings or ((),)
    if len(set(outer)) < 3:
        raise ValueError("an outline needs at least three corners")
    return (outer, *(hole for hole in holes if len(set(hole)) >= 3))


def _coordinates(value: Any, depth: int) -> tuple[Any, ...]:
    if depth:
        return tuple(_coordinates(item, depth - 1) for item in value)
    point = tuple(float(number) for number in value)
    if len(point) < 2 or not all(map(math.isfinite, point)):
        raise ValueError("a point needs two finite numbers")
    return point


def classification(value: Any) -> Classification | None:
    """The class, told as an object, a name, or a list of the names of a derived one; None for none."""
    if isinstance(value, str):
        return Classification(value)
    if isinstance(value, list):
        value = {"names": value}
    if not isinstance(value, dict):
        return None
    listed = value.get("names")
    names = tuple(map(str, listed)) if isinstance(listed, list) and listed else None
    if names is None and value.get("name") is None:
        return None
    name = str(value["name"]) if value.get("name") is not None else ": ".join(names or ())
    return Classification(name, colour(value.get("color", value.get("colorRGB"))), names)


def classification_as_qupath_writes(known: Classification) -> dict[str, Any]:
    """The object of a feature's property "classification"."""
    named: dict[str, Any] = {"name": known.name} if known.names is None else {"names": list(known.names)}
    return named if known.colour is None else {**named, "color": list(known.colour)}


def colour(value: Any) -> Colour | None:
    """Red, green, blue (0 to 255) from a list, "#rrggbb", or one signed integer with alpha first, as QuPath before 0.4
    wrote it; None for anything else."""
    if isinstance(value, str):
        told = re.fullmatch(r"#([0-9a-fA-F]{6})(?:[0-9a-fA-F]{2})?", value)
        value = int(told[1], 16) if told else None
    if isinstance(value, int) and not isinstance(value, bool):
        return (value >> 16) & 255, (value >> 8) & 255, value & 255
    if not isinstance(value, list) or len(value) < 3 or not all(_is_number(part) for part in value[:3]):
        return None
    red, green, blue = (min(max(int(part), 0), 255) for part in value[:3])
    return red, green, blue


def measurements(value: Any) -> dict[str, float]:
    """Those that are numbers, of an object, or of a list of names and values, as QuPath before 0.4 wrote it."""
    if isinstance(value, list):
        value = {item["name"]: item.get("value") for item in value if isinstance(item, dict) and "name" in item}
    if not isinstance(value, dict):
        return {}
    return {str(name): float(number) for name, number in value.items() if _is_number(number, finite=False)}


def _is_number(value: Any, *, finite: bool = True) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and (not finite or math.isfinite(value))
