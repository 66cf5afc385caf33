from __future__ import annotations

import math

import pytest
import torch

from lile_engine.model.losses import HardestHinge, InfoNCE


def random_case(seed: int, rows: int = 6, columns: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(rows, columns, generator=generator) * 2 - 1
    matches = torch.rand(rows, columns, generator=generator) < 0.3
    return scores, matches


def slow_info_nce(scores: list[list[float]], matches: list[list[bool]], scale: float) -> float:
    rows = []
    for line, hits in zip(scores, matches, strict=True):
        if any(hits):
            total = sum(math.exp(scale * s) for s in line)
            logs = [math.log(math.exp(scale * s) / total) for s, hit in zip(line, hits, strict=True) if hit]
            rows.append(-sum(logs) / len(logs))
    return sum(rows) / len(rows) if rows else 0.0


def slow_hinge(scores: list[list[float]], matches: list[list[bool]], margin: float) -> float:
    losses = []
    for line, hits in zip(scores, matches, strict=True):
        negatives = [s for s, hit in zip(line, hits, strict=True) if not hit]
        for score, hit in zip(line, hits, strict=True):
            if hit:
                losses.append(max(0.0, margin + max(negatives) - score) if negatives else 0.0)
    return sum(losses) / max(len(losses), 1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [1.0, 14.3])
def test_info_nce_is_the_slow_one(seed: int, scale: float) -> None:
    scores, matches = random_case(seed)
    got = InfoNCE()(scores, matches, scale)
    i2t = slow_info_nce(scores.tolist(), matches.tolist(), scale)
    t2i = slow_info_nce(scores.T.tolist(), matches.T.tolist(), scale)
    assert float(got["i2t"]) == pytest.approx(i2t, rel=1e-5)
    assert float(got["t2i"]) == pytest.approx(t2i, rel=1e-5)
    assert float(got["loss"]) == pytest.approx((i2t + t2i) / 2, rel=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_hinge_is_the_slow_one(seed: int) -> None:
    scores, matches = random_case(seed)
    got = HardestHinge(0.3)(scores, matches)
    assert float(got["i2t"]) == pytest.approx(slow_hinge(scores.tolist(), matches.tolist(), 0.3), rel=1e-5)
    assert float(got["t2i"]) == pytest.approx(slow_hinge(scores.T.tolist(), matches.T.tolist(), 0.3), rel=1e-5)


def test_single_matches_give_cross_entropy() -> None:
    scores, _ = random_case(1, 4, 4)
    got = InfoNCE()(scores, torch.eye(4, dtype=torch.bool), 5.0)
    target = torch.arange(4)
    expected = (
        torch.nn.functional.cross_entropy(5 * scores, target) + torch.nn.functional.cross_entropy(5 * scores.T, target)
    ) / 2
    torch.testing.assert_close(got["loss"], expected)


@pytest.mark.parametrize("loss", [InfoNCE(), HardestHinge()])
def test_unknown_pairs_count_for_nothing(loss: torch.nn.Module) -> None:
    scores, matches = random_case(2)
    known = torch.rand(scores.shape, generator=torch.Generator().manual_seed(9)) < 0.7
    known[matches] = True
    changed = torch.where(known, scores, torch.full_like(scores, 50.0))
    first = loss(scores, matches, 3.0, known)["loss"]
    torch.testing.assert_close(first, loss(changed, matches, 3.0, known)["loss"])
    assert first.isfinite()


@pytest.mark.parametrize("loss", [InfoNCE(), HardestHinge()])
def test_no_match_at_all_is_no_loss_and_no_nan(loss: torch.nn.Module) -> None:
    scores = torch.zeros(3, 2, requires_grad=True)
    value = loss(scores, torch.zeros(3, 2, dtype=torch.bool))["loss"]
    value.backward()
    assert float(value.detach()) == 0
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_all_matches_leave_no_negative_to_fear() -> None:
    assert float(HardestHinge()(torch.rand(3, 3), torch.ones(3, 3, dtype=torch.bool))["loss"]) == 0
