"""Finding and opening a model: the bundled one, one of the user's, or a folder."""

from __future__ import annotations

from pathlib import Path

from lile_engine.errors import ModelError
from lile_engine.model.config import MODEL_TYPE
from lile_engine.model.folders import check_folder, read_config
from lile_engine.model.library import CLIP_FAMILY
from lile_engine.model.protocol import ImageTextModel
from lile_engine.paths import bundled_model_dir, models_dir


def resolve_model(wanted: Path | str | None = None) -> Path:
    """The folder meant: None is the bundled model, a bare name one of the user's (or the bundled one's).

    Raises `ModelError` where there is none.
    """
    if wanted is None:
        folder = bundled_model_dir()
        if not folder.is_dir():
            raise ModelError(f"The bundled model is missing from {folder}; install again or name one with --model.")
        return folder
    path = Path(wanted)
    if path.is_dir():
        return path
    if path.name == str(wanted):
        for folder in (models_dir() / path.name, bundled_model_dir().parent / path.name):
            if folder.is_dir():
                return folder
    raise ModelError(f"There is no model {str(wanted)!r}; see: lile models list")


def load_model(path: Path | str | None = None, device: str = "auto") -> ImageTextModel:
    """Opens a LILE checkpoint or a CLIP-family folder; raises `ModelError` for anything else."""
    folder = resolve_model(path)
    check_folder(folder)
    kind = read_config(folder).get("model_type")
    if kind == MODEL_TYPE:
        from lile_engine.model.checkpoint import load_checkpoint
        from lile_engine.model.runtime import LileRuntime

        return LileRuntime(load_checkpoint(folder), device)
    if kind in CLIP_FAMILY:
        from lile_engine.model.clip import ClipRuntime

        return ClipRuntime(folder, device)
    raise ModelError(f"The model in {folder} is of kind {kind!r}; LILE and {', '.join(CLIP_FAMILY)} folders work.")
