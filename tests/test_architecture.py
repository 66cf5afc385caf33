"""The arrows between the rooms (ARCHITECTURE.md), read off the source itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
ENGINE = REPOSITORY / "engine" / "lile_engine"
DESKTOP = REPOSITORY / "lile_desktop"

QT = {"PySide6", "shiboken6", "pyqtgraph", "qtawesome", "qtpy"}
HEAVY = {"torch", "transformers"}

# What each room of the engine may import of the others. Files that belong to no room and need no library: `SHARED`.
SHARED = {"errors", "progress", "paths", "phrases", "later", "priority", "offline", "outside", "unfinished"}
ALLOWED = {
    "slides": set(),
    "phantom": {"slides"},
    "model": {"slides"},
    "archive": {"slides", "model"},
    "retrieval": {"archive", "model", "slides"},
    "training": {"archive", "model", "slides", "phantom", "retrieval"},
}


def imported_modules(path: Path) -> Iterator[str]:
    """Every module named by an import statement of the file, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_engine_never_imports_qt() -> None:
    guilty = {
        (str(path.relative_to(REPOSITORY)), module)
        for path in ENGINE.rglob("*.py")
        for module in imported_modules(path)
        if module.split(".")[0] in QT | {"lile_desktop"}
    }
    assert not guilty


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_arrows_between_the_rooms_of_the_engine(room: str) -> None:
    guilty = set()
    for path in (ENGINE / room).rglob("*.py"):
        for module in imported_modules(path):
            parts = module.split(".")
            if (
                parts[0] == "lile_engine"
                and len(parts) > 1
                and parts[1] not in SHARED | ALLOWED[room] | {room, "__version__"}
            ):
                guilty.add((path.name, module))
    assert not guilty


def test_the_archive_knows_of_models_only_what_a_model_is_called() -> None:
    """Only the plain data classes of the protocol: an archive opens without torch."""
    for path in (ENGINE / "archive").rglob("*.py"):
        for module in imported_modules(path):
            if module.startswith("lile_engine.model"):
                assert module.startswith("lile_engine.model.protocol"), (path.name, module)


def test_the_window_reaches_the_engine_through_its_door_only() -> None:
    """Of the engine the window imports slides and plain data; work goes through engine_client and the command."""
    allowed = {"slides", *SHARED, "worker", "answers", "demo"}
    guilty = set()
    for path in DESKTOP.rglob("*.py"):
        for module in imported_modules(path):
            parts = module.split(".")
            if parts[0] in HEAVY or (parts[0] == "lile_engine" and len(parts) > 1 and parts[1] not in allowed):
                guilty.add((str(path.relative_to(DESKTOP)), module))
    plain = {
        "lile_engine.retrieval.results",
        "lile_engine.archive.rows",
        "lile_engine.model.protocol",
        "lile_engine.training.config",
        "lile_engine.__version__",
        "lile_engine.phantom.pairs",  # the tour draws itself something to train on
    }
    guilty = {(path, module) for path, module in guilty if not any(module.startswith(name) for name in plain)}
    assert not guilty


@pytest.mark.parametrize(
    "module", ["lile_desktop.app", "lile_desktop.main_window", "lile_engine.slides", "lile_engine.cli"]
)
def test_importing_it_does_not_import_torch(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
