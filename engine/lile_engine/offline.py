"""No library that comes along may ask the network."""

from __future__ import annotations

import os


def stay_offline() -> None:
    """Tells Hugging Face's libraries to look nowhere but on this machine; to be called before they are imported."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ[name] = "1"
