"""What else the issue asked to try: a self-supervised term, averages of several runs, titles of slides as captions of
bags of tiles, a text encoder adapted or with new words. Refits as in `answers_choices`, nothing of it is shipped."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (everyone calls it F)
from answers_atlas import FEW, _chances, first_terms, slide_names
from answers_choices import SEEDS, measured
from answers_data import Texts, Tiles
from answers_fit import BATCH, WIDTH, Heads, Refit, Words, ready, refit
from answers_plans import plans
from answers_sets import classify
from answers_wordings import STYLES, WORDINGS, labels_in
from numpy.typing import NDArray
from torch import Tensor, nn

from lile_engine.model.protocol import Floats
from lile_engine.model.runtime import mean_words
from lile_engine.model.text import PhraseTokenizer
from lile_engine.training.zeroshot import balanced_accuracy

FOREIGN = ("kather", "crc-val", "osteosarcoma", "lc25000", "terms")  # sets asked in other people's words
SLIDES, BAG, SHARPNESS = 24, 12, 10.0  # slides a step, tiles of each, how sharply a title looks
STEPS = 200
TRIAL_COLUMNS = (
    "refit", "atlas R@10", "15 terms", "kather", "crc-val", "osteosarcoma",
    "other people's words", "words never learned (area)", "own title among 10", "organ by titles",
)  # fmt: skip
Make = Callable[[int], Refit]  # of a seed


def vicreg(first: Tensor, second: Tensor) -> Tensor:
    """Invariance + variance + covariance / 25 of two views [B, d] of the same pictures (Bardes et al. 2022)."""
    loss = F.mse_loss(first, second)
    for z in (first, second):
        z = z - z.mean(0)
        loss = loss + F.relu(1 - (z.var(0) + 1e-4).sqrt()).mean() / 2
        covariance = z.T @ z / (len(z) - 1)
        loss = loss + (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1] / 25
    return loss


def self_supervised(tiles: Tiles, keep: NDArray[np.bool_], weight: float, seed: int) -> Callable[[Heads, int], Tensor]:
    """`vicreg` of the two stored views of real tiles, in units in which a picture's vector is d long."""
    real = np.flatnonzero(keep & (tiles.source != "phantom"))

    def loss(heads: Heads, step: int) -> Tensor:
        at = np.random.default_rng([seed, 7, step]).choice(real, BATCH, replace=False)
        views = (heads.projected(torch.from_numpy(tiles.pooled[at, v])) * WIDTH**0.5 for v in (0, 1))
        return weight * vicreg(*views)

    return loss


