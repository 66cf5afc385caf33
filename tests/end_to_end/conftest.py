"""The program as it is shipped: the bundled model, a demo of phantom slides with known truth, the real window."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from lile_desktop.main_window import MainWindow
from lile_desktop.settings import SettingsStore
from lile_desktop.theme import LIGHT, apply_theme
from lile_engine.demo import Demo, DemoSlide, build_demo
from lile_engine.paths import bundled_model_dir

SLIDES = (
    DemoSlide(
        "glands", "Case 1", 3072, 3072, 21,
        ("normal mucosa", "adenocarcinoma grade 3", "adipose", "smooth muscle", "necrosis"),
    ),
    DemoSlide(
        "mixed", "Case 2", 3072, 3072, 22,
        ("normal mucosa", "lymphoid aggregate", "adipose", "keratinising squamous epithelium", "mucin"),
    ),
)  # fmt: skip


@pytest.fixture(scope="session")
def built_demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Drawn and embedded once with the bundled model; `demo` is a copy of its archive."""
    if not bundled_model_dir().is_dir():
        pytest.fail(f"the bundled model is missing from {bundled_model_dir()}")
    home = tmp_path_factory.mktemp("end-to-end")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LILE_HOME", str(home))
        return build_demo(home / "demo", slides=SLIDES)


@pytest.fixture
def demo(built_demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Demo:
    """The demo in a private home: what a test does to the archive stays in that test."""
    home = tmp_path / "home"
    home.mkdir()
    archive = home / "archive"
    shutil.copytree(built_demo.archive, archive)
    monkeypatch.setenv("LILE_HOME", str(home))
    return Demo(built_demo.slides, archive)


@pytest.fixture
def window(demo: Demo, qtbot: QtBot, qapp: object) -> Iterator[MainWindow]:
    """The real window, on the archive of the demo, its first slide open."""
    settings = SettingsStore()
    settings.update(archive=str(demo.archive))
    apply_theme(qapp, LIGHT)  # type: ignore[arg-type]
    shown = MainWindow(settings)
    qtbot.addWidget(shown, before_close_func=MainWindow.shut_down)
    shown.resize(1440, 900)
    shown.show()
    shown.begin([str(demo.slides[0])])
    yield shown
    shown.shut_down()
