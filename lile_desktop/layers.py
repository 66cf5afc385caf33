"""Answers of the engine as layers over the slide. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lile_desktop.text import tr
from lile_desktop.viewer.overlays import RasterOverlay, TileBox
from lile_engine.later import later

if TYPE_CHECKING:
    import numpy as np

    from lile_engine.answers import AttentionAnswer, HeatAnswer
    from lile_engine.retrieval.results import Hit
else:
    np = later("numpy")

ATTENTION, HEAT = "attention", "heat"
ATTENTION_OPACITY, HEAT_OPACITY = 0.8, 0.5
POOR_FIT = "Nothing here fits this phrase well"
FLAT = "Much the same everywhere: it shows little"
FAINT = 0.4  # of the opacity, for a map that says little
EVEN, LEAST_HIGH = 1.0, 2.0  # 1 is what every token would draw if attention were even
TELLING = 1.5  # where hardly anything draws as much, the map is as good as even


def attention_overlay(answer: AttentionAnswer) -> RasterOverlay:
    """Attention fades out below the even share, so that the tissue stays to be seen. A single token that draws many
    times its share does not set the scale. Its shares sum to one whatever the phrase, so a map of a phrase that does
    not fit, or of attention that is much the same everywhere, is faint and says so."""
    finite = answer.values[np.isfinite(answer.values)]
    most = float(np.percentile(finite, 98)) if finite.size else 0.0
    high = max(LEAST_HIGH, most)
    note = "" if answer.fits and most >= TELLING else tr(FLAT) if answer.fits else tr(POOR_FIT)
    words = tr("even share"), tr("{0:.3g}× as much").format(high)
    return RasterOverlay(
        answer.values, answer.x, answer.y, answer.w, answer.h,
        colormap="inferno", opacity=ATTENTION_OPACITY * (FAINT if note else 1.0), low=EVEN, high=high, fade=True,
        title=attention_title(answer), words=words, unit="×", note=note,
    )  # fmt: skip


def attention_title(answer: AttentionAnswer) -> str:
    """The name of the layer: the word, or the phrase cut short."""
    if answer.word is not None:
        return tr("Word map: {0}").format(short(answer.text[slice(*answer.word)]))
    return tr("Word map: {0}").format(short(answer.text))


def heat_overlay(answer: HeatAnswer) -> RasterOverlay:
    """The same strength everywhere: a low value is an answer too. The colours span the phrase's own range where the
    model knows it, so that what is not there stays dark; else from the slide's worst to its best."""
    ends = answer.range
    words = (tr("no fit"), tr("fits")) if ends else (tr("least here"), tr("most here"))
    return RasterOverlay(
        answer.values, answer.x, answer.y, answer.w, answer.h,
        colormap="viridis", opacity=HEAT_OPACITY, title=heat_title(answer), smooth=False,
        low=ends.low if ends else None, high=ends.high if ends else None, note="" if answer.fits else tr(POOR_FIT),
        words=words,
    )  # fmt: skip


def heat_title(answer: HeatAnswer) -> str:
    """The name of the layer."""
    return tr("Heat map: {0}").format(short(answer.text))


def short(text: str, most: int = 28) -> str:
    """A phrase cut at a word, with an ellipsis."""
    if len(text) <= most:
        return text
    return text[: most - 1].rsplit(" ", 1)[0] + "…"


def hit_boxes(hits: Sequence[Hit], slide: str, selected: Hit | None) -> list[TileBox]:
    """The squares of those hits that lie on ``slide``; a box's id is the hit's place in the list."""
    return [
        TileBox(h.x, h.y, h.size, f"{h.score:.2f}", h == selected, number)
        for number, h in enumerate(hits)
        if h.slide == slide and h.x is not None and h.y is not None and h.size is not None
    ]
