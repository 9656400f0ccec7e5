"""The grammar of the command line: each command is a settings class, its fields the flags, its docstring the help.

`edge-app WORD` is the class Word in the module word. One command is asked for at a time, so one module is loaded.
"""

from __future__ import annotations

import importlib

from edge_app.settings.flags._base import Group

__all__ = ["WORDS", "Group", "of"]

WORDS = ("run", "sources", "models", "bench", "evaluate", "train", "doctor", "service", "config")


def of(word: str = "app") -> type[Group]:
    """Return the class of a command; by default that of the program, which has all commands."""
    found: type[Group] = getattr(importlib.import_module(f"{__name__}.{word}"), word.title())
    return found
