"""Similar cases: the evidence of many patches pooled.

Every vector q_j of the question (one for a phrase, one for each tile of a region) brings its nearest tiles. For a
case c the evidence of q_j is the mean of the `BEST` best cosines among its tiles there; where fewer were found, the
lowest cosine that was brought at all stands in, since the true value lies at or below it. The score of c is the mean
of its evidence over all q_j. So a case counts that answers every part of the question well, not one that holds a
single lucky tile, and a large case has no advantage of its size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lile_engine.archive import Neighbours, TileRow

BEST = 3


@dataclass(frozen=True)
class CaseScore:
    """A case, its pooled score, and the ids of its best tiles with their cosines, best first."""

    case: str
    score: float
    evidence: tuple[tuple[int, float], ...]


def pool_cases(found: list[Neighbours], case_of: dict[int, str], best: int = BEST) -> list[CaseScore]:
    """Scores every case among the tiles brought; ``case_of`` names the case of each tile id. Best first."""
    sums: dict[str, float] = {}
    tiles: dict[str, dict[int, float]] = {}
    floors = 0.0
    for neighbours in found:
        if not len(neighbours.ids):
            continue
        floor = float(neighbours.scores[-1])
        floors += floor
        brought: dict[str, list[float]] = {}
        for tile, score in zip(neighbours.ids.tolist(), neighbours.scores.tolist(), strict=True):
            case = case_of[tile]
            brought.setdefault(case, []).append(score)
            known = tiles.setdefault(case, {})
            known[tile] = max(score, known.get(tile, -1.0))
        for case, scores in brought.items():
            top = (scores + [floor] * best)[:best]
            # What it has above the floor; the floor itself is added for all at the end.
            sums[case] = sums.get(case, 0.0) + float(np.mean(top)) - floor
    asked = max(sum(1 for neighbours in found if len(neighbours.ids)), 1)
    pooled = [
        CaseScore(
            case, (floors + above) / asked, tuple(sorted(tiles[case].items(), key=lambda item: (-item[1], item[0])))
        )
        for case, above in sums.items()
    ]
    return sorted(pooled, key=lambda case: (-case.score, case.case))


def cases_of(rows: list[TileRow]) -> dict[int, str]:
    """The case of each tile: its slide's, or the slide's name where none is known."""
    return {row.id: row.slide.case_key for row in rows}