def bags(
    tiles: Tiles, texts: Texts, keep: NDArray[np.bool_], weight: float, attended: bool, seed: int
) -> Callable[[Heads, int], Tensor]:
    """Contrast of slides with their titles: a slide is the mean of some of its tiles, or, ``attended``, what a title
    finds in them (softmax of the cosines)."""
    names = np.where(keep, slide_names(tiles), "")
    own = {s: np.flatnonzero(names == s) for s in sorted(set(names.tolist()) - {""})}

    def loss(heads: Heads, step: int) -> Tensor:
        rng = np.random.default_rng([seed, 11, step])
        slides = rng.choice(list(own), SLIDES, replace=False)
        at = np.stack([rng.choice(own[s], BAG, replace=len(own[s]) < BAG) for s in slides])
        titles = [tiles.rows[i]["slide_title"] for i in at[:, 0]]  # type: ignore[index]
        seen = heads.pictures(torch.from_numpy(tiles.pooled[at.ravel(), rng.integers(2)])).view(*at.shape, -1)
        words = heads.texts(torch.from_numpy(texts.pooled(titles)))
        cosines = torch.einsum("std,jd->sjt", seen, words)
        looks = (cosines * SHARPNESS if attended else torch.zeros_like(cosines)).softmax(-1)
        slide = F.normalize(torch.einsum("sjt,std->sjd", looks, seen), dim=-1)
        scores = torch.einsum("sjd,jd->sj", slide, words) * heads.log_scale.exp().clamp(max=100)
        same = torch.tensor([[a == b for b in titles] for a in titles])
        target = same.float() / same.sum(1, keepdim=True)
        return weight * (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2

    return loss


class _LowRank(nn.Module):
    """A frozen linear layer plus a learned product of low rank (Hu et al. 2022), zero at the start."""

    def __init__(self, base: nn.Module, width: int, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(width, rank) / width**0.5)
        self.up = nn.Parameter(torch.zeros(rank, width))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.base(x) + 2 * (x @ self.down @ self.up)
        return y


class _Encoded(Texts):
    """The texts of an encoder that was trained along."""

    def __init__(self, words: AdaptedWords) -> None:
        super().__init__(words.source.model, words.source.tokenizer)
        self._words = words

    @torch.no_grad()
    def pooled(self, texts: list[str]) -> Floats:
        new = sorted({t for t in texts if t not in self._pooled}, key=len)
        for start in range(0, len(new), 64):
            part = new[start : start + 64]
            self._pooled |= zip(part, self._words(part).numpy(), strict=True)
        return np.stack([self._pooled[t] for t in texts])


class AdaptedWords(Words):
    """The text encoder with learned products of ``rank`` on queries and values of its last ``last`` blocks, or with
    learned vectors of ``new_words`` instead of their pieces, from the mean of which they start.

    What lies below the first learned thing is computed once a text (`_below`); ``kept`` may hold it between runs.
    """

    def __init__(self, texts: Texts, *, rank: int = 0, last: int = 2,
                 new_words: tuple[str, ...] = (), seed: int = 0,
                 kept: dict[str, tuple[Tensor, Tensor, Tensor]] | None = None) -> None:  # fmt: skip
        super().__init__()
        torch.manual_seed(seed)
        self.source = texts
        encoder = copy.deepcopy(texts.model.text_encoder).requires_grad_(False).eval()
        layers = list(encoder.encoder["layer"])  # type: ignore[union-attr]
        cut = 0 if new_words else len(layers) - last
        self._lower, self.upper = [encoder.embeddings, *layers[:cut]], nn.ModuleList(layers[cut:])
        if rank:
            for layer in layers[-last:]:
                looking = layer.attention["self"]
                for name in ("query", "value"):
                    looking[name] = _LowRank(looking[name], looking[name].in_features, rank)
        self._number = {word: n for n, word in enumerate(new_words)}
        table = encoder.embeddings.word_embeddings.weight  # type: ignore[union-attr]
        pieces = [texts.tokenizer([word]) for word in new_words]
        starts = [table[p.ids[0][p.mask[0]]].mean(0) for p in pieces]
        self.learned = nn.Parameter(torch.stack(starts)) if starts else None
        self._kept = {} if kept is None else kept

    def as_texts(self) -> Texts:
        return _Encoded(self.eval())

    def forward(self, texts: list[str]) -> Tensor:
        distinct = sorted(set(texts))
        for text in distinct:
            if text not in self._kept:
                self._kept[text] = self._below(text)
        parts = [self._kept[t] for t in distinct]
        pad = nn.utils.rnn.pad_sequence
        x, mask, new = (pad([p[k] for p in parts], batch_first=True) for k in range(3))
        seen = pad([torch.ones(len(p[1]), dtype=torch.bool) for p in parts], batch_first=True)
        if self.learned is not None:
            embedding = self._lower[0]
            x = torch.where((new > 0)[:, :, None], self.learned[(new - 1).clamp(min=0)], x)
            places = embedding.position_embeddings.weight[: x.shape[1]] + embedding.token_type_embeddings.weight[0]
            x = embedding.LayerNorm(x + places)
        for layer in self.upper:
            x = layer(x, seen[:, None, None, :])
        found = mean_words(self.source.model.text_in[0](x), mask)
        where = {t: i for i, t in enumerate(distinct)}
        return found[[where[t] for t in texts]]

    @torch.no_grad()
    def _below(self, text: str) -> tuple[Tensor, Tensor, Tensor]:
        """States [M, c] of the frozen lower part (with new words: of the words alone), whether a token is of a word,
        and the number of a new word, from 1."""
        tokens = self.source.tokenizer([text])
        ids, mask = tokens.ids[0], tokens.mask[0]
        new = torch.zeros(len(ids), dtype=torch.long)
        if self.learned is None:
            x = self._lower[0](tokens.ids)
            for layer in self._lower[1:]:
                x = layer(x, tokens.seen[:, None, None, :])
            return x[0], mask, new
        stay = torch.ones(len(ids), dtype=torch.bool)
        for word in tokens.words[0]:
            number = self._number.get(word.text.lower())
            if number is not None:
                new[word.tokens[0]] = number + 1
                stay[list(word.tokens[1:])] = False
        return self._lower[0].word_embeddings(ids)[stay], mask[stay], new[stay]


def unknown_words(texts: set[str], tokenizer: PhraseTokenizer, at_least: int = 5) -> tuple[str, ...]:
    """Words of the training's texts that the encoder only knows in pieces, and that occur in some of them."""
    counts = Counter(w for text in texts for w in set(re.findall(r"[a-z]{4,}", text.lower())))
    often = [w for w, n in sorted(counts.items()) if n >= at_least]
    return tuple(w for w in often if int(tokenizer([w]).mask.sum()) > 1)


class Average:
    """Several refits asked together: the mean of their vectors (of refits from one start), or, ``joined``, of their
    cosines."""

    def __init__(self, parts: list[Refit], joined: bool) -> None:
        self._parts, self._joined = parts, joined

    def pictures(self, pooled: Floats) -> Floats:
        return self._mean([r.pictures(pooled) for r in self._parts])

    def phrases(self, texts: list[str]) -> Floats:
        return self._mean([r.phrases(texts) for r in self._parts])

    def _mean(self, vectors: list[Floats]) -> Floats:
        if self._joined:
            return np.concatenate(vectors, axis=1) / np.float32(len(vectors) ** 0.5)
        mean = np.mean(vectors, axis=0)
        return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True), np.float32)


