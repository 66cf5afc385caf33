"""QuPath's GeoJSON, read and written without losing what is not understood.

A file is a FeatureCollection, one Feature, or a list of Features. Coordinates are level-0 pixels. Known of each
feature: ``id``, ``objectType``, ``classification {name, color}``, ``name``, ``isLocked``, ``measurements``. All else is
kept and written back: other properties and members, features of which no shape is understood, and what is known but
written in another way than QuPath does now (older versions, other programs), unless it was changed.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lile_engine.errors import DataError
from lile_engine.paths import open_private
from lile_engine.slides.geojson_parts import (
    Classification,
    Colour,
    classification,
    classification_as_qupath_writes,
    colour,
    measurements,
    shape,
)
from lile_engine.slides.region import Region

__all__ = [
    "Annotation", "Classification", "Collection", "Colour", "parse_collection", "parse_geojson", "read_collection",
    "read_geojson", "to_geojson", "write_geojson",
]  # fmt: skip

# What QuPath before 0.4 wrote as the id of a feature: the kind of object, the same for all.
_LEGACY_IDS = {
    "PathAnnotationObject": "annotation", "PathDetectionObject": "detection", "PathCellObject": "cell",
    "PathTileObject": "tile", "TMACoreObject": "tmaCore", "PathRootObject": "root",
}  # fmt: skip
_TYPE_KEYS = ("objectType", "object_type", "type")  # as QuPath names it now, and as it did
_KEYS = {
    "name": ("name",),
    "classification": ("classification",),
    "colour": ("color",),
    "locked": ("isLocked", "locked"),
    "measurements": ("measurements",),
}


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
    # Of fields that stood in the file in another way: their value as it was understood, and what stood there.
    as_read: dict[str, tuple[Any, dict[str, Any]]] = field(default_factory=dict, compare=False, repr=False)

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


@dataclass(frozen=True)
class Collection:
    """What a file holds: the ``annotations``, ``unknown`` features of which no shape is understood (as they were), and
    further ``members`` of the FeatureCollection ("crs")."""

    annotations: tuple[Annotation, ...]
    unknown: tuple[dict[str, Any], ...] = ()
    members: dict[str, Any] = field(default_factory=dict)


def read_geojson(path: Path) -> list[Annotation]:
    """The annotations of a file. Raises DataError as `read_collection` does, and where features are there but of none
    is any shape understood."""
    return _annotations(_load(path), path.name)


def parse_geojson(document: Any, source: str = "The GeoJSON") -> list[Annotation]:
    """The annotations of a parsed document; ``source`` names it in errors. Raises DataError as `read_geojson` does."""
    return _annotations(document, source)


def read_collection(path: Path) -> Collection:
    """All that a file holds. Raises DataError for a file that is missing, unreadable or no GeoJSON."""
    return parse_collection(_load(path), path.name)


def parse_collection(document: Any, source: str = "The GeoJSON") -> Collection:
    """All that a parsed document holds; ``source`` names it in errors. Raises DataError."""
    return _parse(document, source)[0]


def write_geojson(
    path: Path,
    annotations: Iterable[Annotation],
    *,
    unknown: Iterable[Mapping[str, Any]] = (),
    members: Mapping[str, Any] | None = None,
) -> None:
    """Writes a FeatureCollection, to a temporary name first, readable by its owner only (or by the group
    that shares the archive it lies in). ``unknown`` and ``members`` are those of a `Collection`. Raises OSError."""
    draft = path.with_name(f".{path.name}.tmp")
    handle = open_private(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    # Half of a surrogate pair, which some file holds as an escape, becomes that escape again.
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        json.dump(to_geojson(annotations, unknown=unknown, members=members), file, ensure_ascii=False)
    draft.replace(path)


def to_geojson(
    annotations: Iterable[Annotation],
    *,
    unknown: Iterable[Mapping[str, Any]] = (),
    members: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The FeatureCollection as QuPath writes it, what is not understood behind what is."""
    features = [*(_feature(annotation) for annotation in annotations), *map(dict, unknown)]
    return {"type": "FeatureCollection", **(members or {}), "features": features}


def _load(path: Path) -> Any:
    if "\0" in str(path):
        raise DataError("No file has a name with a null character; check the path.")
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}; check the path.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not GeoJSON: it is not text in UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path.name} is not GeoJSON: {str(error).splitlines()[0]}.") from error


def _annotations(document: Any, source: str) -> list[Annotation]:
    collection, reason = _parse(document, source)
    if collection.unknown and not collection.annotations:
        raise DataError(reason)
    return list(collection.annotations)


