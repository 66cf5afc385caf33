"""A small world for the window: a tiny model, two phantom slides, an archive of them, in a folder of its own."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from lile_desktop.engine_client import EngineState
from lile_desktop.main_window import MainWindow
from lile_desktop.settings import SettingsStore
from lile_desktop.theme import LIGHT, apply_theme
from lile_engine.demo import Demo, DemoSlide, build_demo
from lile_engine.phantom.captions import caption
from tests.tiny_models import tiny_config, write_tokenizer

LONG = 120_000
SLIDES = (
    DemoSlide("one", "Case 1", 1536, 1536, 3, ("normal mucosa", "adipose", "smooth muscle")),
    DemoSlide("two", "Case 2", 1536, 1536, 4, ("normal mucosa", "necrosis", "squamous epithelium")),
)


@dataclass(frozen=True)
class World:
    """Where things lie: the resources with the tiny bundled model, the home with the finished demo."""

    resources: Path
    home: Path
    demo: Demo


def _captions() -> list[str]:
    rng = np.random.default_rng(0)
    tissues = sorted({tissue for slide in SLIDES for tissue in slide.tissues})
    return [caption(tissue, rng, "short") for tissue in tissues for _ in range(4)]


def _make_model(folder: Path, captions: list[str]) -> None:
    from lile_engine.model.checkpoint import save_checkpoint
    from lile_engine.model.create import create_lile

    words = sorted({word for text in captions for word in re.findall(r"\w+|[^\w\s]", text.lower())})
    files = write_tokenizer(folder.parent / "tokenizer", words)
    config = tiny_config(words, input_px=224, max_text_tokens=24)
    save_checkpoint(folder, create_lile(config, seed=3).eval(), files, "A tiny model for tests; it knows nothing.")


@pytest.fixture(scope="session")
def built_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Built once; tests that change something use `world`, a copy."""
    root = tmp_path_factory.mktemp("world")
    resources, home = root / "resources", root / "home"
    captions = _captions()
    _make_model(resources / "models" / "lile-base", captions)
    (resources / "captions").mkdir()
    lines = [json.dumps({"text": text, "source": "tests"}) for text in captions]
    (resources / "captions" / "tests.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LILE_RESOURCES", str(resources))
        patch.setenv("LILE_HOME", str(home))
        demo = build_demo(home / "demo", slides=SLIDES)
    return World(resources, home, demo)


@pytest.fixture
def world(built_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A private home with a copy of the archive; the slides are shared."""
    home = tmp_path / "home"
    home.mkdir()
    archive = home / "archive"
    shutil.copytree(built_world.demo.archive, archive)
    monkeypatch.setenv("LILE_HOME", str(home))
    monkeypatch.setenv("LILE_RESOURCES", str(built_world.resources))
    return World(built_world.resources, home, Demo(built_world.demo.slides, archive))


@pytest.fixture
def bare_window(world: World, qtbot: QtBot, qapp: object) -> Iterator[MainWindow]:
    """The real window on the small archive, before it has begun: no slide is open and no engine runs."""
    settings = SettingsStore()
    settings.update(archive=str(world.demo.archive), results=12)
    apply_theme(qapp, LIGHT)  # type: ignore[arg-type]
    shown = MainWindow(settings)
    qtbot.addWidget(shown, before_close_func=MainWindow.shut_down)  # jobs that run would be asked about
    shown.resize(1280, 800)
    shown.show()
    yield shown
    shown.shut_down()


@pytest.fixture
def window(bare_window: MainWindow, world: World) -> MainWindow:
    """The real window on the small archive, its engine and readers running."""
    bare_window.begin([str(world.demo.slides[0])])
    return bare_window


@pytest.fixture
def ready(window: MainWindow, qtbot: QtBot) -> MainWindow:
    """The window once slide, engine and archive are there."""
    qtbot.waitUntil(lambda: window.view.slide is not None, timeout=LONG)
    qtbot.waitUntil(lambda: window.client.state is EngineState.READY, timeout=LONG)
    qtbot.waitUntil(lambda: window.archive_page.rows_model.rowCount() == 2, timeout=LONG)
    return window