def trials(tiles: Tiles, texts: Texts, keep: NDArray[np.bool_], shares: dict[str, float]) -> Iterator[tuple[str, Make]]:
    """(what, how a refit of a seed is made)."""

    def fit(seed: int, **options: object) -> Refit:
        return refit(tiles, texts, keep, shares, seed=seed, **{"steps": STEPS, **options})  # type: ignore[arg-type]

    @lru_cache
    def three(seed: int) -> list[Refit]:
        start = fit(seed, steps=0).heads
        return [fit(3 * seed + n, start=start) for n in range(3)]

    def mean_weights(seed: int) -> Refit:
        states = [r.heads.state_dict() for r in three(seed)]
        heads = fit(seed, steps=0).heads
        heads.load_state_dict({k: torch.stack([s[k] for s in states]).mean(0) for k in states[0]})
        return ready(heads, tiles, texts, keep)

    yield "as the first row of the choices", fit
    for weight in (0.1, 1.0):
        yield (
            f"self-supervised term, weight {weight:g}",
            lambda s, w=weight: fit(s, extra=self_supervised(tiles, keep, w, s)),
        )
    yield "three runs from one start, mean of weights", mean_weights
    yield "three runs from one start, mean of vectors", lambda s: Average(three(s), False)  # type: ignore[return-value]
    yield (
        "three runs from starts of their own, mean of cosines",
        lambda s: Average([fit(3 * s + n) for n in range(3)], True),  # type: ignore[return-value]
    )
    for attended, weight in ((False, 0.3), (True, 0.3), (True, 1.0)):
        told = f"titles of slides, {'attended' if attended else 'mean of'} tiles, weight {weight:g}"
        yield told, lambda s, a=attended, w=weight: fit(s, extra=bags(tiles, texts, keep, w, a, s))
    kept: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
    few = {"steps": 150, "batch": 64}  # a step of the text encoder costs a hundred of the others

    def adapted(seed: int) -> AdaptedWords:
        return AdaptedWords(texts, rank=8, seed=seed, kept=kept)

    yield "64 a batch, 150 steps", lambda s: fit(s, **few)
    yield "the same, text encoder with LoRA of rank 8", lambda s: fit(s, words=adapted(s), **few)
    yield (
        "the first row, then 150 steps of 64, pictures fixed",
        lambda s: fit(s, start=fit(s).heads, pictures_fixed=True, **few),
    )
    yield (
        "the same, with LoRA of rank 8 in these steps",
        lambda s: fit(s, start=fit(s).heads, pictures_fixed=True, words=adapted(s), **few),
    )
    new = unknown_words(_learned_texts(tiles, keep), texts.tokenizer)
    yield (
        f"64 a batch, 150 steps, vectors of {len(new)} new words learned",
        lambda s: fit(s, words=AdaptedWords(texts, new_words=new, seed=s), **few),
    )


