"""The tuning of the backbone: it learns, goes on from where it was, and leaves a backbone of the usual form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lile_engine.errors import DataError
from lile_engine.model.config import LileConfig
from lile_engine.model.create import create_lile
from lile_engine.model.efficientnet_lite import EfficientNetLite0
from lile_engine.model.text import PhraseTokenizer, read_tokenizer
from lile_engine.training.pairs import PairDataset, read_pairs
from lile_engine.training.tune_data import TextTable, TileStore, all_texts, stain_views, text_table
from lile_engine.training.tune_image import TuneConfig, TuneInfo, save_backbone, soft_target, tune
from lile_engine.training.whiten import Whitening

SHORT = TuneConfig(steps=12, batch=16, px=64, frozen_blocks=1, rate=1e-3, warmup=2, save_steps=4)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, make_pairs: Callable[..., Path]) -> PairDataset:
    return read_pairs(make_pairs(tmp_path_factory.mktemp("tune") / "pairs"))


@pytest.fixture(scope="module")
def table(pairs: PairDataset, tokenizer_folder: Path, tiny_config: LileConfig) -> TextTable:
    tokenizer = PhraseTokenizer(read_tokenizer(tokenizer_folder), 16)
    return text_table(create_lile(tiny_config, seed=1).eval(), tokenizer, all_texts([pairs]))


@pytest.fixture(scope="module")
def fresh(tiny_config: LileConfig) -> Callable[[], EfficientNetLite0]:
    def make() -> EfficientNetLite0:
        backbone = create_lile(tiny_config, seed=1).eval().backbone
        assert isinstance(backbone, EfficientNetLite0)
        return backbone

    return make


def test_it_learns_and_the_backbone_moves(
    fresh: Callable[[], EfficientNetLite0], pairs: PairDataset, table: TextTable, tmp_path: Path
) -> None:
    infos: list[TuneInfo] = []
    backbone = fresh()
    before = {n: t.clone() for n, t in backbone.state_dict().items()}
    tune(backbone, [pairs], [1.0], table, {}, replace(SHORT, steps=40), tmp_path, infos.append)
    assert np.mean([i.contrast for i in infos[-5:]]) < infos[0].contrast - 0.3
    moved = {n for n, t in backbone.state_dict().items() if not torch.equal(t, before[n])}
    assert any(n.startswith("blocks.3.") for n in moved)
    assert not any(n.startswith(("stem.", "blocks.0.")) or "running" in n for n in moved)


def test_a_stopped_run_goes_on_bit_for_bit(
    fresh: Callable[[], EfficientNetLite0], pairs: PairDataset, table: TextTable, tmp_path: Path
) -> None:
    whole, halves = fresh(), fresh()
    tune(whole, [pairs], [1.0], table, {}, SHORT, tmp_path / "whole")

    def stop(info: TuneInfo) -> None:
        if info.step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(fresh(), [pairs], [1.0], table, {}, SHORT, tmp_path / "halves", stop)
    steps: list[int] = []
    tune(halves, [pairs], [1.0], table, {}, SHORT, tmp_path / "halves", lambda i: steps.append(i.step))
    assert steps == list(range(5, 13))  # saved at 4
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(halves.state_dict()[name], tensor, rtol=0, atol=0, msg=name)


def test_the_file_is_what_a_new_model_starts_from(
    fresh: Callable[[], EfficientNetLite0], tiny_config: LileConfig, tmp_path: Path
) -> None:
    backbone = fresh()
    save_backbone(backbone, tmp_path / "backbone.safetensors")
    model = create_lile(tiny_config, None, tmp_path / "backbone.safetensors", seed=5)
    for name, tensor in load_file(tmp_path / "backbone.safetensors").items():
        torch.testing.assert_close(model.backbone.state_dict()[name], tensor)


def test_nothing_to_tune_on(fresh: Callable[[], EfficientNetLite0], table: TextTable, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to tune"):
        tune(fresh(), [PairDataset(())], [1.0], table, {}, SHORT, tmp_path)


def test_shares_of_the_lists(pairs: PairDataset) -> None:
    store = TileStore([pairs.subset(range(8)), pairs.subset(range(8, 32))], [3.0, 1.0], seed=0)
    drawn = np.concatenate([store.draw(step, 4) for step in range(400)])
    assert np.mean(drawn < 8) == pytest.approx(0.75, abs=0.08)


def test_views_are_seeded_and_change_colour_and_place() -> None:
    tiles = 255 * torch.rand(6, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    first, again, other = (
        stain_views(tiles, 64, (0.7, 1.1), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    torch.testing.assert_close(first, again)
    assert not torch.allclose(first, other)
    assert first.shape == (6, 3, 64, 64)
    assert first.min() >= 0
    assert first.max() <= 255


def test_target_rows_sum_to_one_and_favour_what_belongs_together() -> None:
    same = torch.eye(4, dtype=torch.bool)
    same[0, 1] = same[1, 0] = True
    target = soft_target(same, torch.eye(4), 0.2)
    torch.testing.assert_close(target.sum(1), torch.ones(4))
    assert target[0, 1] > target[0, 2]


def test_whitened_features_have_unit_covariance() -> None:
    torch.manual_seed(0)
    features = torch.randn(4000, 6) @ torch.randn(6, 6) * torch.tensor([1, 10, 100, 1, 0.1, 3.0]) + 7
    whitening = Whitening.of(features, 1e-4)
    white = (features - whitening.mean) @ whitening.turn
    torch.testing.assert_close(torch.cov(white.T), torch.eye(6), rtol=0, atol=0.05)
