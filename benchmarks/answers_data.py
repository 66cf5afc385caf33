"""What `answers.py` measures on: every real tile and the phantoms, with what the shipped network makes of them.

The backbone's features are computed once (`FeatureCache`, the one that a training fills) and kept both averaged over
the tile, which is what refits learn from, and as the shipped model's vectors and tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lile_engine.model.checkpoint import load_checkpoint
from lile_engine.model.lile import Lile
from lile_engine.model.load import resolve_model
from lile_engine.model.protocol import Bools, Floats
from lile_engine.model.runtime import mean_words
from lile_engine.model.text import PhraseTokenizer
from lile_engine.paths import private_dir
from lile_engine.training.config import AugmentSection
from lile_engine.training.features import FeatureCache, Views, frozen_extract
from lile_engine.training.open_data import CLASS_PHRASES, Row, atlas_rows, read_jsonl, write_lists
from lile_engine.training.pairs import Pair, PairDataset
from lile_engine.training.readers import read_set

VIEWS, VIEW_SEED = 2, 1  # as the shipped training had them, so that its cache is found
CLASS_SETS = ("kather", "crc-val", "osteosarcoma", "oral", "pap")
CELL_SETS = ("blood", "aml")  # one cell a picture, the caption names its kind
ORGAN_SETS = ("eyepiece", "openstax")  # normal organs, the folder names the organ
SMALL_SETS = ("glomeruli", "tnbc", "camelyon", "ebhi")  # one kind each: together a question of four
NEVER_SEEN = ("lc25000", "patholearn", "hemepulm")


@dataclass(frozen=True)
class Tiles:
    """``n`` pictures in one order. ``source`` names the list, ``label`` the class of a set labelled by class ("" else).

    ``pooled`` float32 [n, views, channels], ``vectors`` float32 [n, d], ``tokens`` float16 [n, N, w].
    """

    pairs: tuple[Pair, ...]
    source: NDArray[np.str_]
    label: NDArray[np.str_]
    rows: tuple[Row | None, ...]
    pooled: Floats
    vectors: Floats
    tokens: NDArray[np.float16]

    def of(self, *sources: str) -> NDArray[np.int64]:
        """Where the pictures of these lists lie."""
        return np.flatnonzero(np.isin(self.source, sources))

    @property
    def cases(self) -> NDArray[np.str_]:
        return np.array([f"{s}/{p.case or p.path.stem}" for s, p in zip(self.source, self.pairs, strict=True)])


class Texts:
    """Phrases for the shipped text side: pooled features for refits, vectors and tokens of the shipped model."""

    def __init__(self, model: Lile, tokenizer: PhraseTokenizer) -> None:
        self.model, self.tokenizer = model, tokenizer
        self._pooled: dict[str, Floats] = {}

    @torch.no_grad()
    def pooled(self, texts: list[str]) -> Floats:
        """Mean of the normalised hidden states of a phrase's words, float32 [n, k]."""
        new = sorted({t for t in texts if t not in self._pooled}, key=len)  # like with like: little padding
        for start in range(0, len(new), 64):
            part = new[start : start + 64]
            tokens = self.tokenizer(part)
            hidden = self.model.text_in[0](self.model.text_features(tokens.ids, tokens.seen))
            self._pooled |= zip(part, mean_words(hidden, tokens.mask).numpy(), strict=True)
        return np.stack([self._pooled[t] for t in texts])

    @torch.no_grad()
    def encoded(self, texts: list[str]) -> tuple[Floats, Floats, Bools]:
        """The shipped model's vectors [n, d], tokens [n, M, w] and mask [n, M]."""
        tokens = self.tokenizer(texts)
        found = self.model.encode_texts(tokens.ids, tokens.seen, tokens.mask)
        return found.vectors.numpy(), found.tokens.numpy(), tokens.mask.numpy()


def load(
    model: Path | None, real: Path, work: Path, phantoms: Path, cache: Path, captions: Path
) -> tuple[Tiles, Texts, Lile]:
    """All tiles, texts and the network (float32) of ``model``. ``work`` keeps the lists; ``cache`` the features."""
    checkpoint = load_checkpoint(resolve_model(model))
    lile = checkpoint.model
    lists = work / "lists"
    if not lists.is_dir():
        write_lists(real, lists, phantoms, captions)
    sets = {file.stem: read_set(file) for file in sorted(lists.glob("*.jsonl"))}
    sets |= {name: PairDataset(tuple(_never_seen(real, name))) for name in NEVER_SEEN}
    extract, key = frozen_extract(lile, "cpu")
    pooled, vectors, tokens = [], [], []
    for name, dataset in sets.items():
        views = Views(lile.config.input_px, VIEWS, AugmentSection(), VIEW_SEED)
        folder = private_dir(cache)
        features = FeatureCache(dataset.pairs, views, extract, key=key, folder=folder)
        a, b, c = _encoded(lile, features, 1 if name in NEVER_SEEN else VIEWS)
        pooled.append(a), vectors.append(b), tokens.append(c)
    pairs = tuple(p for d in sets.values() for p in d.pairs)
    source = np.array([name for name, d in sets.items() for _ in d.pairs])
    told = {row["image"]: row for row in atlas_rows(real)}
    rows = tuple(told.get(str(p.path)) for p in pairs)
    label = np.array([_label(s, p) for s, p in zip(source, pairs, strict=True)])
    tiles = Tiles(pairs, source, label, rows, np.concatenate(pooled), np.concatenate(vectors), np.concatenate(tokens))
    return tiles, Texts(lile, checkpoint.tokenizer), lile


@torch.no_grad()
def _encoded(lile: Lile, features: FeatureCache, views: int) -> tuple[Floats, Floats, NDArray[np.float16]]:
    count = len(features.pairs)
    channels = sum(shape[0] for shape in features.shapes)
    pooled = np.zeros((count, VIEWS, channels), np.float32)
    vectors = np.zeros((count, lile.config.width), np.float32)
    tokens = np.zeros((count, lile.config.image_tokens, lile.config.token_width), np.float16)
    for start in range(0, count, 64):
        part = list(range(start, min(start + 64, count)))
        for view in range(views):
            maps = features.maps(part, [view] * len(part), "cpu")
            pooled[part, view] = torch.cat([m.mean((2, 3)) for m in maps], dim=1).numpy()
            if view == 0:
                found = lile.encode_image_features(maps)
                vectors[part], tokens[part] = found.vectors.numpy(), found.tokens.numpy()
    if views == 1:
        pooled[:, 1:] = pooled[:, :1]
    return pooled, vectors, tokens


def _never_seen(real: Path, name: str) -> list[Pair]:
    folder = real / "validate" / name
    if name == "lc25000":
        return [
            Pair(f, ("",), case=f.stem) for f in sorted(folder.glob("*.*")) if f.suffix in (".jpg", ".jpeg", ".png")
        ]
    return [Pair(folder / r["file"], (r["caption"],), case=r["file"]) for r in read_jsonl(folder / "captions.jsonl")]


def _label(source: str, pair: Pair) -> str:
    if source == "lc25000":
        return pair.path.stem.rsplit("_", 1)[0]
    if source in ("oral", "pap"):
        return pair.path.parent.name
    if source in CELL_SETS:
        return pair.captions[0]
    if source in ORGAN_SETS:
        return pair.path.parent.name
    if source in SMALL_SETS:
        return source
    if source in CLASS_SETS:
        name = pair.path.stem.rsplit("_", 1)[0]
        return name if f"{source}/{name}" in CLASS_PHRASES else ""
    return ""
