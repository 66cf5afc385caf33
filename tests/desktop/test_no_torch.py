"""The window starts without the heavy libraries; they belong to the engine's process."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "tokenizers", "safetensors", "hnswlib", "scipy", "pyqtgraph")
SCRIPT = """
import sys
{imports}
print(",".join(name for name in {heavy!r} if name in sys.modules))
"""


def _loaded(imports: str) -> str:
    code = SCRIPT.format(imports=imports, heavy=HEAVY)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_app_module_imports_nothing_heavy() -> None:
    assert _loaded("import lile_desktop.app") == ""


def test_the_whole_window_imports_nothing_heavy() -> None:
    assert _loaded("import lile_desktop.start, lile_desktop.main_window") == ""


@pytest.mark.parametrize("module", ["lile_desktop.app", "lile_desktop.tour", "lile_engine.worker"])
def test_what_the_worker_processes_import_leaves_qt_out(module: str) -> None:
    code = f"import sys, {module}; print('PySide6' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_window_is_built_without_them(world: object) -> None:
    imports = (
        "from lile_desktop.start import make_application, open_window\n"
        "app = make_application([])\nwindow = open_window()\napp.processEvents()\nwindow.shut_down()"
    )
    assert _loaded(imports) == ""
