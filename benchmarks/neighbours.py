"""Whole slides and neighbours: what a checkpoint says of slides it has not seen, and whether like tiles look alike.

    python benchmarks/neighbours.py --real PATH [--model DIR] [--sheet FILE.png]

Of the atlas cases kept out of training: the organ of the slide from the best-scoring of all titles (probabilities
averaged over its tiles) and the rank of its own title; the share of a tile's ten nearest tiles (of all slides but its
own) that have its organ, its diagnosis, its first tissue term. Of the sets labelled by class: the share of the ten
nearest of the set that have the tile's class. ``--sheet`` draws queries and their nearest in one picture, to be looked
at; it shows patients' tissue, so it belongs nowhere near the repository. Prints a table and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lile_engine.model.load import load_model
from lile_engine.model.protocol import Floats, ImageTextModel
from lile_engine.training.open_data import Row, atlas_rows, held_out_cases
from lile_engine.training.pairs import load_file

NEAREST = 10


def vectors_of(model: ImageTextModel, files: list[Path]) -> Floats:
    """[n, d] of image files."""
    parts = []
    for start in range(0, len(files), 64):
        pixels = np.stack([_square(load_file(f, model.identity.input_px)) for f in files[start : start + 64]])
        parts.append(model.encode_images(pixels).vectors)
    return np.concatenate(parts)


def _square(pixels: NDArray[np.uint8], side: int = 224) -> NDArray[np.uint8]:
    short = min(pixels.shape[:2])
    y, x = (pixels.shape[0] - short) // 2, (pixels.shape[1] - short) // 2
    return np.asarray(Image.fromarray(pixels[y : y + short, x : x + short]).resize((side, side)))


def slides(model: ImageTextModel, rows: list[Row], held: set[str], vectors: Floats) -> dict[str, Any]:
    """Organ and title of the cases kept out, one H&E slide each."""
    stained = [r["stain"] == "H&E" for r in rows]
    titles = list(dict.fromkeys(r["slide_title"] for r, ok in zip(rows, stained, strict=True) if ok))
    organ_of = {r["slide_title"]: r["organ"] for r in rows}
    texts = model.encode_texts(titles).vectors
    slide_of: dict[str, str] = {}
    for row, ok in zip(rows, stained, strict=True):
        if ok and row["case"] in held:
            slide_of.setdefault(row["case"], Path(row["image"]).parent.name)
    organs, ranks = [], []
    for slide in slide_of.values():
        own = [i for i, r in enumerate(rows) if Path(r["image"]).parent.name == slide]
        logits = vectors[own] @ texts.T / 0.05
        chances = np.exp(logits - logits.max(1, keepdims=True))
        mean = (chances / chances.sum(1, keepdims=True)).mean(0)
        title = rows[own[0]]["slide_title"]
        rank = int((mean > mean[titles.index(title)]).sum()) + 1
        best = titles[int(mean.argmax())]
        organs.append(organ_of[best] == rows[own[0]]["organ"])
        ranks.append(rank)
        print(f"  {title[:60]:<60} rank {rank:>3}   best: {best[:60]}")
    return {
        "slides": len(ranks),
        "organ_right": int(sum(organs)),
        "title_first_5": int(sum(r <= 5 for r in ranks)),
        "title_first_10": int(sum(r <= 10 for r in ranks)),
        "titles": len(titles),
    }


def neighbours(rows: list[Row], held: set[str], vectors: Floats) -> tuple[dict[str, float], NDArray[np.int64]]:
    """Shares of the ten nearest, the query's own slide left out; and the nearest of each query."""
    queries = np.array([i for i, r in enumerate(rows) if r["case"] in held and r["stain"] == "H&E"])
    slide = np.array([Path(r["image"]).parent.name for r in rows])
    scores = vectors[queries] @ vectors.T
    scores[slide[queries][:, None] == slide[None]] = -2
    nearest = np.argsort(-scores, axis=1)[:, :NEAREST]
    shares = {}
    for name, label in (
        ("organ", [r["organ"] for r in rows]),
        ("diagnosis", [r["slide_title"] for r in rows]),
        ("first_term", [r["tissues"][0] for r in rows]),
    ):
        values = np.array(label)
        # A query counts where there is something of its kind on another slide to be found.
        possible = np.array([(values == values[q])[slide != slide[q]].any() and values[q] != "" for q in queries])
        right = (values[nearest] == values[queries][:, None]).mean(1)
        shares[f"nearest_{name}"] = float(right[possible].mean()) if possible.any() else float("nan")
    return shares, np.concatenate([queries[:, None], nearest], axis=1)


def class_neighbours(model: ImageTextModel, data: Path) -> dict[str, float]:
    """Of each set labelled by class, the share of the nearest of the set that have the tile's class."""
    found = {}
    for name, folder in (
        ("kather", data / "labelled" / "kather"),
        ("crc-val", data / "labelled" / "crc-val"),
        ("osteosarcoma", data / "labelled" / "osteosarcoma"),
        ("lc25000", data / "validate" / "lc25000"),
    ):
        files = sorted(f for f in folder.glob("*.*") if f.suffix in (".jpg", ".jpeg", ".png"))
        label = np.array([f.stem.rsplit("_", 1)[0] for f in files])
        vectors = vectors_of(model, files)
        scores = vectors @ vectors.T
        np.fill_diagonal(scores, -2)
        shares = []
        for row, own in enumerate(label):
            count = min(NEAREST, int((label == own).sum()) - 1)
            nearest = np.argsort(-scores[row])[:count]
            if count:
                shares.append((label[nearest] == own).mean())
        found[f"nearest_{name}"] = float(np.mean(shares))
    return found


def sheet(rows: list[Row], nearest: NDArray[np.int64], file: Path, count: int = 14, side: int = 112) -> None:
    """A row for each of ``count`` queries spread over the list: the query, then its nearest."""
    chosen = nearest[np.linspace(0, len(nearest) - 1, count).astype(int), :9]
    picture = Image.new("RGB", (9 * (side + 4) + 12, count * (side + 4)), "white")
    draw = ImageDraw.Draw(picture)
    for y, line in enumerate(chosen):
        for x, at in enumerate(line):
            with Image.open(rows[at]["image"]) as tile:
                left = x * (side + 4) + (12 if x else 0)
                picture.paste(tile.convert("RGB").resize((side, side)), (left, y * (side + 4)))
        draw.line([(side + 9, y * (side + 4)), (side + 9, (y + 1) * (side + 4) - 6)], fill="black", width=2)
    picture.save(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="the bundled one unless named")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--real", type=Path, default=Path(os.environ.get("LILE_REAL_DATA", beside)))
    parser.add_argument("--sheet", type=Path)
    args = parser.parse_args()
    model = load_model(args.model)
    rows = atlas_rows(args.real)
    held = set(held_out_cases(rows))
    vectors = vectors_of(model, [Path(r["image"]) for r in rows])
    found: dict[str, Any] = {"model": model.identity.id, **slides(model, rows, held, vectors)}
    shares, nearest = neighbours(rows, held, vectors)
    found |= shares | class_neighbours(model, args.real)
    if args.sheet:
        sheet(rows, nearest, args.sheet)
    for name, value in found.items():
        print(f"{name:<24} {value if isinstance(value, (str, int)) else format(value, '.3f')}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
