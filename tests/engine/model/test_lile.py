from __future__ import annotations

import numpy as np
import pytest
import torch

from lile_engine.model.config import LileConfig
from lile_engine.model.create import create_lile
from lile_engine.model.lile import Lile, TokenGrid, positions_2d
from lile_engine.model.losses import InfoNCE

Phrases = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def as_tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def all_pairs(images: int, texts: int) -> torch.Tensor:
    return torch.cartesian_prod(torch.arange(images), torch.arange(texts))


def test_shapes_and_unit_vectors(model: Lile, pixels: np.ndarray, phrases: Phrases) -> None:
    with torch.inference_mode():
        images, texts = model.encode_images(as_tensor(pixels)), model.encode_texts(*phrases)
        scores = model.score_pairs(images.tokens, texts.tokens, phrases[2])
    assert images.vectors.shape == (5, 16)
    assert images.tokens.shape == (5, 16, 8)
    assert texts.vectors.shape == (3, 16)
    assert texts.tokens.shape == (3, 6, 8)
    torch.testing.assert_close(images.vectors.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(texts.vectors.norm(dim=1), torch.ones(3))
    assert scores.shape == (5, 3)
    assert scores.abs().max() <= 1
    assert scores.std() > 1e-4


def test_padding_changes_nothing(model: Lile, pixels: np.ndarray, phrases: Phrases) -> None:
    ids, seen, mask = phrases
    with torch.inference_mode():
        images = model.encode_images(as_tensor(pixels))
        padded = model.encode_texts(ids, seen, mask)
        alone = model.encode_texts(ids[1:2, :4], seen[1:2, :4], mask[1:2, :4])
        torch.testing.assert_close(padded.vectors[1:2], alone.vectors)
        torch.testing.assert_close(padded.tokens[1:2, :4], alone.tokens)
        wide = model.score_pairs(images.tokens, padded.tokens, mask)[:, 1:2]
        narrow = model.score_pairs(images.tokens, alone.tokens, mask[1:2, :4])
        torch.testing.assert_close(wide, narrow)
        noisy = padded.tokens + torch.randn_like(padded.tokens) * ~mask[:, :, None]
        torch.testing.assert_close(model.score_pairs(images.tokens, noisy, mask)[:, 1:2], narrow)


def test_cross_attention_rows_sum_to_one_and_padding_gets_none(
    model: Lile, pixels: np.ndarray, phrases: Phrases
) -> None:
    with torch.inference_mode():
        images, texts = model.encode_images(as_tensor(pixels)), model.encode_texts(*phrases)
        pairs = all_pairs(5, 3)
        found = model.cross(images.tokens, texts.tokens, phrases[2], pairs, weights=True)
        fused = model.cross(images.tokens, texts.tokens, phrases[2], pairs)
    assert found.image_over_text.shape == (15, 16, 6)
    assert found.text_over_image.shape == (15, 6, 16)
    torch.testing.assert_close(found.image_over_text.sum(2), torch.ones(15, 16))
    torch.testing.assert_close(found.text_over_image.sum(2), torch.ones(15, 6))
    hidden = ~phrases[2][pairs[:, 1]][:, None, :].expand(15, 16, 6)
    assert (found.image_over_text[hidden] == 0).all()
    torch.testing.assert_close(found.scores, fused.scores)
    assert fused.image_over_text is None


def test_permuting_a_batch_permutes_its_scores(model: Lile, pixels: np.ndarray, phrases: Phrases) -> None:
    rows, columns = torch.tensor([3, 0, 4, 1, 2]), torch.tensor([2, 0, 1])
    with torch.inference_mode():
        images, texts = model.encode_images(as_tensor(pixels)), model.encode_texts(*phrases)
        scores = model.score_pairs(images.tokens, texts.tokens, phrases[2])
        shuffled_images = model.encode_images(as_tensor(pixels)[rows])
        shuffled_texts = model.encode_texts(*(p[columns] for p in phrases))
        shuffled = model.score_pairs(shuffled_images.tokens, shuffled_texts.tokens, phrases[2][columns])
    torch.testing.assert_close(shuffled, scores[rows][:, columns], atol=1e-5, rtol=1e-4)


def test_listed_pairs_are_the_entries_of_the_full_table(model: Lile, pixels: np.ndarray, phrases: Phrases) -> None:
    pairs = torch.tensor([[4, 1], [0, 0], [4, 2], [4, 1]])
    with torch.inference_mode():
        images, texts = model.encode_images(as_tensor(pixels)), model.encode_texts(*phrases)
        table = model.score_pairs(images.tokens, texts.tokens, phrases[2])
        listed = model.cross(images.tokens, texts.tokens, phrases[2], pairs).scores
    torch.testing.assert_close(listed, table[pairs[:, 0], pairs[:, 1]])


@pytest.mark.parametrize("frozen", [(), ("image",), ("text",), ("image", "text")])
def test_gradients_reach_what_trains_and_nothing_else(
    config: LileConfig, pixels: np.ndarray, phrases: Phrases, frozen: tuple[str, ...]
) -> None:
    model = create_lile(config.replace(dropout=0.0), seed=1)
    model.freeze(image="image" in frozen, text="text" in frozen)
    images, texts = model.encode_images(as_tensor(pixels)), model.encode_texts(*phrases)
    matches = torch.zeros(5, 3, dtype=torch.bool)
    matches[[0, 1, 2, 3], [0, 1, 2, 0]] = True
    tables = images.vectors @ texts.vectors.T, model.score_pairs(images.tokens, texts.tokens, phrases[2])
    own, cross = (InfoNCE()(table, matches, scale)["loss"] for table, scale in zip(tables, model.scales, strict=True))
    (own + cross).backward()
    for name, parameter in model.named_parameters():
        part = name.split(".")[0]
        if (part == "backbone" and "image" in frozen) or (part == "text_encoder" and "text" in frozen):
            assert parameter.grad is None, name
            assert not parameter.requires_grad, name
        else:
            assert parameter.grad is not None, name
            # Softmax does not see a constant added to all of its logits, nor keys one added to a query's.
            if not name.endswith(("weigh.bias", "key.bias")):
                assert parameter.grad.abs().sum() > 0, name


def test_frozen_encoders_stay_in_eval_mode(config: LileConfig) -> None:
    model = create_lile(config)
    model.freeze(image=True, text=True)
    model.train()
    assert model.training
    assert model.image_tower.training
    assert not model.backbone.training
    assert not model.text_encoder.training
    model.freeze()
    assert model.backbone.training
    model.keep_norms = True
    model.train()
    norms = [m for m in model.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    assert not any(m.training for m in norms)


def test_folding_the_token_grid_changes_nothing() -> None:
    torch.manual_seed(0)
    grid = TokenGrid([(6, 16), (10, 8), (4, 4)], 4, 8)
    maps = [torch.randn(3, 6, 16, 16) * 5 + 2, torch.randn(3, 10, 8, 8), torch.randn(3, 4, 4, 4) - 1]
    with torch.no_grad():
        for _ in range(4):
            grid(grid.shrink(maps))
    grid.eval()
    with torch.inference_mode():
        before = grid(grid.shrink(maps))
        grid.fold()
        torch.testing.assert_close(grid(grid.shrink(maps)), before, atol=1e-4, rtol=1e-4)
    assert before.shape == (3, 16, 8)


def test_shrinking_keeps_the_mean_and_the_order_of_the_grid() -> None:
    grid = TokenGrid([(1, 16)], 4, 8)
    ramp = torch.arange(256.0).reshape(1, 1, 16, 16)
    (small,) = grid.shrink([ramp])
    assert small.shape == (1, 1, 8, 8)
    assert small.mean() == ramp.mean()
    assert (small.diff(dim=3) > 0).all()


def test_positions_are_distinct() -> None:
    positions = positions_2d(7, 16)
    assert positions.shape == (49, 16)
    assert torch.cdist(positions, positions).fill_diagonal_(1).min() > 1e-3


@pytest.mark.parametrize("change", [{"self_layers": 0}, {"cross_blocks": 1}, {"token_grid": 2}, {"taps": (2, 7)}])
def test_other_sizes_work(config: LileConfig, pixels: np.ndarray, phrases: Phrases, change: dict[str, object]) -> None:
    model = create_lile(config.replace(**change)).eval()
    with torch.inference_mode():
        images, texts = model.encode_images(as_tensor(pixels)), model.encode_texts(*phrases)
        assert model.score_pairs(images.tokens, texts.tokens, phrases[2]).isfinite().all()
    assert images.tokens.shape[1] == model.config.image_tokens
