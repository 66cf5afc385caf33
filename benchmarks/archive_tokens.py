"""What it costs to store tokens in fewer bytes: recall of re-ranked answers on real tiles with real captions.

    python benchmarks/archive_tokens.py [--model M] [--real PATH] [--tiles 192]

Tiles and captions are those of the atlas cases that were kept out of training. Every tile is compared with every
caption; the score of a pair is the search's own, ``alpha * cos + (1 - alpha) * pair``. Image and text tokens are
stored as named, read back, and scored. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lile_engine.archive.tokens import pack_tokens, token_bytes, unpack_tokens
from lile_engine.model.load import load_model
from lile_engine.training.open_data import atlas_rows, held_out_cases
from lile_engine.training.pairs import load_file

Floats = NDArray[np.float32]
Ways = dict[str, tuple[float, Callable[[Floats], Floats]]]
BATCH = 32


def as_shipped(tokens: Floats) -> Floats:
    """int8 with one float16 scale a token, as the archive does it."""
    return unpack_tokens(pack_tokens(tokens))[0]


def four_bits(tokens: Floats) -> Floats:
    """The same with 4 bits a value, to see where it breaks."""
    scale = np.maximum(np.abs(tokens).max(axis=-1, keepdims=True) / 7, 1e-6).astype(np.float16).astype(np.float32)
    kept: Floats = np.rint(tokens / scale).clip(-7, 7) * scale
    return kept


def one_sign(tokens: Floats) -> Floats:
    """The sign of each value and the mean size of a token's values."""
    kept: Floats = np.sign(tokens) * np.abs(tokens).mean(axis=-1, keepdims=True)
    return kept


def ways(width: int) -> Ways:
    """Bytes a token, and what comes back of tokens stored so."""
    return {
        "float32": (4 * width, lambda tokens: tokens),
        "float16": (2 * width, lambda tokens: tokens.astype(np.float16).astype(np.float32)),
        "int8 (the archive)": (token_bytes(width), as_shipped),
        "4 bits": (width / 2 + 2, four_bits),
        "1 bit": (width / 8 + 2, one_sign),
    }


def recall(scores: Floats, k: int) -> float:
    """The share of rows whose own column is among the k highest; ties count against it."""
    own = np.diag(scores)[:, None]
    return float(((scores >= own).sum(axis=1) <= k).mean())


def same_first(a: Floats, b: Floats, k: int) -> float:
    """The mean share of a row's k best that both have."""
    tops = [np.argsort(-scores, axis=1, kind="stable")[:, :k] for scores in (a, b)]
    return float(np.mean([len(set(x.tolist()) & set(y.tolist())) / k for x, y in zip(*tops, strict=True)]))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="the bundled one unless named")
    parser.add_argument("--tiles", type=int, default=192)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--real", type=Path, default=Path(os.environ.get("LILE_REAL_DATA", beside)))
    args = parser.parse_args()
    model = load_model(args.model, "cpu")
    rows = atlas_rows(args.real)
    held = set(held_out_cases(rows))
    kept = [row for row in rows if row["case"] in held]
    chosen = [kept[at] for at in np.random.default_rng(0).permutation(len(kept))[: args.tiles]]
    pixels = np.stack([load_file(Path(row["image"]), model.identity.input_px) for row in chosen])
    encoded = [model.encode_images(pixels[at : at + BATCH]) for at in range(0, len(pixels), BATCH)]
    images = np.concatenate([one.vectors for one in encoded])
    tokens = np.concatenate([one.tokens for one in encoded])
    texts = model.encode_texts([row["captions"][0] for row in chosen])
    cosines = images @ texts.vectors.T
    results = []
    whole: Floats | None = None
    for name, (size, store) in ways(model.identity.token_width).items():
        pairs = model.score_pairs(store(tokens), store(texts.tokens), texts.mask)
        scores = model.alpha * cosines + (1 - model.alpha) * pairs
        whole = scores if whole is None else whole
        result: dict[str, float | str] = {"tokens": name, "bytes_a_tile": size * model.identity.image_tokens}
        for way, table in (("i2t", scores), ("t2i", scores.T)):
            result |= {f"{way}_r{k}": recall(table, k) for k in (1, 5, 10)}
        result["same_first_20"] = same_first(whole.T, scores.T, 20)
        result["largest_change"] = float(np.abs(scores - whole).max())
        results.append(result)
        print(
            "  ".join(
                f"{key} {value if isinstance(value, str) else format(value, '.4g')}" for key, value in result.items()
            )
        )
    plain = {
        f"{way}_r{k}": recall(table, k) for way, table in (("i2t", cosines), ("t2i", cosines.T)) for k in (1, 5, 10)
    }
    figures = {
        "model": model.identity.id,
        "tiles": len(chosen),
        "spread": float(whole.std()) if whole is not None else 0,
    }
    print(json.dumps({**figures, "stage_one": plain, "results": results}))


if __name__ == "__main__":
    main()
