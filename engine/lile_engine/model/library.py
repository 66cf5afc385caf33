"""The models at hand: the bundled one and the user's own, one folder each. No torch is needed to list them."""

from __future__ import annotations

import json
import lzma
import shutil
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from lile_engine.errors import ModelError
from lile_engine.model.config import MODEL_TYPE
from lile_engine.paths import bundled_model_dir, models_dir, private_dir

CARD = "model_card.md"
TRAINED_ON = "trained_on.json"  # slides and cases of the pairs; stays on this computer
CLIP_FAMILY = ("clip", "siglip")
_KEPT = (".json", ".txt", ".md", ".safetensors", ".model")
_PICKLED = (".bin", ".pth", ".pt")
_LARGEST = 20 * 2**30  # bytes that an imported zip may unpack to


@dataclass(frozen=True)
class ModelEntry:
    """A model folder. ``kind`` is ``"lile"``, ``"clip"``, ``"siglip"``, or another model_type, which is good
    only as start weights; ``usable`` says whether it can search."""

    name: str
    path: str
    kind: str
    bundled: bool
    usable: bool
    megabytes: float


def list_models() -> list[ModelEntry]:
    """The bundled models, then the user's, by name; folders that are no models are left out."""
    entries = []
    for parent, bundled in ((bundled_model_dir().parent, True), (models_dir(), False)):
        if parent.is_dir():
            folders = sorted(p for p in parent.iterdir() if p.is_dir() and not p.name.startswith("."))
            entries += [entry for entry in (_entry(f, bundled) for f in folders) if entry]
    return entries


def model_card(folder: Path) -> str:
    """The card of a model folder; raises `ModelError` where it has none."""
    for name in (CARD, "README.md"):
        if (folder / name).is_file():
            return (folder / name).read_text("utf-8", errors="replace")
    raise ModelError(f"The model in {folder} has no model card.")


def import_model(source: Path, name: str | None = None) -> ModelEntry:
    """Copies a model folder, an exported zip or a file of weights (.pth, .bin, .safetensors) into the library.

    Pickled weights are converted once, in a child process that unpickles nothing but tensors. The copy holds
    configuration, tokenizer, card and safetensors only. Raises `ModelError` if the name is taken or what came
    is no model.
    """
    from lile_engine.model.folders import check_folder, new_folder

    if not source.exists():
        raise ModelError(f"There is nothing at {source}; check the path.")
    target = private_dir(models_dir()) / _checked_name(name or source.resolve().stem)
    if target.exists():
        raise ModelError(f"A model named {target.name!r} is there already; give another with --name, or delete it.")
    with new_folder(target) as scratch:
        try:
            if source.is_dir():
                _copy_folder(source, scratch)
            elif zipfile.is_zipfile(source) and source.suffix.lower() == ".zip":
                _unpack(source, scratch)
            else:
                _copy_weights(source, scratch)
            check_folder(scratch)
            _try_out(scratch)
        except OSError as error:
            raise ModelError(
                f"The model cannot be copied to {target.parent} ({error.strerror or error}); make room there."
            ) from error
        except ModelError as error:
            # What is wrong was found in the copy, but it is the source that the user knows and can mend.
            raise ModelError(str(error).replace(str(scratch), str(source))) from error
    entry = _entry(target, bundled=False)
    if entry is None:  # it was looked at in the copy, so only somebody else can have changed it since
        raise ModelError(f"The model {target.name!r} went away while it was brought in; import it again.")
    return entry


