"""How hits and answers read to a person: slide, place, scores, titles. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lile_desktop.text import tr
from lile_engine.outside import OUTSIDE_PHRASE, OUTSIDE_PICTURE

if TYPE_CHECKING:
    from lile_engine.answers import Answer
    from lile_engine.retrieval.results import Hit


@dataclass(frozen=True)
class AnswerTexts:
    """The lines above an answer: what was asked, how it was found, and a warning where one is due."""

    title: str
    note: str
    warning: str


def is_outside(hit: Hit) -> bool:
    """Whether the hit lies so far from what the model has learned that its score means little. A caption bears the
    question's own distance, of words perhaps: there the answer's warning tells of a region."""
    limit = OUTSIDE_PHRASE if hit.kind == "caption" else OUTSIDE_PICTURE
    return hit.outside is not None and hit.outside >= limit


def slide_stem(hit: Hit) -> str:
    """The slide's name without folder and ending; "" for a caption without a slide."""
    return Path(hit.slide).stem if hit.slide else ""


def card_title(hit: Hit) -> str:
    """What names a card of the gallery: the slide, or for a case its name."""
    return (hit.case or "") if hit.kind == "case" else slide_stem(hit)


def card_line(hit: Hit) -> str:
    """What stands beside the score: the place in mm (the unit stands above the gallery), or a case's patches."""
    if hit.kind == "case":
        return tr("{0} patches").format(len(hit.evidence)) if hit.evidence else ""
    return hit_place_text(hit).removesuffix(" mm")


def hit_place_text(hit: Hit) -> str:
    """The middle of the hit in mm from the slide's upper left corner where the mpp is known, else in pixels."""
    if hit.x is None or hit.y is None or hit.size is None:
        return ""
    x, y = hit.x + hit.size / 2, hit.y + hit.size / 2
    if hit.slide_mpp is None:
        return f"{x:.0f}, {y:.0f} px"
    return f"{x * hit.slide_mpp / 1000:.1f}, {y * hit.slide_mpp / 1000:.1f} mm"


def caption_source(hit: Hit) -> str:
    """Where a caption comes from, for its second line."""
    parts = (slide_stem(hit), tr("case {0}").format(hit.case) if hit.case and hit.case_known else "")
    return "  ".join(part for part in parts if part)


def hit_tooltip(hit: Hit) -> str:
    """All there is to know of a hit, in lines."""
    lines = [f"{hit.slide}  at {hit_place_text(hit)}".removesuffix("  at ")] if hit.slide else []
    if hit.caption:
        lines.append(f"“{hit.caption}”" + (f", {hit.source}" if hit.source else ""))
    lines.append(
        tr("score {0:.3f}").format(hit.score) + "".join(f", {n} {v:.3f}" for n, v in sorted(hit.scores.items()))
    )
    if hit.x is not None:
        lines.append(
            tr("x {0}, y {1}, size {2} level-0 px").format(hit.x, hit.y, hit.size)
            + (tr(", {0:g} µm/px").format(hit.mpp) if hit.mpp else "")
        )
    if hit.case:
        lines.append(
            tr("case {0}").format(hit.case) + ("" if hit.case_known else tr(" (no case known, so the slide itself)"))
        )
    if hit.outside is not None:
        lines.append(tr("outside what this model has learned: {0:.0%}").format(hit.outside))
    return "\n".join(lines)


def _phrase_warning(answer: Answer) -> str:
    if answer.phrase_outside is None or answer.phrase_outside < OUTSIDE_PHRASE:
        return "" if answer.fits else tr("Nothing here fits this phrase well.")
    return tr("These answers may be outside what the model has learned: nothing it knows is like this phrase.")


def answer_texts(answer: Answer, mpps: tuple[float, ...] = (), asked: str = "") -> AnswerTexts:
    """The lines above an answer; ``mpps`` are the scales of the tiles in the archive, ``asked`` names the region that
    was asked about."""
    if answer.region is None:
        note = tr("Tiles of the whole archive, best first; places in mm.")
        return AnswerTexts(f"“{answer.phrase}”", note, _phrase_warning(answer))
    region, state = answer.region, answer.state
    tiles = len(state.tiles) if state else len(region.tiles)
    parts = [
        tr("1 tile at {0:g} µm/px").format(region.spec.mpp)
        if tiles == 1
        else tr("{0} tiles at {1:g} µm/px").format(tiles, region.spec.mpp)
    ]
    if region.stored:
        parts.append(tr("{0} from the archive").format(region.stored))
    if region.background:
        parts.append(tr("{0} of background left out").format(region.background))
    warnings = []
    if state is not None and state.failed:
        warnings.append(tr("{0} tiles could not be read.").format(len(state.failed)))
    if state is not None and state.outside is not None and state.outside >= OUTSIDE_PICTURE:
        warnings.append(
            tr("These answers may be outside what the model has learned: this tissue is unlike its pictures.")
        )
    if region.dark:
        warnings.append(tr("This slide is dark, as in fluorescence; the model learned from H&E."))
    if not answer.captions_fit:
        warnings.append(tr("None of the first captions fits this region well."))
    if mpps and region.spec.mpp not in mpps:
        held = ", ".join(f"{mpp:g}" for mpp in mpps)
        warnings.append(tr("The archive holds tiles at {0} µm/px, so likeness to these means less.").format(held))
    title = asked or tr("Region of {0}").format(Path(region.slide).stem)
    return AnswerTexts(title, ", ".join(parts), " ".join(warnings))
