"""Answers of the engine as layers over the slide. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lile_desktop.viewer.overlays import RasterOverlay, TileBox
from lile_engine.answers import AttentionAnswer, HeatAnswer
from lile_engine.retrieval.results import Hit

ATTENTION, HEAT = "attention", "heat"
ATTENTION_OPACITY, HEAT_OPACITY = 0.75, 0.5


def attention_overlay(answer: AttentionAnswer) -> RasterOverlay:
    """Attention fades out where there is little of it, so that the tissue stays to be seen."""
    return RasterOverlay(
        answer.values, answer.x, answer.y, answer.w, answer.h,
        colormap="inferno", opacity=ATTENTION_OPACITY, low=0.0, fade=True,
        title=f"{attention_title(answer)} (1 is even)",
    )  # fmt: skip


def attention_title(answer: AttentionAnswer) -> str:
    """The name of the layer: the word, or the phrase cut short."""
    if answer.word is not None:
        return f"Attention: {short(answer.text[slice(*answer.word)])}"
    return f"Attention: {short(answer.text)}"


def heat_overlay(answer: HeatAnswer) -> RasterOverlay:
    """The same strength everywhere: a low value is an answer too."""
    return RasterOverlay(
        answer.values, answer.x, answer.y, answer.w, answer.h,
        colormap="viridis", opacity=HEAT_OPACITY, title=heat_title(answer), smooth=False,
    )  # fmt: skip


def heat_title(answer: HeatAnswer) -> str:
    """The name of the layer."""
    return f"Heat map: {short(answer.text)}"


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