def _parse(document: Any, source: str) -> tuple[Collection, str]:
    """What a document holds, and why the first feature is unknown that is."""
    members: dict[str, Any] = {}
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        features = document.get("features")
        members = {key: value for key, value in document.items() if key not in ("type", "features")}
    elif isinstance(document, dict) and document.get("type") == "Feature":
        features = [document]
    else:
        features = document
    if not isinstance(features, list):
        raise DataError(f"{source} holds no GeoJSON features.")
    understood: list[Annotation] = []
    unknown: list[dict[str, Any]] = []
    first_reason = ""
    for number, feature in enumerate(features, 1):
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            raise DataError(f"{source}: feature {number} cannot be understood (it is no Feature).")
        try:
            understood.append(_annotation(feature))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            unknown.append(feature)
            first_reason = first_reason or f"{source}: feature {number} cannot be understood ({_told(error)})."
    return Collection(tuple(understood), tuple(unknown), members), first_reason


def _annotation(feature: dict[str, Any]) -> Annotation:
    geometry = feature["geometry"]
    if not isinstance(geometry, dict):
        raise ValueError("it has no geometry")
    kind, coordinates = shape(geometry)
    told = feature.get("properties")
    properties: dict[str, Any] = told if isinstance(told, dict) else {}
    legacy = _LEGACY_IDS.get(str(feature.get("id")))
    type_key = next((key for key in _TYPE_KEYS if isinstance(properties.get(key), str)), None)
    object_type = properties[type_key] if type_key else legacy or "annotation"
    name = properties.get("name")
    known_keys = {type_key, *(key for keys in _KEYS.values() for key in keys)}
    plain = Annotation(
        kind=kind,
        coordinates=coordinates,
        object_type=object_type,
        name=None if name is None else str(name),
        classification=classification(properties.get("classification")),
        colour=colour(properties.get("color")),
        locked=bool(properties.get("isLocked", properties.get("locked", False))),
        measurements=measurements(properties.get("measurements")),
        identity=str(uuid.uuid4() if legacy or feature.get("id") is None else feature["id"]),
        other_properties={k: v for k, v in properties.items() if k not in known_keys},
        other_members={k: v for k, v in feature.items() if k not in ("type", "id", "geometry", "properties")},
        other_geometry={k: v for k, v in geometry.items() if k not in ("type", "coordinates", "geometries")},
    )
    stood = {of: {key: properties[key] for key in keys if key in properties} for of, keys in _KEYS.items()}
    if not legacy:
        stood["object_type"] = {type_key: object_type} if type_key else {}
        stood["identity"] = {"id": feature["id"]} if "id" in feature else {}
    written = _as_qupath_writes(plain)
    odd = {of: (getattr(plain, of), there) for of, there in stood.items() if there != written[of]}
    if (
        "geometries" in geometry
        or geometry["type"] != kind
        or _lengths(geometry["coordinates"]) != _lengths(coordinates)
    ):
        odd["geometry"] = ((kind, coordinates, plain.other_geometry), geometry)
    if not isinstance(told, dict):
        odd["properties"] = ({}, {"properties": told} if "properties" in feature else {})
    return replace(plain, as_read=odd) if odd else plain


def _as_qupath_writes(annotation: Annotation) -> dict[str, dict[str, Any]]:
    """For each field that a feature's properties (or its id) tell: the keys and values in today's form."""
    known, tint = annotation.classification, annotation.colour
    return {
        "identity": {"id": annotation.identity},
        "object_type": {"objectType": annotation.object_type},
        "name": {} if annotation.name is None else {"name": annotation.name},
        "colour": {} if tint is None else {"color": list(tint)},
        "classification": {} if known is None else {"classification": classification_as_qupath_writes(known)},
        "locked": {"isLocked": True} if annotation.locked else {},
        "measurements": {"measurements": annotation.measurements} if annotation.measurements else {},
    }


def _feature(annotation: Annotation) -> dict[str, Any]:
    written = _as_qupath_writes(annotation)
    for of, (value, stood) in annotation.as_read.items():
        if of in written and getattr(annotation, of) == value:
            written[of] = stood
    identity = written.pop("identity")
    properties = {key: value for part in written.values() for key, value in part.items()} | annotation.other_properties
    geometry = {"type": annotation.kind, "coordinates": annotation.coordinates, **annotation.other_geometry}
    if "geometry" in annotation.as_read:
        value, stood = annotation.as_read["geometry"]
        if value == (annotation.kind, annotation.coordinates, annotation.other_geometry):
            geometry = stood
    held: dict[str, Any] = {"properties": properties}
    if not properties and "properties" in annotation.as_read:
        held = annotation.as_read["properties"][1]
    return {"type": "Feature", **identity, "geometry": geometry, **held, **annotation.other_members}


def _lengths(coordinates: Any) -> list[int]:
    """How many points or rings lie at the two upper depths: it changes where one is left out."""
    return [len(part) for part in coordinates if isinstance(part, list | tuple)]


def _polygon_coordinates(region: Region) -> tuple[Any, ...]:
    return tuple((*ring, ring[0]) for ring in (region.exterior, *region.holes))


def _told(error: Exception) -> str:
    """The reason in our words; Python's own are of no use to people."""
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return str(error) if type(error) is ValueError and "could not convert" not in str(error) else "it is malformed"
