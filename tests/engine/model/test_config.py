from __future__ import annotations

import json

import pytest

from lile_engine.errors import ModelError
from lile_engine.model.config import LileConfig


def test_json_round_trip_is_exact(config: LileConfig) -> None:
    for original in (
        LileConfig(),
        config,
        config.replace(taps=(), image_config={"model_type": "vit", "patch_size": 4}),
    ):
        assert LileConfig.from_json(original.to_json()) == original


def test_whole_numbers_come_back_as_floats() -> None:
    plain = json.loads(LileConfig().to_json())
    plain["alpha"] = 1
    assert isinstance(LileConfig.from_json(json.dumps(plain)).alpha, float)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"width": 255}, "255"),
        ({"width": 18, "heads": 2}, "18"),
        ({"alpha": 1.5}, "alpha"),
        ({"token_grid": 0}, "token_grid"),
        ({"image_backbone": "resnet"}, "resnet"),
        ({"lambda_self": -1.0}, "lambda_self"),
        ({"width": 10**9}, "width is 1000000000 and may be at most"),
        ({"self_layers": 10**6}, "self_layers"),
        ({"token_grid": 10**5}, "token_grid"),
        ({"width": 8192, "self_layers": 64}, "no machine here can hold"),
        ({"text_config": {"model_type": "bert", "hidden_size": 10**9, "vocab_size": 30522}}, "no machine"),
        ({"image_config": {"hidden_size": 4096, "num_hidden_layers": 10**6}}, "no machine"),
        ({"text_config": {"hidden_size": 10**400, "vocab_size": 9}}, "no machine"),
        ({"dropout": -1.0}, "dropout"),
        ({"dropout": float("nan")}, "dropout"),
        ({"dropout": 1.0}, "dropout"),
        ({"mlp_ratio": -1.0}, "mlp_ratio"),
        ({"mlp_ratio": float("nan")}, "mlp_ratio"),
        ({"width": 4, "heads": 1, "mlp_ratio": 0.01}, "mlp_ratio"),
        ({"mpp": float("nan")}, "mpp"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": 0.0}, "temperature"),
        ({"lambda_self": float("nan")}, "lambda_self"),
        ({"rerank_k": -1}, "rerank_k"),
        ({"rerank_k": 0}, "rerank_k"),
        ({"width": "256"}, "width is '256' and must be a whole number"),
        ({"heads": 4.0}, "heads"),
        ({"token_grid": True}, "token_grid"),
        ({"taps": (4.0, 10.0)}, "taps"),
        ({"taps": (-1,)}, "taps"),
        ({"pixel_mean": ()}, "pixel_mean"),
        ({"pixel_mean": (1.0, 2.0)}, "pixel_mean"),
        ({"pixel_mean": (1.0, 2.0, float("nan"))}, "pixel_mean"),
        ({"pixel_mean": (1.0, 2.0, 999.0)}, "pixel_mean"),
        ({"pixel_std": ()}, "pixel_std"),
        ({"pixel_std": (128.0, 128.0, 0.0)}, "pixel_std"),
        ({"pixel_std": (128.0, 128.0, -1.0)}, "pixel_std"),
        ({"max_text_tokens": 600}, "max_text_tokens is 600, and the text encoder has only 512 positions"),
        ({"text_config": 7}, "tables"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change: dict[str, object], word: str) -> None:
    with pytest.raises(ModelError, match=word):
        LileConfig().replace(**change)


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda text: text[:40], "damaged"),
        (lambda text: text.replace('"lile"', '"bert"'), "LILE"),
        (lambda text: text.replace('"width": 256', '"width": "256"'), "width"),
        (lambda text: text.replace('"width"', '"breadth"'), "breadth"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "version"),
        (
            lambda text: text.replace('"image_config": {}', '"image_config": {"a": ' + "[" * 9999 + "]" * 9999),
            "damaged",
        ),
        (lambda text: text.replace('"alpha": 0.5', '"alpha": 1' + "0" * 400), "alpha"),
        (lambda text: text.replace('"alpha": 0.5', '"alpha": NaN'), "alpha"),
        (lambda text: text.replace('"rerank_k": 100', '"rerank_k": 1e2'), "rerank_k"),
    ],
)
def test_damaged_json_is_refused(damage: object, word: str) -> None:
    assert callable(damage)
    with pytest.raises(ModelError, match=word):
        LileConfig.from_json(damage(LileConfig().to_json()))
