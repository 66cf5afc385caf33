"""Libraries loaded when they are first used, for modules that a window needs on screen before it needs numpy."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    """Stands for a module until something of it is asked for; what was asked for once costs no more than before."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(importlib.import_module(self.__name__), name)
        setattr(self, name, value)
        return value


def later(name: str) -> Any:
    """The module ``name``, imported with the first use of it (by any thread) and not with this call.

    Type checkers are to see a plain import: ``if TYPE_CHECKING: import numpy as np`` and ``else: np = later("numpy")``.
    """
    return _Later(name)
