"""QuPath's GeoJSON, read and written without losing what is not understood.

A file is a FeatureCollection, one Feature, or a list of Features. Coordinates are level-0 pixels. Known of each
feature: ``id``, ``objectType``, ``classification {name, color}``, ``name``, ``isLocked``, ``measurements``; all other
properties and members are kept and written back.
"""

from __future__ import annotations

import json
import math
import os
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lile_engine.errors import DataError
from lile_engine.paths import open_private
from lile_engine.slides.region import Region

Colour = tuple[int, int, int]
_DEPTH = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
_KNOWN_PROPERTIES = ("objectType", "classification", "name", "isLocked", "measurements", "color")


@dataclass(frozen=True)
class Classification:
    """A class of QuPath's; ``names`` are the parts of a derived class ("Tumor", "Positive")."""

    name: str
    colour: Colour | None = None
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Annotation:
    """One object of QuPath's. ``coordinates`` are nested tuples as in GeoJSON, of level-0 pixels."""

    kind: str
    coordinates: tuple[Any, ...]
    object_type: str = "annotation"
    name: str | None = None
    classification: Classification | None = None
    colour: Colour | None = None
    locked: bool = False
    measurements: dict[str, float] = field(default_factory=dict)
    identity: str = field(default_factory=lambda: str(uuid.uuid4()))
    other_properties: dict[str, Any] = field(default_factory=dict)
    other_members: dict[str, Any] = field(default_factory=dict)
    other_geometry: dict[str, Any] = field(default_factory=dict)  # QuPath's "plane", "isEllipse"

    @classmethod
    def from_region(cls, region: Region, **facts: Any) -> Annotation:
        """An annotation around a region; ``facts`` are other fields of this class."""
        return cls("Polygon", _polygon_coordinates(region), **facts)

    def regions(self) -> tuple[Region, ...]:
        """The polygons; none for points and lines."""
        polygons = {"Polygon": (self.coordinates,), "MultiPolygon": self.coordinates}.get(self.kind, ())
        return tuple(Region.polygon(rings[0], rings[1:]) for rings in polygons)

    def with_regions(self, regions: Iterable[Region]) -> Annotation:
        """The same object with another shape."""
        shapes = tuple(_polygon_coordinates(region) for region in regions)
        other = {k: v for k, v in self.other_geometry.items() if k != "isEllipse"}
        if len(shapes) == 1:
            return replace(self, kind="Polygon", coordinates=shapes[0], other_geometry=other)
        return replace(self, kind="MultiPolygon", coordinates=shapes, other_geometry=other)


def read_geojson(path: Path) -> list[Annotation]:
    """Raises DataError naming the file and the feature that cannot be understood."""
    if "\0" in str(path):
        raise DataError("No file has a name with a null character; check the path.")
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}; check the path.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path.name} is not GeoJSON: {str(error).splitlines()[0]}.") from error
    return parse_geojson(document, path.name)


def parse_geojson(document: Any, source: str = "The GeoJSON") -> list[Annotation]:
    """The annotations of a parsed document; ``source`` names it in errors. Raises DataError."""
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        features = document.get("features")
    elif isinstance(document, dict) and document.get("type") == "Feature":
        features = [document]
    else:
        features = document
    if not isinstance(features, list):
        raise DataError(f"{source} holds no GeoJSON features.")
    annotations = []
    for number, feature in enumerate(features, 1):
        try:
            annotations.append(_annotation(feature))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            raise DataError(f"{source}: feature {number} cannot be understood ({_told(error)}).") from error
    return annotations


