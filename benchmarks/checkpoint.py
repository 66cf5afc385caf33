"""How well a checkpoint answers: on phantoms of new seeds, and on real tiles that it was not trained on.

    python benchmarks/checkpoint.py [--model DIR] [--per-tissue 20] [--real PATH]

Prints a table and, last, one line of JSON. Real tiles are looked for at --real (or LILE_REAL_DATA, or beside the
checkout); without them only the phantoms are measured. What each line was trained on stands beside it.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lile_engine.model.load import load_model
from lile_engine.model.protocol import ImageTextModel
from lile_engine.phantom import TISSUES, draw_tile
from lile_engine.phantom.captions import phrases
from lile_engine.training.evaluate import evaluate
from lile_engine.training.open_data import CLASS_PHRASES, atlas_rows, held_out_cases, read_jsonl
from lile_engine.training.pairs import Pair, PairDataset, load_file
from lile_engine.training.terms import TERM_PHRASES
from lile_engine.training.zeroshot import balanced_accuracy, classify

SEED = 900_000  # far from every training seed
LC25000 = {
    "colon_aca": ["colon adenocarcinoma", "malignant glands of the colon"],
    "colon_n": ["benign colonic tissue", "normal colon mucosa"],
    "lung_aca": ["lung adenocarcinoma", "malignant glands of the lung"],
    "lung_n": ["benign lung tissue", "normal lung alveoli"],
    "lung_scc": ["lung squamous cell carcinoma", "malignant squamous cells of the lung"],
}


def phantoms(model: ImageTextModel, per_tissue: int) -> dict[str, float]:
    """Phrase to tiles (precision at 10), tile to phrase (the first of all phrases is one of its tissue's)."""
    names = [t for t in TISSUES for _ in range(per_tissue)]
    pixels = np.stack([draw_tile(t, SEED + i, model.identity.input_px) for i, t in enumerate(names)])
    vectors = np.concatenate([model.encode_images(pixels[i : i + 32]).vectors for i in range(0, len(pixels), 32)])
    texts = sorted({p for t in TISSUES for p in phrases(t)})
    right = np.array([[p in phrases(t) for p in texts] for t in names])
    scores = vectors @ model.encode_texts(texts).vectors.T
    first = right[np.arange(len(names)), scores.argmax(1)]
    order = np.argsort(-scores, axis=0)[:10]
    precision = np.take_along_axis(right, order, axis=0).mean(0)
    by_tissue = {t: float(np.mean([precision[texts.index(p)] for p in phrases(t)])) for t in TISSUES}
    by_tile = {t: float(first[[n == t for n in names]].mean()) for t in TISSUES}
    for t in TISSUES:
        print(f"  phantom {t:<36} phrase->tiles P@10 {by_tissue[t]:.2f}   tile->phrase {by_tile[t]:.2f}")
    return {
        "phantom_precision_at_10": float(np.mean(list(by_tissue.values()))),
        "phantom_tile_to_phrase": float(np.mean(list(by_tile.values()))),
    }


def class_sets(model: ImageTextModel, data: Path) -> dict[str, float]:
    """Zero-shot balanced accuracy of the sets that are labelled by class; phrases as in the training lists."""
    found = {}
    for source, place in (("kather", "labelled"), ("crc-val", "labelled"), ("osteosarcoma", "labelled")):
        labels = {k.split("/")[1]: list(v) for k, v in CLASS_PHRASES.items() if k.startswith(source + "/")}
        files = [(f, f.stem.rsplit("_", 1)[0]) for f in sorted((data / place / source).glob("*.*"))]
        found[source] = _zero_shot(model, files, labels)
    files = [(f, f.stem.rsplit("_", 1)[0]) for f in sorted((data / "validate" / "lc25000").glob("*.*"))]
    found["lc25000"] = _zero_shot(model, files, LC25000)
    for source in ("oral", "pap"):
        labels = {k.split("/")[1]: list(v) for k, v in CLASS_PHRASES.items() if k.startswith(source + "/")}
        files = [(f, n) for n in labels for f in sorted((data / "train" / source / n).glob("*.*"))[:60]]
        found[source] = _zero_shot(model, files, labels)
    return found


def _zero_shot(model: ImageTextModel, files: Sequence[tuple[Path, str]], labels: dict[str, list[str]]) -> float:
    files = [(f, n) for f, n in files if n in labels]
    images = [load_file(f, model.identity.input_px) for f, _ in files]
    table, _ = classify(model, images, labels)
    names = list(labels)
    return balanced_accuracy([n for _, n in files], [names[i] for i in table.argmax(1)])


def atlas(model: ImageTextModel, data: Path, rerank: bool, count: int = 384) -> dict[str, Any]:
    """Captions and terms of tiles of the cases kept out of training."""
    rows = atlas_rows(data)
    held = set(held_out_cases(rows))
    kept = [r for r in rows if r["case"] in held]
    chosen = [kept[i] for i in np.random.default_rng(0).permutation(len(kept))[:count]]
    pairs = tuple(Pair(Path(r["image"]), tuple(r["captions"]), case=r["case"]) for r in chosen)
    report = evaluate(model, PairDataset(pairs), rerank=rerank, bootstrap=500)
    terms = [t for t, _ in _counts(r["tissues"][0] for r in rows)[:15]]
    files = [(Path(r["image"]), r["tissues"][0]) for r in kept if r["tissues"][0] in terms]
    found: dict[str, Any] = {
        "atlas_terms": _zero_shot(model, files, {t: list(TERM_PHRASES[t]) for t in terms}),
    }
    for name, ways in (("stage_one", report), ("reranked", report.reranked)):
        if ways is not None:
            for way in ("i2t", "t2i"):
                direction = getattr(ways, way)
                found[f"atlas_{name}_{way}"] = [round(v, 4) for v in (direction.r1, direction.r5, direction.r10)]
    return found


def patholearn(model: ImageTextModel, data: Path) -> dict[str, list[float]]:
    """Pictures of someone else with captions of someone else, never trained on."""
    folder = data / "validate" / "patholearn"
    pairs = tuple(Pair(folder / r["file"], (r["caption"],)) for r in read_jsonl(folder / "captions.jsonl"))
    report = evaluate(model, PairDataset(pairs), bootstrap=0, rerank=False)
    return {
        f"patholearn_{way}": [round(v, 4) for v in (d.r1, d.r5, d.r10)]
        for way, d in (("i2t", report.i2t), ("t2i", report.t2i))
    }


def _counts(items: Any) -> list[tuple[str, int]]:
    names, counts = np.unique(np.array(list(items)), return_counts=True)
    order: NDArray[np.int64] = np.argsort(-counts, kind="stable")
    return [(str(names[i]), int(counts[i])) for i in order]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="the bundled one unless named")
    parser.add_argument("--per-tissue", type=int, default=20)
    parser.add_argument("--stage-one", action="store_true", help="leave re-ranking out, which takes longest")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--real", type=Path, default=Path(os.environ.get("LILE_REAL_DATA", beside)))
    args = parser.parse_args()
    model = load_model(args.model)
    found: dict[str, Any] = {"model": model.identity.id, **phantoms(model, args.per_tissue)}
    if (args.real / "atlas").is_dir():
        found |= (
            class_sets(model, args.real) | atlas(model, args.real, not args.stage_one) | patholearn(model, args.real)
        )
    for name, value in found.items():
        print(f"{name:<28} {value if isinstance(value, (str, list)) else format(value, '.3f')}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
