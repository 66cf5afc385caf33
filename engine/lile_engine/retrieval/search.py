"""The two-stage search: nearest vectors first, then the best of them scored pair by pair.

The score of a candidate is ``alpha * cos + (1 - alpha) * s_x`` (DESIGN.md, section 3), where cos is the cosine with
the question's vector and s_x the pair score. Only words and pictures make pairs; with several parts s_x is their
weighted mean, sum(w_i * s_i) / sum(|w_i|), and where parts are of the candidate's own kind their share of the weight
stays with the cosine.

Where captions are ranked for a picture, a part of a caption's crowding (its mean cosine with the learned pictures that
are nearest to it) is taken from its cosine: captions that lie amid many pictures would otherwise stand before others
whatever is asked. Tiles for a phrase need none, they all meet the same one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from lile_engine import __version__
from lile_engine.archive import Archive, CaptionRow, Neighbours, SearchFilter, TileRow
from lile_engine.archive.rows import Ids
from lile_engine.errors import ArchiveError, QueryError
from lile_engine.model.protocol import CROWDING_SHARE, Floats, ImageTextModel
from lile_engine.progress import CancelToken, ProgressCallback, no_progress
from lile_engine.retrieval.cases import cases_of, pool_cases
from lile_engine.retrieval.encode import EncodedQuery, encode_query
from lile_engine.retrieval.query import Query
from lile_engine.retrieval.results import Hit, Kind, Provenance, SearchResult

_CASE_TILES = 300  # tiles brought for each vector of the question when cases are pooled
_CASE_VECTORS = 64  # so many tiles of a region ask for it; more would only ask the same again
_EVIDENCE = 5
_PAIRS_AT_ONCE = 16
_NEAR_CAPTIONS = 20  # among so many of the nearest captions the best is looked for


@dataclass(frozen=True, eq=False)
class Candidates:
    """Ids [n] with cosines [n], best first, pair scores [n] (nan where not scored), and what is taken from the cosines
    for crowding [n]."""

    ids: Ids
    cosines: Floats
    pairs: Floats
    crowding: Floats
    exact: bool
    compared: int


def check_model(archive: Archive, model: ImageTextModel) -> None:
    """Raises `ArchiveError` if the archive holds another model's vectors."""
    held = archive.model
    if held.id != model.identity.id:
        raise ArchiveError(
            f"The archive holds vectors of {held.name} ({held.id}), the question is asked with "
            f"{model.identity.name} ({model.identity.id}); use the archive's model, or `lile archive reembed`."
        )


def search(
    archive: Archive,
    model: ImageTextModel,
    query: Query,
    *,
    k: int = 20,
    kind: Kind = "patches",
    filter: SearchFilter | None = None,
    rerank: bool = True,
    progress: ProgressCallback = no_progress,
    cancel: CancelToken | None = None,
) -> SearchResult:
    """Asks the archive. Raises `QueryError` for a question that cannot be asked, `ArchiveError` for another model's
    archive, `SlideError` for a region whose slide cannot be read."""
    check_model(archive, model)
    check_number(k)
    check_content(archive, kind, filter)
    encoded = encode_query(archive, model, query, progress=progress, cancel=cancel)
    return search_encoded(archive, model, query, encoded, k=k, kind=kind, filter=filter, rerank=rerank)


def check_number(k: int) -> None:
    """Raises `QueryError` where no hit is asked for."""
    if k < 1:
        raise QueryError("The number of hits must be at least 1.")


def check_content(archive: Archive, kind: Kind, wanted: SearchFilter | None) -> None:
    """Raises `QueryError` where there is nothing to search in."""
    status = archive.summary()
    if kind == "captions":
        if not status.captions:
            raise QueryError("The archive has no captions yet; add some with `lile captions import`.")
        return
    if not status.tiles:
        raise QueryError("The archive has no tiles yet; add slides with `lile index`.")
    if wanted is not None and not archive.slide_matches(wanted):
        raise QueryError("No slide of the archive passes the filter; check its names, tags and organs.")


