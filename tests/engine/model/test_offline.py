"""No model folder makes the program ask the network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lile_engine.errors import ModelError
from lile_engine.model.checkpoint import load_checkpoint, save_checkpoint
from lile_engine.model.config import LileConfig
from lile_engine.model.create import create_lile
from lile_engine.model.foreign import build_foreign, load_foreign
from lile_engine.model.lile import Lile

ELSEWHERE: dict[str, dict[str, Any]] = {
    "dpt": {
        "model_type": "dpt",
        "is_hybrid": False,
        "backbone": "microsoft/resnet-50",
        "use_pretrained_backbone": True,
        "backbone_config": None,
    },
    "named": {"model_type": "dpt", "is_hybrid": False, "backbone": "microsoft/resnet-50", "backbone_config": None},
    "nested": {"model_type": "vit", "parts": [{"backbone_kwargs": {"out_indices": [1]}}]},
}


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_a_part_from_elsewhere_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="elsewhere"):
        build_foreign(ELSEWHERE[kind], "vision backbone")


def test_a_checkpoint_that_asks_for_one_is_refused(
    config: LileConfig, model: Lile, tokenizer_folder: Path, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path / "m", model, tokenizer_folder, "")
    plain = json.loads((tmp_path / "m" / "config.json").read_text())
    plain |= {"image_backbone": "transformers", "image_config": ELSEWHERE["dpt"]}
    (tmp_path / "m" / "config.json").write_text(json.dumps(plain))
    (tmp_path / "m" / "checksums.json").unlink()
    with pytest.raises(ModelError, match=r"backbone = 'microsoft/resnet-50'.*nothing is fetched"):
        load_checkpoint(tmp_path / "m")
    (tmp_path / "m" / "config.json").write_text(json.dumps(ELSEWHERE["dpt"]))
    with pytest.raises(ModelError, match="elsewhere"):
        load_foreign(tmp_path / "m", "image backbone")
    with pytest.raises(ModelError, match="elsewhere"):
        create_lile(config.replace(text_config=ELSEWHERE["nested"]))


def test_the_command_tells_the_libraries_to_stay_at_home() -> None:
    """Without what this test run itself has set."""
    code = (
        "from lile_engine.cli import main; main(['models', 'list', '--json'])\n"
        "import huggingface_hub.constants as c; assert c.HF_HUB_OFFLINE"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
