"""Which slides, tiles and captions pass a filter."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lile_engine.archive.rows import Bools, Ids, SearchFilter, SlideRow

if TYPE_CHECKING:
    from lile_engine.slides import Region


def from_here(wanted: SearchFilter) -> SearchFilter:
    """The filter with slides that are named by a path from the present folder named by their whole paths as well."""

    def spelled(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*names, *(os.path.abspath(name) for name in names)]))

    return replace(wanted, slides=spelled(wanted.slides), not_slides=spelled(wanted.not_slides))


def passing_slides(slides: Iterable[SlideRow], wanted: SearchFilter) -> list[SlideRow]:
    """The slides that pass (a region names its slide)."""
    return [slide for slide in slides if _slide_passes(slide, wanted)]


def _slide_passes(slide: SlideRow, wanted: SearchFilter) -> bool:
    names = {slide.identity, slide.name, slide.path}
    return (
        (not wanted.slides or not names.isdisjoint(wanted.slides))
        and names.isdisjoint(wanted.not_slides)
        and (not wanted.cases or slide.case_key in wanted.cases)
        and slide.case_key not in wanted.not_cases
        and (not wanted.tags or not set(slide.tags).isdisjoint(wanted.tags))
        and (not wanted.organs or slide.organ in wanted.organs)
        and (wanted.region is None or wanted.region[0] in names)
    )


def passing_captions(connection: sqlite3.Connection, slides: Sequence[SlideRow], wanted: SearchFilter) -> Ids:
    """Ids of the captions that pass. A caption has a slide's organ and tags where it has that slide."""
    names = {name: slide for slide in slides for name in (slide.identity, slide.name, slide.path)}
    ids = []
    for caption, case, tags, slide, x, y, size in connection.execute(
        'SELECT id, "case", tags, slide, x, y, size FROM captions'
    ):
        row = names.get(slide) if slide else None
        if wanted.slides or wanted.organs or wanted.region:
            if row is None or not _slide_passes(row, SearchFilter(slides=wanted.slides, organs=wanted.organs)):
                continue
            if wanted.region and not (
                x is not None and wanted.region[0] in {row.identity, row.name, row.path} and size is not None
            ):
                continue
            if wanted.region and not inside(wanted.region[1], np.array([[x + size / 2, y + size / 2]]))[0]:
                continue
        own_case = case or (row.case_key if row else None)
        own_tags = {*json.loads(tags), *(row.tags if row else ())}
        if (
            (wanted.cases and own_case not in wanted.cases)
            or own_case in wanted.not_cases
            or (wanted.tags and own_tags.isdisjoint(wanted.tags))
            or (row and not _slide_passes(row, SearchFilter(not_slides=wanted.not_slides)))
            or slide in wanted.not_slides
        ):
            continue
        ids.append(caption)
    return np.array(ids, np.int64)


def inside(region: Region, points: NDArray[Any]) -> Bools:
    """Which points [n, 2], level-0 pixels, lie in the region: bool [n]; even-odd rule over exterior and holes."""
    xy = np.asarray(points, np.float64)
    within = np.zeros(len(xy), np.bool_)
    for ring in (region.exterior, *region.holes):
        corners = np.asarray(ring, np.float64)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if y0 == y1:
                continue
            crosses = (y0 > xy[:, 1]) != (y1 > xy[:, 1])
            within ^= crosses & (xy[:, 0] < x0 + (xy[:, 1] - y0) * (x1 - x0) / (y1 - y0))
    return within
