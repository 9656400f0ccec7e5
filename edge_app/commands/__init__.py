"""What each command does, one file a command."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import Any

# Words of the command line to the function that runs them, which is loaded when its command is.
COMMANDS = {
    "": "version:version",
    "run": "run:run",
    "sources": "sources:list_sources",
    "models list": "models:list_models",
    "models show": "models:show",
    "models verify": "models:verify",
    "models schema": "models:schema",
    "evaluate": "evaluate:evaluate",
    "bench": "bench:bench",
    "train": "train:train",
    "doctor": "doctor:doctor",
    "service install": "service:install",
    "service uninstall": "service:uninstall",
    "service status": "service:status",
    "config": "config:config",
}


def find(words: str) -> Callable[[Any, threading.Event], int]:
    """Return the function that runs a command: given its settings and the stop, it returns the exit code."""
    module, _, function = COMMANDS[words].partition(":")
    found: Callable[[Any, threading.Event], int] = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    return found
