from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lile_engine.errors import ModelError
from lile_engine.model.checkpoint import identity_of, load_checkpoint, save_checkpoint
from lile_engine.model.config import LileConfig
from lile_engine.model.create import create_lile
from lile_engine.model.lile import Lile
from lile_engine.model.load import load_model
from lile_engine.model.reference import build_reference
from lile_engine.paths import bundled_model_dir


@pytest.fixture
def folder(tmp_path: Path, model: Lile, tokenizer_folder: Path) -> Path:
    save_checkpoint(tmp_path / "tiny", model, tokenizer_folder, "# Tiny\n")
    return tmp_path / "tiny"


def test_what_is_saved_comes_back(folder: Path, model: Lile, pixels: np.ndarray) -> None:
    back = load_checkpoint(folder)
    assert back.model.config == model.config
    assert not back.model.training
    assert back.identity.id == identity_of(folder, model.config).id
    assert len(back.identity.id) == 16
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    with torch.inference_mode():
        cosines = (back.model.encode_images(x).vectors * model.encode_images(x).vectors).sum(1)
    assert cosines.min() > 0.9999  # float16 matrices


def test_full_precision_is_exact(tmp_path: Path, model: Lile, tokenizer_folder: Path) -> None:
    save_checkpoint(tmp_path / "full", model, tokenizer_folder, "", half=False)
    back = load_checkpoint(tmp_path / "full").model.state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(back[name], value.to(back[name].dtype)), name


def test_files_are_private_and_safe(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == [
        "checksums.json",
        "config.json",
        "model.safetensors",
        "model_card.md",
        "tokenizer.json",
    ]
    assert folder.stat().st_mode & 0o077 == 0
    assert all(p.stat().st_mode & 0o077 == 0 for p in folder.iterdir())


def test_identity_follows_weights_and_not_the_weights_of_a_search(
    tmp_path: Path, config: LileConfig, tokenizer_folder: Path
) -> None:
    ids = {}
    for name, changed, seed in (
        ("a", config, 0),
        ("alpha", config.replace(alpha=0.9, rerank_k=7, name="other"), 0),
        ("seed", config, 1),
    ):
        ids[name] = save_checkpoint(tmp_path / name, create_lile(changed, seed=seed), tokenizer_folder, "").id
    assert ids["a"] == ids["alpha"]
    assert ids["a"] != ids["seed"]


def test_saving_over_an_older_one_leaves_only_the_new(folder: Path, config: LileConfig, tokenizer_folder: Path) -> None:
    (folder / "trained_on.json").write_text("{}")
    save_checkpoint(folder, create_lile(config, seed=8), tokenizer_folder, "# New\n")
    assert not (folder / "trained_on.json").exists()
    assert (folder / "model_card.md").read_text() == "# New\n"
    assert [p.name for p in folder.parent.iterdir() if p.name.startswith(".")] == []


def test_what_is_no_part_of_a_model_is_never_replaced(
    folder: Path, config: LileConfig, tokenizer_folder: Path, tmp_path: Path
) -> None:
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match=r"notes\.txt.*name a new folder"):
        save_checkpoint(folder, create_lile(config, seed=8), tokenizer_folder, "")
    assert (folder / "notes.txt").read_text() == "mine"
    assert [p.name for p in folder.parent.iterdir() if p.name.startswith(".")] == []
    (tmp_path / "file").write_text("mine")
    for target, words in ((tmp_path / "file", "is a file"), (tmp_path / "file" / "model", "cannot be written")):
        with pytest.raises(ModelError, match=words):
            save_checkpoint(target, create_lile(config, seed=8), tokenizer_folder, "")


def test_a_failed_save_leaves_the_older_one(
    folder: Path, model: Lile, tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (folder / "model.safetensors").read_bytes()

    def full_disk(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("lile_engine.model.checkpoint.save_file", full_disk)
    with pytest.raises(ModelError, match="no space"):
        save_checkpoint(folder, model, tokenizer_folder, "")
    assert (folder / "model.safetensors").read_bytes() == before
    assert [p.name for p in folder.parent.iterdir() if p.name.startswith(".")] == []


def truncate(folder: Path) -> None:
    (folder / "checksums.json").unlink()
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def empty(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def flip_header(folder: Path) -> None:
    file = folder / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[20] ^= 0xFF
    file.write_bytes(bytes(data))


def one_bit(folder: Path) -> None:
    file = folder / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-500] ^= 1
    file.write_bytes(bytes(data))


def broken_sums(folder: Path) -> None:
    (folder / "checksums.json").write_text("[1")


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def without_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def other_width(folder: Path) -> None:
    (folder / "checksums.json").unlink()
    plain = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**plain, "width": 32}))


def deeper(folder: Path) -> None:
    (folder / "checksums.json").unlink()
    plain = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**plain, "self_layers": 2}))


def one_tensor_more(folder: Path) -> None:
    (folder / "checksums.json").unlink()
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, "stranger": torch.zeros(2)}, folder / "model.safetensors")


def not_a_number(folder: Path) -> None:
    (folder / "checksums.json").unlink()
    tensors = load_file(folder / "model.safetensors")
    tensors["text_in.1.bias"][0] = float("nan")
    save_file(tensors, folder / "model.safetensors")


def pickled(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"a": 1}))


def python_code(folder: Path) -> None:
    (folder / "modeling.py").write_text("print('here')\n")


def code_by_reference(folder: Path) -> None:
    plain = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**plain, "auto_map": {"AutoModel": "x.Y"}}))


