"""Slides: OpenSlide opens them, the ground truth is true, the same seed gives the same bytes, memory is bounded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import openslide
import pytest
import shapely
from shapely.geometry import shape

from lile_engine.errors import Cancelled, DataError, SlideError
from lile_engine.phantom import draw_slide
from lile_engine.phantom.plan import plan_slide
from lile_engine.phantom.tissue import tissue_named
from lile_engine.phantom.truth import outlines, traced
from lile_engine.progress import CancelToken, Progress
from lile_engine.slides import open_slide

FEW = ("adipose", "smooth muscle", "lymphoid aggregate", "blood")


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("phantom") / "few.tif"
    draw_slide(path, (1500, 1300), 7, FEW, artefacts=False)
    return path


def features(path: Path) -> list[dict]:
    return json.loads(path.with_suffix(".geojson").read_text("utf-8"))["features"]


def test_openslide_opens_the_pyramid_with_its_mpp(slide: Path) -> None:
    assert openslide.OpenSlide.detect_format(str(slide)) == "generic-tiff"
    with openslide.OpenSlide(str(slide)) as opened:
        assert opened.level_dimensions[0] == (1500, 1300)
        assert opened.level_count >= 2
        assert float(opened.properties["openslide.mpp-x"]) == pytest.approx(0.5, rel=1e-3)
        assert max(opened.level_dimensions[-1]) <= 512
        base = np.asarray(opened.read_region((400, 400), 0, (512, 512)).convert("RGB"), float)
        half = np.asarray(opened.read_region((400, 400), 1, (256, 256)).convert("RGB"), float)
    means = base.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    assert np.abs(means - half).mean() < 8


def test_the_slides_room_reads_it_too(slide: Path) -> None:
    with open_slide(slide) as opened:
        assert opened.info.mpp == pytest.approx(0.5, rel=1e-3)
        assert opened.read_region(0, 0, 0, 64, 64).shape == (64, 64, 3)


def test_ground_truth_has_qupath_form_and_all_tissues(slide: Path) -> None:
    found = features(slide)
    assert {f["properties"]["classification"]["name"] for f in found} == set(FEW)
    for feature in found:
        properties = feature["properties"]
        assert properties["objectType"] == "annotation"
        assert properties["isLocked"] is True
        assert tuple(properties["classification"]["color"]) == tissue_named(properties["classification"]["name"]).colour
        polygon = shape(feature["geometry"])
        assert polygon.is_valid
        left, top, right, bottom = polygon.bounds
        assert left >= 0 and top >= 0 and right <= 1500 and bottom <= 1300  # noqa: PT018
    assert len({f["id"] for f in found}) == len(found)


def test_tissue_inside_a_region_is_the_region_s(slide: Path) -> None:
    """Judged by colour alone: fat is pale, lymphocytes dark violet, muscle pink, blood red."""
    with openslide.OpenSlide(str(slide)) as opened:
        pixels = np.asarray(opened.read_region((0, 0), 0, opened.dimensions).convert("RGB"), float)
    rows, cols = (grid.ravel() for grid in np.mgrid[8:1290:16, 8:1490:16])
    patches = np.array(
        [pixels[r - 8 : r + 8, c - 8 : c + 8].mean(axis=(0, 1)) for r, c in zip(rows, cols, strict=True)]
    )
    shapes = [(f["properties"]["classification"]["name"], shape(f["geometry"])) for f in features(slide)]
    means = {}
    for name in FEW:
        inside = shapely.contains_xy(shapely.union_all([s.buffer(-12) for n, s in shapes if n == name]), cols, rows)
        assert inside.sum() > 20
        means[name] = patches[inside].mean(axis=0)
    outside = patches[~shapely.contains_xy(shapely.union_all([s.buffer(40) for _, s in shapes]), cols, rows)]
    assert outside.mean() > 225, "outside all regions there is glass"
    assert means["adipose"].mean() > max(means[n].mean() for n in FEW if n != "adipose")
    assert means["lymphoid aggregate"][0] < means["smooth muscle"][0]
    assert means["blood"][0] - means["blood"][2] > means["smooth muscle"][0] - means["smooth muscle"][2]


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        draw_slide(tmp_path / f"{name}.tif", 600, seed)
    a, b, c = (((tmp_path / f"{n}.tif").read_bytes(), (tmp_path / f"{n}.geojson").read_bytes()) for n in "abc")
    assert a == b
    assert a[0] != c[0]
    assert not list(tmp_path.glob("*.partial"))


def test_blocks_join_without_seams(slide: Path) -> None:
    with openslide.OpenSlide(str(slide)) as opened:
        grey = np.asarray(opened.read_region((0, 0), 0, (1500, 1300)).convert("L"), float)
    across = np.abs(np.diff(grey[:, 300:1200], axis=0)).mean(axis=1)
    others = np.delete(across, [511, 1023])[300:1000]
    for seam in (511, 1023):
        assert across[seam] < others.mean() + 5 * others.std()


def test_progress_and_cancel(tmp_path: Path) -> None:
    seen: list[Progress] = []
    token = CancelToken()

    def follow(progress: Progress) -> None:
        seen.append(progress)
        token.cancel()

    with pytest.raises(Cancelled):
        draw_slide(tmp_path / "x.tif", 2048, 1, FEW, progress=follow, cancel=token)
    assert seen[0].unit == "blocks"
    assert list(tmp_path.iterdir()) == []


def test_bad_wishes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="pixels"):
        draw_slide(tmp_path / "x.tif", 10, 1)
    with pytest.raises(DataError, match="microns"):
        draw_slide(tmp_path / "x.tif", 1024, 1, mpp=9)
    with pytest.raises(DataError, match="no phantom tissue"):
        draw_slide(tmp_path / "x.tif", 1024, 1, ["liver"])
    (tmp_path / "file").write_text("x")
    with pytest.raises(SlideError, match="cannot be written"):
        draw_slide(tmp_path / "file" / "x.tif", 512, 1)


def test_artefacts_change_the_slide_but_not_the_truth(tmp_path: Path) -> None:
    draw_slide(tmp_path / "clean.tif", 1024, 5, FEW, artefacts=False)
    draw_slide(tmp_path / "worn.tif", 1024, 5, FEW, artefacts=True)
    assert (tmp_path / "clean.geojson").read_bytes() == (tmp_path / "worn.geojson").read_bytes()
    assert (tmp_path / "clean.tif").read_bytes() != (tmp_path / "worn.tif").read_bytes()


def test_plan_holds_every_tissue_and_glass_around() -> None:
    plan = plan_slide(3000, 2000, 0.5, 1, FEW)
    present = set(np.unique(plan.labels)) - {0}
    assert {plan.regions[k - 1].tissue for k in present} == set(FEW)
    edge = np.concatenate([plan.labels[0], plan.labels[-1], plan.labels[:, 0], plan.labels[:, -1]])
    assert (edge == 0).mean() > 0.95
    areas = dict.fromkeys(present, 0.0)
    for label, exterior, holes in traced(plan, 3000, 2000):
        areas[label] += shape({"type": "Polygon", "coordinates": [exterior, *holes]}).area
    for label in present:
        assert areas[label] == pytest.approx(float((plan.labels == label).sum()) * plan.pitch**2, rel=0.02)


def test_outlines_of_a_ring_and_of_corner_touching_cells() -> None:
    ring = np.ones((7, 7), bool)
    ring[3, 3] = False
    assert len(outlines(ring)) == 2
    corners = np.array([[1, 0], [0, 1]], bool)
    assert len(outlines(corners)) == 2


_CHILD = """
import resource, sys
from lile_engine.phantom import draw_slide
draw_slide(sys.argv[1], int(sys.argv[2]), 1, ["adipose", "mucin", "blood"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_slide(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    peaks = []
    for size in (1024, 4096):
        run = [sys.executable, "-c", _CHILD, str(tmp_path / "m.tif"), str(size)]
        peaks.append(float(subprocess.run(run, capture_output=True, text=True, check=True).stdout))
    # Sixteen times the pixels (48 MB of them) may cost a strip and the plan, not the picture.
    assert peaks[1] - peaks[0] < 40