def write_geojson(path: Path, annotations: Iterable[Annotation]) -> None:
    """Writes a FeatureCollection, to a temporary name first, readable by its owner only (or by the group
    that shares the archive it lies in). Raises OSError."""
    draft = path.with_name(f".{path.name}.tmp")
    with os.fdopen(open_private(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w", encoding="utf-8") as file:
        json.dump(to_geojson(annotations), file, ensure_ascii=False)
    draft.replace(path)


def to_geojson(annotations: Iterable[Annotation]) -> dict[str, Any]:
    """The FeatureCollection as QuPath writes it."""
    return {"type": "FeatureCollection", "features": [_feature(annotation) for annotation in annotations]}


def _annotation(feature: Any) -> Annotation:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise ValueError("it is no Feature")
    geometry, properties = feature["geometry"], feature.get("properties") or {}
    kind = geometry["type"]
    if kind not in _DEPTH:
        raise ValueError(f"geometry {kind!r} is not supported")
    colour = properties.get("color")
    return Annotation(
        kind=kind,
        coordinates=_coordinates(geometry["coordinates"], _DEPTH[kind], kind),
        object_type=str(properties.get("objectType", "annotation")),
        name=properties.get("name"),
        classification=_classification(properties.get("classification")),
        colour=_colour(colour) if colour is not None else None,
        locked=bool(properties.get("isLocked", properties.get("locked", False))),
        measurements=_measurements(properties.get("measurements")),
        identity=str(feature.get("id") or uuid.uuid4()),
        other_properties={k: v for k, v in properties.items() if k not in _KNOWN_PROPERTIES},
        other_members={k: v for k, v in feature.items() if k not in ("type", "id", "geometry", "properties")},
        other_geometry={k: v for k, v in geometry.items() if k not in ("type", "coordinates")},
    )


def _coordinates(value: Any, depth: int, kind: str) -> tuple[Any, ...]:
    if depth == 0:
        point = tuple(float(number) for number in value)
        if len(point) < 2 or not all(map(math.isfinite, point)):
            raise ValueError("a point needs two finite numbers")
        return point
    nested = tuple(_coordinates(item, depth - 1, kind) for item in value)
    is_ring = depth == 1 and kind in ("Polygon", "MultiPolygon")
    if is_ring and len(set(nested)) < 3:
        raise ValueError("an outline needs at least three corners")
    if depth >= 1 and not nested:
        raise ValueError("it has no coordinates")
    return nested


def _classification(value: Any) -> Classification | None:
    if value is None:
        return None
    if isinstance(value, str):
        return Classification(value)
    names = tuple(str(name) for name in value["names"]) if "names" in value else None
    name = str(value["name"]) if "name" in value else ": ".join(names or ())
    colour = value.get("color", value.get("colorRGB"))
    return Classification(name, _colour(colour) if colour is not None else None, names)


def _colour(value: Any) -> Colour:
    if isinstance(value, int):  # QuPath before 0.4: one signed integer, alpha first
        return (value >> 16) & 255, (value >> 8) & 255, value & 255
    red, green, blue = (int(part) & 255 for part in value[:3])
    return red, green, blue


def _measurements(value: Any) -> dict[str, float]:
    if not value:
        return {}
    if isinstance(value, dict):
        return {str(name): float(number) for name, number in value.items()}
    return {str(item["name"]): float(item["value"]) for item in value}  # QuPath before 0.4


def _feature(annotation: Annotation) -> dict[str, Any]:
    properties: dict[str, Any] = {"objectType": annotation.object_type}
    if annotation.name is not None:
        properties["name"] = annotation.name
    if annotation.colour is not None:
        properties["color"] = list(annotation.colour)
    if annotation.classification is not None:
        known = annotation.classification
        properties["classification"] = {
            **({"names": list(known.names)} if known.names is not None else {"name": known.name}),
            **({"color": list(known.colour)} if known.colour is not None else {}),
        }
    if annotation.locked:
        properties["isLocked"] = True
    if annotation.measurements:
        properties["measurements"] = annotation.measurements
    return {
        "type": "Feature",
        "id": annotation.identity,
        "geometry": {"type": annotation.kind, "coordinates": annotation.coordinates, **annotation.other_geometry},
        "properties": {**properties, **annotation.other_properties},
        **annotation.other_members,
    }


def _polygon_coordinates(region: Region) -> tuple[Any, ...]:
    return tuple((*ring, ring[0]) for ring in (region.exterior, *region.holes))


def _told(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error).splitlines()[0] if str(error) else "?"
