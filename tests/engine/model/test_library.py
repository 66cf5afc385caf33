from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lile_engine.cli import main
from lile_engine.errors import ModelError
from lile_engine.model.checkpoint import save_checkpoint
from lile_engine.model.convert import convert_pickle
from lile_engine.model.efficientnet_lite import EfficientNetLite0
from lile_engine.model.folders import read_weights
from lile_engine.model.library import delete_model, export_model, import_model, list_models, model_card
from lile_engine.model.lile import Lile
from lile_engine.model.load import load_model, resolve_model


@pytest.fixture
def folder(tmp_path: Path, model: Lile, tokenizer_folder: Path) -> Path:
    save_checkpoint(tmp_path / "tiny", model, tokenizer_folder, "# Tiny\n")
    return tmp_path / "tiny"


def test_import_list_export_delete(folder: Path, tmp_path: Path, lile_home: Path) -> None:
    entry = import_model(folder, "mine")
    assert entry in list_models()
    assert resolve_model("mine") == Path(entry.path)
    assert load_model("mine", "cpu").identity.id == load_model(folder, "cpu").identity.id
    with pytest.raises(ModelError, match="already"):
        import_model(folder, "mine")
    export_model(Path(entry.path), tmp_path / "out.zip")
    with pytest.raises(ModelError, match="already"):
        export_model(Path(entry.path), tmp_path / "out.zip")
    again = import_model(tmp_path / "out.zip", "again")
    assert load_model("again", "cpu").identity.id == load_model("mine", "cpu").identity.id
    assert model_card(Path(again.path)) == "# Tiny\n"
    export_model(Path(entry.path), tmp_path / "out")
    assert load_model(tmp_path / "out", "cpu").identity.name == "tiny"
    delete_model("mine")
    assert [e.name for e in list_models() if not e.bundled] == ["again"]
    with pytest.raises(ModelError, match="not among"):
        delete_model("mine")


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a\\b"])
def test_names_that_lead_elsewhere_are_refused(folder: Path, lile_home: Path, name: str) -> None:
    with pytest.raises(ModelError):
        import_model(folder, name or ".")
    with pytest.raises(ModelError):
        delete_model(name)