def export_model(folder: Path, target: Path) -> None:
    """Copies a model to ``target``: a zip if it ends in .zip, else a new folder. Raises `ModelError` if taken.

    The list of slides and cases that it was trained on is left out: what is exported may leave the house.
    """
    from lile_engine.model.folders import check_folder, new_folder

    check_folder(folder)
    if target.exists():
        raise ModelError(f"There is something at {target} already; choose another place.")
    files = [p for p in sorted(folder.iterdir()) if p.is_file() and p.suffix.lower() in _KEPT]
    files = [p for p in files if p.name != TRAINED_ON]
    if target.suffix.lower() != ".zip":
        with new_folder(target) as scratch:
            for file in files:
                shutil.copyfile(file, scratch / file.name)
        return
    partial = target.with_name(f".{target.name}.partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as packed:
            for file in files:
                packed.write(file, file.name)
        partial.chmod(0o600)
        partial.replace(target)
    except OSError as error:
        raise ModelError(f"The model cannot be written to {target} ({error.strerror}); choose another place.") from (
            error
        )
    finally:
        partial.unlink(missing_ok=True)


def delete_model(name: str) -> None:
    """Deletes one of the user's models; raises `ModelError` for the bundled one and for what is not there."""
    folder = models_dir() / _checked_name(name)
    if not folder.is_dir():
        bundled = (bundled_model_dir().parent / name).is_dir()
        why = "is bundled with the program and stays" if bundled else "is not among your models; see: lile models list"
        raise ModelError(f"The model {name!r} {why}.")
    shutil.rmtree(folder)


def _entry(folder: Path, bundled: bool) -> ModelEntry | None:
    try:
        plain = json.loads((folder / "config.json").read_text("utf-8"))
        kind = str(plain["model_type"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    usable = kind == MODEL_TYPE or kind in CLIP_FAMILY
    return ModelEntry(folder.name, str(folder), kind, bundled, usable, round(size / 1e6, 1))


def _checked_name(name: str) -> str:
    if not name or name.startswith(".") or Path(name).name != name or "\\" in name:
        raise ModelError(f"The name {name!r} cannot be a model's; use letters, digits and dashes.")
    return name


def _copy_folder(source: Path, target: Path) -> None:
    from lile_engine.model.convert import convert_pickle

    for file in sorted(p for p in source.iterdir() if p.is_file()):
        if file.suffix.lower() in _KEPT:
            shutil.copyfile(file, target / file.name)
    if not (target / "model.safetensors").exists():
        pickles = sorted(p for p in source.iterdir() if p.suffix.lower() in _PICKLED)
        if len(pickles) != 1:
            raise ModelError(f"The folder {source} must hold model.safetensors or one file of weights (.bin, .pth).")
        convert_pickle(pickles[0], target / "model.safetensors")


def _copy_weights(source: Path, target: Path) -> None:
    """A bare file of weights: the only ones known by their names alone are EfficientNet-Lite0's."""
    from lile_engine.model.convert import convert_pickle
    from lile_engine.model.folders import read_weights

    if source.suffix.lower() == ".safetensors":
        shutil.copyfile(source, target / "model.safetensors")
    elif source.suffix.lower() in _PICKLED:
        convert_pickle(source, target / "model.safetensors")
    else:
        raise ModelError(
            f"The file {source} is no model; give a folder, a .zip, or weights (.pth, .bin, .safetensors)."
        )
    if "_conv_stem.weight" not in read_weights(target / "model.safetensors"):
        raise ModelError(f"The weights {source.name} have no config.json; import the folder that they came in.")
    (target / "config.json").write_text(json.dumps({"model_type": "efficientnet_lite0"}) + "\n", "utf-8")


def _unpack(source: Path, target: Path) -> None:
    try:
        _unpack_members(source, target)
    except RuntimeError as error:  # also what zipfile raises for a method of packing that it does not know
        raise ModelError(
            f"The zip {source} is encrypted or packed in an unknown way; pack it as a plain zip."
        ) from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
        raise ModelError(f"The zip {source} is damaged or cut short; get it again.") from error


def _unpack_members(source: Path, target: Path) -> None:
    with zipfile.ZipFile(source) as packed:
        members = [m for m in packed.infolist() if not m.is_dir()]
        if sum(m.file_size for m in members) > _LARGEST:
            raise ModelError(f"The zip {source} unpacks to more than {_LARGEST // 2**30} GiB and is refused.")
        names = set[str]()
        for member in members:
            path = Path(member.filename)
            if path.name.lower() in names:
                raise ModelError(f"The zip {source} holds {path.name} twice; pack it again.")
            names.add(path.name.lower())
            odd = path.name != member.filename or stat.S_ISLNK(member.external_attr >> 16)
            if odd or path.suffix.lower() not in _KEPT:
                raise ModelError(f"The zip {source} holds {member.filename}, which no exported model has.")
            with packed.open(member) as read, (target / path.name).open("wb") as write:
                shutil.copyfileobj(read, write)


def _try_out(folder: Path) -> None:
    """Opens what can be opened, so that a damaged model is refused now and not at the first search."""
    from lile_engine.model.folders import read_config, read_weights

    kind = read_config(folder).get("model_type")
    if not isinstance(kind, str) or not kind:
        raise ModelError(f"The config.json in {folder} does not say what kind of model it is (model_type).")
    if kind == MODEL_TYPE or kind in CLIP_FAMILY:
        from lile_engine.model.load import load_model

        load_model(folder, "cpu")
    else:
        read_weights(folder / "model.safetensors")
