"""Which slides and cases a model has learned from, for who must later forget one of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from lile_engine.errors import SlideError
from lile_engine.model.library import TRAINED_ON
from lile_engine.training.pairs import Pair


def trained_on(pairs: Iterable[Pair], start: Path | None) -> dict[str, list[str]]:
    """``{"slides": [identity, ...], "cases": [...]}`` of the pairs and of the model in the folder ``start``.

    A slide is named by its content (`slides.identity`), so that it is still known when it was renamed; one that can no
    longer be opened, by its file name. ``lile archive remove`` looks here and names the models that know the case.
    """
    found = _before(start)
    paths = set()
    for pair in pairs:
        if pair.case:
            found["cases"].add(pair.case)
        if pair.place is not None:
            paths.add(pair.path)
    found["slides"] |= {_identity(path) for path in paths}
    return {name: sorted(values) for name, values in found.items()}


def _before(start: Path | None) -> dict[str, set[str]]:
    """What the model that the training started from had learned from."""
    listed: object = {}
    if start is not None and (start / TRAINED_ON).is_file():
        try:
            listed = json.loads((start / TRAINED_ON).read_text("utf-8"))
        except (OSError, ValueError):
            listed = {}
    table = listed if isinstance(listed, dict) else {}
    return {name: {str(v) for v in table.get(name, ())} for name in ("slides", "cases")}


def _identity(path: Path) -> str:
    from lile_engine.slides import open_slide  # only pairs that lie in slides need OpenSlide

    try:
        with open_slide(path) as slide:
            return slide.info.identity
    except SlideError:
        return path.name