def without_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def larger_tokenizer(folder: Path) -> None:
    (folder / "checksums.json").unlink()
    plain = json.loads((folder / "tokenizer.json").read_text())
    plain["model"]["vocab"]["surplus"] = 5000
    (folder / "tokenizer.json").write_text(json.dumps(plain))


def change(folder: Path, **settings: object) -> None:
    """As somebody would who mends the sum too, or has an older model without one."""
    (folder / "checksums.json").unlink()
    plain = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**plain, **settings}))


def another_alpha(folder: Path) -> None:
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"alpha": 0.5', '"alpha": 0.6'))


def words_for_sizes(folder: Path) -> None:
    change(folder, text_config={"model_type": "bert", "hidden_size": "16", "num_attention_heads": 2})


def no_heads(folder: Path) -> None:
    change(folder, text_config={"model_type": "bert", "hidden_size": 16, "num_attention_heads": 0})


def list_for_eps(folder: Path) -> None:
    change(folder, text_config={"model_type": "bert", "layer_norm_eps": [1]})


def odd_transformer(folder: Path) -> None:
    change(folder, image_backbone="transformers", image_config={"model_type": "vit", "hidden_size": "wide"})


def side_that_does_not_divide(folder: Path) -> None:
    vit = {"model_type": "vit", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 48}
    change(folder, image_backbone="transformers", image_config={**vit, "patch_size": 16}, taps=[])


def far_tap(folder: Path) -> None:
    change(folder, taps=[1, 900])


def nested(folder: Path) -> None:
    (folder / "checksums.json").unlink()
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace("{", '{"deep": ' + "[" * 400 + "]" * 400 + ",", 1))


def nested_beyond_reading(folder: Path) -> None:
    (folder / "config.json").write_text("[" * 100_000)


def foreign_kind(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "gpt2"}')


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (truncate, "cut short"),
        (empty, "damaged"),
        (flip_header, "damaged"),
        (one_bit, "not as it was saved"),
        (broken_sums, "checksums"),
        (without_weights, "missing"),
        (without_config, "config.json"),
        (broken_config, "damaged"),
        (other_width, "asks for"),
        (deeper, "lack"),
        (one_tensor_more, "stranger"),
        (not_a_number, "no numbers"),
        (pickled, "models import"),
        (python_code, r"modeling\.py"),
        (code_by_reference, "auto_map"),
        (without_tokenizer, r"tokenizer\.json"),
        (larger_tokenizer, "more words"),
        (foreign_kind, "gpt2"),
        (another_alpha, r"config\.json in .* is not as it was saved"),
        (words_for_sizes, "hidden_size = '16'"),
        (no_heads, "num_attention_heads = 0"),
        (list_for_eps, "layer_norm_eps"),
        (odd_transformer, "vit"),
        (side_that_does_not_divide, "cannot be built"),
        (far_tap, "cannot be built"),
        (nested, "cannot be read"),
        (nested_beyond_reading, "cannot be read"),
    ],
)
def test_what_is_wrong_is_refused_in_a_sentence(folder: Path, damage: Callable[[Path], None], word: str) -> None:
    damage(folder)
    with pytest.raises(ModelError, match=word) as caught:
        load_model(folder, "cpu")
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400


def test_reference_travels_with_the_checkpoint(tmp_path: Path, model: Lile, tokenizer_folder: Path) -> None:
    rng = np.random.default_rng(0)
    learned = rng.normal(size=(300, 16)).astype(np.float32) + np.eye(16, dtype=np.float32)[0] * 8
    learned /= np.linalg.norm(learned, axis=1, keepdims=True)
    save_checkpoint(tmp_path / "tiny", model, tokenizer_folder, "", build_reference(learned))
    runtime = load_model(tmp_path / "tiny", "cpu")
    amid, far = runtime.outside(learned), runtime.outside(-learned)
    assert amid.dtype == np.float32
    assert (amid <= 0.6).mean() > 0.95
    assert (far == 1).all()
    damaged = tmp_path / "tiny" / "reference.safetensors"
    whole = bytearray(damaged.read_bytes())
    whole[-3] ^= 1  # its reader would not see it
    damaged.write_bytes(whole)
    with pytest.raises(ModelError, match=r"reference\.safetensors in .* is not as it was saved"):
        load_model(tmp_path / "tiny", "cpu")
    (tmp_path / "tiny" / "checksums.json").unlink()
    damaged.write_bytes(damaged.read_bytes()[:50])
    with pytest.raises(ModelError, match="reference"):
        load_model(tmp_path / "tiny", "cpu")


def test_what_an_older_model_has_no_sum_of_passes(folder: Path) -> None:
    """The bundled model has sums of weights and tokenizer alone."""
    sums = json.loads((folder / "checksums.json").read_text())
    assert sorted(sums) == ["config.json", "model.safetensors", "tokenizer.json"]
    del sums["config.json"]
    (folder / "checksums.json").write_text(json.dumps(sums))
    another_alpha(folder)
    (folder / "model_card.md").write_text("# Mended\n")
    assert load_model(folder, "cpu").alpha == 0.6


def test_the_bundled_model_opens() -> None:
    checkpoint = load_checkpoint(bundled_model_dir())
    assert checkpoint.identity.name == "lile-base"
    assert checkpoint.reference is not None


def test_without_a_reference_outside_is_unknown(folder: Path) -> None:
    assert np.isnan(load_model(folder, "cpu").outside(np.zeros((2, 16), np.float32))).all()