def search_encoded(
    archive: Archive,
    model: ImageTextModel,
    query: Query,
    encoded: EncodedQuery,
    *,
    k: int = 20,
    kind: Kind = "patches",
    filter: SearchFilter | None = None,
    rerank: bool = True,
) -> SearchResult:
    """`search` for a question that is embedded already."""
    check_number(k)
    start = time.perf_counter()
    wanted = filter or SearchFilter()
    notes: list[str] = []
    reranked = 0
    if kind == "cases":
        hits, exact, compared = _cases(archive, model, encoded, k, wanted, notes)
    else:
        candidates = first_stage(archive, model, encoded, k=k, kind=kind, filter=wanted, rerank=rerank)
        if kind == "captions" and not len(candidates.ids) and not wanted.empty:
            raise QueryError("No caption of the archive passes the filter; check its names, tags and organs.")
        if rerank:
            candidates = rerank_candidates(archive, model, encoded, candidates, kind)
            reranked = int(np.isfinite(candidates.pairs).sum())
        hits = make_hits(archive, model, encoded, candidates, kind=kind, k=k)
        exact, compared = candidates.exact, candidates.compared
    status = archive.summary()
    if len(status.mpps) > 1 and kind != "captions":
        notes.append("The archive holds tiles of several mpp; each hit names its own.")
    provenance = Provenance(
        query=query.describe(), kind=kind, model=model.identity.name, model_id=model.identity.id, archive=status.path,
        generation=status.generation, alpha=model.alpha if reranked else 1.0, k=k, rerank_k=model.rerank_k,
        reranked=reranked, exact=exact, compared=compared, filter=_describe(wanted), mpps=status.mpps,
        seconds=round(time.perf_counter() - start, 4), version=__version__, notes=tuple(notes),
    )  # fmt: skip
    return SearchResult(tuple(hits), provenance)


def first_stage(
    archive: Archive,
    model: ImageTextModel,
    encoded: EncodedQuery,
    *,
    k: int,
    kind: Kind,
    filter: SearchFilter | None = None,
    rerank: bool = True,
) -> Candidates:
    """The nearest tiles or captions by cosine: k, or as many as will be re-ranked. A region does not find itself."""
    pairs = _has_pairs(encoded, kind)
    # The order of captions for a picture changes within the first hundred also where nothing is re-ranked.
    want = max(k, model.rerank_k) if pairs and (rerank or kind == "captions") else k
    if kind == "captions":
        found = archive.search_captions(encoded.vector, want, filter)
    else:
        found = _without_own_places(archive, encoded, want, filter)
    nothing = np.full(len(found.ids), np.nan, np.float32)
    crowding = np.zeros(len(found.ids), np.float32)
    if kind == "captions" and pairs:
        crowding = _pair_share(encoded, kind) * _crowding(archive, model, found.ids)
    return Candidates(found.ids, found.scores, nothing, crowding, found.exact, found.compared)


def _crowding(archive: Archive, model: ImageTextModel, captions: Ids) -> Floats:
    """What is taken from the cosines of captions with a picture, [n]; 0 where the model does not know."""
    crowd = model.crowding(archive.caption_vectors(captions)) if len(captions) else None
    return np.zeros(len(captions), np.float32) if crowd is None else CROWDING_SHARE * crowd


def rerank_candidates(
    archive: Archive, model: ImageTextModel, encoded: EncodedQuery, candidates: Candidates, kind: Kind,
    start: int = 0, stop: int | None = None,
) -> Candidates:  # fmt: skip
    """Adds pair scores to the candidates ``start`` to ``stop`` (so that it can be done, and shown, bit by bit)."""
    if not _has_pairs(encoded, kind):
        return candidates
    chosen = np.arange(len(candidates.ids))[start:stop]
    pairs = candidates.pairs.copy()
    for at in range(0, len(chosen), _PAIRS_AT_ONCE):
        part = chosen[at : at + _PAIRS_AT_ONCE]
        pairs[part] = _pair_scores(archive, model, encoded, candidates.ids[part], kind)
    return replace(candidates, pairs=pairs)


def final_scores(model: ImageTextModel, encoded: EncodedQuery, candidates: Candidates, kind: Kind) -> Floats:
    """The scores [n] that order the hits: see the head of this file."""
    share = _pair_share(encoded, kind)
    beta = (1 - model.alpha) * share
    first = candidates.cosines - candidates.crowding
    mixed = (1 - beta) * first + beta * candidates.pairs
    scores: Floats = np.where(np.isfinite(candidates.pairs), mixed, first).astype(np.float32)
    return scores


def make_hits(
    archive: Archive, model: ImageTextModel, encoded: EncodedQuery, candidates: Candidates, *, kind: Kind, k: int
) -> list[Hit]:
    """The best k candidates as hits."""
    scores = final_scores(model, encoded, candidates, kind)
    # What was re-ranked comes first: its scores are of another kind than bare cosines.
    order = np.lexsort((-scores, ~np.isfinite(candidates.pairs)))[:k]
    parts = [_parts(candidates, at) for at in order]
    ids = candidates.ids[order]
    if kind == "captions":
        outside = question_outside(model, encoded)
        captions = {row.id: row for row in archive.captions(ids)}
        return [
            caption_hit(archive, captions[caption], float(scores[at]), part, outside)
            for caption, at, part in zip(ids.tolist(), order, parts, strict=True)
            if caption in captions
        ]
    return _patch_hits(archive, model, ids, scores[order], parts)


