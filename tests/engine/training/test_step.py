"""The losses of a step are what the formula says: ``L = L_cross + lambda * L_self``, summed slowly and obviously."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from lile_engine.model.checkpoint import load_checkpoint
from lile_engine.model.lile import Lile
from lile_engine.training.config import LossSection
from lile_engine.training.step import StepInput, losses

Table = list[list[float]]


@pytest.fixture
def model(tiny_model: Path) -> Lile:
    return load_checkpoint(tiny_model).model


def _batch(count: int = 5) -> StepInput:
    """Pictures and texts of noise; text 1 belongs to picture 0 too, and nobody knows of picture 2 and text 4."""
    generator = torch.Generator().manual_seed(0)
    matches, known = torch.eye(count, dtype=torch.bool), torch.ones(count, count, dtype=torch.bool)
    matches[0, 1] = True
    known[2, 4] = False
    ids = torch.randint(4, 20, (count, 6), generator=generator)
    mask = torch.ones(count, 6, dtype=torch.bool)
    mask[0, 3:] = False
    pixels = torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8, generator=generator)
    return StepInput(pixels, (ids, mask), mask, matches, known)


def _tables(model: Lile, batch: StepInput) -> tuple[Table, Table]:
    assert isinstance(batch.pictures, torch.Tensor)
    assert isinstance(batch.texts, tuple)
    images, texts = model.encode_images(batch.pictures), model.encode_texts(*batch.texts, batch.mask)
    own = images.vectors @ texts.vectors.T
    return own.tolist(), model.score_pairs(images.tokens, texts.tokens, batch.mask).tolist()


def _infonce(table: Table, matches: Table, known: Table, scale: float) -> float:
    rows = []
    for line, fits, told in zip(table, matches, known, strict=True):
        total = sum(math.exp(scale * s) for s, k in zip(line, told, strict=True) if k)
        logs = [math.log(math.exp(scale * s) / total) for s, f, k in zip(line, fits, told, strict=True) if f and k]
        rows.append(-sum(logs) / len(logs))
    return sum(rows) / len(rows)


def _hinge(table: Table, matches: Table, known: Table, margin: float) -> float:
    found = []
    for line, fits, told in zip(table, matches, known, strict=True):
        wrong = [s for s, f, k in zip(line, fits, told, strict=True) if k and not f]
        found += [max(0.0, margin + max(wrong) - s) for s, f, k in zip(line, fits, told, strict=True) if f and k]
    return sum(found) / len(found)


def _both_ways(table: Table, batch: StepInput, known: torch.Tensor, loss: LossSection, scale: float) -> float:
    slow, factor = (_infonce, scale) if loss.kind == "infonce" else (_hinge, loss.margin)
    matches, told = batch.matches.tolist(), known.tolist()
    turned = [[list(column) for column in zip(*t, strict=True)] for t in (table, matches, told)]
    return (slow(table, matches, told, factor) + slow(turned[0], turned[1], turned[2], factor)) / 2


@pytest.mark.parametrize("kind", ["infonce", "hinge"])
@pytest.mark.parametrize(("own", "cross"), [(1.0, 1.0), (0.3, 2.0), (0.0, 1.0), (1.0, 0.0)])
def test_the_sum_is_the_slow_one(model: Lile, kind: str, own: float, cross: float) -> None:
    batch = _batch()
    # Every pair that may be compared takes part in the cross loss.
    loss = LossSection(kind=kind, weight_self=own, weight_cross=cross, hard_negatives=9, random_negatives=0)
    with torch.no_grad():
        found = losses(model, batch, loss, np.random.default_rng(0))
        self_table, cross_table = _tables(model, batch)
        self_scale, cross_scale = (float(s) for s in model.scales)
    # Of the matches the cross loss scores each picture's own alone, and all that are known to be none.
    scored = torch.eye(5, dtype=torch.bool) | (batch.known & ~batch.matches)
    slow_self = _both_ways(self_table, batch, batch.known, loss, self_scale) if own else 0.0
    slow_cross = _both_ways(cross_table, batch, scored, loss, cross_scale) if cross else 0.0
    assert float(found["self"]) == pytest.approx(slow_self, rel=1e-4, abs=1e-6)
    assert float(found["cross"]) == pytest.approx(slow_cross, rel=1e-4, abs=1e-6)
    assert float(found["loss"]) == pytest.approx(own * slow_self + cross * slow_cross, rel=1e-4, abs=1e-6)


def test_a_loss_without_weight_is_left_out_and_not_multiplied(model: Lile) -> None:
    """A NaN times zero would still be a NaN."""
    with torch.no_grad():
        model.image_tower.pool.out.weight.fill_(float("nan"))  # spoils the vectors and leaves the tokens
    loss = LossSection(weight_self=0.0, hard_negatives=0, random_negatives=2)
    assert torch.isfinite(losses(model, _batch(), loss, np.random.default_rng(0))["loss"])


def test_only_the_first_of_the_batch_take_part_in_the_cross_loss(model: Lile) -> None:
    batch = _batch(6)
    assert isinstance(batch.pictures, torch.Tensor)
    ids, seen = batch.texts
    part = StepInput(
        batch.pictures[:4], (ids[:4], seen[:4]), batch.mask[:4], batch.matches[:4, :4], batch.known[:4, :4]
    )  # fmt: skip
    loss = LossSection(weight_self=0.0, hard_negatives=9, random_negatives=0)
    with torch.no_grad():
        whole = losses(model, batch, LossSection(**{**vars(loss), "cross_batch": 4}), np.random.default_rng(0))
        alone = losses(model, part, loss, np.random.default_rng(0))
    assert float(whole["cross"]) == pytest.approx(float(alone["cross"]), rel=1e-4)
