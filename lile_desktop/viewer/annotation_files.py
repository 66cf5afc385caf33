"""Regions in and out of QuPath's GeoJSON. What a file says beyond what is shown here is kept and written back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lile_desktop.viewer.annotations import PALETTE, Annotation, RegionClass
from lile_engine.errors import DataError
from lile_engine.slides import Region
from lile_engine.slides.geojson import Annotation as FileAnnotation
from lile_engine.slides.geojson import Classification, read_collection, write_geojson

NUMBER = "lileNumber"  # the property that an unnamed region's number is kept under
_MOST = 2**31  # a file's number beyond this is none that was given here
_LINES = ("LineString", "MultiLineString")


def color_for(name: str) -> tuple[int, int, int]:
    """A colour of the palette for a class that has none: always the same one for the same name."""
    return PALETTE[sum(name.encode()) % len(PALETTE)]


def from_file(item: FileAnnotation) -> Annotation:
    """An object of a file as a region, a line or points on the slide."""
    known = item.classification
    region_class = RegionClass(known.name, known.colour or color_for(known.name)) if known is not None else None
    kind, parts = _shape(item)
    number = item.other_properties.get(NUMBER)
    return Annotation(
        0,
        parts[0],
        kind,
        region_class,
        item.name or "",
        item.locked,
        parts[1:],
        item,
        number if type(number) is int and 0 < number < _MOST else 0,
    )


def _shape(item: FileAnnotation) -> tuple[str, tuple[Region, ...]]:
    if item.kind in ("Point", "MultiPoint"):
        points = (item.coordinates,) if item.kind == "Point" else item.coordinates
        return "points", (Region(tuple((p[0], p[1]) for p in points)),)
    if item.kind in _LINES:
        lines = (item.coordinates,) if item.kind == "LineString" else item.coordinates
        return "line", tuple(Region(tuple((p[0], p[1]) for p in line)) for line in lines)
    return "region", item.regions()


def to_file(annotation: Annotation) -> FileAnnotation:
    """What is written for an annotation; an object that was read and not changed is written as it was."""
    source = annotation.source
    if source is None or from_file(source).parts != annotation.parts:
        source = _with_shape(annotation, source)
    known = annotation.region_class
    before = source.classification
    if known is None:
        classification = None
    elif before is not None and before.name == known.name and (before.colour or color_for(known.name)) == known.color:
        classification = before
    else:
        classification = Classification(known.name, known.color)
    other = {key: value for key, value in source.other_properties.items() if key != NUMBER}
    if annotation.number and not annotation.name:
        other[NUMBER] = annotation.number
    return replace(
        source,
        name=annotation.name or None,
        locked=annotation.locked,
        classification=classification,
        other_properties=other,
    )


def _with_shape(annotation: Annotation, source: FileAnnotation | None) -> FileAnnotation:
    if annotation.kind == "region":
        blank = source or FileAnnotation.from_region(annotation.region)
        return blank.with_regions(annotation.parts)
    rings = tuple(part.exterior for part in annotation.parts)
    kind: str
    coordinates: tuple[Any, ...]
    if annotation.kind == "points":
        kind, coordinates = "MultiPoint", tuple(point for ring in rings for point in ring)
    elif len(rings) == 1:
        kind, coordinates = "LineString", rings[0]
    else:
        kind, coordinates = "MultiLineString", rings
    if source is None:
        return FileAnnotation(kind, coordinates)
    return replace(source, kind=kind, coordinates=coordinates)


def read_known(path: Path) -> tuple[list[Annotation], int]:
    """The objects of a GeoJSON file that can be shown, and how many others it holds. Raises DataError, which names the
    file."""
    held = read_collection(path)
    return [from_file(item) for item in held.annotations], len(held.unknown)


def read_annotations(path: Path) -> list[Annotation]:
    """The objects of a GeoJSON file that is to be written again. Raises DataError as `read_known` does, and where it
    holds others, which would be lost."""
    annotations, others = read_known(path)
    if others:
        raise DataError(f"{path.name} holds {others} objects whose shape is not understood and that saving would lose.")
    return annotations


def write_annotations(path: Path, annotations: Iterable[Annotation]) -> None:
    """Write a GeoJSON file as QuPath does. Raises DataError where the place cannot be written to."""
    try:
        write_geojson(path, [to_file(annotation) for annotation in annotations])
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror or error}); choose another place.") from error