def _patch_hits(
    archive: Archive, model: ImageTextModel, ids: Ids, scores: Floats,
    parts: Sequence[dict[str, float]],
) -> list[Hit]:  # fmt: skip
    rows = {row.id: row for row in archive.tiles(ids)}
    alive = [at for at, tile in enumerate(ids.tolist()) if tile in rows]
    if not alive:
        return []
    vectors = archive.tile_vectors(ids[alive])
    outsides = model.outside(vectors)
    captions = _nearest_captions(archive, model, vectors)
    hits = []
    for row_at, at in enumerate(alive):
        row = rows[int(ids[at])]
        caption, cosine = captions[row_at]
        values = dict(parts[at]) if caption is None else {**parts[at], "caption": cosine}
        hits.append(_patch_hit(row, float(scores[at]), values, caption, _number(outsides[row_at])))
    return hits


def _patch_hit(
    row: TileRow, score: float, scores: dict[str, float], caption: CaptionRow | None, outside: float | None
) -> Hit:
    slide = row.slide
    return Hit(
        kind="patch", id=row.id, score=score, scores=scores, slide=slide.path, identity=slide.identity,
        x=row.x, y=row.y, size=row.size, mpp=row.mpp, slide_mpp=slide.mpp,
        caption=caption.text if caption else None, source=caption.source if caption else None,
        case=slide.case_key, case_known=slide.case is not None, organ=slide.organ, outside=outside,
    )  # fmt: skip


def caption_hit(
    archive: Archive, row: CaptionRow, score: float, scores: dict[str, float], outside: float | None
) -> Hit:
    """A caption as a hit, with the slide it was written for if the archive has it."""
    slide = archive.find_slide(row.slide) if row.slide else None
    case = row.case or (slide.case_key if slide else None)
    known = row.case is not None or (slide is not None and slide.case is not None)
    return Hit(
        kind="caption", id=row.id, score=score, scores=scores, slide=slide.path if slide else row.slide,
        identity=slide.identity if slide else None, x=row.x, y=row.y, size=row.size,
        slide_mpp=slide.mpp if slide else None, caption=row.text, source=row.source, case=case, case_known=known,
        organ=slide.organ if slide else None, outside=outside,
    )  # fmt: skip


def _nearest_captions(
    archive: Archive, model: ImageTextModel, vectors: Floats
) -> list[tuple[CaptionRow | None, float]]:
    """The best caption of each of the vectors [n, d], crowding taken away, with its cosine; None where the archive has
    no captions."""
    found = [archive.search_captions(vector, _NEAR_CAPTIONS) for vector in vectors]
    ids = np.unique(np.concatenate([one.ids for one in found]))
    crowding = _crowding(archive, model, ids)
    best = [
        int((one.scores - crowding[np.searchsorted(ids, one.ids)]).argmax()) if len(one.ids) else -1 for one in found
    ]
    chosen = sorted({int(one.ids[at]) for one, at in zip(found, best, strict=True) if at >= 0})
    rows = {row.id: row for row in archive.captions(chosen)}
    return [
        (rows.get(int(one.ids[at])), float(one.scores[at])) if at >= 0 else (None, float("nan"))
        for one, at in zip(found, best, strict=True)
    ]


def _cases(
    archive: Archive, model: ImageTextModel, encoded: EncodedQuery, k: int, wanted: SearchFilter, notes: list[str]
) -> tuple[list[Hit], bool, int]:
    own = [row for identity, _ in encoded.places if (row := archive.find_slide(identity)) is not None]
    if own:
        wanted = replace(wanted, not_cases=(*wanted.not_cases, *(row.case_key for row in own)))
        notes.append("The case that the region belongs to is left out.")
    vectors = _case_vectors(encoded)
    found = [archive.search_tiles(vector, max(_CASE_TILES, 4 * k), wanted) for vector in vectors]
    ids = np.unique(np.concatenate([neighbours.ids for neighbours in found]))
    rows = archive.tiles(ids)
    if any(row.slide.case is None for row in rows):
        notes.append("Slides without a known case count as cases of their own.")
    hits = []
    for pooled in pool_cases(_alive(found, rows), cases_of(rows))[:k]:
        best = pooled.evidence[:_EVIDENCE]
        evidence = _patch_hits(
            archive, model, np.array([tile for tile, _ in best], np.int64),
            np.array([score for _, score in best], np.float32), [{"cosine": score} for _, score in best],
        )  # fmt: skip
        if evidence:
            scores = {"cosine": pooled.score, "best": best[0][1]}
            hits.append(replace(evidence[0], kind="case", score=pooled.score, scores=scores, evidence=tuple(evidence)))
    return hits, all(one.exact for one in found), sum(one.compared for one in found)


