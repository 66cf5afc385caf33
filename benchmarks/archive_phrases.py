"""Whole questions in words, for `archive.py`: from the phrase to twenty tiles, warm, on the processor."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from lile_engine.archive import CaptionRow, open_archive
from lile_engine.model.load import load_model
from lile_engine.model.protocol import ImageTextModel
from lile_engine.phantom import TISSUES
from lile_engine.phantom.captions import phrases
from lile_engine.retrieval.encode import encode_query
from lile_engine.retrieval.query import Query, WeightedText
from lile_engine.retrieval.search import first_stage, rerank_candidates, search

PAIRS = 50


def milliseconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def prepare_phrases(folder: Path, model: ImageTextModel) -> list[str]:
    """The phrases to ask; they are also put into the archive as captions, since hits name their nearest one."""
    asked = sorted({phrase for tissue in TISSUES for phrase in phrases(tissue)})
    with open_archive(folder) as archive:
        if archive.summary().captions:
            return asked
    with open_archive(folder, write=True) as archive:
        encoded = model.encode_texts(asked)
        rows = [CaptionRow(0, phrase) for phrase in asked]
        archive.add_captions(rows, encoded.vectors, encoded.tokens, encoded.mask)
    return asked


def measure_phrases(folder: Path, model_folder: Path | None = None) -> dict[str, float]:
    """Milliseconds: encoding a phrase; phrase to 20 tiles without re-ranking; the first 16 and all 50 pairs; both.

    ``model_folder``: the archive's model, where it lies elsewhere by now (an earlier version of the bundled one).
    """
    with open_archive(folder) as archive:
        model = load_model(model_folder or archive.status().model_path, "cpu")
    asked = prepare_phrases(folder, model)
    with open_archive(folder) as archive:
        queries = [Query(texts=(WeightedText(phrase),)) for phrase in asked]
        for query in queries[:5]:
            search(archive, model, query)
        plain = [milliseconds(lambda q=query: search(archive, model, q, rerank=False)) for query in queries]
        text = [milliseconds(lambda p=phrase: model.encode_texts([p])) for phrase in asked]
        first, every = [], []
        for query in queries:
            encoded = encode_query(archive, model, query)
            found = first_stage(archive, model, encoded, k=PAIRS, kind="patches")
            found = replace(found, ids=found.ids[:PAIRS], cosines=found.cosines[:PAIRS], pairs=found.pairs[:PAIRS])
            start = time.perf_counter()
            for at in range(0, PAIRS, 16):
                found = rerank_candidates(archive, model, encoded, found, "patches", at, min(at + 16, PAIRS))
                if at == 0:
                    first.append(1000 * (time.perf_counter() - start))
            every.append(1000 * (time.perf_counter() - start))
        whole = [milliseconds(lambda q=query: search(archive, model, q)) for query in queries]
        figures = {"text": text, "phrase_20": plain, "first_16_pairs": first, "rerank_50": every, "whole": whole}
        result = {}
        for name, took in figures.items():
            result[f"{name}_p50_ms"] = float(np.median(took))
            result[f"{name}_p95_ms"] = float(np.quantile(took, 0.95))
        return {**result, "rerank_k": float(model.rerank_k)}
