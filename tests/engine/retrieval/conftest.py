"""A tiny LILE model with random weights, and small slides: stained tissue on the left, glass on the right."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from lile_engine.archive import create_archive, open_archive
from lile_engine.cli import main
from tests.tiny_models import tiny_config, write_tokenizer

WORDS = ("colon", "adeno", "##carcinoma", "fat", "gland", "with", "of", "the", "necrosis", "lymph", "##oid", "stroma")
STAINS = ((200, 90, 160), (120, 60, 150), (230, 150, 190), (160, 110, 200))


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as `lile train` writes it."""
    return save_model(tmp_path_factory.mktemp("model"), seed=3)


@pytest.fixture(scope="session")
def other_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with other weights."""
    return save_model(tmp_path_factory.mktemp("other"), seed=4)


def save_model(folder: Path, seed: int) -> Path:
    from lile_engine.model.checkpoint import save_checkpoint
    from lile_engine.model.create import create_lile
    from lile_engine.model.reference import build_reference

    words = write_tokenizer(folder / "tokenizer", WORDS)
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(50, 16)).astype(np.float32)
    reference = build_reference(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    save_checkpoint(folder / "checkpoint", create_lile(tiny_config(WORDS), seed=seed), words, "# tiny\n", reference)
    return folder / "checkpoint"


@pytest.fixture(scope="session")
def model(model_folder: Path) -> Any:
    """The tiny model, in full precision: random weights tell tiles apart by little."""
    import torch

    from lile_engine.model.checkpoint import load_checkpoint
    from lile_engine.model.runtime import LileRuntime

    torch.set_num_threads(1)  # for so little, threads cost more than they bring
    return LileRuntime(load_checkpoint(model_folder), "cpu", torch.float32)


def draw_slide(path: Path, seed: int, mpp: float | None = 0.5) -> Path:
    """A tiled TIFF of 1024 x 704 px; the left 384 px are stained."""
    rng = np.random.default_rng(seed)
    base = np.full((704, 1024, 3), 245, np.uint8)
    coarse = np.array(STAINS[seed % len(STAINS)]) + rng.integers(-40, 40, (20, 20, 3))
    small = Image.fromarray(coarse.clip(0, 255).astype(np.uint8))
    base[:, :384] = np.asarray(small.resize((384, 704), Image.Resampling.BICUBIC))
    options: dict[str, Any] = {"tile": (64, 64), "photometric": "rgb", "compression": "deflate", "metadata": None}
    if mpp:
        options |= {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, base, **options)
    return path


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three slides."""
    folder = tmp_path_factory.mktemp("drawn")
    for number in range(3):
        draw_slide(folder / f"S{number:02}-A.tif", number)
    return folder


@pytest.fixture
def slides(tmp_path: Path, drawn: Path) -> list[Path]:
    """Three slides in a folder of their own."""
    shutil.copytree(drawn, tmp_path / "slides")
    return sorted((tmp_path / "slides").glob("*.tif"))


@pytest.fixture
def archive_dir(tmp_path: Path, model: Any, model_folder: Path) -> Path:
    """An empty archive of the tiny model."""
    create_archive(tmp_path / "archive", model.identity, str(model_folder))
    return tmp_path / "archive"


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, model: Any, model_folder: Path, drawn: Path) -> Path:
    """What `indexed` is copied from."""
    from lile_engine.retrieval.captions import import_captions
    from lile_engine.retrieval.indexing import index_slides

    folder = tmp_path_factory.mktemp("filled")
    create_archive(folder / "archive", model.identity, str(model_folder))
    index_slides(folder / "archive", sorted(drawn.glob("*.tif")), model)
    captions = folder / "captions.csv"
    captions.write_text(
        "text,source,case,slide,x,y,size\nfat,book,,,,,\ncolon adenocarcinoma,book,B1,,,,\nlymphoid stroma,book,,,,,\n"
        "necrosis,me,,S01-A.tif,64,64,64\n"
    )
    import_captions(folder / "archive", captions, model)
    return folder / "archive"


@pytest.fixture
def indexed(tmp_path: Path, filled: Path, slides: list[Path]) -> Path:
    """An archive with the three slides, 66 tiles each (6 x 11), and four captions."""
    shutil.copytree(filled, tmp_path / "indexed")
    with open_archive(tmp_path / "indexed", write=True) as archive:
        for number, path in enumerate(slides, 1):
            archive.update_slide(number, {"path": str(path)})
    return tmp_path / "indexed"


@pytest.fixture
def lile(capsys: pytest.CaptureFixture[str], lile_home: Path) -> Any:
    """Runs a command; returns (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as error:
            code = int(error.code or 0)
        caught = capsys.readouterr()
        return code, caught.out, caught.err

    return run