def test_a_zip_that_climbs_out_is_refused(tmp_path: Path, lile_home: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as packed:
        packed.writestr("../config.json", "{}")
    with pytest.raises(ModelError, match="exported"):
        import_model(tmp_path / "evil.zip")
    assert list_models() == [e for e in list_models() if e.bundled]


def _zip(folder: Path, target: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(target, "w", method) as packed:
        for file in sorted(folder.iterdir()):
            packed.write(file, file.name)
    return target


def _flipped(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0x10
    file.write_bytes(bytes(data))


def _encrypted(file: Path) -> None:
    """Sets the bit that says so in every header, as a zip with a password has it."""
    data = bytearray(file.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.find(mark)
        while start >= 0:
            data[start + offset] |= 1
            start = data.find(mark, start + 4)
    file.write_bytes(bytes(data))


def _odd_method(file: Path) -> None:
    data = bytearray(file.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        start = data.find(mark)
        while start >= 0:
            data[start + offset] = 97
            start = data.find(mark, start + 4)
    file.write_bytes(bytes(data))


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize(
    ("damage", "words"),
    [(_flipped, "damaged"), (_encrypted, "encrypted"), (_odd_method, "unknown way"), (_cut, r"is no model|damaged")],
)
def test_a_zip_that_cannot_be_unpacked(
    folder: Path, tmp_path: Path, lile_home: Path, damage: Callable[[Path], None], words: str
) -> None:
    packed = _zip(folder, tmp_path / "m.zip")
    damage(packed)
    with pytest.raises(ModelError, match=words) as caught:
        import_model(packed)
    assert str(packed) in str(caught.value)
    assert [e for e in list_models() if not e.bundled] == []
    assert import_model(_zip(folder, packed), "m").kind == "lile"  # the name is free


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_does_not_say_its_kind_leaves_nothing_behind(folder: Path, tmp_path: Path, lile_home: Path) -> None:
    packed = _zip(folder, tmp_path / "m.zip")
    with zipfile.ZipFile(packed, "a") as more:
        more.writestr("config.json", "{}")
    with pytest.raises(ModelError, match=r"m\.zip holds config\.json twice"):
        import_model(packed)
    for text in ("{}", '{"model_type": null}', '{"model_type": 7}', '{"model_type": ""}'):
        (folder / "config.json").write_text(text)
        with pytest.raises(ModelError, match=f"in {folder} does not say what kind"):
            import_model(folder, "m")
    assert not any((lile_home / "models").iterdir())


def test_a_damaged_model_is_not_imported(folder: Path, lile_home: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ModelError, match="damaged") as caught:
        import_model(folder, "broken")
    assert f"in {folder} " in str(caught.value)  # the user's folder, not the copy that was looked at
    assert str(lile_home) not in str(caught.value)
    assert not [e for e in list_models() if e.name == "broken"]


def test_where_it_learned_stays_at_home(folder: Path, tmp_path: Path, lile_home: Path) -> None:
    (folder / "trained_on.json").write_text('{"slides": [], "cases": ["Miller"]}')
    entry = import_model(folder, "mine")
    assert (Path(entry.path) / "trained_on.json").is_file()  # so that ``archive remove`` still finds it
    export_model(Path(entry.path), tmp_path / "out.zip")
    export_model(Path(entry.path), tmp_path / "out")
    assert "trained_on.json" not in zipfile.ZipFile(tmp_path / "out.zip").namelist()
    assert not (tmp_path / "out" / "trained_on.json").exists()


class Bomb:
    """Unpickled by an ordinary reader, it would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.target,))


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"w": Bomb(tmp_path / "boom")}))
    torch.save({"w": Bomb(tmp_path / "boom")}, tmp_path / "evil2.pth")
    for name in ("evil.pth", "evil2.pth"):
        with pytest.raises(ModelError, match="refused"):
            convert_pickle(tmp_path / name, tmp_path / "out.safetensors")
    assert not (tmp_path / "boom").exists()
    assert not (tmp_path / "out.safetensors").exists()
    assert not list(tmp_path.glob(".*partial"))


def test_weights_convert_exactly(tmp_path: Path) -> None:
    state = {"a": torch.randn(3, 4), "b": torch.arange(3), "shared": torch.ones(2, 2).T}
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    convert_pickle(tmp_path / "w.pth", tmp_path / "w.safetensors")
    back = read_weights(tmp_path / "w.safetensors")
    assert back.keys() == state.keys()
    assert all(torch.equal(back[n], state[n]) for n in state)


def test_bare_weights_are_known_by_their_names(tmp_path: Path, lile_home: Path) -> None:
    torch.save({"some.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match=r"config\.json"):
        import_model(tmp_path / "other.pth")
    torch.save({"_conv_stem.weight": torch.zeros(32, 3, 3, 3)}, tmp_path / "lite.pth")
    entry = import_model(tmp_path / "lite.pth")
    assert entry.kind == "efficientnet_lite0"
    assert not entry.usable
    with pytest.raises(ModelError, match="efficientnet_lite0"):
        load_model("lite", "cpu")


def test_the_command(folder: Path, tmp_path: Path, lile_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "import", str(folder), "--name", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "mine"
    assert main(["models", "list", "--json"]) == 0
    assert "mine" in [m["name"] for m in json.loads(capsys.readouterr().out)["models"]]
    assert main(["models", "card", "mine"]) == 0
    assert capsys.readouterr().out == "# Tiny\n"
    assert main(["models", "export", "mine", str(tmp_path / "copy"), "--json"]) == 0
    capsys.readouterr()
    assert main(["models", "delete", "mine"]) == 0
    assert main(["models", "card", "mine"]) == 1
    assert "lile models list" in capsys.readouterr().err


def test_efficientnet_weights_reach_the_network(tmp_path: Path, pixels: np.ndarray) -> None:
    from safetensors.torch import save_file

    from lile_engine.model.config import LileConfig
    from lile_engine.model.create import create_lile

    torch.manual_seed(0)
    source = EfficientNetLite0(classifier=True)
    save_file(source.state_dict(), tmp_path / "lite.safetensors")
    text = {"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LileConfig(taps=(2, 4), input_px=64, token_grid=4, text_config={**text, "vocab_size": 20})
    model = create_lile(config, image_weights=tmp_path / "lite.safetensors")
    assert model.keep_norms
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


def test_listing_models_needs_no_torch() -> None:
    modules = ", ".join(f"lile_engine.model.{name}" for name in ("library", "protocol", "load"))
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
