"""QuPath's files there and back, old and new, and files that are something else."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest

from lile_engine.errors import DataError
from lile_engine.slides import Region
from lile_engine.slides.geojson import (
    Annotation,
    Classification,
    parse_collection,
    parse_geojson,
    read_collection,
    read_geojson,
    to_geojson,
    write_geojson,
)

SQUARE = [[[10.0, 20.0], [110.0, 20.0], [110.0, 120.0], [10.0, 120.0], [10.0, 20.0]]]
QUPATH: dict[str, Any] = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "id": "f7d0b0f4-3d0c-4a7e-9ae4-cd1f5a3f37c5",
            "geometry": {"type": "Polygon", "coordinates": SQUARE, "plane": {"c": -1, "z": 0, "t": 0}},
            "properties": {
                "objectType": "annotation",
                "name": "Ränder",
                "color": [255, 200, 0],
                "classification": {"name": "Tumor", "color": [200, 0, 0]},
                "isLocked": True,
                "measurements": {"Area µm^2": 625.0, "Num": 3.0},
                "metadata": {"ANNOTATION_DESCRIPTION": "kept"},
            },
            "bbox": [10, 20, 110, 120],
        },
        {
            "type": "Feature",
            "id": "2",
            "geometry": {"type": "MultiPolygon", "coordinates": [SQUARE, [[[0.0, 0], [5, 0], [5, 5], [0, 0]]]]},
            "properties": {"objectType": "detection", "classification": {"names": ["Tumor", "Positive"]}},
        },
        {
            "type": "Feature",
            "id": "3",
            "geometry": {"type": "Point", "coordinates": [1.5, 2.5]},
            "properties": {"objectType": "annotation"},
        },
        {
            "type": "Feature",
            "id": "4",
            "geometry": {"type": "LineString", "coordinates": [[1, 2], [3, 4]]},
            "properties": {"objectType": "annotation", "classification": {"name": "Ruler"}},
        },
    ],
}


def test_round_trip_loses_nothing(tmp_path: Path) -> None:
    source, target = tmp_path / "in.geojson", tmp_path / "out.geojson"
    source.write_text(json.dumps(QUPATH), encoding="utf-8")
    write_geojson(target, read_geojson(source))
    assert json.loads(target.read_text(encoding="utf-8")) == QUPATH
    assert target.stat().st_mode & 0o77 == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.geojson", "out.geojson"]


def test_fields(tmp_path: Path) -> None:
    path = tmp_path / "in.geojson"
    path.write_text(json.dumps(QUPATH), encoding="utf-8")
    first, second, third, _ = read_geojson(path)
    assert (first.name, first.locked, first.colour) == ("Ränder", True, (255, 200, 0))
    assert first.classification == Classification("Tumor", (200, 0, 0))
    assert first.regions() == (Region.rectangle(10, 20, 100, 100),)
    assert second.classification is not None
    assert second.classification.name == "Tumor: Positive"
    assert [region.area_px() for region in second.regions()] == [10_000, 12.5]
    assert third.regions() == ()


def test_older_forms_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "old.geojson"
    feature = {
        "type": "Feature",
        "id": "PathAnnotationObject",
        "geometry": {"type": "Polygon", "coordinates": SQUARE},
        "properties": {
            "classification": {"name": "Stroma", "colorRGB": -3670016},
            "isLocked": False,
            "measurements": [{"name": "Area", "value": 4.5}],
        },
    }
    for document in ([feature], feature):
        path.write_text(json.dumps(document))
        (annotation,) = read_geojson(path)
        assert annotation.classification == Classification("Stroma", (200, 0, 0))
        assert annotation.measurements == {"Area": 4.5}


def test_region_with_a_hole_there_and_back(tmp_path: Path) -> None:
    region = Region.polygon([(0, 0), (100, 0), (100, 100), (0, 100)], [[(40, 40), (60, 40), (60, 60)]])
    path = tmp_path / "region.geojson"
    annotation = Annotation.from_region(region, name="with a hole", classification=Classification("Gland", (1, 2, 3)))
    write_geojson(path, [annotation])
    assert read_geojson(path) == [annotation]
    assert read_geojson(path)[0].regions() == (region,)


def test_another_shape_keeps_everything_else() -> None:
    ellipse = Annotation.from_region(
        Region.ellipse(0, 0, 10, 10), name="e", other_geometry={"isEllipse": True, "plane": {"z": 1}}
    )
    moved = ellipse.with_regions([Region.rectangle(0, 0, 5, 5), Region.rectangle(9, 9, 5, 5)])
    feature = to_geojson([moved])["features"][0]
    assert feature["geometry"]["type"] == "MultiPolygon"
    assert "isEllipse" not in feature["geometry"]
    assert feature["geometry"]["plane"] == {"z": 1}
    assert (feature["id"], feature["properties"]["name"]) == (ellipse.identity, "e")


def feature(properties: Any = None, geometry: Any = None, **members: Any) -> dict[str, Any]:
    shape = geometry or {"type": "Polygon", "coordinates": SQUARE}
    return {"type": "Feature", "id": "a-b", "geometry": shape, "properties": properties, **members}


TRIANGLE = [[0.0, 0.0], [5.0, 0.0], [5.0, 5.0], [0.0, 0.0]]
POINT, LINE = {"type": "Point", "coordinates": [1, 2]}, {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}
POLYGON = {"type": "Polygon", "coordinates": SQUARE}


@pytest.mark.parametrize(
    "odd",
    [
        feature(None),
        feature({}),
        {key: value for key, value in feature().items() if key != "properties"},
        {key: value for key, value in feature({}).items() if key != "id"} | {"id": 7},
        *(
            feature({"objectType": "annotation", **more})
            for more in (
                {"isLocked": False},
                {"locked": True},
                {"name": None},
                {"name": 5},
                {"color": [1, 2, 3, 128]},
                {"color": -2013265665},
                {"color": "#ff0000"},
                {"color": []},
                {"color": [1.0, 2.5, 300]},
                {"classification": {}},
                {"classification": None},
                {"classification": "Tumor"},
                {"classification": ["Tumor", "Positive"]},
                {"classification": {"color": [1, 2, 3]}},
                {"classification": {"name": "Tumor", "color": [200, 0, 0], "note": "x"}},
                {"classification": {"names": ["A", "B"], "name": "A: B", "colorRGB": -3670016}},
                {"classification": {"name": "T", "color": "#ff000080"}},
                {"measurements": {"a": None, "b": "text", "c": 1.5}},
                {"measurements": []},
                {"measurements": [{"name": "a"}, {"name": "b", "value": 2}, 3]},
                {"type": "cell", "metadata": {"kept": [1]}},
            )
        ),
        feature({"object_type": "detection"}),
        feature({"type": "tile"}),
        feature({}, {"type": "LinearRing", "coordinates": TRIANGLE}),
        feature({}, {"type": "Polygon", "coordinates": [*SQUARE, [[1, 1], [1, 1], [1, 1]]], "plane": {"z": 1}}),
        feature({}, {"type": "MultiPolygon", "coordinates": [SQUARE, [TRIANGLE, [[1, 1], [2, 1], [1, 1]]]]}),
        feature({}, {"type": "GeometryCollection", "geometries": [POINT, POLYGON, LINE]}),
        feature({}, {"type": "GeometryCollection", "geometries": [POINT, POINT]}, nucleusGeometry=POLYGON),
    ],
    ids=lambda odd: json.dumps(odd.get("properties"))[:60] + odd["geometry"]["type"],
)
def test_what_is_known_but_odd_is_read_and_written_back_as_it_was(odd: dict[str, Any], tmp_path: Path) -> None:
    document = {"type": "FeatureCollection", "features": [odd]}
    path = tmp_path / "odd.geojson"
    path.write_text(json.dumps(document))
    (annotation,) = read_geojson(path)
    annotation.regions()
    write_geojson(path, [annotation])
    assert json.loads(path.read_text()) == document
    renamed = dataclasses.replace(annotation, name="new", locked=True, classification=Classification("New", (1, 2, 3)))
    (read,) = parse_geojson(json.loads(json.dumps(to_geojson([renamed]))))
    assert (read.name, read.locked, read.classification) == ("new", True, Classification("New", (1, 2, 3)))
    moved = annotation.with_regions([Region.rectangle(0, 0, 5, 5)])
    assert parse_geojson(to_geojson([moved]))[0].regions() == (Region.rectangle(0, 0, 5, 5),)


def test_what_odd_features_mean() -> None:
    def one(properties: Any, geometry: Any = None) -> Annotation:
        return parse_geojson([feature(properties, geometry)])[0]

    assert one({"classification": ["Tumor", "Positive"]}).classification == Classification(
        "Tumor: Positive", None, ("Tumor", "Positive")
    )
    assert one({"classification": {}}).classification is None
    assert one({"color": "#ff8000"}).colour == (255, 128, 0)
    assert one({"color": []}).colour is None
    assert one({"measurements": {"a": None, "b": "text", "c": 1.5}}).measurements == {"c": 1.5}
    assert math.isnan(one({"measurements": {"a": math.nan}}).measurements["a"])
    mixed = one({}, {"type": "GeometryCollection", "geometries": [POINT, POLYGON, {"type": "MultiPolygon",
                     "coordinates": [[TRIANGLE]]}]})  # fmt: skip
    assert [region.area_px() for region in mixed.regions()] == [10_000, 12.5]
    holed = one({}, {"type": "Polygon", "coordinates": [*SQUARE, [[20, 30], [20, 30], [20, 30]]]})
    assert holed.regions() == (Region.rectangle(10, 20, 100, 100),)


def test_objects_of_older_versions_keep_their_type() -> None:
    for properties, identity, expected in (
        ({"object_type": "detection"}, "x", "detection"),
        ({}, "PathDetectionObject", "detection"),
        ({}, "PathCellObject", "cell"),
        ({}, "PathAnnotationObject", "annotation"),
        ({"type": "tile"}, "PathAnnotationObject", "tile"),
        ({"objectType": "annotation", "object_type": "cell"}, "x", "annotation"),
    ):
        (annotation,) = parse_geojson([{**feature(properties), "id": identity}])
        assert annotation.object_type == expected
        (again,) = parse_geojson(json.loads(json.dumps(to_geojson([annotation]))))
        assert again.object_type == expected
        assert again.identity == annotation.identity
        assert not again.identity.startswith("Path")
    two = parse_geojson([{**feature({}), "id": "PathAnnotationObject"}] * 2)
    assert two[0].identity != two[1].identity


def test_features_without_a_known_shape_and_members_of_the_collection_are_kept(tmp_path: Path) -> None:
    strange = [
        {**feature({}), "geometry": None},
        feature({}, {"type": "Blob", "coordinates": []}),
        feature({}, {"type": "Polygon", "coordinates": [[["a", "b"], [1, 2], [3, 4]]]}),
        feature({}, {"type": "GeometryCollection", "geometries": []}),
    ]
    document = {"type": "FeatureCollection", "crs": {"name": "pixels"}, "features": [feature({}), *strange]}
    path = tmp_path / "in.geojson"
    path.write_text(json.dumps(document))
    collection = read_collection(path)
    assert (len(collection.annotations), len(collection.unknown)) == (1, 4)
    assert list(collection.annotations) == read_geojson(path)
    write_geojson(path, collection.annotations, unknown=collection.unknown, members=collection.members)
    assert json.loads(path.read_text()) == document
    assert parse_collection(strange).annotations == ()


def test_half_a_character_is_written_as_it_was_read(tmp_path: Path) -> None:
    path = tmp_path / "half.geojson"
    text = json.dumps([feature({"objectType": "annotation", "name": "x\ud83dy", "metadata": {"\udcff": "ä"}})])
    path.write_text(text)
    (annotation,) = read_geojson(path)
    write_geojson(path, [annotation])
    assert json.loads(path.read_text(encoding="utf-8"))["features"] == json.loads(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not GeoJSON"),
        ("{", "is not GeoJSON"),
        ("[" * 100_000, "is not GeoJSON"),
        ('{"type": "Topology"}', "holds no GeoJSON features"),
        ("3", "holds no GeoJSON features"),
        ("[1]", "feature 1 cannot be understood"),
        ('[{"type": "Feature", "properties": {}}]', "feature 1 .*'geometry' is missing"),
        ('[{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[0,0],[1,1]]]}}]', "three corners"),
        ('[{"type":"Feature","geometry":{"type":"Point","coordinates":[0,NaN]}}]', "finite"),
        ('[{"type":"Feature","geometry":{"type":"Blob","coordinates":[]}}]', "'Blob' is not supported"),
        ('[{"type":"Feature","geometry":{"type":"Polygon","coordinates":[]}}]', "no coordinates"),
        ('[{"type":"Feature","geometry":null}]', "feature 1 cannot be understood .it has no geometry."),
        ('[{"type":"Feature","geometry":{"type":"Point","coordinates":["a","b"]}}]', "it is malformed"),
        ('[{"type":"Feature","geometry":{"type":"Point","coordinates":3}}]', "it is malformed"),
    ],
)
def test_what_is_not_qupaths_is_told_with_file_and_feature(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.geojson"
    path.write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        read_geojson(path)
    assert str(caught.value).startswith("bad.geojson")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="null character"):
        read_geojson(tmp_path / "a\0b")
    with pytest.raises(DataError, match="There is no file"):
        read_geojson(tmp_path / "none.geojson")