def _case_vectors(encoded: EncodedQuery) -> Floats:
    """One vector for each tile of a region when the question is that region alone, else the composed one."""
    if len(encoded.parts) > 1:
        return encoded.vector[None]
    vectors = encoded.parts[0].vectors
    step = np.linspace(0, len(vectors) - 1, min(len(vectors), _CASE_VECTORS)).round().astype(int)
    chosen: Floats = vectors[np.unique(step)]
    return chosen


def _alive(found: list[Neighbours], rows: list[TileRow]) -> list[Neighbours]:
    """Without tiles that were removed since they were found."""
    there = np.array([row.id for row in rows], np.int64)
    kept = []
    for one in found:
        keep = np.isin(one.ids, there)
        kept.append(replace(one, ids=one.ids[keep], scores=one.scores[keep]))
    return kept


def _without_own_places(archive: Archive, encoded: EncodedQuery, want: int, wanted: SearchFilter | None) -> Neighbours:
    """The nearest tiles that do not lie in a region the question came from."""
    own = [(row, region) for name, region in encoded.places if (row := archive.find_slide(name)) is not None]
    spare = sum(len(part.vectors) for part in encoded.parts if part.image) if own else 0
    found = archive.search_tiles(encoded.vector, want + spare, wanted)
    if not own:
        return found
    outlines = [(slide.id, region) for slide, region in own]
    inside = {
        row.id
        for row in archive.tiles(found.ids)
        for slide, region in outlines
        if row.slide.id == slide and region.contains(row.x + row.size / 2, row.y + row.size / 2)
    }
    keep = np.array([tile not in inside for tile in found.ids.tolist()], np.bool_)
    return replace(found, ids=found.ids[keep][:want], scores=found.scores[keep][:want])


def _has_pairs(encoded: EncodedQuery, kind: Kind) -> bool:
    return _pair_share(encoded, kind) > 0


def _pair_share(encoded: EncodedQuery, kind: Kind) -> float:
    """The share of the question's weight that makes pairs with the candidates: words with tiles, pictures with
    captions."""
    weights = np.array([abs(part.weight) for part in encoded.parts])
    pairs = np.array([part.image == (kind == "captions") for part in encoded.parts])
    return float(weights[pairs].sum() / weights.sum())


def _pair_scores(
    archive: Archive, model: ImageTextModel, encoded: EncodedQuery, ids: Ids,
    kind: Kind,
) -> Floats:  # fmt: skip
    total, weights = np.zeros(len(ids), np.float32), 0.0
    if kind == "captions":
        tokens, mask = archive.caption_tokens(ids)
    else:
        tokens = archive.tile_tokens(ids)
    for part in encoded.parts:
        if part.image != (kind == "captions"):
            continue
        if kind == "captions":
            scores = model.score_pairs(part.tokens, tokens, mask).mean(axis=0)
        else:
            scores = model.score_pairs(tokens, part.tokens, part.mask)[:, 0]
        total += part.weight * scores
        weights += abs(part.weight)
    return total / weights


def _parts(candidates: Candidates, at: int) -> dict[str, float]:
    parts = {"cosine": float(candidates.cosines[at])}
    if candidates.crowding[at]:
        parts["crowding"] = float(candidates.crowding[at])
    if np.isfinite(candidates.pairs[at]):
        parts["pair"] = float(candidates.pairs[at])
    return parts


def question_outside(model: ImageTextModel, encoded: EncodedQuery) -> float | None:
    """How far a question lies from all that the model has learned, 0 to 1: the farther of its pictures, on average,
    and its words; None where the model cannot tell."""
    vectors = encoded.image_vectors
    pictures = None if vectors is None else _number(model.outside(vectors).mean())
    return max((o for o in (pictures, encoded.outside_words) if o is not None), default=None)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _describe(wanted: SearchFilter) -> dict[str, object]:
    described: dict[str, object] = {
        name: list(value) for name, value in asdict(replace(wanted, region=None)).items() if value
    }
    if wanted.region is not None:
        described["region"] = [wanted.region[0], list(wanted.region[1].bounds)]
    return described