def trial_table(tiles: Tiles, texts: Texts, shares: dict[str, float]) -> Iterator[tuple[str, ...]]:
    """Rows of `TRIAL_COLUMNS`: those of `answers_choices`, `foreign`, `titles`; mean and range of the seeds."""
    keep = plans(tiles)["without class sets"]
    for what, make in trials(tiles, texts, keep, shares):
        runs = []
        for seed in range(SEEDS):
            model = make(seed)
            runs.append([*measured(tiles, model), *foreign(tiles, model, keep), *titles(tiles, model)])
        yield (what, *(f"{np.mean(v):.2f} ({min(v):.2f} to {max(v):.2f})" for v in zip(*runs, strict=True)))


def foreign(tiles: Tiles, model: Refit, keep: NDArray[np.bool_]) -> tuple[float, float]:
    """Balanced accuracy in other people's words (mean of five wordings of five sets never seen, phrases as they
    stand); mean area under the curve of those phrases that have a word which no text of the training has."""
    known = {w for text in _learned_texts(tiles, keep) for w in _words(text)}
    first, _ = first_terms(tiles)
    right, areas = [], []
    for name in FOREIGN:
        at = tiles.of("atlas-heldout" if name == "terms" else name)
        truth = (first if name == "terms" else tiles.label)[at]
        at, truth = at[np.isin(truth, list(WORDINGS[name]))], truth[np.isin(truth, list(WORDINGS[name]))]
        vectors = model.pictures(tiles.pooled[at, 0])
        for style in STYLES:
            labels = labels_in(name, style)
            guess = classify(vectors, model.phrases, labels)
            right.append(balanced_accuracy(truth.tolist(), guess.tolist()))
            for label, phrases in labels.items():
                if (truth == label).any() and not _words(phrases[0]) <= known:
                    areas.append(_area((vectors @ model.phrases(phrases).T)[:, 0], truth == label))
    return float(np.mean(right)), float(np.mean(areas))


def titles(tiles: Tiles, model: Refit, draws: int = 10) -> tuple[float, float]:
    """Of the H&E slides of unseen cases, eight tiles at a time: own title among the first ten of all; the organ, of
    all titles' chances."""
    rows = {s: r for s, r in zip(slide_names(tiles), tiles.rows, strict=True) if r is not None}
    organ_of = {r["slide_title"]: r["organ"] for r in rows.values()}
    wanted = sorted(organ_of)
    organs = sorted(set(organ_of.values()) - {""})
    of_organ = np.array([[organ_of[t] == o for o in organs] for t in wanted])
    words, held = model.phrases(wanted), tiles.of("atlas-heldout")
    names, found, named = slide_names(tiles)[held], [], []
    for slide in sorted(set(names.tolist())):
        if rows[slide]["stain"] != "H&E":
            continue
        vectors, rng = model.pictures(tiles.pooled[held[names == slide], 0]), np.random.default_rng(0)
        for _ in range(draws):
            chances = _chances(vectors[rng.permutation(len(vectors))[:FEW]], words)
            own = rows[slide]["slide_title"]
            found.append(int((chances > chances[wanted.index(own)]).sum()) < 10)
            if organ_of[own]:
                named.append(organs[int((chances @ of_organ).argmax())] == organ_of[own])
    return float(np.mean(found)), float(np.mean(named))


def _learned_texts(tiles: Tiles, keep: NDArray[np.bool_]) -> set[str]:
    return {t for i in np.flatnonzero(keep) for t in (*tiles.pairs[i].captions, *tiles.pairs[i].phrases)}


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{3,}", text.lower()))


def _area(scores: Floats, of_class: NDArray[np.bool_]) -> float:
    """Area under the receiver's curve."""
    return float((scores[of_class, None] > scores[None, ~of_class]).mean())
