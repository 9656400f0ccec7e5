"""The commands, one file each, and the table of them all.

The table is the only list of commands: parser, help, documentation and tests read it.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import Any

from edge_app.settings.command_line import Entry

# Modules are named, not imported: a command must not wait for the imports of the others.
TABLE = {
    "": Entry("app:App", "version:version"),
    "run": Entry("run:Run", "run:run", has_to_finish=True),
    "classify": Entry("classify:Classify", "classify:classify"),
    "sources": Entry("sources:Sources", "sources:list_sources"),
    "models": Entry("models:Models"),
    "models list": Entry("models:ModelsList", "models:list_models"),
    "models show": Entry("models:ModelsShow", "models:show"),
    "models verify": Entry("models:ModelsVerify", "models:verify"),
    "models schema": Entry("models:ModelsSchema", "models:schema"),
    "bench": Entry("bench:Bench", "bench:bench"),
    "evaluate": Entry("evaluate:Evaluate", "evaluate:evaluate"),
    "train": Entry("train:Train", "train:train", has_to_finish=True),
    "doctor": Entry("doctor:Doctor", "doctor:doctor"),
    "service": Entry("service:Service"),
    "service install": Entry("service:ServiceInstall", "service:install", has_to_finish=True),
    "service doors": Entry("service:ServiceDoors", "service:doors"),
    "service uninstall": Entry("service:ServiceUninstall", "service:uninstall"),
    "service status": Entry("service:ServiceStatus", "service:status"),
    "config": Entry("config:Config", "config:config"),
}
"""The settings and the function of each command, by its words, in the order of the help."""


def find(words: str) -> Callable[[Any, threading.Event], int]:
    """Return the function that runs a command: it takes the settings and the stop event, and returns the exit code."""
    module, _, function = str(TABLE[words].function).partition(":")
    found: Callable[[Any, threading.Event], int] = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    return found
